/**
 * A few kept threads for long computations over the bytes of files: cutting, hashing, encrypting. A task is a function `run` of a
 * module, named by its URL; what goes in and comes out is copied, so it should be small. A descriptor can be passed by its number:
 * threads share the process's files, and the caller keeps it open until the task is done. Threads start when they are needed and
 * end when they have had nothing to do for a while.
 */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'

/** One thread for each core helps; more would only compete, and each costs some MiB. */
const MAX_THREADS = Math.min(4, availableParallelism())
/** A burst of work is over by then; a start costs some 40 ms. */
const IDLE_MS = 10_000
/** More than that of the process, up to 19. What streams between the devices meanwhile takes what it needs first (decisions/0009-large-files.md). */
const BACKGROUND_NICENESS = 5

export interface TaskOptions {
  /** It gives way to everything else that this process does, where the system can tell threads apart (Linux). */
  readonly background?: boolean
}

export interface Workers {
  /** How many tasks run at once. */
  readonly size: number
  /** How many wait for a thread. */
  readonly queued: number
  /** Rejects with what the task threw, or if its thread died. */
  run<Output>(module: URL, input: unknown, options?: TaskOptions): Promise<Output>
}

interface Task {
  readonly module: string
  readonly input: unknown
  readonly background: boolean
  readonly done: (output: unknown) => void
  readonly fail: (error: unknown) => void
}

/** What a thread is started with. */
export interface ThreadData {
  readonly niceness: number
}

/** What a thread answers. */
export type Answer = { readonly output: unknown } | { readonly failure: { readonly message: string; readonly code: string | null } }

export class WorkerPool implements Workers {
  readonly size = MAX_THREADS
  readonly #idle: Worker[] = []
  readonly #busy = new Map<Worker, Task>()
  readonly #queue: Task[] = []
  /** A thread cannot take back that it gives way. */
  readonly #background = new WeakSet<Worker>()
  #closed = false
  #timer: NodeJS.Timeout | null = null

  get queued(): number {
    return this.#queue.length
  }

  run<Output>(module: URL, input: unknown, { background = false }: TaskOptions = {}): Promise<Output> {
    return new Promise<unknown>((done, fail) => {
      if (this.#closed) return fail(new Error('the workers are stopped'))
      this.#queue.push({ module: module.href, input, background, done, fail })
      this.#pump()
    }) as Promise<Output>
  }

  /** What is under way or waits fails. */
  async close(): Promise<void> {
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    for (const task of this.#queue.splice(0)) task.fail(new Error('the workers are stopped'))
    await Promise.all([...this.#idle.splice(0), ...this.#busy.keys()].map((worker) => worker.terminate()))
  }

  #pump(): void {
    while (!this.#closed && this.#busy.size < this.size) {
      const task = this.#queue.shift()
      if (task === undefined) return
      const worker = this.#take(task.background)
      this.#busy.set(worker, task)
      worker.ref()
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, no window
      worker.postMessage({ module: task.module, input: task.input })
    }
  }

  /** Of the right kind: one that rests, or a new one, in place of one of the other kind where there would be too many. */
  #take(background: boolean): Worker {
    const at = this.#idle.findLastIndex((worker) => this.#background.has(worker) === background)
    const [worker] = at === -1 ? [] : this.#idle.splice(at, 1)
    if (worker !== undefined) return worker
    if (this.#busy.size + this.#idle.length >= this.size) void this.#idle.shift()?.terminate()
    return this.#start(background)
  }

  #start(background: boolean): Worker {
    const workerData: ThreadData = { niceness: background ? BACKGROUND_NICENESS : 0 }
    const worker = new Worker(new URL('./worker-thread.js', import.meta.url), { workerData })
    if (background) this.#background.add(worker)
    worker.on('message', (answer: Answer) => this.#answered(worker, answer))
    worker.on('error', (error) => this.#died(worker, error))
    worker.on('exit', () => this.#died(worker, new Error('a worker thread ended')))
    return worker
  }

  #answered(worker: Worker, answer: Answer): void {
    const task = this.#busy.get(worker)
    this.#busy.delete(worker)
    worker.unref()
    if (!this.#closed) this.#idle.push(worker)
    if ('output' in answer) task?.done(answer.output)
    else task?.fail(Object.assign(new Error(answer.failure.message), answer.failure.code === null ? {} : { code: answer.failure.code }))
    this.#pump()
    this.#restLater()
  }

  #died(worker: Worker, error: unknown): void {
    const at = this.#idle.indexOf(worker)
    if (at !== -1) this.#idle.splice(at, 1)
    const task = this.#busy.get(worker)
    this.#busy.delete(worker)
    task?.fail(error)
    this.#pump()
  }

  #restLater(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = this.#closed ? null : setTimeout(() => this.#rest(), IDLE_MS).unref()
  }

  #rest(): void {
    this.#timer = null
    for (const worker of this.#idle.splice(0)) void worker.terminate()
  }
}

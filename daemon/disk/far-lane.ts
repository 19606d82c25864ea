/**
 * The calls of one folder whose file system may not answer (far.ts). Where the folder is closed meanwhile they are given up: to the rest of
 * the process that is as if it had been killed there, and nothing else is asked of that disk until they have come back.
 */
import type { TaskOptions, Workers } from '../../base/workers.ts'

/** Of the pool's sixteen threads, for each such folder. */
const AT_ONCE = 4
/** A disk of which no call has come back for so long may never answer. */
export const ANSWER_MS = 5000

/** A task may read for so long without a sign. */
const TASK_MS = 60_000

interface Turn {
  readonly come: () => void
  readonly refuse: (error: Error) => void
}

export class FarLane {
  #running = 0
  #tasks = 0
  #waiting: Turn[] = []
  /** Refuses what is under way. */
  readonly #refusals = new Set<(error: Error) => void>()
  readonly #afterwards: (() => void)[] = []
  #closing: Promise<unknown> = Promise.resolve()
  /** An attempt has had no answer. */
  #isSilent = false
  #isCut = false
  /** When a call came back last, or one began while there was no other. */
  #sign = Number.NEGATIVE_INFINITY

  get isCut(): boolean {
    return this.#isCut
  }

  /** Calls or tasks are under way. */
  get isBusy(): boolean {
    return this.#running + this.#tasks > 0
  }

  /** It was cut, and all has come back. */
  get isOver(): boolean {
    return this.#isCut && !this.isBusy
  }

  /** For how long nothing has come back of what is under way and should have. */
  get silentMs(): number {
    if (!this.isBusy) return 0
    const ms = performance.now() - this.#sign
    return this.#running > 0 || ms > TASK_MS ? ms : 0
  }

  /** What is under way goes on. */
  sign(): void {
    this.#sign = performance.now()
  }

  /** In its turn. Rejects with ETIMEDOUT once the lane is cut, whatever comes of the call: it must use no memory that others use then. */
  async run<T>(call: () => Promise<T>): Promise<T> {
    if (this.#isCut) throw noAnswer()
    if (this.#running >= AT_ONCE) await new Promise<void>((come, refuse) => this.#waiting.push({ come, refuse }))
    else if (this.#running++ === 0) this.#sign = performance.now()
    if (this.#isCut) {
      this.#running--
      this.#endIfOver()
      throw noAnswer()
    }
    return await this.#unlessCut(call(), () => {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next.come()
    })
  }

  /** One of the calls of a turn that makes several: none is begun once the lane is cut, and each that comes back is a sign. */
  async step<T>(call: () => Promise<T>): Promise<T> {
    if (this.#isCut) throw noAnswer()
    try {
      return await call()
    } finally {
      this.sign()
    }
  }

  /** Of a thread of its own: it may take long without a sign. Otherwise as `run`. */
  async task<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isCut) throw noAnswer()
    if (this.#tasks++ === 0 && this.#running === 0) this.#sign = performance.now()
    return await this.#unlessCut(work(), () => void this.#tasks--)
  }

  /** As `run`, for what has to be made at last even if the lane is cut: then nobody waits for it. */
  async last(call: () => Promise<unknown>): Promise<void> {
    let isBegun = false
    try {
      await this.run(async () => {
        isBegun = true
        await call()
      })
    } catch (error) {
      if (isBegun || !this.#isCut) throw error
      // One at a time: they may be many, and slow.
      this.afterwards(() => void (this.#closing = this.#closing.then(call).catch(() => undefined)))
    }
  }

  /** Once it is over. */
  afterwards(act: () => void): void {
    this.#afterwards.push(act)
    this.#endIfOver()
  }

  /** Resolves once it is over, at once if it is not cut. */
  async over(): Promise<void> {
    if (this.#isCut) await new Promise<void>((resolve) => this.afterwards(resolve))
  }

  /** What is under way or waits is given up, and nothing is begun any more. */
  cut(): void {
    this.#isCut = true
    for (const refuse of [...this.#refusals, ...this.#waiting.splice(0).map((turn) => turn.refuse)]) refuse(noAnswer())
    this.#endIfOver()
  }

  #unlessCut<T>(work: Promise<T>, done: () => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#refusals.add(reject)
      const end = (): void => {
        this.#refusals.delete(reject)
        this.#sign = performance.now()
        done()
        this.#endIfOver()
      }
      work.finally(end).then(resolve, reject)
    })
  }

  #endIfOver(): void {
    if (this.isOver) for (const act of this.#afterwards.splice(0)) act()
  }

  /**
   * What `attempt` gives, or null if no call has come back for so long, or if that is so of an earlier attempt. `late`: gets what comes
   * then. Never rejects unless the attempt does in time.
   */
  async answered<T>(attempt: () => Promise<T>, late: (result: T) => void, answerMs = ANSWER_MS): Promise<T | null> {
    if (this.#isSilent) return null
    const result = attempt()
    const first = await Promise.race([result, this.#silenceOf(result, answerMs, () => true).then(() => null)])
    if (first !== null) return first
    this.#isSilent = true
    const over = (): void => void (this.#isSilent = false)
    result.then((value) => {
      over()
      late(value)
    }, over)
    return null
  }

  /** True if nothing has come back for so long while something is under way, and `work` is not done; false once that is done. */
  async silence(work: Promise<unknown>, answerMs: number): Promise<boolean> {
    return await this.#silenceOf(work, answerMs, () => this.isBusy)
  }

  async #silenceOf(work: Promise<unknown>, answerMs: number, isAsked: () => boolean): Promise<boolean> {
    let isOver = false
    let wake: () => void = () => undefined
    const end = (): void => {
      isOver = true
      wake()
    }
    work.then(end, end)
    const begun = performance.now()
    for (;;) {
      // A queue of calls that are slow is no silence.
      const left = Math.max(begun, this.#sign) + answerMs - performance.now()
      if (isOver) return false
      if (left <= 0 && isAsked()) return true
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left > 0 ? Math.ceil(left) : answerMs)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
}

export function noAnswer(): Error {
  return Object.assign(new Error('ETIMEDOUT: the disk does not answer'), { code: 'ETIMEDOUT' })
}

/** Leaves the other threads to others: one may not come back. */
export class FarWorkers implements Workers {
  readonly #workers: Workers
  readonly #laneNow: () => FarLane | null
  #lane: FarLane | null = null
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0

  constructor(workers: Workers, laneNow: () => FarLane | null) {
    this.#workers = workers
    this.#laneNow = laneNow
  }

  get size(): number {
    return this.#laneNow() === null ? this.#workers.size : 1
  }

  get queued(): number {
    return this.#workers.queued + this.#waiting
  }

  async run<Output>(module: URL, input: unknown, options?: TaskOptions): Promise<Output> {
    const lane = this.#laneNow()
    if (lane === null) return await this.#workers.run<Output>(module, input, options)
    if (lane !== this.#lane) this.#last = Promise.resolve()
    this.#lane = lane
    this.#waiting++
    const turn = this.#last.then(async () => {
      this.#waiting--
      return await lane.task(async () => await this.#workers.run<Output>(module, input, options))
    })
    this.#last = turn.catch(() => undefined)
    return await turn
  }
}

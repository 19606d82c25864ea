/**
 * Watches of a folder whose file system may not answer (far.ts), from a thread of their own: to set one asks the file system for its path,
 * on the thread that sets it.
 */
import type { Worker } from 'node:worker_threads'
import { startThread } from '../../base/threads.ts'

export interface FarDirectory {
  readonly path: string
  readonly root: boolean
  /** Of what is watched there, as `identityOf`; null: nothing is. */
  readonly known: string | null
}

/** `known`: that is still what stands there, and its watch. Null: nothing that can be watched stands there, and an earlier watch is as it was. */
export type FarAnswer = { readonly identity: string; readonly stands: boolean } | 'known' | null

export type FarWatchRequest = { readonly kind: 'watch'; readonly id: number; readonly directories: readonly FarDirectory[] } | { readonly kind: 'forget'; readonly path: string }

export interface FarWatchEvent {
  readonly event: string
  readonly name: string | null
  readonly watchedPath: string | null
}

export type FarWatchMessage =
  | { readonly kind: 'answer'; readonly id: number; readonly answers: readonly FarAnswer[] }
  | { readonly kind: 'events'; readonly events: readonly FarWatchEvent[] }
  | { readonly kind: 'failed'; readonly code: string | null; readonly message: string }
  | { readonly kind: 'doubt' | 'sign' }

export interface FarWatchListener {
  event(event: FarWatchEvent): void
  /** Events may be missing. */
  doubt(): void
  /** What is under way goes on. */
  sign(): void
  /** A directory could not be watched. */
  failed(error: Error): void
  /** With all its watches. `answered`: it had begun to do its work. */
  ended(error: Error, answered: boolean): void
}

/** What the thread is started with. */
export interface FarWatchData {
  /** Of the kernel's queue of events; null: as the system says. */
  readonly queueLimit: number | null
}

const THREAD = new URL('./far-watch-thread.js', import.meta.url)

/** No call of it makes this thread wait. The process may end before the thread does, which may never come back. */
export class FarWatch {
  readonly #worker: Worker
  readonly #listener: FarWatchListener
  readonly #asked = new Map<number, (answers: readonly FarAnswer[] | null) => void>()
  #lastId = 0
  #answered = false
  #isOver = false

  /** Throws where the system gives no thread. */
  constructor(listener: FarWatchListener, { module = THREAD, queueLimit = null }: { readonly module?: URL; readonly queueLimit?: number | null } = {}) {
    const data: FarWatchData = { queueLimit }
    this.#listener = listener
    this.#worker = startThread(module, data)
    this.#worker.on('message', (message: FarWatchMessage) => this.#told(message))
    this.#worker.on('error', (error) => this.#end(error))
    this.#worker.on('exit', () => {
      this.#end(new Error('the thread that watches ended'))
      for (const done of this.#asked.values()) done(null)
      this.#asked.clear()
    })
  }

  /** In their order, after all that was asked before. Null: the thread has ended. Events of new watches come after the answer. */
  async watch(directories: readonly FarDirectory[]): Promise<readonly FarAnswer[] | null> {
    if (this.#isOver) return null
    return await new Promise((done) => {
      this.#asked.set(++this.#lastId, done)
      this.#post({ kind: 'watch', id: this.#lastId, directories })
    })
  }

  forget(path: string): void {
    this.#post({ kind: 'forget', path })
  }

  /** Nothing is told any more, but who waits for an answer waits on: as long as the thread may be in a call. Does not wait for it. */
  close(): void {
    this.#isOver = true
    this.#worker.terminate().catch(() => undefined)
  }

  #post(request: FarWatchRequest): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, no window
    if (!this.#isOver) this.#worker.postMessage(request)
  }

  #told(message: FarWatchMessage): void {
    if (message.kind === 'answer') {
      this.#answered = true
      this.#asked.get(message.id)?.(message.answers)
      this.#asked.delete(message.id)
    }
    if (this.#isOver) return
    if (message.kind === 'events') message.events.forEach((event) => this.#listener.event(event))
    else if (message.kind === 'doubt') this.#listener.doubt()
    else if (message.kind === 'sign') this.#listener.sign()
    else if (message.kind === 'failed') this.#listener.failed(Object.assign(new Error(message.message), message.code === null ? {} : { code: message.code }))
  }

  #end(error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#listener.ended(error, this.#answered)
  }
}

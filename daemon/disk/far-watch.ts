/**
 * Watches of a folder whose file system may not answer (far.ts), from a thread of their own: to set one asks the file system for its path,
 * on the thread that sets it.
 */
import type { Worker } from 'node:worker_threads'
import { startThread } from '../../base/threads.ts'

export type FarWatchRequest =
  | { readonly kind: 'identity'; readonly id: number; readonly path: string; readonly root: boolean }
  | { readonly kind: 'watch'; readonly id: number; readonly path: string }
  | { readonly kind: 'forget'; readonly path: string }

export interface FarWatchEvent {
  readonly event: string
  readonly name: string | null
  readonly watchedPath: string | null
}

export type FarWatchMessage =
  | { readonly kind: 'answer'; readonly id: number; readonly answer: string | boolean | null }
  | { readonly kind: 'events'; readonly events: readonly FarWatchEvent[] }
  | { readonly kind: 'failed'; readonly code: string | null; readonly message: string }

export interface FarWatchListener {
  event(event: FarWatchEvent): void
  /** A directory could not be watched. */
  failed(error: Error): void
  /** With all its watches. */
  ended(error: Error): void
}

type Answer = Extract<FarWatchMessage, { readonly kind: 'answer' }>['answer']

const THREAD = new URL('./far-watch-thread.js', import.meta.url)

/** No call of it makes this thread wait. The process may end before the thread does, which may never come back. */
export class FarWatch {
  readonly #worker: Worker
  readonly #listener: FarWatchListener
  readonly #asked = new Map<number, (answer: Answer) => void>()
  #lastId = 0
  #isOver = false

  constructor(listener: FarWatchListener, module = THREAD) {
    this.#listener = listener
    this.#worker = startThread(module)
    this.#worker.on('message', (message: FarWatchMessage) => this.#told(message))
    this.#worker.on('error', (error) => this.#end(error))
    this.#worker.on('exit', () => this.#end(new Error('the thread that watches ended')))
  }

  /** As `identityOf`; null once it is closed, or the thread has ended. */
  async identity(path: string, root: boolean): Promise<string | null> {
    const answer = await this.#ask((id) => ({ kind: 'identity', id, path, root }))
    return typeof answer === 'string' ? answer : null
  }

  /** As `watchDirectory`; false once it is closed, or the thread has ended. Its events come after its answer, or are told to nobody. */
  async watch(path: string): Promise<boolean> {
    return (await this.#ask((id) => ({ kind: 'watch', id, path }))) === true
  }

  forget(path: string): void {
    this.#post({ kind: 'forget', path })
  }

  /** Nothing is told any more. Does not wait for the thread. */
  close(): void {
    this.#endAll()
    this.#worker.terminate().catch(() => undefined)
  }

  #ask(request: (id: number) => FarWatchRequest): Promise<Answer> {
    return new Promise((done) => {
      if (this.#isOver) return done(null)
      this.#asked.set(++this.#lastId, done)
      this.#post(request(this.#lastId))
    })
  }

  #post(request: FarWatchRequest): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, no window
    if (!this.#isOver) this.#worker.postMessage(request)
  }

  #told(message: FarWatchMessage): void {
    if (this.#isOver) return
    if (message.kind === 'events') return message.events.forEach((event) => this.#listener.event(event))
    if (message.kind === 'failed') return this.#listener.failed(Object.assign(new Error(message.message), message.code === null ? {} : { code: message.code }))
    this.#asked.get(message.id)?.(message.answer)
    this.#asked.delete(message.id)
  }

  #end(error: Error): void {
    if (this.#isOver) return
    this.#endAll()
    this.#listener.ended(error)
  }

  #endAll(): void {
    this.#isOver = true
    for (const done of this.#asked.values()) done(null)
    this.#asked.clear()
  }
}

/**
 * Asking a member for what its history holds, and answering. An answer is many messages, sent no faster than the connection takes
 * them; a member that does not answer (an older one) is given up after a while.
 */
import { PartialError } from '../../base/errors.ts'
import type { Clock, HistoryQuery, KeptVersion } from '../ports.ts'
import type { FolderId } from '../sync/ids.ts'
import { HISTORY_IDLE_MS, HISTORY_TOTAL_MS, MAX_HISTORY_REQUESTS, MAX_VERSIONS, MAX_VERSIONS_BYTES, MAX_VERSIONS_IN_MESSAGE } from './limits.ts'
import type { HistoryRequest, Versions } from './protocol.ts'

const TOO_MANY = 'the device has more versions than can be listed'

interface Question {
  readonly versions: KeptVersion[]
  readonly done: (versions: readonly KeptVersion[]) => void
  readonly fail: (error: unknown) => void
  bytes: number
  stopWaiting: () => void
  readonly stopTotal: () => void
}

/** Our questions on one connection. */
export class HistoryQuestions {
  readonly #send: (message: HistoryRequest) => boolean
  readonly #clock: Clock
  readonly #open = new Map<number, Question>()
  #lastId = 0

  constructor(send: (message: HistoryRequest) => boolean, clock: Clock) {
    this.#send = send
    this.#clock = clock
  }

  /** Rejects with a PartialError where not all of it could be had. */
  async ask(folder: FolderId, query: HistoryQuery, signal: AbortSignal): Promise<readonly KeptVersion[]> {
    signal.throwIfAborted()
    const id = ++this.#lastId
    const abort = (): void => this.#fail(id, signal.reason)
    signal.addEventListener('abort', abort)
    try {
      return await new Promise<readonly KeptVersion[]>((done, fail) => {
        this.#open.set(id, { versions: [], bytes: 0, done, fail, stopWaiting: this.#waitFor(id), stopTotal: this.#clock.after(HISTORY_TOTAL_MS, () => this.#endEarly(id, 'the device does not come to the end of its history')) })
        this.#send({ id, folder, query })
      })
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  /** `bytes`: of the message. */
  onVersions({ id, more, versions }: Versions, bytes: number): void {
    const question = this.#open.get(id)
    if (question === undefined) return
    question.stopWaiting()
    question.bytes += bytes
    if (question.versions.length + versions.length > MAX_VERSIONS || question.bytes > MAX_VERSIONS_BYTES) return this.#endEarly(id, TOO_MANY)
    for (const version of versions) question.versions.push(version)
    if (more) {
      question.stopWaiting = this.#waitFor(id)
      return
    }
    // Who has more tells as many.
    if (question.versions.length === MAX_VERSIONS) return this.#endEarly(id, TOO_MANY)
    this.#open.delete(id)
    question.stopTotal()
    question.done(question.versions)
  }

  end(error: Error): void {
    for (const id of [...this.#open.keys()]) this.#fail(id, error)
  }

  #waitFor(id: number): () => void {
    return this.#clock.after(HISTORY_IDLE_MS, () => this.#endEarly(id, 'the device does not say what its history holds'))
  }

  /** A part of it alone would be taken for all. */
  #endEarly(id: number, why: string): void {
    this.#fail(id, new PartialError(why, this.#open.get(id)?.versions ?? []))
  }

  #fail(id: number, error: unknown): void {
    const question = this.#open.get(id)
    this.#open.delete(id)
    question?.stopWaiting()
    question?.stopTotal()
    question?.fail(error)
  }
}

interface Source {
  history(folder: FolderId, query: HistoryQuery): Promise<readonly KeptVersion[]>
  onFault(error: unknown): void
}

/** The peer's questions on one connection. */
export class HistoryAnswers {
  readonly #send: (message: Versions) => boolean
  readonly #drained: () => Promise<void>
  readonly #source: Source
  #open = 0
  #ended = false

  constructor(send: (message: Versions) => boolean, drained: () => Promise<void>, source: Source) {
    this.#send = send
    this.#drained = drained
    this.#source = source
  }

  /** Not awaited by who reads messages: others go on. What cannot be told is told as nothing. */
  onRequest({ id, folder, query }: HistoryRequest): void {
    if (this.#open >= MAX_HISTORY_REQUESTS) {
      this.#send({ id, more: false, versions: [] })
      return
    }
    this.#open++
    this.#answer(id, folder, query)
      .catch((error: unknown) => this.#source.onFault(error))
      .finally(() => this.#open--)
  }

  end(): void {
    this.#ended = true
  }

  async #answer(id: number, folder: FolderId, query: HistoryQuery): Promise<void> {
    const all = (await this.#source.history(folder, query)).slice(0, MAX_VERSIONS)
    for (let start = 0; !this.#ended; start += MAX_VERSIONS_IN_MESSAGE) {
      const more = start + MAX_VERSIONS_IN_MESSAGE < all.length
      if (!this.#send({ id, more, versions: all.slice(start, start + MAX_VERSIONS_IN_MESSAGE) })) await this.#drained()
      if (!more) return
    }
  }
}

/**
 * Asking a peer for objects. Bytes are handed on as they come and are not verified here. A want ends when each id was answered,
 * when the signal aborts, when the connection ends, after a minute without any answer or byte, when bytes come by drops, or after an hour.
 */
import { MAX_WANT_OBJECTS } from '../../base/limits.ts'
import type { Clock } from '../ports.ts'
import type { FolderId, ObjectId } from '../sync/ids.ts'
import { MAX_QUEUED_WANTS, WANT_IDLE_BYTES, WANT_IDLE_MS, WANT_PACE_BYTES, WANT_PACE_MS, WANT_TOTAL_MS } from './limits.ts'
import type { Cancel, Data, Nack, Want } from './protocol.ts'

export type OnObject = (id: ObjectId, data: Buffer | null) => void

interface Pending {
  readonly open: Set<ObjectId>
  readonly onObject: OnObject
  readonly done: () => void
  readonly fail: (error: unknown) => void
  stopIdle: () => void
  stopPace: () => void
  stopTotal: () => void
}

export interface ChunkSender {
  want(message: Want): boolean
  cancel(message: Cancel): boolean
}

export class ChunkClient {
  readonly #send: ChunkSender
  readonly #clock: Clock
  readonly #pending = new Map<number, Pending>()
  readonly #waiting: (() => void)[] = []
  #lastId = 0
  #running = 0
  #ended: Error | null = null
  readonly #heard: () => number

  /** `heard`: bytes that the connection has brought so far, of whatever kind. */
  constructor(send: ChunkSender, clock: Clock, heard: () => number) {
    this.#send = send
    this.#clock = clock
    this.#heard = heard
  }

  /** As `FolderPeers.want`; longer lists go in several messages, one after the other. */
  async want(folder: FolderId, ids: readonly ObjectId[], onObject: OnObject, signal: AbortSignal): Promise<void> {
    const unique = [...new Set(ids)]
    for (let start = 0; start < unique.length; start += MAX_WANT_OBJECTS) {
      await this.#turn(signal)
      try {
        await this.#ask(folder, unique.slice(start, start + MAX_WANT_OBJECTS), onObject, signal)
      } finally {
        this.#running--
        this.#waiting.shift()?.()
      }
    }
  }

  onData(message: Data): void {
    const pending = this.#pending.get(message.id)
    for (const [id, bytes] of pending === undefined ? [] : message.objects) this.#answer(message.id, id, bytes)
  }

  onNack(message: Nack): void {
    for (const id of this.#pending.has(message.id) ? message.ids : []) this.#answer(message.id, id, null)
  }

  /** The channel is closed: everything pending fails. */
  end(error: Error): void {
    this.#ended ??= error
    for (const id of [...this.#pending.keys()]) this.#settle(id)?.fail(error)
    for (const wake of this.#waiting.splice(0)) wake()
  }

  /** The peer refuses more wants than it queues, so the rest waits here. */
  async #turn(signal: AbortSignal): Promise<void> {
    while (this.#running >= MAX_QUEUED_WANTS && this.#ended === null) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    this.#running++
    if (!signal.aborted && this.#ended === null) return
    this.#running--
    this.#waiting.shift()?.()
    throw this.#ended ?? signal.reason
  }

  async #ask(folder: FolderId, ids: readonly ObjectId[], onObject: OnObject, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#ended !== null) throw this.#ended
    const id = ++this.#lastId
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => {
        this.#send.cancel({ id })
        this.#settle(id)?.fail(signal.reason)
      }
      const finish = (then: () => void) => (): void => {
        signal.removeEventListener('abort', abort)
        then()
      }
      const pending: Pending = {
        open: new Set(ids),
        onObject,
        done: finish(resolve),
        fail: (error) => finish(() => reject(error))(),
        stopIdle: () => undefined,
        stopPace: () => undefined,
        stopTotal: this.#clock.after(WANT_TOTAL_MS, () => this.#giveUp(id, 'the peer does not come to an end')),
      }
      this.#pending.set(id, pending)
      this.#watch(id, pending)
      this.#pace(id, pending)
      signal.addEventListener('abort', abort)
      this.#send.want({ id, folder, ids })
    })
  }

  #answer(want: number, id: ObjectId, bytes: Buffer | null): void {
    const pending = this.#pending.get(want)
    if (pending === undefined || !pending.open.delete(id)) return
    this.#watch(want, pending)
    try {
      pending.onObject(id, bytes)
    } catch (error) {
      this.#send.cancel({ id: want })
      this.#settle(want)?.fail(error)
      return
    }
    if (pending.open.size === 0) this.#settle(want)?.done()
  }

  #watch(id: number, pending: Pending): void {
    pending.stopIdle()
    const before = this.#heard()
    pending.stopIdle = this.#clock.after(WANT_IDLE_MS, () => {
      if (this.#heard() - before < WANT_IDLE_BYTES) this.#giveUp(id, 'the peer does not answer')
      else this.#watch(id, pending)
    })
  }

  /** Of all that comes: this want may wait for those that were asked for before it, and of a long answer nothing is known until it is there. */
  #pace(id: number, pending: Pending): void {
    const before = this.#heard()
    pending.stopPace = this.#clock.after(WANT_PACE_MS, () => {
      if (this.#heard() - before < WANT_PACE_BYTES) this.#giveUp(id, 'the peer answers by drops')
      else this.#pace(id, pending)
    })
  }

  #giveUp(id: number, why: string): void {
    this.#send.cancel({ id })
    this.#settle(id)?.fail(new Error(why))
  }

  #settle(id: number): Pending | null {
    const pending = this.#pending.get(id)
    if (pending === undefined) return null
    this.#pending.delete(id)
    pending.stopIdle()
    pending.stopPace()
    pending.stopTotal()
    return pending
  }
}

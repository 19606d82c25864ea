/**
 * Answering a peer's wants: a few are worked on at once, the next objects are read while one message leaves, and nothing is sent
 * faster than the connection takes it. What is not here, or is beyond the bounds, is refused with a nack.
 */
import { readBuffers } from '../../base/lent-buffers.ts'
import type { Log } from '../ports.ts'
import type { FolderId, ObjectId } from '../sync/ids.ts'
import { MAX_ANSWER_BYTES, MAX_MESSAGE_BYTES, MAX_QUEUED_WANTS, MAX_READ_AHEAD, READ_AHEAD_BYTES } from './limits.ts'
import type { Cancel, Data, Nack, Want } from './protocol.ts'

/** The bytes of an object of that folder, or null if it is not here. */
export type Serve = (folder: FolderId, id: ObjectId) => Promise<Buffer | null>

export interface AnswerSender {
  data(message: Data): boolean
  nack(message: Nack): boolean
  drained(): Promise<void>
}

/** One hides the start of the other; more would only share the same line. */
const WORKERS = 2

interface Job {
  readonly want: Want
  cancelled: boolean
}

export class ChunkServer {
  readonly #send: AnswerSender
  readonly #serve: Serve
  readonly #log: Log
  readonly #jobs = new Map<number, Job>()
  readonly #queue: Job[] = []
  #workers = 0
  #ended = false

  constructor(send: AnswerSender, serve: Serve, log: Log) {
    this.#send = send
    this.#serve = serve
    this.#log = log
  }

  onWant(want: Want): void {
    if (this.#jobs.has(want.id)) throw new Error('a want id was used twice')
    if (this.#jobs.size >= MAX_QUEUED_WANTS + WORKERS) {
      this.#send.nack({ id: want.id, ids: want.ids })
      return
    }
    const job: Job = { want, cancelled: false }
    this.#jobs.set(want.id, job)
    this.#queue.push(job)
    if (this.#workers < WORKERS) void this.#work()
  }

  onCancel({ id }: Cancel): void {
    const job = this.#jobs.get(id)
    if (job !== undefined) job.cancelled = true
  }

  end(): void {
    this.#ended = true
    this.#queue.length = 0
  }

  async #work(): Promise<void> {
    this.#workers++
    for (let job = this.#queue.shift(); job !== undefined; job = this.#queue.shift()) {
      await this.#answer(job).catch((error: unknown) => this.#log.warn({ err: error }, 'answering a peer failed'))
      this.#jobs.delete(job.want.id)
    }
    this.#workers--
  }

  async #answer(job: Job): Promise<void> {
    const missing: ObjectId[] = []
    let batch: [ObjectId, Buffer][] = []
    let batchBytes = 0
    let sentBytes = 0
    for await (const [id, bytes] of this.#readAhead(job)) {
      if (bytes === null || sentBytes + bytes.length > MAX_ANSWER_BYTES) {
        missing.push(id)
        continue
      }
      batch.push([id, bytes])
      batchBytes += bytes.length
      sentBytes += bytes.length
      if (batchBytes < MAX_MESSAGE_BYTES) continue
      await this.#flush(job, batch)
      batch = []
      batchBytes = 0
    }
    await this.#flush(job, batch)
    if (missing.length > 0 && !this.#isOver(job)) this.#send.nack({ id: job.want.id, ids: missing })
  }

  async #flush(job: Job, objects: readonly (readonly [ObjectId, Buffer])[]): Promise<void> {
    if (objects.length === 0 || this.#isOver(job)) return
    const hasRoom = this.#send.data({ id: job.want.id, objects })
    // They are in the message now, copied.
    for (const [, bytes] of objects) readBuffers.giveBack(bytes)
    if (!hasRoom) await this.#send.drained()
  }

  /** In the order asked, several reads under way: as many as fit the bound at the size of the largest object so far. */
  async *#readAhead(job: Job): AsyncGenerator<readonly [ObjectId, Buffer | null]> {
    const reads: Promise<readonly [ObjectId, Buffer | null]>[] = []
    const ids = [...job.want.ids]
    let largest = READ_AHEAD_BYTES / 8
    let isFirst = true
    while (!this.#isOver(job)) {
      const ahead = Math.min(MAX_READ_AHEAD, Math.max(2, Math.floor(READ_AHEAD_BYTES / largest)))
      // In groups: what is looked up at one moment is one read of the index.
      if (reads.length <= ahead / 2) for (const id of ids.splice(0, ahead - reads.length)) reads.push(this.#read(job.want.folder, id))
      const answer = await reads.shift()
      if (answer === undefined) return
      if (answer[1] !== null) largest = Math.max(isFirst ? 1 : largest, answer[1].length)
      isFirst = false
      yield answer
    }
  }

  async #read(folder: FolderId, id: ObjectId): Promise<readonly [ObjectId, Buffer | null]> {
    try {
      return [id, await this.#serve(folder, id)]
    } catch (error) {
      this.#log.warn({ err: error }, 'reading an object for a peer failed')
      return [id, null]
    }
  }

  #isOver(job: Job): boolean {
    return job.cancelled || this.#ended
  }
}

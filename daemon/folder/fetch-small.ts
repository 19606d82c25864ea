/** The lane of contents of at most one chunk: many of them in one `want`, verified and staged as they come. */
import { MAX_WANT_BYTES, MAX_WANT_OBJECTS } from '../../base/limits.ts'
import { chunkId, contentList, type Chunk } from '../sync/content.ts'
import type { DeviceId, ObjectId } from '../sync/ids.ts'
import { allSettled, hold, type Job, type Outcomes, type Sources } from './fetch-sources.ts'

/** Batches of small contents under way at once. */
export const SMALL_AT_ONCE = 4
/** Bytes of small contents in one want. */
const SMALL_WANT_BYTES = MAX_WANT_BYTES / 4
const SMALL_WANT_OBJECTS = Math.min(512, MAX_WANT_OBJECTS)

export function isSmall(job: Job): boolean {
  return job.size === 0 || job.chunk !== null
}

/** Removes from the queue what goes into one want. */
export function takeSmall(queue: Job[]): Job[] {
  let bytes = 0
  let count = 0
  while (count < queue.length && count < SMALL_WANT_OBJECTS && bytes < SMALL_WANT_BYTES) bytes += queue[count++]?.size ?? 0
  return queue.splice(0, count)
}

export class SmallLane {
  readonly #sources: Sources
  readonly #outcomes: Outcomes

  constructor(sources: Sources, outcomes: Outcomes) {
    this.#sources = sources
    this.#outcomes = outcomes
  }

  /** Rejects where staging itself fails. */
  async fetch(jobs: readonly Job[]): Promise<void> {
    const left = new Map<ObjectId, Job>()
    const finished: Promise<void>[] = []
    // All at once: the lookups go into one read of the index.
    const here = await Promise.all(jobs.map(async (job) => await this.#localSmall(job)))
    for (const [i, job] of jobs.entries()) {
      const local = here[i] ?? null
      if (local !== null) hold(finished, this.#stageSmall(job, local))
      else left.set((job.chunk as Chunk).id as string as ObjectId, job)
    }
    for (const device of this.#sources.candidates(jobs)) {
      if (left.size === 0 || this.#sources.ports.signal.aborted) break
      await this.#askSmall(device, left, finished)
    }
    await allSettled(finished)
    for (const job of left.values()) this.#outcomes.unavailable(job)
  }

  async #localSmall(job: Job): Promise<Buffer | null> {
    if (job.chunk === null) return Buffer.alloc(0)
    return this.#sources.ports.recent?.(job.chunk.id) ?? (await this.#sources.localChunk(job.chunk))
  }

  async #askSmall(device: DeviceId, left: Map<ObjectId, Job>, finished: Promise<void>[]): Promise<void> {
    const take = (id: ObjectId, data: Buffer | null): void => {
      const job = left.get(id)
      if (job === undefined || data === null || chunkId(data) !== job.chunk?.id || data.length !== job.size) return
      left.delete(id)
      this.#outcomes.received(data.length)
      // It is a part of a message, which must not be kept as a whole.
      this.#sources.ports.verified?.(job.chunk.id, Buffer.from(data))
      hold(finished, this.#stageSmall(job, data))
    }
    await this.#sources.want(device, [...left.keys()], take)
  }

  async #stageSmall(job: Job, data: Buffer): Promise<void> {
    const list = contentList(0, job.chunk === null ? [] : [job.chunk])
    const staged = await this.#sources.ports.disk.stage(list)
    try {
      if (data.length > 0 && staged.missing().length > 0) await staged.write(0, data)
      await staged.seal(job.likely)
    } finally {
      await staged.release()
    }
    this.#outcomes.finished(job, list)
  }
}

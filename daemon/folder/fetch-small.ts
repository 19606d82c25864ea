/** The lane of contents of at most one chunk: many of them in one `want`, verified and staged as they come. */
import { MAX_WANT_BYTES, MAX_WANT_OBJECTS } from '../../base/limits.ts'
import type { WholeFile } from '../ports.ts'
import { chunkId, contentList, type Chunk, type ContentList } from '../sync/content.ts'
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
    const arrivals = new Arrivals(this.#sources, this.#outcomes)
    // All at once: the lookups go into one read of the index.
    const here = await Promise.all(jobs.map(async (job) => await this.#localSmall(job)))
    for (const [i, job] of jobs.entries()) {
      const local = here[i] ?? null
      if (local !== null) arrivals.add(job, local)
      else left.set((job.chunk as Chunk).id as string as ObjectId, job)
    }
    arrivals.stage()
    for (const device of this.#sources.candidates(jobs)) {
      if (left.size === 0 || this.#sources.ports.signal.aborted) break
      await this.#askSmall(device, left, arrivals)
    }
    await arrivals.staged()
    for (const job of left.values()) this.#outcomes.unavailable(job)
  }

  async #localSmall(job: Job): Promise<Buffer | null> {
    if (job.chunk === null) return Buffer.alloc(0)
    return this.#sources.ports.recent?.(job.chunk.id) ?? (await this.#sources.localChunk(job.chunk))
  }

  async #askSmall(device: DeviceId, left: Map<ObjectId, Job>, arrivals: Arrivals): Promise<void> {
    const take = (id: ObjectId, data: Buffer | null): void => {
      const job = left.get(id)
      if (job === undefined || data === null || chunkId(data) !== job.chunk?.id || data.length !== job.size) return
      left.delete(id)
      this.#outcomes.received(data.length)
      // It is a part of a message, which must not be kept as a whole.
      const kept = Buffer.from(data)
      this.#sources.ports.verified?.(job.chunk.id, kept)
      arrivals.add(job, kept)
    }
    await this.#sources.want(device, [...left.keys()], take)
    arrivals.stage()
  }
}

/** Verified contents on their way into staging: all that one want brought go there together, where it is known what their files will have. */
class Arrivals {
  readonly #sources: Sources
  readonly #outcomes: Outcomes
  readonly #under: Promise<void>[] = []
  #together: { readonly job: Job; readonly file: WholeFile }[] = []

  constructor(sources: Sources, outcomes: Outcomes) {
    this.#sources = sources
    this.#outcomes = outcomes
  }

  /** `data` stays as it is. */
  add(job: Job, data: Buffer): void {
    const list = contentList(0, job.chunk === null ? [] : [job.chunk])
    if (job.wanted === undefined || this.#sources.ports.disk.stageAll === undefined) hold(this.#under, this.#stageOne(job, list, data))
    else this.#together.push({ job, file: { list, data, likely: job.wanted } })
  }

  stage(): void {
    const together = this.#together
    this.#together = []
    if (together.length > 0) hold(this.#under, this.#stageAll(together))
  }

  /** Throws the first failure, once all is over. */
  async staged(): Promise<void> {
    this.stage()
    await allSettled(this.#under)
  }

  async #stageAll(together: readonly { readonly job: Job; readonly file: WholeFile }[]): Promise<void> {
    const errors = (await this.#sources.ports.disk.stageAll?.(together.map(({ file }) => file))) ?? []
    for (const [i, { job, file }] of together.entries()) if ((errors[i] ?? null) === null) this.#outcomes.finished(job, file.list)
    const failure = errors.find((error) => error !== null)
    if (failure !== undefined) throw failure
  }

  async #stageOne(job: Job, list: ContentList, data: Buffer): Promise<void> {
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

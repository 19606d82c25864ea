/**
 * Appends contents to a drive's blobs core: one chunk, one block; the blocks of a content are contiguous, and after them come the
 * pages of its list (only if it has more than one chunk: a single one is named in the entry). Blocks are read ahead and appended
 * many at once, both bounded in bytes, so that a file of any size needs the same memory.
 */
import type Hypercore from 'hypercore'
import type { BlobRange, ReadChunk } from '../ports.ts'
import { appendLarge } from './append-large.ts'
import { pageCount, type BlobJob, type References } from './blob-job.ts'
import { SEAL_BYTES, type Sealer } from './seal.ts'
import { encodePages, type Chunk } from '../sync/content.ts'
import type { ChunkId } from '../sync/ids.ts'

/** One append of this size costs no more a byte than a larger one. */
const APPEND_BYTES = 8 * 1024 * 1024
const APPEND_BLOCKS = 8192
const READ_AHEAD_BYTES = 8 * 1024 * 1024
const READ_AHEAD_CHUNKS = 64

interface PendingRead {
  readonly job: number
  readonly index: number
  readonly chunk: Chunk
  readonly data: Promise<Buffer | null>
}

export interface Appended {
  /** For each job where its data blocks lie, or null if a chunk could not be read; its blocks appended so far are dead. */
  readonly ranges: readonly (BlobRange | null)[]
  /** Resolves when the last of them are in the core: nothing may be stated, nor anything else appended, before. */
  readonly written: Promise<void>
}

/** The last blocks are on their way still when it resolves, so that what states them is made meanwhile. */
export async function appendBlobs(core: Hypercore, references: References, jobs: readonly BlobJob[], read: ReadChunk, sealer: Sealer | null = null): Promise<Appended> {
  const large = new Map<BlobJob, BlobRange | null>()
  for (const job of sealer === null ? [] : jobs) {
    const range = job.list.size < SEAL_BYTES ? null : await appendLarge(core, references, job, sealer as Sealer)
    if (range !== null) large.set(job, range === 'changed' ? null : range)
  }
  const others = jobs.filter((job) => !large.has(job))
  const small = await appendSmall(core, references, others, read)
  const ranges = [...small.ranges]
  return { ranges: jobs.map((job) => large.get(job) ?? (large.has(job) ? null : (ranges.shift() ?? null))), written: small.written }
}

async function appendSmall(core: Hypercore, references: References, jobs: readonly BlobJob[], read: ReadChunk): Promise<Appended> {
  const writer = new BlobWriter(core, references)
  const failed = new Set<number>()
  for await (const { job, index, chunk, data } of readAhead(jobs, read, failed)) {
    if (failed.has(job)) continue
    if (index === 0) writer.begin(job)
    if (data === null || data.length !== chunk.length) {
      failed.add(job)
      writer.abandon()
      continue
    }
    await writer.add(data, chunk.id)
    const { chunks } = (jobs[job] as BlobJob).list
    if (index === chunks.length - 1) await writer.finish(chunks)
  }
  const written = writer.flush()
  // Who waits for it is told; nobody else needs to be.
  written.catch(() => undefined)
  return { ranges: jobs.map((_, job) => writer.ranges.get(job) ?? null), written }
}

/** Chunks of all jobs in order, several reads at once. */
async function* readAhead(jobs: readonly BlobJob[], read: ReadChunk, failed: ReadonlySet<number>) {
  const queue: PendingRead[] = []
  let bytes = 0
  for (const pending of requests(jobs, read, failed)) {
    queue.push(pending)
    bytes += pending.chunk.length
    while (bytes > READ_AHEAD_BYTES || queue.length > READ_AHEAD_CHUNKS) {
      const first = queue.shift() as PendingRead
      bytes -= first.chunk.length
      yield { ...first, data: await first.data }
    }
  }
  for (const pending of queue) yield { ...pending, data: await pending.data }
}

function* requests(jobs: readonly BlobJob[], read: ReadChunk, failed: ReadonlySet<number>): Generator<PendingRead> {
  for (const [job, { path, list }] of jobs.entries()) {
    let offset = 0
    for (const [index, chunk] of list.chunks.entries()) {
      if (failed.has(job)) break
      // A reader that throws is a chunk that cannot be read.
      yield { job, index, chunk, data: read(path, chunk, offset).catch(() => null) }
      offset += chunk.length
    }
  }
}

class BlobWriter {
  readonly ranges = new Map<number, BlobRange>()
  readonly #core: Hypercore
  readonly #references: References
  #pending: Buffer[] = []
  #pendingBytes = 0
  /** Totals of the core, what is pending included. */
  #blocks: number
  #bytes: number
  #current = { job: -1, blockOffset: 0, byteOffset: 0 }

  constructor(core: Hypercore, references: References) {
    this.#core = core
    this.#references = references
    // An append that failed has left its own: an ordinary block of the same number must not be taken for one of them.
    references.clear()
    this.#blocks = core.length
    this.#bytes = core.byteLength
  }

  begin(job: number): void {
    this.#current = { job, blockOffset: this.#blocks, byteOffset: this.#bytes }
  }

  /** Takes back the blocks of the current content that are not appended yet. */
  abandon(): void {
    while (this.#pending.length > 0 && this.#blocks > this.#current.blockOffset) {
      const block = this.#pending.pop() as Buffer
      this.#blocks--
      this.#references.delete(this.#blocks)
      this.#bytes -= block.length
      this.#pendingBytes -= block.length
    }
  }

  /** `chunk`: stored as a reference to it; null: stored as it is. */
  async add(block: Buffer, chunk: ChunkId | null): Promise<void> {
    this.#pending.push(block)
    if (chunk !== null) this.#references.set(this.#blocks, chunk)
    this.#pendingBytes += block.length
    this.#blocks++
    this.#bytes += block.length
    if (this.#pendingBytes >= APPEND_BYTES || this.#pending.length >= APPEND_BLOCKS) await this.flush()
  }

  async finish(chunks: readonly Chunk[]): Promise<void> {
    const { job, blockOffset, byteOffset } = this.#current
    this.ranges.set(job, { blockOffset, blockLength: this.#blocks - blockOffset, byteOffset, byteLength: this.#bytes - byteOffset })
    if (pageCount(chunks.length) > 0) for (const page of encodePages(chunks)) await this.add(page, null)
  }

  async flush(): Promise<void> {
    if (this.#pending.length === 0) return
    const blocks = this.#pending
    this.#pending = []
    this.#pendingBytes = 0
    await this.#core.append(blocks)
    this.#references.clear()
  }
}

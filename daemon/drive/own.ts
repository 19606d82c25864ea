/**
 * Our own drive of one folder: a stock, encrypted Hyperdrive of which we are the single writer. It appends only: never truncates,
 * never clears, so its fork stays 0 and no nonce is used twice.
 */
import type Hyperbee from 'hyperbee'
import type { Batch } from 'hyperbee'
import type Hyperdrive from 'hyperdrive'
import Hypercore, { type KeyPair } from 'hypercore'
import { P2psyncError } from '../../base/errors.ts'
import { BATCH_ENTRIES, MAX_PUBLISH_ENTRIES } from '../../base/limits.ts'
import { sha256 } from '../../base/sha256.ts'
import type { Workers } from '../../base/workers.ts'
import type { Audit, BlobRange, DriveHead, OpenContent, OwnDrive, Publication, Published, ReadChunk, Stated, Verified } from '../ports.ts'
import { contentList, decodePage, sizeClassOf, type Chunk, type ContentList, type SizeClass } from '../sync/content.ts'
import type { Entry, FileEntry } from '../sync/entry.ts'
import type { BlobsKey, ContentId, DriveKey, PathKey, WriterId } from '../sync/ids.ts'
import { mapLength, readMap } from './append-large.ts'
import { auditCore, statedPaths, verifyBlocks } from './audit.ts'
import { del, put } from './bee-writes.ts'
import { pageCount, type BlobJob, type References } from './blob-job.ts'
import { appendBlobs } from './blob-writer.ts'
import { encodeKey, type Keyspace } from './drive-path.ts'
import { decodeEntry, encodeEntry } from './entry-codec.ts'
import type { Sealer } from './seal.ts'
import { changesOf, statementsOf, type BeeChange } from './follow.ts'
import { FIRST_STATEMENT, decodeBlock, readBlocks } from './history.ts'
import { JointWrite } from './joint-write.ts'
import { MAX_WARM_BLOCKS, warm } from './warm.ts'

const BINARY = { keyEncoding: 'binary', valueEncoding: 'binary' } as const

/** A row of `replay`. */
export interface Replayed {
  readonly path: PathKey
  readonly entry: Entry | null
  readonly blob: BlobRange | null
  readonly list: ContentList | null
}

/** The id of the writer whose first drive has this key (R1). */
export function writerIdOf(drive: DriveKey): WriterId {
  return Buffer.from(sha256(Buffer.from(drive, 'hex'))).toString('hex', 0, 8) as WriterId
}

export interface OwnOptions {
  readonly drive: Hyperdrive
  readonly blobs: Hypercore
  readonly generation: number
  readonly writer: WriterId
  /** Shared with the store's view of the blobs core. */
  readonly references: References
  /** Null: large contents are read and hashed in this thread. */
  readonly workers: Workers | null
}

/** See Appended; for each change. */
interface Stored {
  readonly ranges: readonly (BlobRange | null | 'unreadable')[]
  readonly written: Promise<void>
}

/** Where the bytes of what is published come from. */
interface Source {
  readonly read: ReadChunk
  readonly sealer: Sealer | null
}

export class Own implements OwnDrive {
  readonly key: DriveKey
  readonly generation: number
  readonly writer: WriterId
  readonly blobsKey: BlobsKey
  /** Signs its db core. */
  readonly keyPair: KeyPair
  readonly #drive: Hyperdrive
  readonly #blobs: Hypercore
  readonly #references: References
  readonly #workers: Workers | null
  #length = 0
  #last: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | null = null

  /** The drive is open. See Drives.openOwn. */
  constructor({ drive, blobs, generation, writer, references, workers }: OwnOptions) {
    this.key = drive.key.toString('hex') as DriveKey
    this.generation = generation
    this.writer = writer
    if (drive.core.keyPair === null) throw new Error('a drive of ours has no key pair')
    this.keyPair = drive.core.keyPair
    this.#drive = drive
    this.#blobs = blobs
    this.blobsKey = blobs.key.toString('hex') as BlobsKey
    this.#references = references
    this.#workers = workers
  }

  /** Stays what it was when the drive is closed. */
  get length(): number {
    if (this.#drive.core.opened) this.#length = this.#drive.core.length
    return this.#length
  }

  get db(): Hypercore {
    return this.#drive.core
  }

  get blobs(): Hypercore {
    return this.#blobs
  }

  get blobsLength(): number {
    return this.#blobs.length
  }

  publish(changes: readonly Publication[], read: ReadChunk, open: OpenContent | null = null): Promise<readonly Published[]> {
    if (this.#closing !== null) return Promise.reject(closedError())
    if (changes.length > MAX_PUBLISH_ENTRIES) return Promise.reject(new Error(`at most ${MAX_PUBLISH_ENTRIES} changes are published at once`))
    const result = this.#last.then(() => this.#publish(changes, { read, sealer: open === null || this.#workers === null ? null : { workers: this.#workers, open } }))
    this.#last = result.catch(() => undefined)
    return result
  }

  /** Rows are in the order written; a path that changes its keyspace shows as null first. Errors: STORE_DAMAGED. */
  async *replay(from: number): AsyncGenerator<readonly Replayed[]> {
    const end = this.length
    for (let at = Math.max(FIRST_STATEMENT, from); at < end; ) {
      if (this.#closing !== null) throw closedError()
      const blocks = await readBlocks(this.db, at, Math.min(end, at + BATCH_ENTRIES))
      if (blocks.length === 0) throw this.#damaged(`block ${at} is missing`)
      const rows: Replayed[] = []
      for (const [i, block] of blocks.entries()) {
        const event = decodeBlock(block, at + i)
        if (event.kind === 'invalid') throw this.#damaged(event.problem.message)
        if (event.kind === 'statement') rows.push({ ...event, list: await this.#listOf(event.entry, event.blob) })
      }
      yield rows
      at += blocks.length
    }
  }

  /**
   * States what `former`, whose blobs core is this one's, states now (`from` 0), or has stated since it had that length, as it stands there.
   * Rejects when one of them is closed. @returns the length of `former` up to which that is done.
   */
  async follow(former: Own, from: number): Promise<number> {
    if (former.blobsKey !== this.blobsKey) throw new Error('a drive that follows another one has its blobs core')
    const until = former.length
    const changes = from === 0 ? statementsOf(former.#drive.db) : changesOf(former.db, from, until)
    for await (const some of changes) {
      if (this.#closing !== null || former.#closing !== null) throw closedError()
      const restated = this.#last.then(() => this.#restate(some))
      this.#last = restated.catch(() => undefined)
      await restated
    }
    return until
  }

  /** The last counter of our writer that the first `length` blocks state (R19). */
  async counterAt(length: number): Promise<number> {
    let counter = 0
    for (let at = FIRST_STATEMENT; at < length; ) {
      const blocks = await readBlocks(this.db, at, Math.min(length, at + BATCH_ENTRIES))
      if (blocks.length === 0) throw this.#damaged(`block ${at} is missing`)
      for (const [i, block] of blocks.entries()) {
        const event = decodeBlock(block, at + i)
        if (event.kind === 'statement') counter = Math.max(counter, event.entry?.vv[this.writer] ?? 0)
      }
      at += blocks.length
    }
    return counter
  }

  async head(): Promise<DriveHead> {
    if (this.#closing !== null) throw closedError()
    const { length, fork } = this.db
    return { key: this.key, length, fork, treeHash: (await Hypercore.treeHashFromStorage(this.db, length)).toString('hex') }
  }

  async stated(paths: readonly PathKey[]): Promise<readonly (Stated | null)[]> {
    return await Promise.all(paths.map(async (path) => await this.#stated(path)))
  }

  paths(): AsyncIterable<readonly PathKey[]> {
    return statedPaths(this.#drive.db)
  }

  async verify(stated: Stated): Promise<Verified> {
    return await verifyBlocks(this.#blobs, stated)
  }

  async audit(signal: AbortSignal): Promise<Audit> {
    const audits = [await auditCore(this.db, 'the db core', true, signal), await auditCore(this.#blobs, 'the blobs core', false, signal)]
    return { nodes: audits.reduce((sum, { nodes }) => sum + nodes, 0), faults: audits.flatMap(({ faults }) => faults) }
  }

  /** Waits for a publish under way. */
  close(): Promise<void> {
    this.#closing ??= this.#last.then(async () => {
      this.#length = this.length
      await this.#drive.close()
    })
    return this.#closing
  }

  async #restate(changes: readonly BeeChange[]): Promise<void> {
    const batch = this.#drive.db.batch({ ...BINARY, maxBlocksCached: MAX_WARM_BLOCKS })
    try {
      await warm(this.db, batch, changes.map(({ key }) => key))
      for (const { key, value } of changes) await (value === null ? del(batch, key) : put(batch, key, value))
      await batch.flush()
    } catch (error) {
      await batch.close()
      throw error
    }
  }

  async #publish(changes: readonly Publication[], source: Source): Promise<readonly Published[]> {
    const joint = isTiny(changes) ? new JointWrite(this.#blobs.state.storage, this.db.state.storage) : null
    try {
      return await this.#write(changes, source, joint)
    } finally {
      joint?.end()
    }
  }

  async #write(changes: readonly Publication[], source: Source, joint: JointWrite | null): Promise<readonly Published[]> {
    const { ranges, written } = await this.#store(changes, source)
    const batch = this.#drive.db.batch({ ...BINARY, maxBlocksCached: MAX_WARM_BLOCKS })
    try {
      await warm(this.db, batch, changes.flatMap(({ path }) => [encodeKey('files', path), encodeKey('p2psync', path)]))
      for (const [i, change] of changes.entries()) await state(batch, change, ranges[i] as BlobRange | null | 'unreadable')
      // INVARIANT: blocks are in the store before anything states them, or are written together with what does.
      await Promise.race([written, ...(joint === null ? [] : [joint.held])])
      await batch.flush()
      await written
    } catch (error) {
      joint?.end()
      await Promise.allSettled([written])
      await batch.close()
      throw error
    }
    return ranges.map((blob) => (blob === 'unreadable' ? { kind: 'unreadable' } : { kind: 'done', blob }))
  }

  /** Sees to it that the blocks of every content are in the blobs core. Equal contents of one call are appended once. */
  async #store(changes: readonly Publication[], { read, sealer }: Source): Promise<Stored> {
    const known = await Promise.all(changes.map((change) => this.#known(change)))
    const jobs: BlobJob[] = []
    const jobOf = new Map<ContentId, number>()
    for (const [i, { path, content, base }] of changes.entries()) {
      if (known[i] !== undefined || content === null || jobOf.has(content.list.cid)) continue
      jobOf.set(content.list.cid, jobs.push({ path, list: content.list, base: base ?? null }) - 1)
    }
    const first = await appendBlobs(this.#blobs, this.#references, jobs, read, sealer)
    const { ranges } = first
    let { written } = first
    const results: (BlobRange | null | 'unreadable')[] = []
    for (const [i, { path, content }] of changes.entries()) {
      const job = content === null ? undefined : jobOf.get(content.list.cid)
      if (known[i] !== undefined) results.push(known[i] as BlobRange | null)
      else if (content === null || job === undefined) results.push('unreadable')
      else if (ranges[job] !== null || jobs[job]?.path === path) results.push(ranges[job] ?? 'unreadable')
      else {
        await written
        const again = await appendBlobs(this.#blobs, this.#references, [{ path, list: content.list }], read, sealer)
        results.push(again.ranges[0] ?? 'unreadable')
        written = again.written
      }
    }
    return { ranges: results, written }
  }

  /** The range to state, if no block must be appended for it; undefined otherwise. */
  async #known({ path, entry, content }: Publication): Promise<BlobRange | null | undefined> {
    if (entry === null || entry.kind !== 'file' || entry.size === 0) return null
    if (content === null) return (await this.#blobNow(path, entry)) ?? undefined
    if (content.list.cid !== entry.cid || content.list.size !== entry.size) throw new Error('the list of a publication is that of its entry')
    return content.blob !== null && this.#holds(content.blob, content.list) ? content.blob : undefined
  }

  #holds(blob: BlobRange, list: ContentList): boolean {
    const blocks = list.chunks.length
    const end = blob.blockOffset + blob.blockLength + pageCount(blocks)
    const fits = blob.blockMap === true ? blob.blockLength === mapLength(blocks) : blob.blockLength === blocks && blob.byteLength === list.size
    return fits && end <= this.#blobs.length
  }

  /** A path must not be in both keyspaces; if it is, that of the bytes is what a stock reader sees. */
  async #stated(path: PathKey): Promise<Stated | null> {
    for (const keyspace of ['files', 'p2psync'] as const) {
      const node = await this.#at(keyspace, path)
      const stated = node === null ? null : decodeEntry(keyspace, node.value)
      if (stated !== null) return stated
    }
    return null
  }

  /** By the tree alone: the `get` of hyperbee 2.27.3 gives of what was deleted at times what it was before. */
  async #at(keyspace: Keyspace, path: PathKey): ReturnType<Hyperbee['peek']> {
    const key = encodeKey(keyspace, path)
    return await this.#drive.db.peek({ gte: key, lte: key }, BINARY)
  }

  /** For a change of attributes that brings no list: the blocks which the drive states for the same content now. */
  async #blobNow(path: PathKey, entry: FileEntry): Promise<BlobRange | null> {
    const node = await this.#at('files', path)
    const now = node === null ? null : decodeEntry('files', node.value)
    return now?.entry.kind === 'file' && now.entry.cid === entry.cid ? now.blob : null
  }

  /** The list of a published file, read back from the drive; null if its pages are not what the entry says. */
  async #listOf(entry: Entry | null, blob: BlobRange | null): Promise<ContentList | null> {
    if (entry === null || entry.kind !== 'file') return null
    if (entry.size === 0) return contentList(0, [])
    if (blob === null) return null
    if (entry.chunk !== undefined) return contentList(sizeClassOf(entry.size), [{ id: entry.chunk, length: entry.size }])
    const from = blob.blockOffset + blob.blockLength
    const blocks = blob.blockMap === true ? ((await readMap(this.#blobs, blob))?.length ?? 0) : blob.blockLength
    return readList(await readAll(this.#blobs, from, from + pageCount(blocks)), sizeClassOf(entry.size), entry.cid)
  }

  #damaged(what: string): P2psyncError {
    return new P2psyncError('STORE_DAMAGED', `cannot read our own drive ${this.key.slice(0, 12)}: ${what}`)
  }
}

/** One content of one block: what it takes is one append to each core. */
function isTiny(changes: readonly Publication[]): boolean {
  return changes.length === 1 && changes[0]?.content?.list.chunks.length === 1
}

/** Leaves each path with its statement as its last event, and with no other one in the other keyspace. */
async function state(batch: Batch, change: Publication, blob: BlobRange | null | 'unreadable'): Promise<void> {
  if (blob === 'unreadable') return
  const { path, entry } = change
  if (path === '') throw new Error('the root of a folder has no entry')
  if (entry === null) {
    await del(batch, encodeKey('p2psync', path))
    await del(batch, encodeKey('files', path))
    return
  }
  const { keyspace, value } = encodeEntry(nameChunk(entry, change.content?.list ?? null), blob)
  await del(batch, encodeKey(keyspace === 'files' ? 'p2psync' : 'files', path))
  await put(batch, encodeKey(keyspace, path), value)
}

/** Content of one chunk is stated by that chunk. */
function nameChunk(entry: Entry, list: ContentList | null): Entry {
  if (entry.kind !== 'file' || list === null || list.chunks.length !== 1) return entry
  return { ...entry, chunk: (list.chunks[0] as Chunk).id }
}

/** Up to the first block that is not there. */
async function readAll(core: Hypercore, from: number, to: number): Promise<Buffer[]> {
  const blocks: Buffer[] = []
  for (let more = 1; more > 0 && from + blocks.length < to; ) {
    const read = await readBlocks(core, from + blocks.length, to)
    for (const block of read) blocks.push(block)
    more = read.length
  }
  return blocks
}

function readList(pages: readonly Buffer[], sizeClass: SizeClass, cid: ContentId): ContentList | null {
  const chunks: Chunk[] = []
  for (const page of pages) {
    const rows = decodePage(page, sizeClass)
    if (rows === null) return null
    for (const row of rows) chunks.push(row)
  }
  const list = contentList(sizeClass, chunks)
  return list.cid === cid ? list : null
}

function closedError(): Error {
  return new Error('the drive is closed')
}

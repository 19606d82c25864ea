/**
 * Drives as append-only logs: one per device and generation. A reader sees a prefix that ends where the writer signed, which is
 * where one `publish` ended.
 */
import { createHash } from 'node:crypto'
import type { Audit, BlobRange, DriveHead, OwnDrive, Problem, Publication, Published, ReadChunk, RemoteBatch, RemoteDrive, RemoteDrives, Stated, Verified } from '../../daemon/ports.ts'
import { chunkId, type ContentList } from '../../daemon/sync/content.ts'
import type { Entry } from '../../daemon/sync/entry.ts'
import type { BlobsKey, DeviceId, DriveKey, PathKey, WriterId } from '../../daemon/sync/ids.ts'
import type { Life } from './life.ts'

const CHANGES_BATCH = 3

export interface DriveBlock {
  readonly path: PathKey
  readonly entry: Entry | null
  readonly list: ContentList | null
  readonly blob: BlobRange | null
  /** What is wrong with it, for who reads it. */
  readonly problem?: Problem
}

/** The log itself; outlives daemons. Block 0 is a header, as in a Hyperbee. */
export class DriveLog {
  readonly device: DeviceId
  readonly key: DriveKey
  readonly generation: number
  readonly writer: WriterId
  readonly blocks: DriveBlock[] = []
  /** Lengths that were signed, growing. */
  readonly signed: number[] = []
  /** First blocks of contents that cannot be read. */
  readonly badBlocks = new Set<number>()
  blobBlocks = 0
  blobBytes = 0
  readonly #salt: string
  /** Of the first blocks, by their number. */
  readonly #hashes: string[] = []
  #onAppend: () => void = () => undefined
  #shown = 0
  /** What is published waits for this; for tests. */
  sealing: Promise<void> | null = null

  /** `salt`: as in own-drives.ts, so that a generation that was lost count of is another drive. `writer`: the one that goes on in it. */
  constructor(device: DeviceId, generation = 1, salt = '', writer?: WriterId) {
    this.device = device
    this.generation = generation
    this.#salt = salt
    this.key = digest(`drive/${device}/${generation}${salt === '' ? '' : `/${salt}`}`) as DriveKey
    this.writer = writer ?? (createHash('sha256').update(Buffer.from(this.key, 'hex')).digest('hex').slice(0, 16) as WriterId)
  }

  /** The same drive as it was when it had this length: what a state directory put back from a backup, or a power cut, leaves of it. */
  branch(length = this.length): DriveLog {
    const log = new DriveLog(this.device, this.generation, this.#salt, this.writer)
    log.blocks.push(...this.blocks.slice(0, Math.max(0, length - 1)))
    log.signed.push(...this.signed.filter((signed) => signed <= log.length))
    log.blobBlocks = this.blobBlocks
    log.blobBytes = this.blobBytes
    return log
  }

  /** Its blobs core is that of the drive before. */
  goOnWithBlobsOf({ blobBlocks, blobBytes, badBlocks }: DriveLog): void {
    this.blobBlocks = blobBlocks
    this.blobBytes = blobBytes
    for (const block of badBlocks) this.badBlocks.add(block)
  }

  get length(): number {
    return this.blocks.length === 0 ? 0 : this.blocks.length + 1
  }

  set onAppend(run: () => void) {
    this.#onAppend = run
  }

  append(blocks: readonly DriveBlock[]): void {
    if (blocks.length === 0) return
    this.blocks.push(...blocks)
    this.signed.push(this.length)
  }

  /** Peers are told how long it is. */
  announce(): void {
    this.show()
    this.#onAppend()
  }

  /** All that is there is durable. */
  show(): void {
    this.#shown = this.length
  }

  /** What peers may have: what is not durable nobody gets, whoever asks (R16). */
  get shown(): number {
    return this.#shown
  }

  /** What the first `length` blocks state. */
  statements(length = this.length): Map<PathKey, Entry> {
    const stated = new Map<PathKey, Entry>()
    for (const block of this.blocks.slice(0, Math.max(0, length - 1))) {
      if (block.entry === null) stated.delete(block.path)
      else stated.set(block.path, block.entry)
    }
    return stated
  }

  head(length = this.length): DriveHead {
    return { key: this.key, length, fork: 0, treeHash: this.#hashAt(length) }
  }

  /** How far two copies of one drive say the same. */
  commonLength(other: DriveLog, limit: number): number {
    if (other === this) return limit
    let length = limit
    while (length > 1 && this.#hashAt(length) !== other.#hashAt(length)) length--
    return length
  }

  #hashAt(length: number): string {
    const count = Math.max(0, length - 1)
    for (let i = this.#hashes.length; i < count; i++) this.#hashes.push(digest(`${this.#hashes[i - 1] ?? this.key}/${JSON.stringify(this.blocks[i])}`))
    return count === 0 ? digest(this.key) : (this.#hashes[count - 1] as string)
  }
}

/** What a power cut leaves of a store: all that was written before some moment at or after the last `sync`. */
export interface Durability {
  /** Something was written. */
  wrote(): void
  sync(): void
}

const ALWAYS_DURABLE: Durability = { wrote: () => undefined, sync: () => undefined }

export class FakeOwnDrive implements OwnDrive {
  readonly #log: DriveLog
  readonly #life: Life
  readonly #store: Durability

  constructor(log: DriveLog, life: Life, store: Durability = ALWAYS_DURABLE) {
    this.#log = log
    this.#life = life
    this.#store = store
  }

  get log(): DriveLog {
    return this.#log
  }

  get key(): DriveKey {
    return this.#log.key
  }

  get generation(): number {
    return this.#log.generation
  }

  get writer(): WriterId {
    return this.#log.writer
  }

  get blobsKey(): BlobsKey {
    return this.#log.key as string as BlobsKey
  }

  get length(): number {
    return this.#log.length
  }

  async publish(changes: readonly Publication[], read: ReadChunk): Promise<readonly Published[]> {
    if (changes.length > 5000) throw new Error('more than 5,000 publications at once')
    const results: Published[] = []
    const blocks: DriveBlock[] = []
    for (const change of changes) {
      const result = await this.#put(change, read)
      results.push(result)
      if (result.kind === 'done') blocks.push({ path: change.path, entry: change.entry, list: change.content?.list ?? null, blob: result.blob })
    }
    await this.#life.step()
    if (this.#log.sealing !== null) await this.#log.sealing
    this.#log.append(blocks)
    this.#store.wrote()
    await this.#life.step()
    // R16: durable before anybody is told.
    this.#store.sync()
    if (blocks.length > 0) this.#log.announce()
    await this.#life.step()
    return results
  }

  async *replay(from: number): AsyncIterable<readonly DriveBlock[]> {
    await this.#life.step()
    const blocks = this.#log.blocks.slice(Math.max(0, from - 1))
    if (blocks.length > 0) yield blocks
  }

  async head(): Promise<DriveHead> {
    await this.#life.step()
    return this.#log.head()
  }

  async stated(paths: readonly PathKey[]): Promise<readonly (Stated | null)[]> {
    await this.#life.step()
    return paths.map((path) => {
      const block = this.#log.blocks.findLast((each) => each.path === path)
      return block === undefined || block.entry === null ? null : { entry: block.entry, blob: block.blob }
    })
  }

  async *paths(): AsyncIterable<readonly PathKey[]> {
    await this.#life.step()
    for (const path of this.#log.statements().keys()) yield [path]
  }

  /** A fake has no blocks; what was damaged is named. */
  async verify({ entry, blob }: Stated): Promise<Verified> {
    await this.#life.step()
    if (entry.kind !== 'file' || entry.size === 0) return { blocks: 0, fault: null }
    if (blob === null) return { blocks: 0, fault: 'it is stated without blocks' }
    const isBad = this.#log.badBlocks.has(blob.blockOffset)
    return { blocks: blob.blockLength, fault: isBad ? `block ${blob.blockOffset} cannot be read` : null }
  }

  async audit(_signal: AbortSignal): Promise<Audit> {
    await this.#life.step()
    return { nodes: this.#log.length, faults: [] }
  }

  async close(): Promise<void> {
    await this.#life.step()
  }

  async #put({ path, entry, content }: Publication, read: ReadChunk): Promise<Published> {
    if (entry?.kind === 'file' && content === null) throw new Error(`a file without its list: ${path}`)
    if (content === null || content.blob !== null) return { kind: 'done', blob: content?.blob ?? null }
    let offset = 0
    for (const chunk of content.list.chunks) {
      const data = await read(path, chunk, offset)
      if (data === null || data.length !== chunk.length || chunkId(data) !== chunk.id) return { kind: 'unreadable' }
      offset += chunk.length
    }
    return { kind: 'done', blob: this.#blob(content.list) }
  }

  #blob(list: ContentList): BlobRange {
    const range = { blockOffset: this.#log.blobBlocks, blockLength: list.chunks.length, byteOffset: this.#log.blobBytes, byteLength: list.size }
    this.#log.blobBlocks += range.blockLength
    this.#log.blobBytes += range.byteLength
    return range
  }
}

/** How much of another device's log has reached this device; outlives daemons. */
export interface Replica {
  /** One of the copies of the drive of which it holds the beginning. */
  log: DriveLog
  length: number
}

export class FakeRemoteDrive implements RemoteDrive {
  readonly #replica: Replica
  readonly #life: Life

  constructor(replica: Replica, life: Life) {
    this.#replica = replica
    this.#life = life
  }

  get device(): DeviceId {
    return this.#replica.log.device
  }

  get key(): DriveKey {
    return this.#replica.log.key
  }

  get generation(): number {
    return this.#replica.log.generation
  }

  get length(): number {
    return this.#replica.length
  }

  get fork(): number {
    return 0
  }

  async *changes(since: { readonly length: number; readonly fork: number } | null, signal: AbortSignal): AsyncIterable<RemoteBatch> {
    await this.#life.step()
    const { length, log } = this.#replica
    const from = since === null || since.fork !== this.fork ? 0 : since.length
    if (from >= length) return
    for (let at = from; at < length; ) {
      await this.#life.step()
      if (signal.aborted) return
      const end = log.signed.find((signed) => signed >= Math.min(at + CHANGES_BATCH, length)) ?? length
      const last = new Map<PathKey, Entry | null>()
      const invalid: Problem[] = []
      for (const { path, entry, problem } of log.blocks.slice(Math.max(0, at - 1), end - 1)) {
        if (problem === undefined) last.set(path, entry)
        else invalid.push(problem)
      }
      yield { changes: [...last].map(([path, entry]) => ({ path, entry })), invalid, length: end, fork: this.fork }
      at = end
    }
  }

  async close(): Promise<void> {
    await this.#life.step()
  }
}

export class FakeRemoteDrives implements RemoteDrives {
  readonly #drives: () => readonly RemoteDrive[]
  readonly #onRetired: (drive: DriveKey, device: DeviceId) => void
  readonly #retired = new Set<DriveKey>()

  constructor(drives: readonly RemoteDrive[] | (() => readonly RemoteDrive[]), onRetired: (drive: DriveKey, device: DeviceId) => void = () => undefined) {
    this.#drives = typeof drives === 'function' ? drives : () => drives
    this.#onRetired = onRetired
  }

  list(): readonly RemoteDrive[] {
    return this.#drives().filter(({ key }) => !this.#retired.has(key))
  }

  retire(drive: DriveKey, device: DeviceId): void {
    this.#retired.add(drive)
    this.#onRetired(drive, device)
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

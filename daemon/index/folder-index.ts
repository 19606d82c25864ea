/**
 * The index of one folder: what our own drive states and what was seen on disk, what the other drives state, and where the bytes
 * of a content are. All of it can be built again from drives and disk. Checkpoints and totals are also held in memory.
 */
import type RocksDB from 'rocksdb-native'
import type { WriteBatch } from 'rocksdb-native'
import type { BlobRange, FolderIndex, FoundObject, HistoryRow, IndexBatch, OwnCheckpoint, Place, RemoteCheckpoint, RemoteRow, Row, Totals } from '../ports.ts'
import { PAGE_CHUNKS, contentList, decodePage, encodeHeader, encodePages, pageId, type ContentHeader, type ContentList } from '../sync/content.ts'
import type { Entry } from '../sync/entry.ts'
import type { ContentId, DeviceId, DriveKey, ObjectId, PathKey } from '../sync/ids.ts'
import {
  decodeChunk,
  decodeContent,
  decodeDrive,
  decodeHistory,
  decodeOwn,
  decodeRemote,
  decodeRow,
  decodeTotals,
  encodeDrive,
  encodeHistory,
  encodeOwn,
  encodeRemote,
  encodeRow,
  encodeTotals,
  remoteCheckpoint,
  type ChunkRow,
  type ContentRow,
  type DriveRow
} from './codec.ts'
import { ContentChanges } from './content-changes.ts'
import { GatheringBatch, type DriveWish, type Wishes } from './index-batch.ts'
import { divergentOfKey, driveOfKey, nameOfKey, pathOfKey, placeOfKey, type Keys, type Range } from './keys.ts'
import { Table } from './table.ts'

/** Rows of one array of an iteration. */
const BATCH_ROWS = 1000
/** Places and contents beside the first that a lookup brings back: each holds the same bytes, so a few are enough to try. */
const MAX_OTHER_PLACES = 256
const MAX_OTHER_CONTENTS = 16
const NO_TOTALS: Totals = { files: 0, directories: 0, bytes: 0 }
const EMPTY = Buffer.alloc(0)

export class RocksFolderIndex implements FolderIndex {
  readonly #table: Table
  readonly #keys: Keys
  #own: OwnCheckpoint | null = null
  #totals = NO_TOTALS
  #drives: ReadonlyMap<DriveKey, DriveRow> = new Map()
  #last: Promise<unknown> = Promise.resolve()
  #closing = false

  private constructor(db: RocksDB, keys: Keys) {
    this.#table = new Table(db)
    this.#keys = keys
  }

  /** See open.ts. */
  static async open(db: RocksDB, keys: Keys): Promise<RocksFolderIndex> {
    const index = new RocksFolderIndex(db, keys)
    await index.#load()
    return index
  }

  get own(): OwnCheckpoint | null {
    return this.#own
  }

  get totals(): Totals {
    return this.#totals
  }

  remoteCheckpoint(drive: DriveKey): RemoteCheckpoint | null {
    const row = this.#drives.get(drive)
    return row === undefined ? null : remoteCheckpoint(row)
  }

  async row(path: PathKey): Promise<Row | null> {
    const bytes = await this.#table.get(this.#keys.row(path))
    return bytes === null ? null : decodeRow(bytes)
  }

  rows(paths: readonly PathKey[]): Promise<readonly (Row | null)[]> {
    return Promise.all(paths.map((path) => this.row(path)))
  }

  async children(directory: PathKey): Promise<ReadonlyMap<string, Row>> {
    const rows = new Map<string, Row>()
    for await (const { key, value } of this.#table.range(this.#keys.children(directory))) rows.set(nameOfKey(key), decodeRow(value))
    return rows
  }

  remoteRows(paths: readonly PathKey[]): Promise<readonly (readonly RemoteRow[])[]> {
    return Promise.all(paths.map((path) => this.#remoteRows(path)))
  }

  async remoteChildren(directory: PathKey): Promise<ReadonlySet<string>> {
    this.#table.check()
    const names = new Set<string>()
    for (const { number } of this.#drives.values()) {
      for await (const { key } of this.#table.range(this.#keys.remoteChildren(number, directory), { keysOnly: true })) names.add(nameOfKey(key))
    }
    return names
  }

  divergent(): AsyncGenerator<readonly { readonly device: DeviceId; readonly path: PathKey }[]> {
    return this.#batches(this.#keys.divergentRows(), (key) => divergentOfKey(key))
  }

  all(): AsyncGenerator<readonly { readonly path: PathKey; readonly row: Row }[]> {
    return this.#batches(this.#keys.rows(), (key, value) => ({ path: pathOfKey(key, false), row: decodeRow(value) }))
  }

  async *allRemote(drive: DriveKey): AsyncGenerator<readonly { readonly path: PathKey; readonly entry: Entry }[]> {
    this.#table.check()
    const row = this.#drives.get(drive)
    if (row === undefined) return
    yield* this.#batches(this.#keys.remoteRows(row.number), (key, value) => ({ path: pathOfKey(key, true), entry: decodeRemote(value) }))
  }

  async content(cid: ContentId): Promise<{ readonly list: ContentList; readonly blob: BlobRange | null } | null> {
    const row = await this.#content(cid)
    if (row === null) return null
    const list = await this.#list(cid, row)
    return list === null ? null : { list, blob: this.#blob(row) }
  }

  async places(cid: ContentId): Promise<readonly Place[]> {
    const row = await this.#content(cid)
    return row === null ? [] : this.#places(cid, row)
  }

  async find(id: ObjectId): Promise<FoundObject | null> {
    const chunk = await this.#table.get(this.#keys.chunk(id))
    if (chunk !== null) return this.#findChunk(id, decodeChunk(chunk))
    const row = await this.#content(id)
    if (row !== null) return { kind: 'bytes', data: encodeHeader(headerOf(row)) }
    for await (const { key, value } of this.#table.range(this.#keys.pageHolders(id), { limit: 1 })) {
      const holder = key.toString('base64url', key.length - 32) as ContentId
      const data = await this.#table.get(this.#keys.page(holder, value.readUInt32BE(0)))
      if (data !== null) return { kind: 'bytes', data }
    }
    return null
  }

  async *history(path: PathKey | null): AsyncGenerator<readonly HistoryRow[]> {
    if (path === null) {
      yield* this.#batches(this.#keys.historyRows(), (_key, value) => decodeHistory(value))
      return
    }
    for await (const names of this.#batches(this.#keys.historyNames(path), (key) => nameOfKey(key))) {
      const rows = await Promise.all(names.map((name) => this.#table.get(this.#keys.history(name))))
      yield rows.filter((row) => row !== null).map((row) => decodeHistory(row))
    }
  }

  batch(): IndexBatch {
    this.#table.check()
    return new GatheringBatch((wishes) => this.#exclusive(() => this.#flush(wishes)))
  }

  /** Waits for a flush under way; iterations end with an error. */
  async close(): Promise<void> {
    this.#closing = true
    await this.#last
    this.#table.close()
  }

  // ---------------------------------------------------------------------------------------------- reads

  async #load(): Promise<void> {
    const [own, totals] = await Promise.all([this.#table.get(this.#keys.own), this.#table.get(this.#keys.totals)])
    this.#own = own === null ? null : decodeOwn(own)
    this.#totals = totals === null ? NO_TOTALS : decodeTotals(totals)
    const drives = new Map<DriveKey, DriveRow>()
    for await (const { key, value } of this.#table.range(this.#keys.drives())) drives.set(driveOfKey(key), decodeDrive(value))
    this.#drives = drives
  }

  async #remoteRows(path: PathKey): Promise<RemoteRow[]> {
    this.#table.check()
    const drives = [...this.#drives]
    const stored = await Promise.all(drives.map(([, { number }]) => this.#table.get(this.#keys.remote(number, path))))
    const rows: RemoteRow[] = []
    for (const [i, [drive, { device, generation }]] of drives.entries()) {
      const bytes = stored[i] ?? null
      if (bytes !== null) rows.push({ device, drive, generation, entry: decodeRemote(bytes) })
    }
    return rows
  }

  async *#batches<T>(range: Range, map: (key: Buffer, value: Buffer) => T): AsyncGenerator<readonly T[]> {
    let batch: T[] = []
    for await (const { key, value } of this.#table.range(range)) {
      batch.push(map(key, value))
      if (batch.length < BATCH_ROWS) continue
      yield batch
      batch = []
    }
    if (batch.length > 0) yield batch
  }

  async #content(cid: ContentId | ObjectId): Promise<ContentRow | null> {
    const bytes = await this.#table.get(this.#keys.content(cid))
    return bytes === null ? null : decodeContent(bytes, PAGE_CHUNKS)
  }

  /** A blob of an earlier generation lies in another drive. */
  #blob({ blob }: ContentRow): BlobRange | null {
    if (blob === null || blob.generation !== (this.#own?.generation ?? 0)) return null
    const { generation: _, ...range } = blob
    return range
  }

  async #list(cid: ContentId, row: ContentRow): Promise<ContentList | null> {
    const { sizeClass, size } = row
    if (row.chunk !== null) return { cid, sizeClass, size, chunks: [{ id: row.chunk, length: size }] }
    const pages = await Promise.all(row.pages.map((_, number) => this.#table.get(this.#keys.page(cid, number))))
    const chunks = []
    for (const page of pages) {
      const rows = page === null ? null : decodePage(page, sizeClass)
      if (rows === null) return null
      for (const chunk of rows) chunks.push(chunk)
    }
    return chunks.length === 0 ? contentList(sizeClass, []) : { cid, sizeClass, size, chunks }
  }

  async #places(cid: ContentId, row: ContentRow): Promise<Place[]> {
    const places = [row.place]
    if (!row.more) return places
    for await (const { key } of this.#table.range(this.#keys.places(cid), { limit: MAX_OTHER_PLACES, keysOnly: true })) places.push(placeOfKey(key))
    return places
  }

  async #findChunk(id: ObjectId, first: ChunkRow): Promise<FoundObject> {
    const holders = [first]
    if (first.more) {
      for await (const { value } of this.#table.range(this.#keys.otherChunks(id), { limit: MAX_OTHER_CONTENTS })) holders.push(decodeChunk(value))
    }
    const at: { place: Place; offset: number }[] = []
    for (const { cid, offset } of holders) for (const place of await this.places(cid)) at.push({ place, offset })
    return { kind: 'chunk', length: first.length, at }
  }

  // ---------------------------------------------------------------------------------------------- writes

  #exclusive(run: () => Promise<void>): Promise<void> {
    if (this.#closing) return Promise.reject(new Error('the index is closed'))
    const result = this.#last.then(run)
    this.#last = result.catch(() => undefined)
    return result
  }

  async #flush(wishes: Wishes): Promise<void> {
    const out = this.#table.db.write({ autoDestroy: true, capacity: 4 * wishes.rows.size + 64 })
    const own = wishes.own ?? this.#own
    let totals: Totals
    let drives: ReadonlyMap<DriveKey, DriveRow>
    try {
      totals = await this.#putRows(wishes, out)
      drives = this.#putDrives(wishes, out)
      this.#putDivergent(wishes, out)
      await this.#putHistory(wishes, out)
      await new ContentChanges(this.#table, this.#keys, own?.generation ?? 0, out).apply(wishes.contents)
      if (wishes.own !== null) out.tryPut(this.#keys.own, encodeOwn(wishes.own))
    } catch (error) {
      out.destroy()
      throw error
    }
    await out.flush()
    this.#own = own
    this.#totals = totals
    this.#drives = drives
  }

  async #putRows({ rows }: Wishes, out: WriteBatch): Promise<Totals> {
    if (rows.size === 0) return this.#totals
    const before = await this.rows([...rows.keys()])
    let totals = this.#totals
    let i = 0
    for (const [path, row] of rows) {
      totals = add(totals, before[i++] ?? null, -1)
      totals = add(totals, row, 1)
      if (row === null) out.tryDelete(this.#keys.row(path))
      else out.tryPut(this.#keys.row(path), encodeRow(row))
    }
    out.tryPut(this.#keys.totals, encodeTotals(totals))
    return totals
  }

  #putDrives(wishes: Wishes, out: WriteBatch): ReadonlyMap<DriveKey, DriveRow> {
    const drives = new Map(this.#drives)
    for (const [key, wish] of wishes.drives) this.#putDrive(drives, key, wish, out)
    return drives
  }

  #putDrive(drives: Map<DriveKey, DriveRow>, key: DriveKey, wish: DriveWish, out: WriteBatch): void {
    const stored = drives.get(key)
    if (wish.dropped && stored !== undefined) {
      const { gte, lt } = this.#keys.remoteRows(stored.number)
      out.tryDeleteRange(gte, lt)
      out.tryDelete(this.#keys.drive(key))
      drives.delete(key)
    }
    const row = updateDrive(wish.dropped ? undefined : stored, wish, () => nextNumber([...this.#drives.values(), ...drives.values()]))
    if (row === null) return
    drives.set(key, row)
    if (row !== stored) out.tryPut(this.#keys.drive(key), encodeDrive(row))
    for (const [path, statement] of wish.rows) {
      if (statement === null) out.tryDelete(this.#keys.remote(row.number, path))
      else out.tryPut(this.#keys.remote(row.number, path), encodeRemote(statement.entry))
    }
  }

  #putDivergent({ divergent }: Wishes, out: WriteBatch): void {
    for (const { device, path, divergent: is } of divergent.values()) {
      if (is) out.tryPut(this.#keys.divergent(device, path), EMPTY)
      else out.tryDelete(this.#keys.divergent(device, path))
    }
  }

  async #putHistory({ history }: Wishes, out: WriteBatch): Promise<void> {
    const names = [...history.keys()]
    const before = await Promise.all(names.map((name) => this.#table.get(this.#keys.history(name))))
    for (const [i, name] of names.entries()) {
      const old = before[i] ?? null
      if (old !== null) out.tryDelete(this.#keys.historyOf(decodeHistory(old).path, name))
      const row = history.get(name) ?? null
      if (row === null) out.tryDelete(this.#keys.history(name))
      else {
        out.tryPut(this.#keys.history(name), encodeHistory(row))
        out.tryPut(this.#keys.historyOf(row.path, name), EMPTY)
      }
    }
  }
}

function headerOf(row: ContentRow): ContentHeader {
  const { sizeClass, size, chunk } = row
  const pages = chunk === null ? row.pages : encodePages([{ id: chunk, length: size }]).map(pageId)
  return { sizeClass, size, pages }
}

/** Live rows that our drive states: a shadow or an ignored path does not count. */
function add(totals: Totals, row: Row | null, sign: 1 | -1): Totals {
  if (row === null || row.ignored === true) return totals
  const { entry } = row
  switch (entry.kind) {
    case 'tombstone':
      return totals
    case 'directory':
      return { ...totals, directories: totals.directories + sign }
    case 'file':
      return { ...totals, files: totals.files + sign, bytes: totals.bytes + sign * entry.size }
    case 'symlink':
      return { ...totals, files: totals.files + sign }
  }
}

/** Null if the drive is not known and nothing makes it known. */
function updateDrive(stored: DriveRow | undefined, wish: DriveWish, number: () => number): DriveRow | null {
  const statement = [...wish.rows.values()].find((row) => row !== null) ?? null
  const { checkpoint } = wish
  const told = checkpoint ?? statement
  if (told === null) return stored ?? null
  const { device, generation } = told
  if (stored !== undefined && checkpoint === null && stored.device === device && stored.generation === generation) return stored
  return {
    number: stored?.number ?? number(),
    device,
    generation,
    checkpoint: checkpoint === null ? (stored?.checkpoint ?? null) : { length: checkpoint.length, fork: checkpoint.fork }
  }
}

function nextNumber(drives: readonly DriveRow[]): number {
  return drives.reduce((last, drive) => Math.max(last, drive.number), 0) + 1
}

/**
 * The index of one folder: what our own drive states and what was seen on disk, what the other drives state, and where the bytes
 * of a content are. All of it can be built again from drives and disk. Checkpoints and totals are also held in memory.
 */
import type RocksDB from 'rocksdb-native'
import type { WriteBatch } from 'rocksdb-native'
import type { BlobRange, FolderIndex, FoundObject, HistoryClock, HistoryRow, IndexBatch, KnownRow, OwnCheckpoint, Place, RemoteCheckpoint, RemoteRow, Row, Totals } from '../ports.ts'
import type { ContentList } from '../sync/content.ts'
import { isConflictPath } from '../sync/conflict.ts'
import type { Entry } from '../sync/entry.ts'
import type { ContentId, DeviceId, DriveKey, ObjectId, PathKey } from '../sync/ids.ts'
import type { Relocation } from '../sync/relocation.ts'
import {
  decodeDrive,
  decodeHistory,
  decodeKnownRow,
  decodeOwn,
  decodeHistoryClock,
  decodeRelocation,
  decodeRemote,
  decodeRow,
  decodeTotals,
  encodeDrive,
  encodeHistory,
  encodeOwn,
  encodeHistoryClock,
  encodeRelocation,
  encodeRemote,
  encodeRow,
  encodeTotals,
  remoteCheckpoint,
  type DriveRow
} from './codec.ts'
import { ContentChanges } from './content-changes.ts'
import { ContentLookup } from './content-lookup.ts'
import { Digests } from './digests.ts'
import { GatheringBatch, type DriveWish, type Wishes } from './index-batch.ts'
import { contentOfKey, copyOfKey, divergentOfKey, driveOfKey, nameOfKey, pathOfKey, type Keys, type Range } from './keys.ts'
import { RowCache } from './row-cache.ts'
import { Table } from './table.ts'

/** Rows of one array of an iteration. */
const BATCH_ROWS = 1000
/** Of each kind: a slice of the cycle comes back to the same few thousand paths three or four times. About 700 bytes each. */
const CACHED_ROWS = 4096
const NO_TOTALS: Totals = { files: 0, directories: 0, bytes: 0 }
const EMPTY = Buffer.alloc(0)

export class RocksFolderIndex implements FolderIndex {
  readonly #table: Table
  readonly #keys: Keys
  readonly #contents: ContentLookup
  readonly #digests: Digests
  /** Own rows. */
  readonly #rows = new RowCache<Row | null>(CACHED_ROWS)
  /** What all drives of `#drives` state of a path. */
  readonly #statements = new RowCache<readonly RemoteRow[]>(CACHED_ROWS)
  #own: OwnCheckpoint | null = null
  #totals = NO_TOTALS
  #rules: string | null = null
  #relocation: Relocation | null = null
  #historyClock: HistoryClock | null = null
  #drives: ReadonlyMap<DriveKey, DriveRow> = new Map()
  #last: Promise<unknown> = Promise.resolve()
  #closing = false

  private constructor(db: RocksDB, keys: Keys) {
    this.#table = new Table(db)
    this.#keys = keys
    this.#contents = new ContentLookup(this.#table, keys)
    this.#digests = new Digests(this.#table, keys)
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

  get rules(): string | null {
    return this.#rules
  }

  get relocation(): Relocation | null {
    return this.#relocation
  }

  get historyClock(): HistoryClock | null {
    return this.#historyClock
  }

  remoteCheckpoint(drive: DriveKey): RemoteCheckpoint | null {
    const row = this.#drives.get(drive)
    return row === undefined ? null : remoteCheckpoint(row)
  }

  remoteDrives(): readonly { readonly drive: DriveKey; readonly device: DeviceId; readonly generation: number }[] {
    return [...this.#drives].map(([drive, { device, generation }]) => ({ drive, device, generation }))
  }

  async row(path: PathKey): Promise<Row | null> {
    this.#table.check()
    const known = this.#rows.get(path)
    return known === undefined ? await this.#readRow(path) : known
  }

  async rows(paths: readonly PathKey[]): Promise<readonly (Row | null)[]> {
    this.#table.check()
    return await this.#rows.all(paths, (path) => this.#readRow(path))
  }

  async children(directory: PathKey): Promise<ReadonlyMap<string, KnownRow>> {
    const rows = new Map<string, KnownRow>()
    await this.#table.each(this.#keys.children(directory), (key, value) => void rows.set(nameOfKey(key), decodeKnownRow(value)))
    return rows
  }

  digest(directory: PathKey): Promise<Buffer | null> {
    return this.#digests.get(directory)
  }

  async remoteRows(paths: readonly PathKey[]): Promise<readonly (readonly RemoteRow[])[]> {
    this.#table.check()
    return await this.#statements.all(paths, (path) => this.#readStatements(path))
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

  async *copies(): AsyncGenerator<readonly PathKey[]> {
    this.#table.check()
    if ((await this.#table.get(this.#keys.copiesKnown)) === null) await this.#exclusive(() => this.#findCopies())
    for await (const paths of this.#batches(this.#keys.copies(), (key) => copyOfKey(key))) yield paths.filter((path) => path !== '')
  }

  async *allRemote(drive: DriveKey): AsyncGenerator<readonly { readonly path: PathKey; readonly entry: Entry }[]> {
    this.#table.check()
    const row = this.#drives.get(drive)
    if (row === undefined) return
    yield* this.#batches(this.#keys.remoteRows(row.number), (key, value) => ({ path: pathOfKey(key, true), entry: decodeRemote(value) }))
  }

  content(cid: ContentId): Promise<{ readonly list: ContentList; readonly blob: BlobRange | null } | null> {
    return this.#contents.content(cid, blobsFrom(this.#own))
  }

  places(cid: ContentId): Promise<readonly Place[]> {
    return this.#contents.places(cid)
  }

  find(id: ObjectId, only?: 'chunk'): Promise<FoundObject | null> {
    return this.#contents.find(id, only)
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

  async historyRow(name: string): Promise<HistoryRow | null> {
    const bytes = await this.#table.get(this.#keys.history(name))
    return bytes === null ? null : decodeHistory(bytes)
  }

  async *contents(): AsyncGenerator<readonly { readonly cid: ContentId; readonly places: readonly Place[] }[]> {
    for await (const cids of this.#batches(this.#keys.contents(), (key) => contentOfKey(key))) {
      yield await Promise.all(cids.map(async (cid) => ({ cid, places: await this.#contents.places(cid) })))
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
    const [own, totals, rules] = await Promise.all([this.#table.get(this.#keys.own), this.#table.get(this.#keys.totals), this.#table.get(this.#keys.rules)])
    const [relocation, clock] = await Promise.all([this.#table.get(this.#keys.relocation), this.#table.get(this.#keys.historyClock)])
    this.#relocation = relocation === null ? null : decodeRelocation(relocation)
    this.#historyClock = clock === null ? null : decodeHistoryClock(clock)
    this.#rules = rules?.toString('hex') ?? null
    this.#own = own === null ? null : decodeOwn(own)
    this.#totals = totals === null ? NO_TOTALS : decodeTotals(totals)
    const drives = new Map<DriveKey, DriveRow>()
    for await (const { key, value } of this.#table.range(this.#keys.drives())) drives.set(driveOfKey(key), decodeDrive(value))
    this.#drives = drives
  }

  async #readRow(path: PathKey): Promise<Row | null> {
    const age = this.#rows.age
    const bytes = await this.#table.get(this.#keys.row(path))
    return this.#rows.keep(age, path, bytes === null ? null : decodeRow(bytes))
  }

  async #readStatements(path: PathKey): Promise<readonly RemoteRow[]> {
    const age = this.#statements.age
    const drives = this.#drives
    const reads: Promise<Buffer | null>[] = []
    for (const { number } of drives.values()) reads.push(this.#table.get(this.#keys.remote(number, path)))
    const stored = await Promise.all(reads)
    const rows: RemoteRow[] = []
    let i = 0
    for (const [drive, { device, generation }] of drives) {
      const bytes = stored[i++] ?? null
      if (bytes !== null) rows.push({ device, drive, generation, entry: decodeRemote(bytes) })
    }
    return this.#statements.keep(age, path, rows)
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

  // ---------------------------------------------------------------------------------------------- writes

  async recount(): Promise<void> {
    await this.#exclusive(async () => {
      let totals = NO_TOTALS
      for await (const rows of this.all()) for (const { row } of rows) totals = add(totals, row, 1)
      const out = this.#table.db.write({ autoDestroy: true, capacity: 1 })
      out.tryPut(this.#keys.totals, encodeTotals(totals))
      await out.flush()
      this.#totals = totals
    })
  }

  async writeDigests(): Promise<void> {
    await this.#digests.write((run) => this.#exclusive(run))
  }

  #exclusive(run: () => Promise<void>): Promise<void> {
    if (this.#closing) return Promise.reject(new Error('the index is closed'))
    const result = this.#last.then(run)
    this.#last = result.catch(() => undefined)
    return result
  }

  async #flush(wishes: Wishes): Promise<void> {
    const out = this.#table.db.write({ autoDestroy: true, capacity: 4 * wishes.rows.size + 64 })
    const own = wishes.own ?? this.#own
    const generation = wishes.generation ?? blobsFrom(own)
    let totals: Totals
    let drives: ReadonlyMap<DriveKey, DriveRow>
    try {
      totals = await this.#putRows(wishes, out)
      drives = this.#putDrives(wishes, out)
      this.#putDivergent(wishes, out)
      await this.#putHistory(wishes, out)
      await new ContentChanges(this.#table, this.#keys, generation, out).apply(wishes.contents)
      if (wishes.own !== null) out.tryPut(this.#keys.own, encodeOwn(wishes.own))
      if (wishes.rules !== null) out.tryPut(this.#keys.rules, Buffer.from(wishes.rules, 'hex'))
      if (wishes.relocation === null) out.tryDelete(this.#keys.relocation)
      else if (wishes.relocation !== undefined) out.tryPut(this.#keys.relocation, encodeRelocation(wishes.relocation))
      if (wishes.historyClock !== null) out.tryPut(this.#keys.historyClock, encodeHistoryClock(wishes.historyClock))
    } catch (error) {
      out.destroy()
      throw error
    }
    try {
      await out.flush()
    } catch (error) {
      // What of it was written is not known.
      this.#rows.renew(null)
      this.#statements.renew(null)
      throw error
    }
    this.#renewCaches(wishes, drives)
    this.#own = own
    this.#rules = wishes.rules ?? this.#rules
    if (wishes.relocation !== undefined) this.#relocation = wishes.relocation
    this.#historyClock = wishes.historyClock ?? this.#historyClock
    this.#totals = totals
    this.#drives = drives
  }

  #renewCaches({ rows, drives: wishes }: Wishes, drives: ReadonlyMap<DriveKey, DriveRow>): void {
    this.#rows.renew((put) => {
      for (const [path, row] of rows) put(path, row)
    })
    if (!sameDrives(this.#drives, drives) || [...wishes.values()].some((wish) => wish.dropped)) return this.#statements.renew(null)
    this.#statements.renew((put) => {
      for (const [drive, wish] of wishes) {
        const known = drives.get(drive)
        if (known === undefined) continue
        const { device, generation } = known
        // With several drives, what the others state of it is not at hand.
        for (const [path, row] of wish.rows) put(path, drives.size > 1 ? undefined : row === null ? [] : [{ device, drive, generation, entry: row.entry }])
      }
    })
  }

  async #putRows({ rows }: Wishes, out: WriteBatch): Promise<Totals> {
    if (rows.size === 0) return this.#totals
    const before = await this.rows([...rows.keys()])
    this.#digests.drop(rows.keys(), out)
    let totals = this.#totals
    let i = 0
    for (const [path, row] of rows) {
      totals = add(totals, before[i++] ?? null, -1)
      totals = add(totals, row, 1)
      if (row === null) out.tryDelete(this.#keys.row(path))
      else out.tryPut(this.#keys.row(path), encodeRow(row))
      if (isConflictPath(path)) this.#putCopy(path, row, out)
    }
    out.tryPut(this.#keys.totals, encodeTotals(totals))
    return totals
  }

  #putCopy(path: PathKey, row: Row | null, out: WriteBatch): void {
    if (row === null || row.entry.kind === 'tombstone') out.tryDelete(this.#keys.copy(path))
    else out.tryPut(this.#keys.copy(path), EMPTY)
  }

  /** Once for an index whose rows may be older than this table. */
  async #findCopies(): Promise<void> {
    const out = this.#table.db.write({ autoDestroy: true })
    try {
      for await (const rows of this.all()) for (const { path, row } of rows) if (isConflictPath(path)) this.#putCopy(path, row, out)
      out.tryPut(this.#keys.copiesKnown, EMPTY)
    } catch (error) {
      out.destroy()
      throw error
    }
    await out.flush()
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

/** Of the same devices and generations, under the same numbers. */
function sameDrives(before: ReadonlyMap<DriveKey, DriveRow>, after: ReadonlyMap<DriveKey, DriveRow>): boolean {
  if (before.size !== after.size) return false
  for (const [key, { number, device, generation }] of after) {
    const row = before.get(key)
    if (row === undefined || row.number !== number || row.device !== device || row.generation !== generation) return false
  }
  return true
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

/** Under which generation blobs of our drive are noted. */
function blobsFrom(own: OwnCheckpoint | null): number {
  return own?.blobsFrom ?? own?.generation ?? 0
}

function nextNumber(drives: readonly DriveRow[]): number {
  return drives.reduce((last, drive) => Math.max(last, drive.number), 0) + 1
}

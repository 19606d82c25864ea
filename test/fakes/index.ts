/** A `FolderIndex` over an `IndexStore`: everything in memory, a batch visible at its flush and not before. */
import type { BlobRange, FolderIndex, FoundObject, HistoryClock, HistoryRow, IndexBatch, OwnCheckpoint, Place, RemoteCheckpoint, RemoteRow, Row, Totals } from '../../daemon/ports.ts'
import { encodeHeader, encodePages, pageId, type ContentList } from '../../daemon/sync/content.ts'
import { isConflictPath } from '../../daemon/sync/conflict.ts'
import type { Entry } from '../../daemon/sync/entry.ts'
import type { ChunkId, ContentId, DeviceId, DriveKey, ObjectId, PathKey } from '../../daemon/sync/ids.ts'
import type { Relocation } from '../../daemon/sync/relocation.ts'
import type { IndexStore, StoredContent } from './index-store.ts'
import type { Life } from './life.ts'
import { joinPath, nameOf, parentOf } from './tree.ts'

const BATCH_ROWS = 3

export class FakeIndex implements FolderIndex {
  readonly #store: IndexStore
  readonly #life: Life
  readonly #wrote: () => void

  /** `wrote`: after each batch. */
  constructor(store: IndexStore, life: Life, wrote: () => void = () => undefined) {
    this.#store = store
    this.#life = life
    this.#wrote = wrote
  }

  get own(): OwnCheckpoint | null {
    return this.#store.own
  }

  get rules(): string | null {
    return this.#store.rules
  }

  get relocation(): Relocation | null {
    return this.#store.relocation
  }

  get historyClock(): HistoryClock | null {
    return this.#store.historyClock
  }

  get totals(): Totals {
    if (this.#store.totals !== null) return this.#store.totals
    let [files, directories, bytes] = [0, 0, 0]
    for (const { entry, ignored } of this.#store.rows.values()) {
      if (ignored === true) continue
      if (entry.kind === 'directory') directories++
      else if (entry.kind !== 'tombstone') files++
      if (entry.kind === 'file') bytes += entry.size
    }
    return { files, directories, bytes }
  }

  remoteCheckpoint(drive: DriveKey): RemoteCheckpoint | null {
    return this.#store.checkpoints.get(drive) ?? null
  }

  remoteDrives(): readonly { readonly drive: DriveKey; readonly device: DeviceId; readonly generation: number }[] {
    return [...this.#store.checkpoints].map(([drive, { device, generation }]) => ({ drive, device, generation }))
  }

  async row(path: PathKey): Promise<Row | null> {
    await this.#life.step()
    return this.#store.rows.get(path) ?? null
  }

  async rows(paths: readonly PathKey[]): Promise<readonly (Row | null)[]> {
    await this.#life.step()
    return paths.map((path) => this.#store.rows.get(path) ?? null)
  }

  /** It has none, which is always true. */
  async digest(): Promise<null> {
    return null
  }

  async writeDigests(): Promise<void> {}

  async children(directory: PathKey): Promise<ReadonlyMap<string, Row>> {
    await this.#life.step()
    const children = new Map<string, Row>()
    for (const name of this.#store.rowNames.get(directory) ?? []) children.set(name, this.#store.rows.get(joinPath(directory, name) as PathKey) as Row)
    return children
  }

  async remoteRows(paths: readonly PathKey[]): Promise<readonly (readonly RemoteRow[])[]> {
    await this.#life.step()
    return paths.map((path) => [...this.#store.remotes.values()].flatMap((rows) => rows.get(path) ?? []))
  }

  async remoteChildren(directory: PathKey): Promise<ReadonlySet<string>> {
    await this.#life.step()
    const names = new Set<string>()
    for (const rows of this.#store.remotes.values()) {
      for (const path of rows.keys()) if (path !== '' && parentOf(path) === directory) names.add(nameOf(path))
    }
    return names
  }

  divergent(): AsyncIterable<readonly { readonly device: DeviceId; readonly path: PathKey }[]> {
    return this.#batches([...this.#store.divergent.values()])
  }

  all(): AsyncIterable<readonly { readonly path: PathKey; readonly row: Row }[]> {
    return this.#batches([...this.#store.rows].map(([path, row]) => ({ path, row })))
  }

  copies(): AsyncIterable<readonly PathKey[]> {
    return this.#batches([...this.#store.rows].filter(([path, row]) => row.entry.kind !== 'tombstone' && isConflictPath(path)).map(([path]) => path))
  }

  allRemote(drive: DriveKey): AsyncIterable<readonly { readonly path: PathKey; readonly entry: Entry }[]> {
    return this.#batches([...(this.#store.remotes.get(drive) ?? [])].map(([path, row]) => ({ path, entry: row.entry })))
  }

  async content(cid: ContentId): Promise<{ readonly list: ContentList; readonly blob: BlobRange | null } | null> {
    await this.#life.step()
    const content = this.#store.contents.get(cid)
    if (content === undefined) return null
    const { list, blob } = content
    return { list, blob: blob === null || blob.generation !== (this.#store.own?.blobsFrom ?? this.#store.own?.generation ?? 0) ? null : blob.range }
  }

  async places(cid: ContentId): Promise<readonly Place[]> {
    await this.#life.step()
    return [...(this.#store.contents.get(cid)?.places.values() ?? [])]
  }

  async find(id: ObjectId, only?: 'chunk'): Promise<FoundObject | null> {
    await this.#life.step()
    if (only === 'chunk') return this.#findChunk(id)
    return this.#findHeader(id) ?? this.#findChunk(id) ?? this.#findPage(id)
  }

  history(path: PathKey | null): AsyncIterable<readonly HistoryRow[]> {
    return this.#batches([...this.#store.history.values()].filter((row) => path === null || row.path === path))
  }

  async historyRow(name: string): Promise<HistoryRow | null> {
    await this.#life.step()
    return this.#store.history.get(name) ?? null
  }

  contents(): AsyncIterable<readonly { readonly cid: ContentId; readonly places: readonly Place[] }[]> {
    return this.#batches([...this.#store.contents].map(([cid, content]) => ({ cid, places: [...content.places.values()] })))
  }

  batch(): IndexBatch {
    return new FakeBatch(this.#store, this.#life, this.#wrote)
  }

  async recount(): Promise<void> {
    await this.#life.step()
    this.#store.totals = null
  }

  async close(): Promise<void> {
    await this.#life.step()
  }

  #findHeader(id: ObjectId): FoundObject | null {
    const content = this.#store.contents.get(id as string as ContentId)
    if (content === undefined) return null
    const pages = encodePages(content.list.chunks).map(pageId)
    return { kind: 'bytes', data: encodeHeader({ sizeClass: content.list.sizeClass, size: content.list.size, pages }) }
  }

  #findPage(id: ObjectId): FoundObject | null {
    for (const content of this.#store.contents.values()) {
      const page = encodePages(content.list.chunks).find((bytes) => pageId(bytes) === id)
      if (page !== undefined) return { kind: 'bytes', data: page }
    }
    return null
  }

  #findChunk(id: ObjectId): FoundObject | null {
    const holders = this.#store.chunks.get(id as string as ChunkId)
    if (holders === undefined || holders.size === 0) return null
    const at: { place: Place; offset: number; cid: ContentId }[] = []
    let length = 0
    for (const cid of holders) {
      const content = this.#store.contents.get(cid) as StoredContent
      let offset = 0
      for (const chunk of content.list.chunks) {
        if (chunk.id === (id as string)) {
          length = chunk.length
          for (const place of content.places.values()) at.push({ place, offset, cid })
        }
        offset += chunk.length
      }
    }
    return { kind: 'chunk', length, at }
  }

  async *#batches<T>(items: readonly T[]): AsyncGenerator<readonly T[]> {
    for (let start = 0; start < items.length; start += BATCH_ROWS) {
      await this.#life.step()
      yield items.slice(start, start + BATCH_ROWS)
    }
  }
}

class FakeBatch implements IndexBatch {
  readonly #store: IndexStore
  readonly #life: Life
  readonly #wrote: () => void
  #changes: (() => void)[] | null = []
  #generation: number | null = null

  constructor(store: IndexStore, life: Life, wrote: () => void) {
    this.#store = store
    this.#life = life
    this.#wrote = wrote
  }

  get size(): number {
    return this.#changes?.length ?? 0
  }

  putRow(path: PathKey, row: Row): void {
    this.#add(() => this.#store.putRow(path, row))
  }

  delRow(path: PathKey): void {
    this.#add(() => this.#store.delRow(path))
  }

  putRemote(path: PathKey, row: RemoteRow): void {
    this.#add(() => this.#store.putRemote(path, row))
  }

  delRemote(path: PathKey, drive: DriveKey): void {
    this.#add(() => this.#store.remotes.get(drive)?.delete(path))
  }

  dropRemote(drive: DriveKey): void {
    this.#add(() => this.#store.dropRemote(drive))
  }

  setDivergent(device: DeviceId, path: PathKey, divergent: boolean): void {
    this.#add(() => this.#store.setDivergent(device, path, divergent))
  }

  blobsIn(generation: number): void {
    this.#generation = generation
  }

  putContent(list: ContentList, place: Place, blob: BlobRange | null): void {
    this.#add(() => this.#store.putContent(list, place, blob, this.#generation ?? this.#store.own?.blobsFrom ?? this.#store.own?.generation ?? 0))
  }

  delPlace(cid: ContentId, place: Place): void {
    this.#add(() => this.#store.delPlace(cid, place))
  }

  putHistory(row: HistoryRow): void {
    this.#add(() => this.#store.history.set(row.name, row))
  }

  delHistory(name: string): void {
    this.#add(() => this.#store.history.delete(name))
  }

  setRules(digest: string): void {
    this.#add(() => {
      this.#store.rules = digest
    })
  }

  setRelocation(relocation: Relocation | null): void {
    this.#add(() => {
      this.#store.relocation = relocation
    })
  }

  setHistoryClock(clock: HistoryClock): void {
    this.#add(() => {
      this.#store.historyClock = clock
    })
  }

  setOwn(checkpoint: OwnCheckpoint): void {
    this.#generation ??= checkpoint.blobsFrom ?? checkpoint.generation
    this.#add(() => {
      this.#store.own = checkpoint
    })
  }

  setRemote(drive: DriveKey, checkpoint: RemoteCheckpoint): void {
    this.#add(() => this.#store.checkpoints.set(drive, checkpoint))
  }

  async flush(): Promise<void> {
    const changes = this.#changes
    if (changes === null) throw new Error('a batch was flushed twice')
    this.#changes = null
    await this.#life.step()
    for (const change of changes) change()
    this.#wrote()
    await this.#life.step()
  }

  #add(change: () => void): void {
    if (this.#changes === null) throw new Error('a batch was changed after its flush')
    this.#changes.push(change)
  }
}

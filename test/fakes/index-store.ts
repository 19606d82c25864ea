/** What of a fake index outlives a daemon. Rows are frozen: nobody may change what was read. */
import type { BlobRange, HistoryClock, HistoryRow, OwnCheckpoint, Place, RemoteCheckpoint, RemoteRow, Row, Totals } from '../../daemon/ports.ts'
import type { ContentList } from '../../daemon/sync/content.ts'
import type { ChunkId, ContentId, DeviceId, DriveKey, PathKey } from '../../daemon/sync/ids.ts'
import type { Relocation } from '../../daemon/sync/relocation.ts'
import { nameOf, parentOf } from './tree.ts'

export interface StoredContent {
  readonly list: ContentList
  /** In the drive of that generation only. */
  blob: { readonly generation: number; readonly range: BlobRange } | null
  readonly places: Map<string, Place>
}

export class IndexStore {
  own: OwnCheckpoint | null = null
  rules: string | null = null
  /** What it says instead of counting, as damaged. */
  totals: Totals | null = null
  relocation: Relocation | null = null
  historyClock: HistoryClock | null = null
  readonly rows = new Map<PathKey, Row>()
  readonly rowNames = new Map<string, Set<string>>()
  readonly remotes = new Map<DriveKey, Map<PathKey, RemoteRow>>()
  readonly checkpoints = new Map<DriveKey, RemoteCheckpoint>()
  readonly divergent = new Map<string, { readonly device: DeviceId; readonly path: PathKey }>()
  readonly contents = new Map<ContentId, StoredContent>()
  readonly chunks = new Map<ChunkId, Set<ContentId>>()
  readonly history = new Map<string, HistoryRow>()

  /** As it is now, for a state directory that is put back later. */
  clone(): IndexStore {
    const copy = new IndexStore()
    copy.own = this.own
    copy.relocation = this.relocation
    copy.historyClock = this.historyClock
    for (const [path, row] of this.rows) copy.putRow(path, row)
    for (const rows of this.remotes.values()) for (const [path, row] of rows) copy.putRemote(path, row)
    for (const [drive, checkpoint] of this.checkpoints) copy.checkpoints.set(drive, checkpoint)
    for (const [key, mark] of this.divergent) copy.divergent.set(key, mark)
    for (const { list, blob, places } of this.contents.values()) for (const place of places.values()) copy.putContent(list, place, blob?.range ?? null, blob?.generation)
    for (const [name, row] of this.history) copy.history.set(name, row)
    return copy
  }

  putRow(path: PathKey, row: Row): void {
    this.rows.set(path, deepFreeze(row))
    const parent = parentOf(path)
    let names = this.rowNames.get(parent)
    if (names === undefined) this.rowNames.set(parent, (names = new Set()))
    names.add(nameOf(path))
  }

  delRow(path: PathKey): void {
    this.rows.delete(path)
    this.rowNames.get(parentOf(path))?.delete(nameOf(path))
  }

  putRemote(path: PathKey, row: RemoteRow): void {
    let rows = this.remotes.get(row.drive)
    if (rows === undefined) this.remotes.set(row.drive, (rows = new Map()))
    rows.set(path, deepFreeze(row))
  }

  dropRemote(drive: DriveKey): void {
    this.remotes.delete(drive)
    this.checkpoints.delete(drive)
  }

  putContent(list: ContentList, place: Place, range: BlobRange | null, generation = 0): void {
    let content = this.contents.get(list.cid)
    if (content === undefined) {
      this.contents.set(list.cid, (content = { list, blob: null, places: new Map() }))
      for (const chunk of list.chunks) this.#holders(chunk.id).add(list.cid)
    }
    content.blob = range === null ? content.blob : { generation, range }
    content.places.set(placeKey(place), place)
  }

  delPlace(cid: ContentId, place: Place): void {
    const content = this.contents.get(cid)
    if (content === undefined || !content.places.delete(placeKey(place)) || content.places.size > 0) return
    this.contents.delete(cid)
    for (const chunk of content.list.chunks) this.#holders(chunk.id).delete(cid)
  }

  setDivergent(device: DeviceId, path: PathKey, divergent: boolean): void {
    const key = `${device}/${path}`
    if (divergent) this.divergent.set(key, { device, path })
    else this.divergent.delete(key)
  }

  #holders(id: ChunkId): Set<ContentId> {
    let holders = this.chunks.get(id)
    if (holders === undefined) this.chunks.set(id, (holders = new Set()))
    return holders
  }
}

function placeKey(place: Place): string {
  return `${place.area}/${place.path}`
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const inner of Object.values(value)) deepFreeze(inner)
  return value
}

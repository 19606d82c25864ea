/** Gathers the changes of one flush; the last wish for a row wins. What they mean for rows already stored is found at the flush. */
import type { BlobRange, HistoryClock, HistoryRow, IndexBatch, OwnCheckpoint, Place, RemoteCheckpoint, RemoteRow, Row } from '../ports.ts'
import type { ContentList } from '../sync/content.ts'
import type { ContentId, DeviceId, DriveKey, PathKey } from '../sync/ids.ts'
import type { Relocation } from '../sync/relocation.ts'
import type { ContentWish } from './content-changes.ts'

/** What a batch has gathered of one other drive. */
export interface DriveWish {
  /** All rows stored so far go. */
  dropped: boolean
  readonly rows: Map<PathKey, RemoteRow | null>
  checkpoint: RemoteCheckpoint | null
}

/** Everything gathered. */
export interface Wishes {
  readonly rows: Map<PathKey, Row | null>
  readonly drives: Map<DriveKey, DriveWish>
  readonly divergent: Map<string, { readonly device: DeviceId; readonly path: PathKey; readonly divergent: boolean }>
  readonly contents: Map<ContentId, ContentWish>
  readonly history: Map<string, HistoryRow | null>
  /** Null: blobs lie in the drive that the index names. */
  generation: number | null
  own: OwnCheckpoint | null
  rules: string | null
  /** Undefined: as it is. */
  relocation: Relocation | null | undefined
  historyClock: HistoryClock | null
}

export class GatheringBatch implements IndexBatch {
  readonly #flush: (wishes: Wishes) => Promise<void>
  readonly #wishes: Wishes = { rows: new Map(), drives: new Map(), divergent: new Map(), contents: new Map(), history: new Map(), generation: null, own: null, rules: null, relocation: undefined, historyClock: null }
  #size = 0
  #flushed = false

  constructor(flush: (wishes: Wishes) => Promise<void>) {
    this.#flush = flush
  }

  get size(): number {
    return this.#size
  }

  putRow(path: PathKey, row: Row): void {
    this.#count().rows.set(path, row)
  }

  delRow(path: PathKey): void {
    this.#count().rows.set(path, null)
  }

  putRemote(path: PathKey, row: RemoteRow): void {
    this.#drive(row.drive).rows.set(path, row)
  }

  delRemote(path: PathKey, drive: DriveKey): void {
    this.#drive(drive).rows.set(path, null)
  }

  dropRemote(drive: DriveKey): void {
    this.#count().drives.set(drive, { dropped: true, rows: new Map(), checkpoint: null })
  }

  setDivergent(device: DeviceId, path: PathKey, divergent: boolean): void {
    this.#count().divergent.set(`${device}${path}`, { device, path, divergent })
  }

  blobsIn(generation: number): void {
    this.#count().generation = generation
  }

  putContent(list: ContentList, place: Place, blob: BlobRange | null): void {
    const wish = this.#content(list.cid)
    wish.list = list
    if (blob !== null) wish.blob = blob
    wish.places.set(`${place.area}:${place.path}`, { place, add: true })
  }

  delPlace(cid: ContentId, place: Place): void {
    this.#content(cid).places.set(`${place.area}:${place.path}`, { place, add: false })
  }

  putHistory(row: HistoryRow): void {
    this.#count().history.set(row.name, row)
  }

  delHistory(name: string): void {
    this.#count().history.set(name, null)
  }

  setOwn(checkpoint: OwnCheckpoint): void {
    this.#count().own = checkpoint
  }

  setRules(digest: string): void {
    this.#count().rules = digest
  }

  setRelocation(relocation: Relocation | null): void {
    this.#count().relocation = relocation
  }

  setHistoryClock(clock: HistoryClock): void {
    this.#count().historyClock = clock
  }

  setRemote(drive: DriveKey, checkpoint: RemoteCheckpoint): void {
    this.#drive(drive).checkpoint = checkpoint
  }

  /** Once. Does nothing if nothing was gathered. */
  async flush(): Promise<void> {
    if (this.#flushed) throw new Error('a batch is flushed once')
    this.#flushed = true
    if (this.#size > 0) await this.#flush(this.#wishes)
  }

  #count(): Wishes {
    if (this.#flushed) throw new Error('the batch is flushed')
    this.#size++
    return this.#wishes
  }

  #drive(key: DriveKey): DriveWish {
    const { drives } = this.#count()
    let wish = drives.get(key)
    if (wish === undefined) drives.set(key, (wish = { dropped: false, rows: new Map(), checkpoint: null }))
    return wish
  }

  #content(cid: ContentId): ContentWish {
    const { contents } = this.#count()
    let wish = contents.get(cid)
    if (wish === undefined) contents.set(cid, (wish = { list: null, blob: null, places: new Map() }))
    return wish
  }
}

/**
 * The part of a flush that keeps contents, chunks and places in step. The usual case, one place of a content and one content of a
 * chunk, is a single row of each, so that a lookup is two point reads; others stand in rows beside, and one of them moves up when
 * the first goes.
 */
import type { WriteBatch } from 'rocksdb-native'
import type { BlobRange, Place } from '../ports.ts'
import { PAGE_CHUNKS, decodePage, encodePages, pageId, type Chunk, type ContentList } from '../sync/content.ts'
import type { ChunkId, ContentId, ObjectId } from '../sync/ids.ts'
import { decodeChunk, decodeContent, encodeChunk, encodeContent, type ChunkRow, type ContentRow } from './codec.ts'
import { holderOfKey, placeOfKey, type Keys } from './keys.ts'
import type { Table } from './table.ts'

/** What one batch asks for one content. */
export interface ContentWish {
  list: ContentList | null
  blob: BlobRange | null
  /** Last wish per place: true to add, false to remove. */
  readonly places: Map<string, { readonly place: Place; readonly add: boolean }>
}

type Pages = readonly { readonly id: ObjectId; readonly bytes: Buffer }[]

export class ContentChanges {
  readonly #table: Table
  readonly #keys: Keys
  readonly #generation: number
  readonly #out: WriteBatch
  /** Chunk rows as they stand after the changes so far; null: gone. */
  readonly #chunks = new Map<ChunkId, ChunkRow | null>()
  /** Changes of the rows beside, not visible in the database yet. */
  readonly #others = new Map<ChunkId, Map<ContentId, ChunkRow | null>>()

  /** @param generation under which the blobs of our drive are noted. */
  constructor(table: Table, keys: Keys, generation: number, out: WriteBatch) {
    this.#table = table
    this.#keys = keys
    this.#generation = generation
    this.#out = out
  }

  async apply(wishes: ReadonlyMap<ContentId, ContentWish>): Promise<void> {
    const cids = [...wishes.keys()]
    const stored = await Promise.all(cids.map((cid) => this.#table.get(this.#keys.content(cid))))
    const rows = stored.map((bytes) => (bytes === null ? null : decodeContent(bytes, PAGE_CHUNKS)))
    await this.#preload(cids.flatMap((cid, i) => chunksOf(rows[i] ?? null, wishes.get(cid) as ContentWish)))
    for (const [i, cid] of cids.entries()) await this.#change(cid, rows[i] ?? null, wishes.get(cid) as ContentWish)
    for (const [id, row] of this.#chunks) {
      if (row === null) this.#out.tryDelete(this.#keys.chunk(id))
      else this.#out.tryPut(this.#keys.chunk(id), encodeChunk(row))
    }
  }

  async #change(cid: ContentId, before: ContentRow | null, wish: ContentWish): Promise<void> {
    const wishes = [...wish.places.values()]
    const adds = wishes.filter(({ add }) => add).map(({ place }) => place)
    let row = before ?? this.#create(cid, wish, adds.shift())
    if (row === null) return
    if (wish.blob !== null) row = { ...row, blob: { ...wish.blob, generation: this.#generation } }
    for (const place of adds) {
      if (samePlace(row.place, place)) continue
      this.#out.tryPut(this.#keys.place(cid, place), Buffer.alloc(0))
      row = { ...row, more: true }
    }
    const removed = wishes.filter(({ add }) => !add).map(({ place }) => place)
    const left = await this.#removePlaces(cid, row, removed, adds)
    if (left === null) await this.#drop(cid, row)
    else this.#out.tryPut(this.#keys.content(cid), encodeContent(left))
  }

  #create(cid: ContentId, wish: ContentWish, place: Place | undefined): ContentRow | null {
    const { list } = wish
    if (list === null || place === undefined) return null
    const pages: Pages = list.chunks.length < 2 ? [] : encodePages(list.chunks).map((bytes) => ({ id: pageId(bytes), bytes }))
    for (const [number, page] of pages.entries()) this.#putPage(cid, number, page)
    this.#addChunks(cid, list.chunks)
    const chunk = list.chunks.length === 1 ? (list.chunks[0] as Chunk).id : null
    return {
      sizeClass: list.sizeClass,
      size: list.size,
      chunkCount: list.chunks.length,
      chunk,
      pages: pages.map((page) => page.id),
      blob: null,
      place,
      more: false
    }
  }

  #putPage(cid: ContentId, number: number, page: Pages[number]): void {
    const value = Buffer.allocUnsafe(4)
    value.writeUInt32BE(number)
    this.#out.tryPut(this.#keys.page(cid, number), page.bytes)
    this.#out.tryPut(this.#keys.pageHolder(page.id, cid), value)
  }

  /** @returns the row without these places, or null if none is left. */
  async #removePlaces(cid: ContentId, row: ContentRow, removed: readonly Place[], added: readonly Place[]): Promise<ContentRow | null> {
    for (const place of removed) this.#out.tryDelete(this.#keys.place(cid, place))
    if (!removed.some((place) => samePlace(place, row.place))) return row
    if (!row.more) return null
    const next = added.find((place) => !samePlace(place, row.place)) ?? (await this.#storedPlace(cid, [row.place, ...removed]))
    if (next === null) return null
    this.#out.tryDelete(this.#keys.place(cid, next))
    return { ...row, place: next }
  }

  async #storedPlace(cid: ContentId, except: readonly Place[]): Promise<Place | null> {
    for await (const { key } of this.#table.range(this.#keys.places(cid), { keysOnly: true })) {
      const place = placeOfKey(key)
      if (!except.some((other) => samePlace(other, place))) return place
    }
    return null
  }

  async #drop(cid: ContentId, row: ContentRow): Promise<void> {
    this.#out.tryDelete(this.#keys.content(cid))
    const chunks = row.chunk === null ? await this.#dropPages(cid, row) : [row.chunk]
    for (const id of new Set(chunks)) await this.#removeChunk(cid, id)
  }

  async #dropPages(cid: ContentId, row: ContentRow): Promise<ChunkId[]> {
    const pages = await Promise.all(row.pages.map((_, number) => this.#table.get(this.#keys.page(cid, number))))
    for (const [number, id] of row.pages.entries()) {
      this.#out.tryDelete(this.#keys.page(cid, number))
      this.#out.tryDelete(this.#keys.pageHolder(id, cid))
    }
    const chunks = pages.flatMap((page) => (page === null ? [] : (decodePage(page, row.sizeClass) ?? []))).map((chunk) => chunk.id)
    await this.#preload(chunks.map((id) => ({ id })))
    return chunks
  }

  // ---------------------------------------------------------------------------------------------- chunks

  async #preload(chunks: readonly { readonly id: ChunkId }[]): Promise<void> {
    const unknown = [...new Set(chunks.map((chunk) => chunk.id))].filter((id) => !this.#chunks.has(id))
    const rows = await Promise.all(unknown.map((id) => this.#table.get(this.#keys.chunk(id))))
    for (const [i, id] of unknown.entries()) {
      const bytes = rows[i] ?? null
      this.#chunks.set(id, bytes === null ? null : decodeChunk(bytes))
    }
  }

  /** A chunk that a content has twice is recorded where it is first. */
  #addChunks(cid: ContentId, chunks: readonly Chunk[]): void {
    const seen = new Set<ChunkId>()
    let offset = 0
    for (const { id, length } of chunks) {
      if (!seen.has(id)) this.#addChunk(id, { cid, offset, length, more: false })
      seen.add(id)
      offset += length
    }
  }

  #addChunk(id: ChunkId, row: ChunkRow): void {
    const first = this.#chunks.get(id) ?? null
    if (first === null || first.cid === row.cid) {
      this.#chunks.set(id, { ...row, more: first?.more ?? false })
      return
    }
    this.#chunks.set(id, { ...first, more: true })
    this.#setOther(id, row.cid, row)
  }

  async #removeChunk(cid: ContentId, id: ChunkId): Promise<void> {
    if (!this.#chunks.has(id)) await this.#preload([{ id }])
    const first = this.#chunks.get(id) ?? null
    if (first === null) return
    if (first.cid !== cid) return this.#setOther(id, cid, null)
    const next = first.more ? await this.#anyOther(id) : null
    this.#chunks.set(id, next === null ? null : { ...next, more: true })
    if (next !== null) this.#setOther(id, next.cid, null)
  }

  #setOther(id: ChunkId, cid: ContentId, row: ChunkRow | null): void {
    let others = this.#others.get(id)
    if (others === undefined) this.#others.set(id, (others = new Map()))
    others.set(cid, row)
    const key = this.#keys.otherChunk(id, cid)
    if (row === null) this.#out.tryDelete(key)
    else this.#out.tryPut(key, encodeChunk(row))
  }

  async #anyOther(id: ChunkId): Promise<ChunkRow | null> {
    const changed = this.#others.get(id)
    for (const row of changed?.values() ?? []) if (row !== null) return row
    for await (const { key, value } of this.#table.range(this.#keys.otherChunks(id))) {
      if (changed?.has(holderOfKey(key)) !== true) return decodeChunk(value)
    }
    return null
  }
}

/** The chunks whose rows a change may need; those of a dropped list are read when its pages are. */
function chunksOf(row: ContentRow | null, wish: ContentWish): readonly { readonly id: ChunkId }[] {
  if (row === null) return wish.list?.chunks ?? []
  return row.chunk === null ? [] : [{ id: row.chunk }]
}

function samePlace(a: Place, b: Place): boolean {
  return a.area === b.area && a.path === b.path
}

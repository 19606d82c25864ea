/** Where the bytes of contents and chunks are: the usual lookup is two point reads, see content-changes.ts. */
import type { BlobRange, FoundObject, Place } from '../ports.ts'
import { PAGE_CHUNKS, contentList, decodePage, encodeHeader, encodePages, pageId, type ContentHeader, type ContentList } from '../sync/content.ts'
import type { ContentId, ObjectId } from '../sync/ids.ts'
import { decodeChunk, decodeContent, type ChunkRow, type ContentRow } from './codec.ts'
import { placeOfKey, type Keys } from './keys.ts'
import type { Table } from './table.ts'

/** Places and contents beside the first that a lookup brings back: each holds the same bytes, so a few are enough to try. */
const MAX_OTHER_PLACES = 256
const MAX_OTHER_CONTENTS = 16

export class ContentLookup {
  readonly #table: Table
  readonly #keys: Keys

  constructor(table: Table, keys: Keys) {
    this.#table = table
    this.#keys = keys
  }

  /** @param generation under which the blobs of our drive now are noted: one that is noted under an earlier one lies in another blobs core. */
  async content(cid: ContentId, generation: number): Promise<{ readonly list: ContentList; readonly blob: BlobRange | null } | null> {
    const row = await this.#content(cid)
    const list = row === null ? null : await this.#list(cid, row)
    return row === null || list === null ? null : { list, blob: blobOf(row, generation) }
  }

  async places(cid: ContentId): Promise<readonly Place[]> {
    const row = await this.#content(cid)
    return row === null ? [] : this.#places(cid, row)
  }

  async find(id: ObjectId, only?: 'chunk'): Promise<FoundObject | null> {
    const chunk = await this.#table.get(this.#keys.chunk(id))
    if (chunk !== null) return this.#findChunk(id, decodeChunk(chunk))
    if (only === 'chunk') return null
    const row = await this.#content(id)
    if (row !== null) return { kind: 'bytes', data: encodeHeader(headerOf(row)) }
    for await (const { key, value } of this.#table.range(this.#keys.pageHolders(id), { limit: 1 })) {
      const holder = key.toString('base64url', key.length - 32) as ContentId
      const data = await this.#table.get(this.#keys.page(holder, value.readUInt32BE(0)))
      if (data !== null) return { kind: 'bytes', data }
    }
    return null
  }

  async #content(cid: ContentId | ObjectId): Promise<ContentRow | null> {
    const bytes = await this.#table.get(this.#keys.content(cid))
    return bytes === null ? null : decodeContent(bytes, PAGE_CHUNKS)
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
    const at: { place: Place; offset: number; cid: ContentId }[] = []
    for (const { cid, offset } of holders) for (const place of await this.places(cid)) at.push({ place, offset, cid })
    return { kind: 'chunk', length: first.length, at }
  }
}

function blobOf({ blob }: ContentRow, generation: number): BlobRange | null {
  if (blob === null || blob.generation !== generation) return null
  const { generation: _, ...range } = blob
  return range
}

function headerOf(row: ContentRow): ContentHeader {
  const { sizeClass, size, chunk } = row
  const pages = chunk === null ? row.pages : encodePages([{ id: chunk, length: size }]).map(pageId)
  return { sizeClass, size, pages }
}

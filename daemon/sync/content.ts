/**
 * Content lists: a file is cut into chunks, the list of chunks into pages of 1,024, and the content id is a hash over the page
 * ids, so that a list proves itself and each chunk is proved by its list. This is the format; the cutter is in disk/chunk.ts.
 *
 *     page   = for each chunk: id (32 bytes) · length (u32 LE)
 *     pageId = SHA-256('p2psync/page/1\0' · page)
 *     header = size class (u8) · size (u64 LE) · page count (u32 LE) · page ids (32 bytes each)
 *     cid    = SHA-256('p2psync/content/1\0' · header)
 */
import { MAX_CONTENT_BYTES, MAX_CONTENT_CHUNKS } from '../../base/limits.ts'
import { sha256Text } from '../../base/sha256.ts'
import type { ChunkId, ContentId, ObjectId } from './ids.ts'

export interface Chunk {
  readonly id: ChunkId
  /** Bytes, 1 to the class's maximum. */
  readonly length: number
}

/** 0: chunks of 32/128/512 KiB (min/average/max). 1: 256 KiB/1 MiB/4 MiB, for files of 16 GiB and more. */
export type SizeClass = 0 | 1

export interface ContentList {
  readonly cid: ContentId
  readonly sizeClass: SizeClass
  /** Bytes; the sum of the chunk lengths. */
  readonly size: number
  readonly chunks: readonly Chunk[]
}

export interface ContentHeader {
  readonly sizeClass: SizeClass
  readonly size: number
  readonly pages: readonly ObjectId[]
}

export const PAGE_CHUNKS = 1024
export const LARGE_CLASS_FROM_BYTES = 16 * 1024 ** 3
/** Of all but the last chunk of a content. */
export const MIN_CHUNK_BYTES: Readonly<Record<SizeClass, number>> = { 0: 32 * 1024, 1: 256 * 1024 }
export const MAX_CHUNK_BYTES: Readonly<Record<SizeClass, number>> = { 0: 512 * 1024, 1: 4 * 1024 * 1024 }

const PAGE_DOMAIN = Buffer.from('p2psync/page/1\0')
const CONTENT_DOMAIN = Buffer.from('p2psync/content/1\0')
const ROW_BYTES = 36
const HEADER_BYTES = 13

/** The list of a file's chunks, in order; computes its content id. */
export function contentList(sizeClass: SizeClass, chunks: readonly Chunk[]): ContentList {
  const [only] = chunks
  if (only !== undefined && chunks.length === 1) return { cid: contentOfOne(sizeClass, only), sizeClass, size: only.length, chunks }
  let size = 0
  for (const chunk of chunks) size += chunk.length
  const pages = encodePages(chunks).map(pageId)
  return { cid: contentId(encodeHeader({ sizeClass, size, pages })), sizeClass, size, chunks }
}

/** Most files are one chunk, and the id is computed where one is read, heard of and received: with no objects for a page and a header. */
const onePage = Buffer.concat([PAGE_DOMAIN, Buffer.alloc(ROW_BYTES)])
const oneHeader = Buffer.concat([CONTENT_DOMAIN, Buffer.alloc(HEADER_BYTES + 32)])
oneHeader.writeUInt32LE(1, CONTENT_DOMAIN.length + 9)

function contentOfOne(sizeClass: SizeClass, { id, length }: Chunk): ContentId {
  onePage.write(id, PAGE_DOMAIN.length, 'base64url')
  onePage.writeUInt32LE(length, PAGE_DOMAIN.length + 32)
  oneHeader[CONTENT_DOMAIN.length] = sizeClass
  oneHeader.writeUInt32LE(length, CONTENT_DOMAIN.length + 1)
  oneHeader.write(sha256Text(onePage), CONTENT_DOMAIN.length + HEADER_BYTES, 'base64url')
  return sha256Text(oneHeader) as ContentId
}

/** Bytes, of a file that has several. */
export function averageChunk(size: number): number {
  return sizeClassOf(size) === 0 ? 128 * 1024 : 1024 * 1024
}

export function sizeClassOf(size: number): SizeClass {
  return size >= LARGE_CLASS_FROM_BYTES ? 1 : 0
}

/** Others would not take its list (decodeHeader). `chunks`: as far as known. */
export function isTooLarge(size: number, chunks = 0): boolean {
  return size > MAX_CONTENT_BYTES || chunks > MAX_CONTENT_CHUNKS
}

export function contentId(header: Uint8Array): ContentId {
  return sha256Text(CONTENT_DOMAIN, header) as ContentId
}

export function pageId(page: Uint8Array): ObjectId {
  return sha256Text(PAGE_DOMAIN, page) as ObjectId
}

export function chunkId(data: Uint8Array): ChunkId {
  return sha256Text(data) as ChunkId
}

/** The pages of a list, each at most 1,024 rows. Empty content has none. */
export function encodePages(chunks: readonly Chunk[]): Buffer[] {
  const pages: Buffer[] = []
  for (let start = 0; start < chunks.length; start += PAGE_CHUNKS) {
    const rows = chunks.slice(start, start + PAGE_CHUNKS)
    const page = Buffer.allocUnsafe(rows.length * ROW_BYTES)
    rows.forEach((chunk, i) => {
      page.write(chunk.id, i * ROW_BYTES, 'base64url')
      page.writeUInt32LE(chunk.length, i * ROW_BYTES + 32)
    })
    pages.push(page)
  }
  return pages
}

export function encodeHeader(header: ContentHeader): Buffer {
  const out = Buffer.allocUnsafe(HEADER_BYTES + header.pages.length * 32)
  out.writeUInt8(header.sizeClass, 0)
  out.writeBigUInt64LE(BigInt(header.size), 1)
  out.writeUInt32LE(header.pages.length, 9)
  header.pages.forEach((id, i) => out.write(id, HEADER_BYTES + i * 32, 'base64url'))
  return out
}

/**
 * Null for anything that is not exactly a header within the format's limits, or names more pages than a content of its size, or any, can have. The
 * caller has checked its hash. `minChunk`: as of ListReader.
 */
export function decodeHeader(bytes: Uint8Array, minChunk?: number): ContentHeader | null {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (data.length < HEADER_BYTES) return null
  const sizeClass = data.readUInt8(0)
  const size = data.readBigUInt64LE(1)
  const count = data.readUInt32LE(9)
  if ((sizeClass !== 0 && sizeClass !== 1) || size > BigInt(Number.MAX_SAFE_INTEGER)) return null
  if (sizeClass !== sizeClassOf(Number(size)) || count > maxPages(Number(size), minChunk ?? MIN_CHUNK_BYTES[sizeClass])) return null
  if (data.length !== HEADER_BYTES + count * 32) return null
  const pages: ObjectId[] = []
  for (let i = 0; i < count; i++) pages.push(toId(data.subarray(HEADER_BYTES + i * 32, HEADER_BYTES + (i + 1) * 32)) as ObjectId)
  return { sizeClass, size: Number(size), pages }
}

function maxPages(size: number, minChunk: number): number {
  return Math.ceil(Math.min(Math.ceil(size / minChunk), MAX_CONTENT_CHUNKS) / PAGE_CHUNKS)
}

/**
 * Puts the chunks of a header's pages together, page by page: a page may be named again and again, and what comes of it is bounded by nothing
 * but the rules of the format.
 */
export class ListReader {
  readonly chunks: Chunk[] = []
  readonly #header: ContentHeader
  readonly #minChunk: number
  #pages = 0
  #size = 0

  /** `minChunk`: bytes of all chunks but the last, where they are cut by another rule than that of the format. */
  constructor(header: ContentHeader, minChunk = MIN_CHUNK_BYTES[header.sizeClass]) {
    this.#header = header
    this.#minChunk = minChunk
  }

  /** False: this page cannot be the next one. */
  take(page: readonly Chunk[]): boolean {
    const isLast = ++this.#pages === this.#header.pages.length
    if (!isLast && page.length !== PAGE_CHUNKS) return false
    for (const [i, chunk] of page.entries()) {
      const isEnd = isLast && i === page.length - 1
      this.#size += chunk.length
      if (this.#size > this.#header.size || (chunk.length < this.#minChunk && !isEnd)) return false
      this.chunks.push(chunk)
    }
    return true
  }

  /** The chunks are those of the whole content. */
  get isWhole(): boolean {
    return this.#pages === this.#header.pages.length && this.#size === this.#header.size
  }
}

/** Null for anything that is not exactly a page of chunks allowed in that class. The caller has checked its hash. */
export function decodePage(bytes: Uint8Array, sizeClass: SizeClass): Chunk[] | null {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (data.length === 0 || data.length % ROW_BYTES !== 0 || data.length > PAGE_CHUNKS * ROW_BYTES) return null
  const chunks: Chunk[] = []
  for (let at = 0; at < data.length; at += ROW_BYTES) {
    const length = data.readUInt32LE(at + 32)
    if (length === 0 || length > MAX_CHUNK_BYTES[sizeClass]) return null
    chunks.push({ id: toId(data.subarray(at, at + 32)) as ChunkId, length })
  }
  return chunks
}

function toId(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString('base64url')
}

/**
 * The one encoder of entries in a drive (format 1). A live file or symlink is a stock Hyperdrive entry with ours in `metadata`;
 * a directory or tombstone is ours alone, in its own keyspace (drive-path.ts). All values are JSON, short because every entry
 * is replicated to every device; what can be derived is left out.
 *
 *     files    { executable, linkname, blob, metadata }        stock; `linkname` is a symlink's text
 *     blob     { blockOffset, blockLength, byteOffset, byteLength, blockMap? } of the data blocks alone; all 0 for an empty file; with
 *              blockMap: true those of a block map of hyperblobs, which names the data blocks
 *     metadata file      { v, s, p, m, k|c?, w, d?, x? }
 *              symlink   { v, m, w, d? }
 *     p2psync  directory { v, t: 'd', p, w, d?, x? }
 *              tombstone { v, t: 'x', w, d?, a? }
 *
 *     v  1, the format version
 *     w  version vector: writer id → counter, sorted
 *     d  dots, sorted; absent if the vector has one column and the only dot is that column
 *     x  the dot that set the mode; absent if it equals the only dot
 *        a dot is one of: i (column i of w at its counter), [i, n] (column i), [writer, n]
 *     s  size in bytes            p  permission bits            m  mtime in nanoseconds, decimal string
 *     k  chunk id, for content of exactly one chunk: the content id derives from it and the size
 *     c  content id, for more than one chunk; neither for empty content
 *     a  1: the deletion was approved by a user (R28)
 *
 * Unknown fields are left alone, an unknown version is refused.
 */
import { MAX_DOTS, MAX_ENTRY_BYTES, MAX_TARGET_BYTES, MAX_WRITERS } from '../../base/limits.ts'
import type { BlobRange } from '../ports.ts'
import { MAX_CHUNK_BYTES, contentList, sizeClassOf } from '../sync/content.ts'
import type { Dot, Entry, FileEntry, VersionVector } from '../sync/entry.ts'
import { parseChunkId, parseContentId, parseWriterId, type ChunkId, type ContentId, type WriterId } from '../sync/ids.ts'
import type { Keyspace } from './drive-path.ts'

const FORMAT = 1
const EMPTY_BLOB: BlobRange = { blockOffset: 0, blockLength: 0, byteOffset: 0, byteLength: 0 }
const EMPTY_CONTENT: ContentId = contentList(0, []).cid
const MTIME = /^(?:0|-?[1-9][0-9]{0,18})$/
const MAX_INT64 = 2n ** 63n - 1n
const MAX_MODE = 0o777

export interface EncodedEntry {
  readonly keyspace: Keyspace
  readonly value: Buffer
}

export interface DecodedEntry {
  readonly entry: Entry
  /** Of a file: where its data blocks lie. */
  readonly blob: BlobRange | null
}

/** @param blob of the data blocks, needed for a file that is not empty. */
export function encodeEntry(entry: Entry, blob: BlobRange | null): EncodedEntry {
  switch (entry.kind) {
    case 'file':
      return stock((entry.mode & 0o111) !== 0, null, entry.size === 0 ? EMPTY_BLOB : blob, fileMetadata(entry, blob))
    case 'symlink':
      return stock(false, entry.target, null, { v: FORMAT, m: entry.mtime, ...versions(entry) })
    case 'directory':
      return own({ v: FORMAT, t: 'd', p: entry.mode, ...versions(entry, entry.mdot) })
    case 'tombstone':
      return own({ v: FORMAT, t: 'x', ...versions(entry), ...(entry.approved === true ? { a: 1 } : {}) })
  }
}

/** Null for anything that is not exactly an entry of format 1 within the limits. */
export function decodeEntry(keyspace: Keyspace, value: Buffer): DecodedEntry | null {
  if (value.length > MAX_ENTRY_BYTES) return null
  const record = parseRecord(value)
  if (record === null) return null
  if (keyspace === 'files') return decodeStock(record)
  const entry = decodeOwn(record)
  return entry === null ? null : { entry, blob: null }
}

// ------------------------------------------------------------------------------------------------ encoding

function stock(executable: boolean, linkname: string | null, blob: BlobRange | null, metadata: Record<string, unknown>): EncodedEntry {
  const range = blob === null ? null : { blockOffset: blob.blockOffset, blockLength: blob.blockLength, byteOffset: blob.byteOffset, byteLength: blob.byteLength, ...(blob.blockMap === true ? { blockMap: true } : {}) }
  return { keyspace: 'files', value: Buffer.from(JSON.stringify({ executable, linkname, blob: range, metadata })) }
}

function own(record: Record<string, unknown>): EncodedEntry {
  return { keyspace: 'p2psync', value: Buffer.from(JSON.stringify(record)) }
}

function fileMetadata(entry: FileEntry, blob: BlobRange | null): Record<string, unknown> {
  if (entry.size > 0 && blob === null) throw new Error('a file with content has a blob')
  return { v: FORMAT, s: entry.size, p: entry.mode, m: entry.mtime, ...contentFields(entry), ...versions(entry, entry.mdot) }
}

function contentFields(entry: FileEntry): Record<string, unknown> {
  if (entry.size === 0) return {}
  return entry.chunk === undefined ? { c: entry.cid } : { k: entry.chunk }
}

function versions(entry: { readonly vv: VersionVector; readonly dots: readonly Dot[] }, mdot: Dot | null = null): Record<string, unknown> {
  const columns = Object.keys(entry.vv).sort() as WriterId[]
  const w: Record<string, number> = {}
  for (const writer of columns) w[writer] = entry.vv[writer] as number
  const fields: Record<string, unknown> = { w }
  const only = entry.dots.length === 1 ? (entry.dots[0] as Dot) : null
  const refs = entry.dots.map((dot) => reference(dot, columns, entry.vv))
  if (columns.length !== 1 || only === null || refs[0] !== 0) fields['d'] = refs
  if (mdot !== null && (only === null || !sameDot(only, mdot))) fields['x'] = reference(mdot, columns, entry.vv)
  return fields
}

type Reference = number | readonly [number | WriterId, number]

function reference([writer, n]: Dot, columns: readonly WriterId[], vv: VersionVector): Reference {
  const column = columns.indexOf(writer)
  if (column === -1) return [writer, n]
  return vv[writer] === n ? column : [column, n]
}

// ------------------------------------------------------------------------------------------------ decoding

type Fields = Readonly<Record<string, unknown>>

function parseRecord(value: Buffer): Fields | null {
  try {
    return asRecord(JSON.parse(value.toString('utf8')))
  } catch {
    return null // Not JSON: a bad entry like any other.
  }
}

function asRecord(value: unknown): Fields | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null
}

function decodeStock(record: Fields): DecodedEntry | null {
  const metadata = asRecord(record['metadata'])
  if (metadata === null || metadata['v'] !== FORMAT) return null
  if (record['linkname'] !== null) {
    const entry = decodeSymlink(record['linkname'], metadata)
    return entry === null ? null : { entry, blob: null }
  }
  const entry = decodeFile(metadata)
  const blob = decodeBlob(record['blob'])
  return entry === null || blob === null ? null : { entry, blob }
}

function decodeSymlink(target: unknown, fields: Fields): Entry | null {
  const mtime = decodeMtime(fields['m'])
  const version = decodeVersions(fields)
  if (!isTarget(target) || mtime === null || version === null) return null
  return { kind: 'symlink', vv: version.vv, dots: version.dots, mtime, target }
}

function decodeFile(fields: Fields): Entry | null {
  const size = fields['s']
  const mode = decodeMode(fields['p'])
  const mtime = decodeMtime(fields['m'])
  const version = decodeVersions(fields)
  if (!isSize(size) || mode === null || mtime === null || version === null || version.mdot === null) return null
  const { vv, dots, mdot } = version
  const content = decodeContent(size, fields)
  return content === null ? null : { kind: 'file', vv, dots, mdot, mode, size, mtime, ...content }
}

function decodeContent(size: number, fields: Fields): { cid: ContentId; chunk?: ChunkId } | null {
  if (size === 0) return { cid: EMPTY_CONTENT }
  if (fields['k'] === undefined) {
    const cid = parseContentId(fields['c'])
    return cid === null ? null : { cid }
  }
  const chunk = parseChunkId(fields['k'])
  const sizeClass = sizeClassOf(size)
  if (chunk === null || size > MAX_CHUNK_BYTES[sizeClass]) return null
  return { cid: contentList(sizeClass, [{ id: chunk, length: size }]).cid, chunk }
}

function decodeOwn(fields: Fields): Entry | null {
  const version = fields['v'] === FORMAT ? decodeVersions(fields) : null
  if (version === null) return null
  const { vv, dots, mdot } = version
  if (fields['t'] === 'x') return { kind: 'tombstone', vv, dots, ...(fields['a'] === 1 ? { approved: true as const } : {}) }
  const mode = decodeMode(fields['p'])
  return fields['t'] === 'd' && mode !== null && mdot !== null ? { kind: 'directory', vv, dots, mdot, mode } : null
}

function decodeBlob(value: unknown): BlobRange | null {
  const fields = asRecord(value)
  if (fields === null) return null
  const { blockOffset, blockLength, byteOffset, byteLength } = fields
  if (!isSize(blockOffset) || !isSize(blockLength) || !isSize(byteOffset) || !isSize(byteLength)) return null
  return { blockOffset, blockLength, byteOffset, byteLength, ...(fields['blockMap'] === true ? { blockMap: true as const } : {}) }
}

interface Versions {
  readonly vv: VersionVector
  readonly dots: readonly Dot[]
  /** Null if it is neither there nor to be derived, which is right for what has no mode. */
  readonly mdot: Dot | null
}

function decodeVersions(fields: Fields): Versions | null {
  const vv = decodeVector(fields['w'])
  if (vv === null) return null
  const columns = Object.keys(vv) as WriterId[]
  const refs = fields['d'] === undefined && columns.length === 1 ? [0] : fields['d']
  if (!Array.isArray(refs) || refs.length === 0 || refs.length > MAX_DOTS) return null
  const dots: Dot[] = []
  for (const ref of refs as unknown[]) {
    const dot = decodeDot(ref, columns, vv)
    const before = dots.at(-1)
    if (dot === null || (before !== undefined && !isBefore(before, dot))) return null
    dots.push(dot)
  }
  if (fields['x'] !== undefined) return { vv, dots, mdot: decodeDot(fields['x'], columns, vv) }
  return { vv, dots, mdot: dots.length === 1 ? (dots[0] as Dot) : null }
}

/** Sorted strictly, so that equal vectors have equal bytes. */
function decodeVector(value: unknown): VersionVector | null {
  const fields = asRecord(value)
  if (fields === null) return null
  const vv: Record<string, number> = {}
  let last = ''
  const columns = Object.entries(fields)
  if (columns.length === 0 || columns.length > MAX_WRITERS) return null
  for (const [writer, n] of columns) {
    if (parseWriterId(writer) === null || !isCounter(n) || writer <= last) return null
    vv[writer] = n
    last = writer
  }
  return vv
}

function decodeDot(ref: unknown, columns: readonly WriterId[], vv: VersionVector): Dot | null {
  const [at, n] = Array.isArray(ref) && ref.length === 2 ? (ref as unknown[]) : [ref, undefined]
  const writer = typeof at === 'number' ? (columns[at] ?? null) : parseWriterId(at)
  if (writer === null) return null
  const counter = n === undefined && typeof at === 'number' ? vv[writer] : n
  return isCounter(counter) ? [writer, counter] : null
}

function decodeMode(value: unknown): number | null {
  return isSize(value) && value <= MAX_MODE ? value : null
}

function decodeMtime(value: unknown): string | null {
  if (typeof value !== 'string' || !MTIME.test(value)) return null
  const nanoseconds = BigInt(value)
  return nanoseconds <= MAX_INT64 && nanoseconds >= -MAX_INT64 ? value : null
}

function isTarget(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && !/[\0\p{Cs}]/u.test(value) && Buffer.byteLength(value) <= MAX_TARGET_BYTES
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isCounter(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1
}

function sameDot(a: Dot, b: Dot): boolean {
  return a[0] === b[0] && a[1] === b[1]
}

function isBefore(a: Dot, b: Dot): boolean {
  return a[0] === b[0] ? a[1] < b[1] : a[0] < b[0]
}

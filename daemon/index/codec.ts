/**
 * The one encoder of the index's values. Each begins with the format version; numbers are varints, ids are their bytes.
 *
 *     entry      kind (0 file, 1 directory, 2 symlink, 3 tombstone, 4 approved tombstone)
 *                · vector: count, (writer 8, counter)… · dots: count, (writer 8, n)… · by kind:
 *                file: mdot, mode, size, mtime i64, cid 32, 0 | 1 chunk 32 · directory: mdot, mode · symlink: mtime i64, target
 *     row        1 · flags (1 seen, 2 shadow, 4 ignored, 8 blocked) · entry
 *                · seen: ino u64, size, mtime i64, ctime i64, mode · blocked: code, message
 *     remote     1 · entry
 *     content    1 · flags (1 blob, 2 more places, 4 the blob is a block map) · size class · size · place
 *                · blob: generation, block offset and length, byte offset and length
 *                · chunk count · one chunk: its id 32; more: page ids 32…
 *     chunk      1 · flags (1 in more contents) · cid 32 · offset · length
 *     place      area (0 tree, 1 history) · path
 *     history    1 · reason (0 replaced, 1 deleted, 2 conflict, 3 recovered) · at · name · path · entry
 *     drive      1 · number · device 32 · generation · 0 | 1 length, fork
 *     own        1 · drive 32 · generation · writer 8 · counter · length · epoch [· generation of its blobs]
 *     totals     1 · files · directories · bytes
 *     relocation 1 · device 32 · ino u64 · from · to
 *     clock      1 · looked at · set at, skipped · away at, skipped
 */
import { P2psyncError, messageOf } from '../../base/errors.ts'
import type { BlobRange, HistoryClock, HistoryRow, KnownRow, OwnCheckpoint, Place, RemoteCheckpoint, Row, SeenStat, StatNumbers, Totals } from '../ports.ts'
import type { SizeClass } from '../sync/content.ts'
import type { Dot, Entry, LiveEntry, VersionVector } from '../sync/entry.ts'
import type { ChunkId, ContentId, DeviceId, DriveKey, ObjectId, PathKey, WriterId } from '../sync/ids.ts'
import type { Relocation } from '../sync/relocation.ts'
import { ByteReader, ByteWriter } from './bytes.ts'

export const INDEX_FORMAT = 1

/** What is stored of a content; the rows of its pages stand apart. */
export interface ContentRow {
  readonly sizeClass: SizeClass
  readonly size: number
  readonly chunkCount: number
  /** Of content of exactly one chunk. */
  readonly chunk: ChunkId | null
  /** Of content of more than one chunk. */
  readonly pages: readonly ObjectId[]
  /** In the drive of that generation only. */
  readonly blob: (BlobRange & { readonly generation: number }) | null
  readonly place: Place
  /** There may be other places, in rows of their own. */
  readonly more: boolean
}

/** Where a chunk lies. */
export interface ChunkRow {
  readonly cid: ContentId
  readonly offset: number
  readonly length: number
  /** There may be other contents with it, in rows of their own. */
  readonly more: boolean
}

/** A drive of another device. `number` stands for its key in the keys of its rows. */
export interface DriveRow {
  readonly number: number
  readonly device: DeviceId
  readonly generation: number
  readonly checkpoint: { readonly length: number; readonly fork: number } | null
}

// One scratch buffer for all: encoding is never interrupted.
const writer = new ByteWriter()

function encode(write: (out: ByteWriter) => void): Buffer {
  writer.reset().byte(INDEX_FORMAT)
  write(writer)
  return writer.take()
}

/** Errors: STORE_DAMAGED. */
function decode<T>(bytes: Buffer, read: (from: ByteReader) => T): T {
  try {
    const reader = new ByteReader(bytes)
    const format = reader.byte()
    if (format !== INDEX_FORMAT) throw new RangeError(`unknown format ${format}`)
    const value = read(reader)
    reader.end()
    return value
  } catch (error) {
    throw new P2psyncError('STORE_DAMAGED', `cannot read a row of the index: ${messageOf(error)}`, { cause: error })
  }
}

// ------------------------------------------------------------------------------------------------ rows

export function encodeRow(row: Row): Buffer {
  return encode((out) => {
    out.byte((row.seen === null ? 0 : 1) | (row.shadow === true ? 2 : 0) | (row.ignored === true ? 4 : 0) | (row.blocked === undefined ? 0 : 8))
    writeEntry(out, row.entry)
    if (row.seen !== null) writeSeen(out, row.seen)
    if (row.blocked !== undefined) out.string(row.blocked.code).string(row.blocked.message)
  })
}

export function decodeRow(bytes: Buffer): Row {
  return decode(bytes, (from) => {
    const flags = from.byte()
    return {
      entry: readEntry(from),
      seen: (flags & 1) === 0 ? null : readSeen(from),
      ...((flags & 2) === 0 ? {} : { shadow: true as const }),
      ...((flags & 4) === 0 ? {} : { ignored: true as const }),
      ...((flags & 8) === 0 ? {} : { blocked: { code: from.string(), message: from.string() } })
    }
  })
}

/** Of a file that was seen and of which nothing else is to be said the entry is not read: see `KnownRow`. */
export function decodeKnownRow(bytes: Buffer): KnownRow {
  if (bytes[1] !== 1 || bytes[2] !== 0) return decodeRow(bytes)
  return decode(bytes, (from) => {
    const { at } = passFile(from.pass(2))
    from.pass(8).uint() // ino, size
    from.pass(8 + 8).uint() // mtime, ctime, mode
    return new FileRow(bytes, at)
  })
}

class FileRow implements KnownRow {
  readonly #bytes: Buffer
  readonly #seenAt: number
  #seen: SeenStat | null = null
  #entry: Entry | null = null

  constructor(bytes: Buffer, seenAt: number) {
    this.#bytes = bytes
    this.#seenAt = seenAt
  }

  get seen(): SeenStat {
    this.#seen ??= readSeen(this.#fromSeen())
    return this.#seen
  }

  isSeen({ ino, size, mtimeNs, ctimeNs, mode }: StatNumbers): boolean {
    const bytes = this.#bytes
    const at = this.#seenAt
    if (bytes.readBigUInt64LE(at) !== BigInt.asUintN(64, ino)) return false
    const times = this.#fromSeen().pass(8)
    if (times.uint() !== Number(size)) return false
    const timesAt = times.at
    return bytes.readBigInt64LE(timesAt) === mtimeNs && bytes.readBigInt64LE(timesAt + 8) === ctimeNs && times.pass(16).uint() === Number(mode)
  }

  numbers(): StatNumbers {
    const bytes = this.#bytes
    const times = this.#fromSeen().pass(8)
    const size = times.uint()
    const timesAt = times.at
    const mode = times.pass(16).uint()
    return { ino: bytes.readBigUInt64LE(this.#seenAt), size: BigInt(size), mtimeNs: bytes.readBigInt64LE(timesAt), ctimeNs: bytes.readBigInt64LE(timesAt + 8), mode: BigInt(mode) }
  }

  #fromSeen(): ByteReader {
    return new ByteReader(this.#bytes).pass(this.#seenAt)
  }

  get kind(): 'file' {
    return 'file'
  }

  get entry(): Entry {
    this.#entry ??= decodeRow(this.#bytes).entry
    return this.#entry
  }
}

/** What was seen of a node, as lstat gave it. */
export function seenNumbers(row: KnownRow): StatNumbers | null {
  if (row instanceof FileRow) return row.numbers()
  const { seen } = row
  return seen === null ? null : { ino: BigInt(seen.ino), size: BigInt(seen.size), mtimeNs: BigInt(seen.mtimeNs), ctimeNs: BigInt(seen.ctimeNs), mode: BigInt(seen.mode) }
}

/** Behind its kind. */
function passFile(from: ByteReader): ByteReader {
  for (const _ of ['vector', 'dots']) for (let left = from.uint(); left > 0; left--) from.pass(8).uint()
  from.pass(8).uint() // mdot
  from.uint() // mode
  from.uint() // size
  from.pass(8 + 32) // mtime, cid
  return from.byte() === 0 ? from : from.pass(32)
}

export function encodeRemote(entry: Entry): Buffer {
  return encode((out) => writeEntry(out, entry))
}

export function decodeRemote(bytes: Buffer): Entry {
  return decode(bytes, readEntry)
}

function writeSeen(out: ByteWriter, seen: SeenStat): void {
  out.uint64(seen.ino).uint(seen.size).int64(seen.mtimeNs).int64(seen.ctimeNs).uint(seen.mode)
}

function readSeen(from: ByteReader): SeenStat {
  return { ino: from.uint64(), size: from.uint(), mtimeNs: from.int64(), ctimeNs: from.int64(), mode: from.uint() }
}

// ------------------------------------------------------------------------------------------------ entries

function writeEntry(out: ByteWriter, entry: Entry): void {
  out.byte(kindByte(entry))
  writeVersions(out, entry.vv, entry.dots)
  if (entry.kind === 'file') {
    writeDot(out, entry.mdot)
    out.uint(entry.mode).uint(entry.size).int64(entry.mtime).fixed(entry.cid, 'base64url', 32)
    if (entry.chunk === undefined) out.byte(0)
    else out.byte(1).fixed(entry.chunk, 'base64url', 32)
  } else if (entry.kind === 'directory') {
    writeDot(out, entry.mdot)
    out.uint(entry.mode)
  } else if (entry.kind === 'symlink') {
    out.int64(entry.mtime).string(entry.target)
  }
}

function kindByte(entry: Entry): number {
  if (entry.kind === 'tombstone') return entry.approved === true ? 4 : 3
  return entry.kind === 'file' ? 0 : entry.kind === 'directory' ? 1 : 2
}

function readEntry(from: ByteReader): Entry {
  const kind = from.byte()
  const vv = readVector(from)
  const dots = readDots(from)
  switch (kind) {
    case 0: {
      const fields = { mdot: readDot(from), mode: from.uint(), size: from.uint(), mtime: from.int64(), cid: from.fixed('base64url', 32) as ContentId }
      const chunk = from.byte() === 0 ? {} : { chunk: from.fixed('base64url', 32) as ChunkId }
      return { kind: 'file', vv, dots, ...fields, ...chunk }
    }
    case 1:
      return { kind: 'directory', vv, dots, mdot: readDot(from), mode: from.uint() }
    case 2:
      return { kind: 'symlink', vv, dots, mtime: from.int64(), target: from.string() }
    case 3:
      return { kind: 'tombstone', vv, dots }
    case 4:
      return { kind: 'tombstone', vv, dots, approved: true }
    default:
      throw new RangeError(`unknown kind ${kind}`)
  }
}

function writeVersions(out: ByteWriter, vv: VersionVector, dots: readonly Dot[]): void {
  const columns = Object.keys(vv).sort()
  out.uint(columns.length)
  for (const column of columns) out.fixed(column, 'hex', 8).uint(vv[column] as number)
  out.uint(dots.length)
  for (const dot of dots) writeDot(out, dot)
}

function readVector(from: ByteReader): VersionVector {
  const vv: Record<string, number> = {}
  for (let left = from.uint(); left > 0; left--) {
    const column = from.column()
    vv[column] = from.uint()
  }
  return vv
}

function readDots(from: ByteReader): Dot[] {
  const dots: Dot[] = []
  for (let left = from.uint(); left > 0; left--) dots.push(readDot(from))
  return dots
}

function writeDot(out: ByteWriter, [column, n]: Dot): void {
  out.fixed(column, 'hex', 8).uint(n)
}

function readDot(from: ByteReader): Dot {
  return [from.column() as WriterId, from.uint()]
}

// ------------------------------------------------------------------------------------------------ contents

export function encodeContent(row: ContentRow): Buffer {
  return encode((out) => {
    out.byte((row.blob === null ? 0 : 1) | (row.more ? 2 : 0) | (row.blob?.blockMap === true ? 4 : 0)).byte(row.sizeClass).uint(row.size)
    writePlace(out, row.place)
    if (row.blob !== null) {
      const { generation, blockOffset, blockLength, byteOffset, byteLength } = row.blob
      out.uint(generation).uint(blockOffset).uint(blockLength).uint(byteOffset).uint(byteLength)
    }
    out.uint(row.chunkCount)
    if (row.chunk !== null) out.fixed(row.chunk, 'base64url', 32)
    for (const page of row.pages) out.fixed(page, 'base64url', 32)
  })
}

export function decodeContent(bytes: Buffer, pageChunks: number): ContentRow {
  return decode(bytes, (from) => {
    const flags = from.byte()
    const sizeClass = from.byte()
    if (sizeClass !== 0 && sizeClass !== 1) throw new RangeError(`unknown size class ${sizeClass}`)
    const size = from.uint()
    const place = readPlace(from)
    const blob = (flags & 1) === 0 ? null : readBlob(from, (flags & 4) !== 0)
    const chunkCount = from.uint()
    const chunk = chunkCount === 1 ? (from.fixed('base64url', 32) as ChunkId) : null
    const pages: ObjectId[] = []
    if (chunkCount > 1) for (let left = chunkCount; left > 0; left -= pageChunks) pages.push(from.fixed('base64url', 32) as ObjectId)
    return { sizeClass, size, chunkCount, chunk, pages, blob, place, more: (flags & 2) !== 0 }
  })
}

function readBlob(from: ByteReader, isMap: boolean): ContentRow['blob'] {
  const blob = { generation: from.uint(), blockOffset: from.uint(), blockLength: from.uint(), byteOffset: from.uint(), byteLength: from.uint() }
  return isMap ? { ...blob, blockMap: true } : blob
}

export function encodeChunk(row: ChunkRow): Buffer {
  return encode((out) => out.byte(row.more ? 1 : 0).fixed(row.cid, 'base64url', 32).uint(row.offset).uint(row.length))
}

export function decodeChunk(bytes: Buffer): ChunkRow {
  return decode(bytes, (from) => {
    const more = from.byte() !== 0
    return { cid: from.fixed('base64url', 32) as ContentId, offset: from.uint(), length: from.uint(), more }
  })
}

function writePlace(out: ByteWriter, place: Place): void {
  out.byte(place.area === 'tree' ? 0 : 1).string(place.path)
}

function readPlace(from: ByteReader): Place {
  const area = from.byte()
  if (area > 1) throw new RangeError(`unknown area ${area}`)
  return { area: area === 0 ? 'tree' : 'history', path: from.string() }
}

// ------------------------------------------------------------------------------------------------ the rest

const REASONS = ['replaced', 'deleted', 'conflict', 'recovered'] as const

export function encodeHistory(row: HistoryRow): Buffer {
  return encode((out) => {
    out.byte(REASONS.indexOf(row.reason)).uint(row.at).string(row.name).string(row.path)
    writeEntry(out, row.entry)
  })
}

export function decodeHistory(bytes: Buffer): HistoryRow {
  return decode(bytes, (from) => {
    const reason = REASONS[from.byte()]
    if (reason === undefined) throw new RangeError('unknown reason')
    const row = { at: from.uint(), name: from.string(), path: from.string() as PathKey }
    const entry = readEntry(from)
    if (entry.kind === 'tombstone') throw new RangeError('a tombstone has no bytes to keep')
    return { ...row, reason, entry: entry satisfies LiveEntry }
  })
}

export function encodeDrive(row: DriveRow): Buffer {
  return encode((out) => {
    out.uint(row.number).fixed(row.device, 'hex', 32).uint(row.generation)
    if (row.checkpoint === null) out.byte(0)
    else out.byte(1).uint(row.checkpoint.length).uint(row.checkpoint.fork)
  })
}

export function decodeDrive(bytes: Buffer): DriveRow {
  return decode(bytes, (from) => {
    const row = { number: from.uint(), device: from.fixed('hex', 32) as DeviceId, generation: from.uint() }
    return { ...row, checkpoint: from.byte() === 0 ? null : { length: from.uint(), fork: from.uint() } }
  })
}

/** The checkpoint as the port has it. */
export function remoteCheckpoint(row: DriveRow): RemoteCheckpoint | null {
  return row.checkpoint === null ? null : { device: row.device, generation: row.generation, ...row.checkpoint }
}

export function encodeOwn(own: OwnCheckpoint): Buffer {
  return encode((out) => {
    out.fixed(own.drive, 'hex', 32).uint(own.generation).fixed(own.writer, 'hex', 8).uint(own.counter).uint(own.length).uint(own.epoch)
    if (own.blobsFrom !== undefined) out.uint(own.blobsFrom)
  })
}

export function decodeOwn(bytes: Buffer): OwnCheckpoint {
  return decode(bytes, (from) => {
    const own = {
      drive: from.fixed('hex', 32) as DriveKey,
      generation: from.uint(),
      writer: from.fixed('hex', 8) as WriterId,
      counter: from.uint(),
      length: from.uint(),
      epoch: from.uint()
    }
    return from.done ? own : { ...own, blobsFrom: from.uint() }
  })
}

export function encodeTotals(totals: Totals): Buffer {
  return encode((out) => out.uint(totals.files).uint(totals.directories).uint(totals.bytes))
}

export function decodeTotals(bytes: Buffer): Totals {
  return decode(bytes, (from) => ({ files: from.uint(), directories: from.uint(), bytes: from.uint() }))
}

export function encodeRelocation({ device, ino, from, to }: Relocation): Buffer {
  return encode((out) => out.fixed(device, 'hex', 32).uint64(ino).string(from).string(to))
}

export function decodeRelocation(bytes: Buffer): Relocation {
  return decode(bytes, (from) => ({
    device: from.fixed('hex', 32) as DeviceId,
    ino: from.uint64(),
    from: from.string() as PathKey,
    to: from.string() as PathKey
  }))
}

export function encodeHistoryClock({ lookedAt, set, away }: HistoryClock): Buffer {
  return encode((out) => out.uint(whole(lookedAt)).uint(whole(set.at)).uint(whole(set.skipped)).uint(whole(away.at)).uint(whole(away.skipped)))
}

export function decodeHistoryClock(bytes: Buffer): HistoryClock {
  return decode(bytes, (from) => ({ lookedAt: from.uint(), set: { at: from.uint(), skipped: from.uint() }, away: { at: from.uint(), skipped: from.uint() } }))
}

/** A clock may stand before 1970. */
function whole(ms: number): number {
  return Math.max(0, Math.floor(ms))
}

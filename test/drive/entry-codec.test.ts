/** The encoding of entries and names in a drive: golden bytes, round trips, hostile input. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'brittle'
import fc from 'fast-check'
import { decodeKey, drivePath, encodeKey, printable, type Keyspace } from '../../daemon/drive/drive-path.ts'
import { decodeEntry, encodeEntry } from '../../daemon/drive/entry-codec.ts'
import { decodeBlock } from '../../daemon/drive/history.ts'
import type { BlobRange } from '../../daemon/ports.ts'
import { contentList } from '../../daemon/sync/content.ts'
import type { Dot, Entry } from '../../daemon/sync/entry.ts'
import type { ChunkId, PathKey, WriterId } from '../../daemon/sync/ids.ts'
import { parsePath } from '../../daemon/sync/path.ts'
import { projectRoot } from '../project-root.ts'

interface Golden {
  readonly name: string
  readonly path: PathKey
  readonly entry: Entry
  readonly blob: BlobRange | null
  readonly key: string
  readonly value: string
}

const golden = JSON.parse(readFileSync(join(projectRoot, 'test/drive/golden/entries.json'), 'utf8')) as Golden[]

/** Bytes as the golden file shows them. */
function shown(key: Buffer): string {
  return key.toString('latin1').replace(/[^\x20-\x7e]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

for (const row of golden) {
  test(`format 1 stays: ${row.name}`, (t) => {
    const { keyspace, value } = encodeEntry(row.entry, row.blob)
    t.is(value.toString(), row.value)
    const key = encodeKey(keyspace, row.path)
    t.is(shown(key), row.key)
    t.alike(decodeKey(key), { kind: 'path', keyspace, path: row.path })
    t.alike(decodeEntry(keyspace, Buffer.from(row.value))?.entry, row.entry)
    if (row.blob !== null) t.alike(decodeEntry(keyspace, Buffer.from(row.value))?.blob, row.blob)
  })
}

test('a typical entry is short', (t) => {
  const typical = golden[0] as Golden
  t.ok(typical.value.length < 260, `${typical.value.length} bytes`)
})

// ------------------------------------------------------------------------------------------------ properties

const hex = (bytes: number) => fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((value) => Buffer.from(value).toString('hex'))
const id = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((value) => Buffer.from(value).toString('base64url') as ChunkId)
const counter = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
const writer = hex(8).map((value) => value as WriterId)
const dot = fc.tuple(writer, counter).map(([w, n]): Dot => [w, n])
const mtime = fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n }).map(String)
const mode = fc.integer({ min: 0, max: 0o777 })
const blob = fc.record({ blockOffset: fc.maxSafeNat(), blockLength: fc.maxSafeNat(), byteOffset: fc.maxSafeNat(), byteLength: fc.maxSafeNat() })

/** Dots and mode dot partly from the vector, partly foreign. */
const versions = fc.uniqueArray(fc.tuple(writer, counter), { minLength: 1, maxLength: 6, selector: ([w]) => w }).chain((columns) => {
  const own = fc.constantFrom(...columns).map(([w, n]): Dot => [w, n])
  const either = fc.oneof(own, fc.tuple(fc.constantFrom(...columns.map(([w]) => w)), counter).map(([w, n]): Dot => [w, n]), dot)
  return fc.record({
    vv: fc.constant(Object.fromEntries(columns)),
    dots: fc.uniqueArray(either, { minLength: 1, maxLength: 5, selector: String }).map((dots) => dots.sort((a, b) => (a[0] === b[0] ? a[1] - b[1] : a[0] < b[0] ? -1 : 1))),
    mdot: either
  })
})

const file = fc.tuple(versions, mode, mtime, fc.oneof(fc.record({ size: fc.integer({ min: 1, max: 512 * 1024 }), chunk: id }), fc.record({ size: fc.maxSafeNat().map((n) => n + 1 - (n === Number.MAX_SAFE_INTEGER ? 1 : 0)), cid: id }))).map(
  ([version, bits, time, content]): Entry => ({
    kind: 'file',
    ...version,
    mode: bits,
    mtime: time,
    size: content.size,
    ...('chunk' in content ? { chunk: content.chunk, cid: contentList(0, [{ id: content.chunk, length: content.size }]).cid } : { cid: content.cid as never })
  })
)
const directory = fc.tuple(versions, mode).map(([version, bits]): Entry => ({ kind: 'directory', ...version, mode: bits }))
const symlink = fc
  .tuple(versions, mtime, fc.string({ unit: 'binary', minLength: 1, maxLength: 200 }).filter((text) => !text.includes('\0')))
  .map(([{ vv, dots }, time, target]): Entry => ({ kind: 'symlink', vv, dots, mtime: time, target }))
const tombstone = fc.tuple(versions, fc.boolean()).map(([{ vv, dots }, approved]): Entry => ({ kind: 'tombstone', vv, dots, ...(approved ? { approved: true as const } : {}) }))
const entry = fc.oneof(file, directory, symlink, tombstone)

test('every entry comes back as it was', (t) => {
  fc.assert(
    fc.property(entry, blob, (value, range) => {
      const encoded = encodeEntry(value, range)
      const decoded = decodeEntry(encoded.keyspace, encoded.value)
      if (decoded === null) throw new Error('not decoded')
      if (!same(decoded.entry, value)) throw new Error('another entry')
      if (value.kind === 'file' && value.size > 0 && !same(decoded.blob, range)) throw new Error('another range')
    })
  )
  t.pass()
})

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b))
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, inner]) => [key, sorted(inner)]))
}

test('every path comes back as it was, and no two share a key', (t) => {
  const name = fc.string({ unit: fc.constantFrom('a', '\\', '%', '5', 'C', '2', 'c', '.', 'ä'), minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(name, name, (a, b) => {
      const [first, second] = [parsePath(a), parsePath(b)]
      if (first === null || second === null) return
      const key = encodeKey('files', first)
      const decoded = decodeKey(key)
      if (decoded.kind !== 'path' || decoded.path !== first || decoded.keyspace !== 'files') throw new Error(a)
      if (first !== second && drivePath(first) === drivePath(second)) throw new Error(`${a} and ${b}`)
    }),
    { numRuns: 2000 }
  )
  t.pass()
})

test('any bytes are refused or decoded, never thrown on', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom<Keyspace>('files', 'p2psync'), (bytes, keyspace) => {
      decodeEntry(keyspace, Buffer.from(bytes))
      decodeKey(Buffer.concat([Buffer.from(`${keyspace}\0/`), bytes]))
      decodeKey(Buffer.from(bytes))
      decodeBlock(Buffer.from(bytes), 1)
    })
  )
  fc.assert(
    fc.property(fc.json(), fc.constantFrom<Keyspace>('files', 'p2psync'), (json, keyspace) => {
      decodeEntry(keyspace, Buffer.from(json))
    })
  )
  t.pass()
})

test('a valid entry with one field changed is refused or still valid, never thrown on', (t) => {
  fc.assert(
    fc.property(entry, blob, fc.nat(), fc.jsonValue(), (value, range, at, intruder) => {
      const { keyspace, value: bytes } = encodeEntry(value, range)
      const record = JSON.parse(bytes.toString()) as Record<string, unknown>
      const target = (keyspace === 'files' && at % 2 === 0 ? record['metadata'] : record) as Record<string, unknown>
      const keys = Object.keys(target)
      target[keys[at % keys.length] as string] = intruder
      const decoded = decodeEntry(keyspace, Buffer.from(JSON.stringify(record)))
      if (decoded !== null) encodeEntry(decoded.entry, decoded.blob ?? range)
    })
  )
  t.pass()
})

// ------------------------------------------------------------------------------------------------ rows of bad input

const W = 'a1b2c3d4e5f6a7b8'
const K = 'LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ'
const RANGE = { blockOffset: 0, blockLength: 1, byteOffset: 0, byteLength: 5 }
const FILE = { v: 1, s: 5, p: 420, m: '0', k: K, w: { [W]: 1 } }

function stock(metadata: unknown, fields: Record<string, unknown> = {}): string {
  return JSON.stringify({ executable: false, linkname: null, blob: RANGE, metadata, ...fields })
}

const bad: readonly (readonly [name: string, keyspace: Keyspace, value: string])[] = [
  ['unknown version', 'files', stock({ ...FILE, v: 2 })],
  ['no version', 'files', stock({ ...FILE, v: undefined })],
  ['metadata of another program', 'files', stock('text')],
  ['no metadata', 'files', stock(null)],
  ['no blob', 'files', stock(FILE, { blob: null })],
  ['blob of negative length', 'files', stock(FILE, { blob: { ...RANGE, blockLength: -1 } })],
  ['negative size', 'files', stock({ ...FILE, s: -1 })],
  ['size not an integer', 'files', stock({ ...FILE, s: 1.5 })],
  ['size beyond 2^53', 'files', stock({ ...FILE, s: 2 ** 53, k: undefined, c: K })],
  ['one chunk larger than a chunk', 'files', stock({ ...FILE, s: 600_000 })],
  ['chunk id too short', 'files', stock({ ...FILE, k: 'abc' })],
  ['neither chunk nor content', 'files', stock({ ...FILE, k: undefined })],
  ['setuid', 'files', stock({ ...FILE, p: 0o4755 })],
  ['mtime as a number', 'files', stock({ ...FILE, m: 5 })],
  ['mtime with a leading zero', 'files', stock({ ...FILE, m: '05' })],
  ['mtime beyond 64 bits', 'files', stock({ ...FILE, m: '9999999999999999999' })],
  ['empty vector', 'files', stock({ ...FILE, w: {} })],
  ['vector as a list', 'files', stock({ ...FILE, w: [1] })],
  ['counter zero', 'files', stock({ ...FILE, w: { [W]: 0 } })],
  ['counter as text', 'files', stock({ ...FILE, w: { [W]: '1' } })],
  ['writer id not hex', 'files', stock({ ...FILE, w: { constructor: 1 } })],
  ['vector not sorted', 'files', stock({ ...FILE, w: { [W]: 1, a000000000000000: 1 }, d: [0] })],
  ['prototype as writer', 'files', `{"executable":false,"linkname":null,"blob":${JSON.stringify(RANGE)},"metadata":{"v":1,"s":5,"p":420,"m":"0","k":"${K}","w":{"__proto__":1}}}`],
  ['no dots for two columns', 'files', stock({ ...FILE, w: { [W]: 1, b000000000000000: 1 } })],
  ['empty dots', 'files', stock({ ...FILE, d: [] })],
  ['dot of no column', 'files', stock({ ...FILE, d: [7] })],
  ['dot of a negative column', 'files', stock({ ...FILE, d: [-1] })],
  ['dot with counter zero', 'files', stock({ ...FILE, d: [[0, 0]] })],
  ['dots not sorted', 'files', stock({ ...FILE, w: { [W]: 5 }, d: [0, [0, 2]], x: 0 })],
  ['dots twice', 'files', stock({ ...FILE, d: [0, [0, 1]], x: 0 })],
  ['too many dots', 'files', stock({ ...FILE, w: { [W]: 9999 }, d: Array.from({ length: 257 }, (_, i) => [0, i + 1]), x: 0 })],
  ['mode dot is nonsense', 'files', stock({ ...FILE, x: 'x' })],
  ['no mode dot for two dots', 'files', stock({ ...FILE, w: { [W]: 5 }, d: [[0, 2], 0] })],
  ['empty link', 'files', stock({ v: 1, m: '0', w: { [W]: 1 } }, { linkname: '', blob: null })],
  ['link with NUL', 'files', stock({ v: 1, m: '0', w: { [W]: 1 } }, { linkname: 'a\0b', blob: null })],
  ['link with half a character', 'files', stock({ v: 1, m: '0', w: { [W]: 1 } }, { linkname: '\ud800', blob: null })],
  ['link too long', 'files', stock({ v: 1, m: '0', w: { [W]: 1 } }, { linkname: 'x'.repeat(4096), blob: null })],
  ['link not text', 'files', stock({ v: 1, m: '0', w: { [W]: 1 } }, { linkname: 5, blob: null })],
  ['unknown type', 'p2psync', JSON.stringify({ v: 1, t: 'z', p: 493, w: { [W]: 1 } })],
  ['directory without mode', 'p2psync', JSON.stringify({ v: 1, t: 'd', w: { [W]: 1 } })],
  ['file in our keyspace', 'p2psync', stock(FILE)],
  ['directory in the stock keyspace', 'files', JSON.stringify({ v: 1, t: 'd', p: 493, w: { [W]: 1 } })],
  ['not JSON', 'p2psync', '{'],
  ['null', 'p2psync', 'null'],
  ['too large', 'p2psync', JSON.stringify({ v: 1, t: 'd', p: 493, w: { [W]: 1 }, fill: 'x'.repeat(70_000) })]
]

test('entries that are not valid are refused', (t) => {
  t.ok(decodeEntry('files', Buffer.from(stock(FILE))), 'the row that the others are made from is valid')
  for (const [name, keyspace, value] of bad) t.is(decodeEntry(keyspace, Buffer.from(value)), null, name)
})

test('unknown fields are left alone', (t) => {
  t.ok(decodeEntry('files', Buffer.from(stock({ ...FILE, later: [1] }, { later: true }))))
})

test('names are printable in problems', (t) => {
  t.is(printable(Buffer.from('/a\x1b[31m\nb\u202e')), '/a\u{fffd}[31m\u{fffd}b\u{fffd}')
  t.ok(printable(Buffer.alloc(100_000, 'x')).length < 130)
})

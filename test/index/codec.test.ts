/** The values and keys of the index: golden bytes, damage. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'brittle'
import fc from 'fast-check'
import * as codec from '../../daemon/index/codec.ts'
import { Keys, divergentOfKey, nameOfKey, pathOfKey, placeOfKey } from '../../daemon/index/keys.ts'
import type { HistoryClock, HistoryRow, OwnCheckpoint, Row, Totals } from '../../daemon/ports.ts'
import { PAGE_CHUNKS } from '../../daemon/sync/content.ts'
import type { ContentId, DeviceId, PathKey, WriterId } from '../../daemon/sync/ids.ts'
import type { Relocation } from '../../daemon/sync/relocation.ts'
import { projectRoot } from '../project-root.ts'

interface Row1<T> {
  readonly row: T
  readonly hex: string
}

interface Golden {
  readonly rows: readonly (Row1<Row> & { readonly name: string })[]
  readonly contents: readonly Row1<codec.ContentRow>[]
  readonly chunk: Row1<codec.ChunkRow>
  readonly history: Row1<HistoryRow>
  readonly drive: Row1<codec.DriveRow>
  readonly own: Row1<OwnCheckpoint>
  readonly totals: Row1<Totals>
  readonly relocation: Row1<Relocation>
  readonly clocks: readonly Row1<HistoryClock>[]
}

const golden = JSON.parse(readFileSync(join(projectRoot, 'test/index/golden/rows.json'), 'utf8')) as Golden

test('format 1 stays: rows', (t) => {
  for (const { name, row, hex } of golden.rows) {
    t.is(codec.encodeRow(row).toString('hex'), hex, name)
    t.alike(codec.decodeRow(Buffer.from(hex, 'hex')), row, name)
  }
})

test('a row as a scan reads it says the same as the whole row', (t) => {
  const [column, other] = ['0123456789abcdef', 'fedcba9876543210'] as [WriterId, WriterId]
  const file = { kind: 'file', vv: { [column]: 300, [other]: 1 }, dots: [[column, 300], [other, 1]], mdot: [other, 1], mode: 0o644, size: 70_000, mtime: '1700000000123456000', cid: 'A'.repeat(43) } as unknown as Row['entry']
  const seen = { ino: '18446744073709551615', size: 70_000, mtimeNs: '1700000000123456789', ctimeNs: '1700000000223456789', mode: 0o100644 }
  const more: Row[] = [{ entry: file, seen }, { entry: { ...file, chunk: 'B'.repeat(42) + 'A' } as Row['entry'], seen }, { entry: file, seen: null }, { entry: file, seen, ignored: true }]
  for (const row of [...golden.rows.map((each) => each.row), ...more]) {
    const known = codec.decodeKnownRow(codec.encodeRow(row))
    const { entry, shadow, ignored, blocked } = known
    t.alike({ entry, seen: known.seen, shadow, ignored, blocked }, { shadow: undefined, ignored: undefined, blocked: undefined, ...row })
    t.ok(known.kind === undefined || known.kind === row.entry.kind)
  }
  t.is(codec.decodeKnownRow(codec.encodeRow(more[0] as Row)).kind, 'file')
  const cut = codec.encodeRow(more[0] as Row).subarray(0, -1)
  t.exception(() => codec.decodeKnownRow(cut), /cannot read a row of the index/)
})

test('a row says whether a file is what was seen, by each of its numbers', (t) => {
  const entry = golden.rows.map(({ row }) => row.entry).find(({ kind }) => kind === 'file') as Row['entry']
  const stats = [
    { ino: 18_446_744_073_709_551_615n, size: 70_000n, mtimeNs: 1_700_000_000_123_456_789n, ctimeNs: 1_700_000_000_223_456_789n, mode: 0o100644n },
    { ino: 7n, size: 0n, mtimeNs: -1n, ctimeNs: 0n, mode: 0o100600n }
  ]
  for (const stat of stats) {
    const row = { entry, seen: { ino: String(stat.ino), size: Number(stat.size), mtimeNs: String(stat.mtimeNs), ctimeNs: String(stat.ctimeNs), mode: Number(stat.mode) } }
    const known = codec.decodeKnownRow(codec.encodeRow(row))
    t.is(known.isSeen?.(stat), true)
    for (const field of ['ino', 'size', 'mtimeNs', 'ctimeNs', 'mode'] as const) t.is(known.isSeen?.({ ...stat, [field]: stat[field] ^ 1n }), false, field)
  }
  t.is(codec.decodeKnownRow(codec.encodeRow({ entry, seen: null })).isSeen, undefined)
})

test('format 1 stays: contents, chunks, history, checkpoints, totals', (t) => {
  for (const { row, hex } of golden.contents) {
    t.is(codec.encodeContent(row).toString('hex'), hex)
    t.alike(codec.decodeContent(Buffer.from(hex, 'hex'), PAGE_CHUNKS), row)
  }
  const { chunk, history, drive, own, totals, relocation } = golden
  t.is(codec.encodeChunk(chunk.row).toString('hex'), chunk.hex)
  t.alike(codec.decodeChunk(Buffer.from(chunk.hex, 'hex')), chunk.row)
  t.is(codec.encodeHistory(history.row).toString('hex'), history.hex)
  t.alike(codec.decodeHistory(Buffer.from(history.hex, 'hex')), history.row)
  t.is(codec.encodeDrive(drive.row).toString('hex'), drive.hex)
  t.alike(codec.decodeDrive(Buffer.from(drive.hex, 'hex')), drive.row)
  t.is(codec.encodeOwn(own.row).toString('hex'), own.hex)
  t.alike(codec.decodeOwn(Buffer.from(own.hex, 'hex')), own.row)
  t.is(codec.encodeTotals(totals.row).toString('hex'), totals.hex)
  t.alike(codec.decodeTotals(Buffer.from(totals.hex, 'hex')), totals.row)
  t.is(codec.encodeRelocation(relocation.row).toString('hex'), relocation.hex)
  t.alike(codec.decodeRelocation(Buffer.from(relocation.hex, 'hex')), relocation.row)
  for (const { row, hex } of golden.clocks) {
    t.is(codec.encodeHistoryClock(row).toString('hex'), hex)
    t.alike(codec.decodeHistoryClock(Buffer.from(hex, 'hex')), row)
  }
  t.alike(codec.decodeHistoryClock(codec.encodeHistoryClock({ lookedAt: -5, set: { at: -5.5, skipped: 0.5 }, away: { at: 0, skipped: 0 } })), { lookedAt: 0, set: { at: 0, skipped: 0 }, away: { at: 0, skipped: 0 } }, 'a clock before 1970')
})

test('a damaged value is a clear error', (t) => {
  const damaged = /cannot read a row of the index/
  const good = Buffer.from(golden.rows[0]?.hex ?? '', 'hex')
  t.exception(() => codec.decodeRow(good.subarray(0, good.length - 1)), damaged)
  t.exception(() => codec.decodeRow(Buffer.concat([good, Buffer.alloc(1)])), damaged)
  t.exception(() => codec.decodeRow(Buffer.concat([Buffer.from([2]), good.subarray(1)])), /unknown format 2/)
  t.exception(() => codec.decodeRow(Buffer.alloc(0)), damaged)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const decode of [codec.decodeRow, codec.decodeRemote, codec.decodeChunk, codec.decodeHistory, codec.decodeDrive, codec.decodeOwn, codec.decodeTotals]) {
        try {
          decode(Buffer.from([1, ...bytes]))
        } catch (error) {
          if (!damaged.test(String(error))) throw error
        }
      }
    })
  )
})

test('an encoder that throws leaves nothing for the next', (t) => {
  const { row, hex } = golden.rows[0] as Row1<Row>
  const bad = { ...row, entry: { ...row.entry, mtime: '99999999999999999999' } } as Row
  t.exception.all(() => codec.encodeRow(bad))
  t.is(codec.encodeRow(row).toString('hex'), hex)
})

test('keys tell what they stand for', (t) => {
  const keys = new Keys(7)
  for (const path of ['a', 'a/b', 'ä/b c/\\', 'x'.repeat(300)] as PathKey[]) {
    t.is(pathOfKey(keys.row(path), false), path)
    t.is(pathOfKey(keys.remote(513, path), true), path)
    t.is(nameOfKey(keys.row(path)), path.slice(path.lastIndexOf('/') + 1))
    const device = '00ff'.repeat(16) as DeviceId
    t.alike(divergentOfKey(keys.divergent(device, path)), { device, path })
    t.is(nameOfKey(keys.historyOf(path, 'name')), 'name')
    for (const area of ['tree', 'history'] as const) {
      t.alike(placeOfKey(keys.place('LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ' as ContentId, { area, path })), { area, path })
    }
  }
})

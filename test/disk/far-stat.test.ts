/** Times that 64 bits of nanoseconds do not hold, and inode numbers with the highest bit, which Node gives with a sign. */
import * as fs from 'node:fs'
import test from 'brittle'
import { bounded, entryTime, inoOf, sameSeen, toSeen } from '../../daemon/disk/seen.ts'
import * as codec from '../../daemon/index/codec.ts'
import type { FileEntry } from '../../daemon/sync/entry.ts'
import type { ContentId, WriterId } from '../../daemon/sync/ids.ts'

const YEAR_2300_NS = 10_413_792_000n * 1_000_000_000n
const YEAR_1601_NS = -11_644_473_600n * 1_000_000_000n

test('a row of a file with a far time and a high inode number can be written, read, and is the file that was seen', (t) => {
  const dot = ['0011223344556677' as WriterId, 1] as const
  const entry: FileEntry = { kind: 'file', vv: { [dot[0]]: 1 }, dots: [dot], mdot: dot, mode: 0o644, size: 0, mtime: entryTime(YEAR_2300_NS), cid: 'A'.repeat(43) as ContentId }
  for (const time of [YEAR_2300_NS, YEAR_1601_NS]) {
    const stat = Object.assign(fs.lstatSync('.', { bigint: true }), { ino: -9_223_372_036_854_775_806n, size: 0n, mtimeNs: time, ctimeNs: time })
    const row = codec.decodeRow(codec.encodeRow({ entry, seen: toSeen(stat) }))
    t.ok(row.seen !== null && sameSeen(row.seen, toSeen(stat)))
    t.is(row.seen?.ino, '9223372036854775810')
    const { ino, size, mode } = stat
    t.is(codec.decodeKnownRow(codec.encodeRow({ entry, seen: toSeen(stat) })).isSeen?.({ ino, size, mode, mtimeNs: bounded(time), ctimeNs: bounded(time) }), true, 'also by its numbers')
  }
  t.is(inoOf(7n), '7')
  t.is(entryTime(-1_500n), '-1000')
})

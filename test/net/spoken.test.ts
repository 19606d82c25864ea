/** What is kept of what a peer says of folders: all of those of the group, little of others. */
import test from 'brittle'
import { MAX_SPOKEN_BYTES, MAX_UNKNOWN_BYTES } from '../../daemon/net/limits.ts'
import { Spoken } from '../../daemon/net/spoken.ts'
import type { DriveHead, FolderReport } from '../../daemon/ports.ts'
import type { FolderId } from '../../daemon/sync/ids.ts'
import { connected, driveNamed, groupHas, openDevice, pair, until } from './helpers.ts'

const KIB = 1024
const MIB = 1024 * KIB

function folder(n: number): FolderId {
  return n.toString(16).padStart(64, '0') as FolderId
}

function report(length: number): FolderReport {
  return { state: 'idle', dirty: false, drive: driveNamed('d'), length, blocked: ['a/b'] }
}

const heads: readonly DriveHead[] = [{ key: driveNamed('d'), length: 1, fork: 0, treeHash: '0'.repeat(64) }]

/** Of these folders something is kept. */
function kept(spoken: Spoken, count: number): number[] {
  return Array.from({ length: count }, (_, n) => n).filter((n) => spoken.report(folder(n)) !== null || spoken.heads(folder(n)) !== null)
}

test('of folders that this device does not know little is kept, the newest', (t) => {
  const spoken = new Spoken(() => false)
  for (let n = 0; n < 100; n++) {
    spoken.setReport(folder(n), report(n), 64 * KIB)
    spoken.setHeads(folder(n), heads, 64 * KIB)
  }
  const left = kept(spoken, 100)
  t.ok(left.length >= 8 && left.length * 128 * KIB <= MAX_UNKNOWN_BYTES, `${left.length} of 128 KiB`)
  t.is(left[left.length - 1], 99)
  t.is(left[0], 100 - left.length, 'one after the other')
  for (let n = 0; n < 20_000; n++) spoken.setReport(folder(n), report(n), 40)
  t.ok(kept(spoken, 20_000).length < 13_000, 'nor are they many')
  spoken.setReport(folder(1), report(1), 10 * MIB)
  t.is(spoken.report(folder(1)), null)
})

test('what is said anew of a folder takes the place of what was said', (t) => {
  for (const isKnown of [true, false]) {
    const spoken = new Spoken(() => isKnown)
    for (let n = 0; n < 1000; n++) {
      spoken.setReport(folder(n % 4), report(n), 64 * KIB)
      spoken.setHeads(folder(n % 4), heads, 64 * KIB)
    }
    t.alike([0, 1, 2, 3].map((n) => spoken.report(folder(n))), [996, 997, 998, 999].map(report))
    t.alike(kept(spoken, 4), [0, 1, 2, 3])
  }
})

test('what was said of a folder before this device knew it is kept once it does', (t) => {
  const known = new Set<FolderId>()
  const spoken = new Spoken((id) => known.has(id))
  spoken.setReport(folder(0), report(0), KIB)
  spoken.setHeads(folder(0), heads, KIB)
  known.add(folder(0))
  for (let n = 1; n < 100; n++) spoken.setReport(folder(n), report(n), 128 * KIB)
  t.alike(spoken.report(folder(0)), report(0))
  t.alike(spoken.heads(folder(0)), heads)
  t.absent(spoken.report(folder(1)))
})

test('reports of folders of the group are kept without their lists where they are too long together', (t) => {
  const spoken = new Spoken(() => true)
  const most = MAX_SPOKEN_BYTES / MIB
  for (let n = 0; n < 2 * most; n++) spoken.setReport(folder(n), report(n), MIB)
  t.is(kept(spoken, 2 * most).length, 2 * most, 'of each folder there is one')
  t.alike(spoken.report(folder(0)), report(0))
  t.alike(spoken.report(folder(2 * most - 1)), { ...report(2 * most - 1), blocked: [] })
  spoken.setReport(folder(0), report(1), KIB)
  spoken.setReport(folder(2 * most - 1), report(7), KIB)
  t.alike(spoken.report(folder(2 * most - 1)), report(7), 'where there is room it is kept whole')
})

test('reports of folders of the group give way to heads, and heads alone end the connection', (t) => {
  const spoken = new Spoken(() => true)
  for (let n = 0; n < 1000; n++) spoken.setReport(folder(n), report(n), 17 * KIB)
  for (let n = 0; n < 1000; n++) spoken.setHeads(folder(n), heads, KIB)
  const all = Array.from({ length: 1000 }, (_, n) => n)
  t.ok(all.every((n) => spoken.heads(folder(n)) !== null && spoken.report(folder(n))?.length === n), 'of each folder both are there')
  const whole = all.filter((n) => spoken.report(folder(n))?.blocked.length === 1).length
  t.ok(whole > 800 && whole < 950, `${whole} reports with their lists: no more give way than must`)
  t.exception(() => spoken.setHeads(folder(1), heads, MAX_SPOKEN_BYTES), /heads/)
  t.is(all.filter((n) => spoken.report(folder(n))?.blocked.length === 1).length, 0)
})

test('more folders than a group has are not spoken of', (t) => {
  const spoken = new Spoken(() => true)
  t.exception(() => {
    for (let n = 0; n < 2000; n++) spoken.setReport(folder(n), report(n), 40)
  }, /more folders/)
})

function often(check: () => void): () => void {
  const timer = setInterval(check, 20)
  return () => clearInterval(timer)
}

test('a device is heard of folders that it made while it was away', { timeout: 120_000 }, async (t) => {
  const handlers = { heads: async () => heads }
  const a = await openDevice(t, { name: 'a', bootstrap: 'none', handlers })
  const first = await openDevice(t, { name: 'b', bootstrap: 'none', handlers })
  await pair(a, first)
  const old = await connected(a, first)
  await Promise.all([new Promise<void>((resolve) => old.onClose(resolve)), first.close()])
  const made: FolderId[] = []
  for (let n = 0; n < 12; n++) made.push(await first.group.createFolder(`docs ${n}`))
  const b = await openDevice(t, { name: 'b', bootstrap: 'none', stateDir: first.stateDir, handlers })
  for (const [n, id] of made.entries()) b.network.report(id, report(n))
  await groupHas(a, () => made.every((id) => a.group.folder(id) !== null))
  const link = await connected(a, b)
  await until(often, () => made.every((id) => link.report(id) !== null && link.heads(id) !== null))
  t.alike(made.map((id) => link.report(id)), made.map((_, n) => report(n)))
  t.alike(link.heads(made[0] as FolderId), heads)
})

/** Large files that change again and again are read less often, and nothing that was written stays unread. */
import test from 'brittle'
import { Notices } from '../../daemon/folder/notices.ts'
import { Resting } from '../../daemon/folder/resting.ts'
import type { Finding } from '../../daemon/ports.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { FakeClock } from '../fakes/clock.ts'
import { FakeDisk } from '../fakes/disk.ts'
import { FolderWorld, type FolderDevice } from './world.ts'

const LOG = 'log' as PathKey
const MIB = 1024 * 1024
/** What it takes to read it, and the longest rest that this gives. */
const [BYTES, READ_MS, LONGEST_MS] = [200 * MIB, 400, 50_000]

class Bench {
  readonly clock = new FakeClock()
  readonly scanned: PathKey[] = []
  readonly resting = new Resting(this.clock, new Notices(this.clock, new AbortController().signal), (paths) => this.scanned.push(...paths))

  /** As a scan does that meets it. @returns whether it was read. */
  async meet(path = LOG, bytes = BYTES, ms = READ_MS): Promise<boolean> {
    if (this.resting.rests(path)) return false
    await this.clock.run(ms)
    this.resting.read(path, bytes, ms)
    return true
  }

  /** Written to each second. @returns how often it was read. */
  async write(seconds: number, everyMs = 1000): Promise<number> {
    let reads = 0
    const end = this.clock.now() + seconds * 1000
    while (this.clock.now() < end) {
      for (const path of new Set([LOG, ...this.scanned.splice(0)])) if (await this.meet(path)) reads++
      await this.clock.run(everyMs)
    }
    return reads
  }
}

test('who saves now and then is not kept waiting', async (t) => {
  const bench = new Bench()
  for (let i = 0; i < 5; i++) t.ok(await bench.meet(), `${i}`)
  await bench.clock.run(2 * LONGEST_MS)
  for (let i = 0; i < 5; i++) t.ok(await bench.meet(), `after a while, ${i}`)
  t.absent(bench.resting.any)
})

test('one that is written to all the time is read a few times, then ever more seldom, and never less than it may be', async (t) => {
  const bench = new Bench()
  const first = await bench.write(60)
  t.ok(first >= 6 && first <= 12, `${first} of some 45`)
  const later = await bench.write(600)
  t.ok(later >= 11 && later <= 13, `${later} in 600 s, one each ${LONGEST_MS} ms`)
})

test('once the writing ends it is read soon', async (t) => {
  const bench = new Bench()
  await bench.write(120)
  t.alike([bench.resting.any, bench.resting.list], [true, [{ path: LOG, ms: LONGEST_MS }]])
  bench.scanned.length = 0
  await bench.clock.run(4000)
  t.alike(bench.scanned, [LOG])
  t.ok(await bench.meet(), 'its rest is over')
  t.absent(bench.resting.any)
})

test('who writes twice at once, every other second, is as one who writes all the time', async (t) => {
  const bench = new Bench()
  let reads = 0
  for (let i = 0; i < 200; i++) {
    for (const path of [LOG, LOG, ...bench.scanned.splice(0)]) if (await bench.meet(path)) reads++
    await bench.clock.run(2000)
  }
  t.ok(reads <= 20, `${reads} of 400`)
})

test('of a thousand files it is known; one that is forgotten while it waits is read', async (t) => {
  const bench = new Bench()
  await bench.write(120)
  t.ok(bench.resting.any)
  for (let i = 0; i < 1000; i++) bench.resting.read(`${i}` as PathKey, BYTES, READ_MS)
  t.alike([bench.resting.any, bench.scanned.at(-1)], [false, LOG])
})

test('a pause as long as any before is no end, and one of a quarter of the rest is', async (t) => {
  const bench = new Bench()
  await bench.write(300, 8000)
  bench.scanned.length = 0
  t.absent(await bench.meet())
  await bench.clock.run(8000)
  t.alike(bench.scanned, [], 'three times 8 s would be more than a quarter of it')
  await bench.clock.run(5000)
  t.alike(bench.scanned, [LOG])
})

test('what was written while it was read waits still', async (t) => {
  const bench = new Bench()
  await bench.write(120)
  t.ok(bench.resting.rests(LOG))
  bench.resting.read(LOG, BYTES, READ_MS)
  t.ok(bench.resting.any, 'a write was seen after the reading began')
  await bench.clock.run(READ_MS + 1)
  bench.resting.read(LOG, BYTES, READ_MS)
  t.absent(bench.resting.any)
})

test('a file that is small or quick to read rests for less, and the shortest rest of several is not kept waiting', async (t) => {
  const bench = new Bench()
  await bench.write(60)
  const small = 'small' as PathKey
  for (let i = 0; i < 11; i++) bench.resting.read(small, 2 * MIB, 5)
  t.absent(await bench.meet(small, 2 * MIB, 5))
  t.is(bench.resting.list.find(({ path }) => path === small)?.ms, 320)
  await bench.clock.run(321)
  t.alike(bench.scanned.filter((path) => path === small), [small])
})

test('none is longer than ten minutes; a file that is gone rests no more; a clock that is set back ends it', async (t) => {
  const bench = new Bench()
  for (let i = 0; i < 20; i++) bench.resting.read(LOG, 1e12, 60_000)
  t.ok(bench.resting.rests(LOG))
  t.is(bench.resting.list[0]?.ms, 600_000)
  bench.resting.gone(LOG)
  t.alike([bench.resting.any, bench.resting.rests(LOG)], [false, false])
  const before = bench.clock.now()
  await bench.clock.run(1000)
  for (let i = 0; i < 9; i++) bench.resting.read(LOG, BYTES, READ_MS)
  t.ok(bench.resting.rests(LOG))
  Object.assign(bench.clock, { now: () => before })
  t.absent(bench.resting.rests(LOG))
})

/** Two devices that have `log`, of which each reading takes as long as if it was large; `reads`: when the first one read it. */
async function openWorld(teardown: (end: () => void) => void): Promise<{ world: FolderWorld; a: FolderDevice; b: FolderDevice; reads: number[] }> {
  const { scan } = FakeDisk.prototype
  teardown(() => void (FakeDisk.prototype.scan = scan))
  const world = await FolderWorld.open({}, {})
  const [a, b] = world.devices as unknown as [FolderDevice, FolderDevice]
  const reads: number[] = []
  a.user.write(LOG, 'first')
  await world.rest()
  FakeDisk.prototype.scan = async function* (this: FakeDisk, ...values: Parameters<typeof scan>) {
    const [request] = values
    const isMet = ({ kind, path }: Finding): boolean => {
      if (kind !== 'present' || path !== LOG) return true
      if (request.rests?.(path) === true) return false
      request.onLongRead?.(path, BYTES, READ_MS)
      reads.push(world.clock.now())
      return true
    }
    for await (const findings of scan.apply(this, values)) yield findings.filter(isMet)
  }
  return { world, a, b, reads }
}

test('what was written and rests is not in sync, and is once it was read', async (t) => {
  const { world, a, b, reads } = await openWorld((end) => t.teardown(end))
  for (let i = 0; i < 60; i++) {
    a.user.write(LOG, `line ${i}`)
    await world.rest(1000)
  }
  t.ok(reads.length <= 12, `read ${reads.length} times of 60`)
  t.alike([a.folder.inSyncWith(b.device), b.folder.inSyncWith(a.device)], [false, false])
  t.alike(a.folder.resting.map(({ path }) => path), [LOG])
  await world.rest(5000)
  t.alike([a.folder.inSyncWith(b.device), b.folder.inSyncWith(a.device)], [true, true])
  const node = b.disk.tree.node(LOG)
  t.is(node?.kind === 'file' && node.data.toString(), 'line 59')
})

test('who asks for all, and what another device says of it, waits for no rest', async (t) => {
  const { world, a, b, reads } = await openWorld((end) => t.teardown(end))
  const write = async (text: string): Promise<void> => {
    a.user.write(LOG, text)
    await world.rest(300)
  }
  for (let i = 0; i < 100; i++) await write(`line ${i}`)
  t.is(a.folder.resting.length, 1)
  const before = reads.length
  await world.whenDone(a.folder.scan(false, new AbortController().signal))
  t.is(reads.length, before + 1, 'read at once')
  await write('mine')
  t.is(a.folder.resting.length, 1)
  b.user.write(LOG, 'theirs')
  await world.rest(1000)
  t.absent(a.folder.resting.some(({ path }) => path === LOG))
  await world.rest()
  t.is(a.files().length, 2, 'both edits stand, as of any other file')
  t.alike(a.files().sort(), b.files().sort())
})

/** When a drive gives way to a new one, and what becomes of those that did. */
import test from 'brittle'
import { join } from 'node:path'
import { isOutgrown } from '../../daemon/compaction.ts'
import { Retired } from '../../daemon/retired.ts'
import type { DriveKey } from '../../daemon/sync/ids.ts'
import { FakeClock } from '../fakes/clock.ts'
import { FakeLog } from '../fakes/log.ts'
import { Life } from '../fakes/life.ts'

const GIB = 1024 ** 3

test('a drive is outgrown when what it says no more outweighs the rest and what the store may cost', (t) => {
  for (const [length, rows, bytes, outgrown] of [
    [0, 0, 0, false],
    [20_000, 10_000, 0, false],
    [20_001, 10_000, 0, true],
    [2_000, 1, 0, false],
    [2_200, 1, 0, true],
    [110_000, 10_000, 10 * GIB, false],
    [120_000, 10_000, 10 * GIB, true],
    [9_000_000, 10_000, 17 * GIB, false]
  ] as const) {
    t.is(isOutgrown(length, rows, { bytes }), outgrown, `${length} blocks, ${rows} rows, ${bytes} bytes`)
  }
})

test('a retired drive is deleted once it can be, over a restart too, and once only', async (t) => {
  const file = join(await t.tmp(), 'retired.json')
  const [one, two] = ['1'.repeat(64), '2'.repeat(64)] as [DriveKey, DriveKey]
  const clock = new FakeClock()
  const asked: DriveKey[] = []
  const told: DriveKey[] = []
  let closed = false
  let compactions = 0
  const open = (): Retired =>
    new Retired({
      file,
      clock: new Life({ clock }).clock,
      log: new FakeLog(() => undefined),
      deleteDrive: async (drive) => {
        asked.push(drive)
        if (closed) told.push(drive)
        return closed
      },
      compact: async () => void compactions++
    })
  const retired = open()
  t.absent(retired.has(one))
  retired.add(one)
  t.ok(retired.has(one))
  await clock.run(30_000)
  t.is(asked.length, 2, 'it is open still')
  await retired.close()

  closed = true
  const again = open()
  t.ok(again.has(one))
  again.add(two)
  await clock.run(60_000)
  t.alike(told, [one, two])
  t.is(compactions, 1)
  await again.close()

  const third = open()
  t.ok(third.has(one) && third.has(two), 'so that they are not opened again')
  await clock.run(60_000)
  t.alike(told, [one, two])
  await third.close()
})

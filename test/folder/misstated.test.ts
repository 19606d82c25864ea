/** What is kept of statements that are not valid. */
import test from 'brittle'
import { Misstated } from '../../daemon/folder/misstated.ts'
import type { Problem } from '../../daemon/ports.ts'
import type { DeviceId, DriveKey } from '../../daemon/sync/ids.ts'

function drive(n: number): { readonly key: DriveKey; readonly device: DeviceId } {
  return { key: `${n}`.repeat(64) as DriveKey, device: `a${n}`.repeat(32) as DeviceId }
}

function problems(count: number, from = 0): Problem[] {
  return Array.from({ length: count }, (_, i) => ({ path: `bad ${from + i}`, code: 'invalid-name', message: 'the name is not allowed in a synced folder' }))
}

test('of each drive a hundred are told by name, and how many more there are', (t) => {
  const misstated = new Misstated()
  misstated.add(drive(1), problems(60))
  misstated.add(drive(1), problems(60))
  misstated.add(drive(1), problems(90, 60))
  misstated.add(drive(2), problems(3))
  const rows = misstated.of([drive(1), drive(2)])
  t.alike(rows.slice(0, 100), problems(100))
  t.alike(rows.slice(101), problems(3))
  t.is(rows[100]?.path, '')
  t.ok(rows[100]?.message.startsWith('device a1a1a1a1 states 50 more '))
})

test('what a drive stated that does not count any more is forgotten', (t) => {
  const misstated = new Misstated()
  misstated.add(drive(1), [])
  t.ok(misstated.isEmpty)
  misstated.add(drive(1), problems(1))
  misstated.add(drive(2), problems(200))
  t.is(misstated.of([drive(1)]).length, 1)
  t.is(misstated.of([drive(1), drive(2)]).length, 1)
  t.absent(misstated.isEmpty)
  t.alike(misstated.of([]), [])
  t.ok(misstated.isEmpty)
})

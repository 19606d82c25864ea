/** R46: a directory moves on the word of another device, before it is stated: what that may do, and what becomes of it. */
import test from 'brittle'
import type { FolderReport } from '../../daemon/ports.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { FolderWorld, type FolderDevice } from './world.ts'

const MOVE = { from: 'd' as PathKey, to: 'n' as PathKey }
/** For a hint to be followed, and far less than it takes until it is given up. */
const SOON_MS = 200

/** Two devices with a directory of three files and another in it. */
async function twoDevices() {
  const world = await FolderWorld.open({}, {})
  const [a, b] = world.devices as [FolderDevice, FolderDevice]
  a.user.mkdir('d')
  a.user.mkdir('d/e')
  for (const name of ['a', 'b', 'e/c']) a.user.write(`d/${name}`, `content of ${name}`)
  await world.rest()
  const hear = (report: Partial<FolderReport>): void => {
    if (a.report !== null) b.reported(a.device, { ...a.report, ...report })
  }
  return { world, a, b, hear }
}

function names(device: FolderDevice): string {
  return [...device.disk.tree.walk()].map(([path]) => path).join(' ')
}

const BEFORE = 'd d/a d/b d/e d/e/c'
const AFTER = 'n n/a n/b n/e n/e/c'

test('R46: the directory has its new name before a path of it is stated; what is never stated goes back, and nothing is stated here', async (t) => {
  const { world, a, b, hear } = await twoDevices()
  const { length } = b.drive
  hear({ moved: MOVE, dirty: true })
  await world.rest(SOON_MS)
  t.is(names(b), AFTER)
  t.is(b.report?.dirty, true, 'disk and drive differ for now')
  t.is(b.index.relocation?.to, 'n')
  hear({})
  await world.rest()
  t.alike([names(a), names(b)], [BEFORE, BEFORE])
  t.is(b.drive.length, length)
  t.is(b.index.relocation, null)
  t.is(b.report?.dirty, false)
})

test('R46: the device that said so falls silent: the directory goes back', async (t) => {
  const { world, a, b, hear } = await twoDevices()
  const { length } = b.drive
  hear({ moved: MOVE, dirty: true })
  await world.rest(SOON_MS)
  t.is(names(b), AFTER)
  a.kill()
  await world.rest()
  t.is(names(b), BEFORE)
  t.is(b.drive.length, length)
})

test('R46: a kill once it has moved: the start moves it back, and takes nothing for the doing of the user', async (t) => {
  const { world, a, b, hear } = await twoDevices()
  const { length } = b.drive
  hear({ moved: MOVE, dirty: true })
  await world.rest(SOON_MS)
  t.is(names(b), AFTER)
  b.kill()
  b.start()
  await world.rest()
  t.alike([names(a), names(b)], [BEFORE, BEFORE])
  t.is(b.drive.length, length)
})

test('R46: a start that cannot look at the new place states nothing, and moves it back once it can', async (t) => {
  const { world, a, b, hear } = await twoDevices()
  const { length } = b.drive
  hear({ moved: MOVE, dirty: true })
  await world.rest(SOON_MS)
  b.kill()
  b.disk.denied.add('n')
  b.start()
  await world.rest()
  t.is(b.drive.length, length)
  b.disk.denied.clear()
  await world.rest()
  t.alike([names(a), names(b)], [BEFORE, BEFORE])
  t.is(b.drive.length, length)
})

test('R46: while the disk refuses d its old name nothing is stated, and it is tried again', async (t) => {
  const { world, a, b, hear } = await twoDevices()
  const { length } = b.drive
  hear({ moved: MOVE, dirty: true })
  await world.rest(SOON_MS)
  b.disk.failing.set('d', 'ENOSPC')
  hear({})
  await world.rest()
  t.is(b.drive.length, length)
  b.disk.failing.clear()
  await world.rest()
  t.alike([names(a), names(b)], [BEFORE, BEFORE])
  t.is(b.drive.length, length)
})

test('R46: a start goes on with what could not go back, whatever has the old name by then', async (t) => {
  const { world, a, b, hear } = await twoDevices()
  const { length } = b.drive
  hear({ moved: MOVE, dirty: true })
  await world.rest(SOON_MS)
  // So it goes back path by path, and one of them is refused.
  b.disk.tree.attach('d', b.disk.tree.newDirectory(0o755))
  b.disk.failing.set('d/e/c', 'ENOSPC')
  hear({})
  await world.rest(20_000)
  t.ok(names(b).includes('d/a') && names(b).includes('n/e/c'), names(b))
  b.kill()
  b.start()
  await world.rest(20_000)
  t.is(b.drive.length, length)
  b.disk.failing.clear()
  await world.rest()
  t.alike([names(a), names(b)], [BEFORE, BEFORE])
  t.is(b.drive.length, length)
})

test('R46: a cause that lasts does not hold up the folder for ever', async (t) => {
  const { world, a, b, hear } = await twoDevices()
  hear({ moved: MOVE, dirty: true })
  await world.rest(SOON_MS)
  b.disk.failing.set('d', 'EIO')
  hear({})
  await world.rest(10 * 60_000)
  b.user.write('other', 'other')
  await world.rest()
  t.ok(a.files().includes('other'), names(a))
})

test('R46: a directory with something that the other device does not hold stays where it is', async (t) => {
  const { world, a, b, hear } = await twoDevices()
  const report = a.report
  a.kill()
  await world.rest()
  b.user.write('d/e/c', 'an edit that A has not seen')
  await world.rest()
  b.linked(a.device)
  if (report !== null) b.reported(a.device, { ...report, moved: MOVE, dirty: true })
  await world.rest(SOON_MS)
  t.is(names(b), BEFORE)
  b.unlinked(a.device)
  a.start()
  await world.rest()
  hear({ moved: MOVE, dirty: true })
  await world.rest(SOON_MS)
  t.is(names(b), AFTER, 'once A holds it as well')
})

test('R46: a directory that is not to the letter what the index says stays where it is', async (t) => {
  const { world, b, hear } = await twoDevices()
  // No event told of it.
  b.disk.tree.attach('d/e/new', b.disk.tree.newFile(Buffer.from('new'), 0o644))
  hear({ moved: MOVE, dirty: true })
  await world.rest(SOON_MS)
  t.is(names(b), `${BEFORE} d/e/new`)
})

test('R46: what is stated is adopted: no change of the disk, no number of our own; an edit in the middle is one on top of it', async (t) => {
  const { world, a, b, hear } = await twoDevices()
  hear({ moved: MOVE, dirty: true })
  await world.rest(SOON_MS)
  t.is(names(b), AFTER)
  const before = ['a', 'b', 'e/c'].map((name) => b.user.lstat(`n/${name}`))
  b.user.write('n/b', 'edited here before it is stated there')
  b.user.write('n/new', 'new')
  a.user.rename('d', 'n')
  await world.rest()
  t.alike([names(a), names(b)], [`${AFTER} n/new`, `${AFTER} n/new`])
  t.alike([b.user.lstat('n/a'), b.user.lstat('n/e/c')], [before[0], before[2]], 'not touched')
  t.is(a.user.read('n/b').toString(), 'edited here before it is stated there')
  t.is(a.user.read('n/new').toString(), 'new')
  const [writer] = Object.keys(b.index.rows.get('n/a' as PathKey)?.entry.vv ?? {})
  t.is(Object.keys(b.index.rows.get('n/a' as PathKey)?.entry.vv ?? {}).length, 1, `only a number of A: ${writer ?? ''}`)
})

test('R46: what the user deletes at the new place before it is stated is deleted', async (t) => {
  const { world, a, b, hear } = await twoDevices()
  hear({ moved: MOVE, dirty: true })
  await world.rest(SOON_MS)
  b.user.remove('n/e')
  a.user.rename('d', 'n')
  await world.rest()
  t.alike([names(a), names(b)], ['n n/a n/b', 'n n/a n/b'])
})

test('R46: what the other device deletes at the new place right after it moved, before it was heard of here, stays deleted', async (t) => {
  for (const name of ['a', 'e']) {
    for (const ms of [0, 1, 5, 10, 20, 40, 80, 1000]) {
      const { world, a, b, hear } = await twoDevices()
      hear({ moved: MOVE, dirty: true })
      await world.rest(SOON_MS)
      t.is(names(b), AFTER)
      // B hears of both at once, or of the one and then of the other.
      world.network.cut(a.device, b.device)
      a.user.rename('d', 'n')
      await world.rest(ms)
      a.user.remove(`n/${name}`)
      await world.rest(ms)
      world.network.mend(a.device, b.device)
      await world.rest()
      const left = name === 'a' ? 'n n/b n/e n/e/c' : 'n n/a n/b'
      t.alike([names(a), names(b)], [left, left], `${name} after ${ms} ms`)
    }
  }
})

test('R46: renamed and renamed back at once, whenever it is: one tree', async (t) => {
  for (const ms of [0, 1, 5, 10, 20, 40, 80]) {
    const { world, a, b, hear } = await twoDevices()
    hear({ moved: MOVE, dirty: true })
    await world.rest(SOON_MS)
    a.user.rename('d', 'n')
    await world.rest(ms)
    a.user.rename('n', 'd')
    await world.rest()
    t.alike([names(a), names(b)], [BEFORE, BEFORE], `after ${ms} ms`)
  }
})

test('R46: no hint moves a directory into itself, over something, or out of what is known', async (t) => {
  const { world, a, b, hear } = await twoDevices()
  a.user.write('taken', 'taken')
  await world.rest()
  for (const [from, to] of [['d', 'd/e/d'], ['d/e', 'd'], ['d', 'taken'], ['d', 'missing/d'], ['missing', 'n'], ['d/a', 'n'], ['d', 'd']] as const) {
    hear({ moved: { from: from as PathKey, to: to as PathKey }, dirty: true })
    await world.rest(SOON_MS)
    t.is(names(b), `${BEFORE} taken`, `${from} ${to}`)
  }
})

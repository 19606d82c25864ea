/** Rules of docs/semantics.md that show only where disk, drives and peers meet, on fakes and in virtual time. */
import test from 'brittle'
import { isConflictPath } from '../../daemon/sync/conflict.ts'
import { newestPerDevice } from '../../daemon/folder/context.ts'
import { faultyPatterns } from '../../daemon/handlers/paths.ts'
import type { RemoteRow } from '../../daemon/ports.ts'
import type { DeviceId, DriveKey, PathKey } from '../../daemon/sync/ids.ts'
import { FakeDisk } from '../fakes/disk.ts'
import { FolderWorld, type FolderDevice } from './world.ts'

type Pair = readonly [FolderDevice, FolderDevice]

async function pair(): Promise<{ readonly world: FolderWorld; readonly a: FolderDevice; readonly b: FolderDevice }> {
  const world = await FolderWorld.open({}, {})
  const [a, b] = world.devices as unknown as Pair
  return { world, a, b }
}

test('R10: a directory that only an ignored file keeps is gone for the others, and comes back with a file that is not ignored', async (t) => {
  const { world, a, b } = await pair()
  a.user.write('.p2psyncignore', '*.local\n')
  a.user.mkdir('d')
  a.user.write('d/shared', 'shared')
  await world.rest()
  b.user.write('d/mine.local', 'mine')
  await world.rest()
  a.user.remove('d')
  await world.rest()
  t.is(b.user.read('d/mine.local').toString(), 'mine', 'what is ignored stays')
  t.absent(b.disk.tree.node('d/shared'))
  t.absent(a.disk.tree.node('d'), 'and does not bring the directory back')
  b.user.write('d/new', 'new')
  await world.rest()
  t.is(a.user.read('d/new').toString(), 'new')
})

test('R31: what becomes ignored leaves the drive without a tombstone, and stays on every disk', async (t) => {
  const { world, a, b } = await pair()
  a.user.write('x.local', 'mine')
  a.user.write('kept', 'kept')
  await world.rest()
  b.user.write('.p2psyncignore', '*.local\n')
  await world.rest()
  for (const [device, other] of [[a, b], [b, a]] as const) {
    const log = [...other.replicas.values()].find((replica) => replica.log.device === device.device)?.log
    t.absent(log?.statements().has('x.local' as PathKey), 'no statement, and no tombstone')
    t.ok(log?.statements().has('kept' as PathKey))
    t.is(device.user.read('x.local').toString(), 'mine')
  }
})

test('R32: rules that were read and went before any scan saw their file apply no more', async (t) => {
  const { world, a, b } = await pair()
  a.kill()
  a.user.write('.p2psyncignore', '*.local\n')
  onceRulesAreRead(t, () => a.user.remove('.p2psyncignore'))
  a.start()
  await world.rest()
  a.user.write('x.local', 'from a')
  b.user.write('y.local', 'from b')
  await world.rest()
  t.is(b.disk.tree.node('x.local') === null ? null : b.user.read('x.local').toString(), 'from a')
  t.is(a.disk.tree.node('y.local') === null ? null : a.user.read('y.local').toString(), 'from b')
})

test('R32: rules that were read and changed back before a scan saw them are those that stand there', async (t) => {
  const { world, a, b } = await pair()
  a.user.write('.p2psyncignore', '*.tmp\n')
  await world.rest()
  a.kill()
  a.user.rename('.p2psyncignore', 'aside')
  a.user.write('.p2psyncignore', '*.local\n')
  onceRulesAreRead(t, () => a.user.rename('aside', '.p2psyncignore'))
  a.start()
  await world.rest()
  a.user.write('x.local', 'from a')
  a.user.write('x.tmp', 'of a')
  await world.rest()
  t.is(b.disk.tree.node('x.local') === null ? null : b.user.read('x.local').toString(), 'from a')
  t.absent(b.disk.tree.node('x.tmp'))
})

test('R11: rename here, edit there: both files are kept', async (t) => {
  const { world, a, b } = await pair()
  a.user.write('old', 'first')
  await world.rest()
  world.network.cut(a.device, b.device)
  a.user.rename('old', 'new')
  b.user.replace('old', 'edited')
  await world.rest()
  world.network.mend(a.device, b.device)
  await world.rest()
  for (const device of [a, b]) {
    t.alike(device.files().sort(), ['new', 'old'])
    t.alike([device.user.read('new').toString(), device.user.read('old').toString()], ['first', 'edited'])
  }
})

test('R13: a file that was changed since it was scanned is scanned and merged, not replaced', async (t) => {
  const { world, a, b } = await pair()
  a.user.write('f', 'first')
  await world.rest()
  world.network.cut(a.device, b.device)
  a.user.replace('f', 'from a')
  await world.rest()
  b.kill()
  b.user.replace('f', 'from b')
  b.start()
  world.network.mend(a.device, b.device)
  await world.rest()
  const contents = b.files().map((path) => b.user.read(path).toString()).sort()
  t.alike(contents, ['from a', 'from b'])
  t.is(b.files().filter((path) => isConflictPath(path as never)).length, 1)
  t.alike(a.files().sort(), b.files().sort())
})

test('R14: of each device the newest generation that states a path counts', (t) => {
  const row = (device: string, generation: number): RemoteRow => ({ device: device as DeviceId, drive: `${device}${generation}` as DriveKey, generation, entry: { kind: 'tombstone', vv: {}, dots: [] } })
  const newest = newestPerDevice([row('a', 1), row('b', 3), row('a', 2), row('b', 1)])
  t.alike(newest.map(({ drive }) => drive).sort(), ['a2', 'b3'])
})

test('R15: bytes that nobody connected has wait without a sound, and come with who has them', async (t) => {
  const world = await FolderWorld.open({}, {}, {})
  const [a, b, c] = world.devices as unknown as readonly [FolderDevice, FolderDevice, FolderDevice]
  world.network.cut(b.device, c.device)
  world.network.cut(a.device, c.device)
  a.user.write('f', 'first')
  await world.rest()
  t.is(b.user.read('f').toString(), 'first')
  a.kill()
  world.network.mend(b.device, c.device)
  await world.rest()
  t.is(c.user.read('f').toString(), 'first', 'from the device that is there')
})

test('R39: a path that cannot be applied is told, is not needed, keeps the rest going, and heals', async (t) => {
  const { world, a, b } = await pair()
  b.disk.failing.set('f', 'EACCES')
  a.user.write('f', 'first')
  a.user.write('g', 'second')
  await world.rest()
  t.is(b.user.read('g').toString(), 'second')
  t.alike(b.report?.blocked, ['f'])
  t.alike(b.folder.status().need, { files: 0, bytes: 0, deletes: 0 })
  t.is(b.folder.status().problems[0]?.code, 'EACCES')
  const outcome = await world.whenDone(a.folder.sync(new AbortController().signal))
  t.alike([outcome.outcome, outcome.blocked], ['blocked', [{ path: 'f', why: 'blocked-there' }]])
  b.disk.failing.delete('f')
  await world.rest()
  t.is(b.user.read('f').toString(), 'first')
  t.alike(b.report?.blocked, [])
})

test('a line that ignores nothing is told of the file in which it stands', async (t) => {
  const world = await FolderWorld.open({})
  const [a] = world.devices as unknown as [FolderDevice]
  const copy = '.p2psyncignore.sync-conflict-abcdefghij' as PathKey
  a.user.write('.p2psyncignore', '*.tmp\n')
  a.user.write(copy, '*.log\n*a*b*c*d*e\n')
  await world.rest()
  t.alike(a.folder.rules.faulty, [{ path: copy, line: 2, pattern: '*a*b*c*d*e', fault: 'name-stars' }])
  t.alike(faultyPatterns(a.folder.rules.faulty).map(({ path }) => path), [copy])
  a.user.rename(copy, '.p2psyncignore.sync-conflict-bbbbbbbbbb')
  await world.rest()
  t.alike(a.folder.rules.faulty.map(({ path }) => path), ['.p2psyncignore.sync-conflict-bbbbbbbbbb'])
})

/** Does something in the instant after any device has read its ignore files next, once. */
function onceRulesAreRead(t: { teardown(run: () => void): void }, act: () => void): void {
  const prototype = FakeDisk.prototype
  const { readIgnoreFiles } = prototype
  const restore = (): void => void Object.assign(prototype, { readIgnoreFiles })
  t.teardown(restore)
  prototype.readIgnoreFiles = async function () {
    const texts = await readIgnoreFiles.call(this)
    restore()
    act()
    return texts
  }
}

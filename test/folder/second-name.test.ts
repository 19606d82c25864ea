/** A conflict copy is another file than the one that it was made from, whatever a user does while the winner's bytes are on their way. */
import test from 'brittle'
import { isConflictPath } from '../../daemon/sync/conflict.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { FolderWorld, type FolderDevice } from './world.ts'

function texts(device: FolderDevice): readonly string[] {
  return device.files().map((path) => device.user.read(path).toString()).sort()
}

/** All have `f`; then each of these writes its own into it, the last one last, and none hears of another. */
async function writeApart(world: FolderWorld, versions: readonly (readonly [FolderDevice, string])[]): Promise<void> {
  const { devices } = world
  devices[0]?.user.write('f', 'common')
  await world.rest()
  for (const [i, x] of devices.entries()) for (const y of devices.slice(i + 1)) world.network.cut(x.device, y.device)
  for (const [device, text] of versions) {
    device.user.write('f', text)
    await world.rest(1_000)
  }
}

test('what is written into a losing file before the winner is here does not go into its conflict copy', async (t) => {
  const world = await FolderWorld.open({}, {})
  const [a, b] = world.devices as unknown as [FolderDevice, FolderDevice]
  await writeApart(world, [[b, 'loser'], [a, 'winner']])
  const give = a.answer.bind(a)
  // It is large, or the line is slow.
  a.answer = async () => await Promise.resolve(null)
  world.network.mend(a.device, b.device)
  await world.rest()
  t.alike(texts(a), ['loser', 'winner'])
  t.alike(texts(b), ['loser'], 'its own version has one name')
  // As a program that keeps the file: in place.
  b.user.write('f', 'edited')
  await world.rest()
  a.answer = give
  await world.whenDone(b.folder.scan(false, new AbortController().signal))
  await world.rest()
  for (const device of [a, b]) {
    t.alike(texts(device), ['edited', 'loser', 'winner'])
    t.is(device.user.read('f').toString(), 'edited')
  }
})

test('a copy of several waits for the others, whose bytes are on their way, and all are made once they are here', async (t) => {
  const world = await FolderWorld.open({}, {}, {})
  const [a, b, c] = world.devices as unknown as [FolderDevice, FolderDevice, FolderDevice]
  await writeApart(world, [[b, 'first'], [c, 'second'], [a, 'winner']])
  const give = c.answer.bind(c)
  c.answer = async () => await Promise.resolve(null)
  // What is stated comes, and then the device goes away.
  world.network.mend(b.device, c.device)
  await world.rest()
  world.network.cut(b.device, c.device)
  world.network.mend(a.device, b.device)
  await world.rest()
  t.absent(b.files().some((path) => isConflictPath(path as PathKey)), 'its own version has one name')
  t.is(b.user.read('f').toString(), 'first')
  c.answer = give
  for (const other of [a, b]) world.network.mend(c.device, other.device)
  await world.rest(400_000)
  for (const device of [a, b, c]) t.alike(texts(device), ['first', 'second', 'winner'])
  for (const device of [a, b, c]) t.is(device.user.read('f').toString(), 'winner')
})

/** b's conflict copy has its name, and what follows fails. */
async function refusedAfterLink(world: FolderWorld): Promise<readonly [FolderDevice, FolderDevice]> {
  const [a, b] = world.devices as unknown as [FolderDevice, FolderDevice]
  await writeApart(world, [[b, 'loser'], [a, 'winner']])
  b.disk.onWrite = () => {
    if (b.files().length > 1) b.disk.failing.set('f', 'EIO')
  }
  world.network.mend(a.device, b.device)
  await world.rest()
  b.disk.onWrite = () => undefined
  return [a, b]
}

test('where the winner cannot take the path, the conflict copy is a file of its own', async (t) => {
  const world = await FolderWorld.open({}, {})
  const [a, b] = await refusedAfterLink(world)
  t.alike(texts(b), ['loser', 'loser'], 'path and copy')
  // As a program that keeps the file: in place.
  b.user.write('f', 'edited')
  await world.rest()
  t.alike(texts(b), ['edited', 'loser', 'winner'])
  b.disk.failing.clear()
  await world.whenDone(b.folder.scan(false, new AbortController().signal))
  await world.rest(400_000)
  for (const device of [a, b]) t.alike(texts(device), ['edited', 'loser', 'winner'])
})

test('a conflict copy that got a file of its own is no news', async (t) => {
  const world = await FolderWorld.open({}, {})
  const [a, b] = await refusedAfterLink(world)
  const length = b.drive.length
  await world.whenDone(b.folder.scan(false, new AbortController().signal))
  await world.rest()
  t.is(b.drive.length, length, 'nothing is stated of it')
  b.disk.failing.clear()
  await world.rest(400_000)
  for (const device of [a, b]) {
    t.alike(texts(device), ['loser', 'winner'])
    t.is(device.user.read('f').toString(), 'winner')
  }
})

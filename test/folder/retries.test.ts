/** What could not be done is tried again soon at first and then more seldom, each problem anew. */
import test from 'brittle'
import { FolderWorld, type FolderDevice } from './world.ts'

type Pair = readonly [FolderDevice, FolderDevice]

test('a new problem is tried again soon, however long an old one that is gone has lasted', async (t) => {
  const world = await FolderWorld.open({}, {})
  const [a, b] = world.devices as unknown as Pair
  b.disk.failing.set('old', 'EIO')
  a.user.write('old', 'old')
  await world.rest()
  t.absent(b.disk.tree.node('old'))
  b.disk.failing.clear()
  a.user.write('old', 'and an edit, which does not wait for the next try')
  await world.rest(2_000)
  t.is(b.user.read('old').toString(), 'and an edit, which does not wait for the next try')
  b.disk.failing.set('new', 'EIO')
  a.user.write('new', 'new')
  await world.rest(500)
  t.absent(b.disk.tree.node('new'))
  b.disk.failing.clear()
  await world.rest(3_000)
  t.is(b.user.read('new').toString(), 'new')
})

test('a second problem does not wait for the next try of one that lasts', async (t) => {
  const world = await FolderWorld.open({}, {})
  const [a, b] = world.devices as unknown as Pair
  b.disk.failing.set('old', 'EIO').set('new', 'EIO')
  a.user.write('old', 'old')
  await world.rest()
  a.user.write('new', 'new')
  await world.rest(500)
  t.absent(b.disk.tree.node('new'))
  b.disk.failing.delete('new')
  await world.rest(3_000)
  t.is(b.user.read('new').toString(), 'new')
  t.absent(b.disk.tree.node('old'))
})

test('a content that nobody could give for a while is asked for again, though nothing else happens', async (t) => {
  const world = await FolderWorld.open({}, {})
  const [a, b] = world.devices as unknown as Pair
  const give = a.answer.bind(a)
  let asked = 0
  // Its disk fails: the file cannot be read, and no event tells when it can be again.
  a.answer = async () => {
    asked++
    return await Promise.resolve(null)
  }
  a.user.write('f', 'text')
  await world.rest(20_000)
  t.absent(b.disk.tree.node('f'))
  const often = asked
  await world.rest(120_000)
  t.ok(asked > often && asked - often < 30, `again and again, but ever more seldom: ${asked - often} times in two minutes`)
  a.answer = give
  await world.rest(300_000)
  t.is(b.user.read('f').toString(), 'text')
})

test('R38: a sync that waits for what nobody can give says so of the path, and of another that it is under way', async (t) => {
  const world = await FolderWorld.open({}, {})
  const [a, b] = world.devices as unknown as Pair
  const give = a.answer.bind(a)
  a.answer = async () => await Promise.resolve(null)
  a.user.write('f', 'text')
  await world.rest(20_000)
  const ended = async (device: FolderDevice): Promise<unknown> => {
    const limit = new AbortController()
    world.clock.after(5_000, () => limit.abort())
    const { outcome, blocked } = await world.whenDone(device.folder.sync(limit.signal))
    return { outcome, blocked }
  }
  t.alike(await ended(b), { outcome: 'timeout', blocked: [{ path: 'f', why: 'unavailable' }] })
  t.alike(await ended(a), { outcome: 'timeout', blocked: [{ path: 'f', why: 'under-way' }] })
  b.disk.failing.set('g', 'EIO')
  a.answer = give
  a.user.write('g', 'text')
  await world.rest()
  t.alike(await ended(b), { outcome: 'blocked', blocked: [{ path: 'g', why: 'blocked-here' }] })
  t.alike(await ended(a), { outcome: 'blocked', blocked: [{ path: 'g', why: 'blocked-there' }] })
})

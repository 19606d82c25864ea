/** What is asked for as soon as a statement comes in, and what is not. */
import test from 'brittle'
import { pullAll } from '../../daemon/folder/pull.ts'
import type { RemoteDrive } from '../../daemon/ports.ts'
import type { DeviceId, ObjectId } from '../../daemon/sync/ids.ts'
import { FolderWorld, type FolderDevice } from './world.ts'

/** Two devices, of which the second has not been started. */
function twoDevices() {
  const world = new FolderWorld([{}, {}])
  const [a, b] = world.devices as [FolderDevice, FolderDevice]
  const asked: ObjectId[] = []
  const answer = a.answer.bind(a)
  a.answer = (id) => {
    asked.push(id)
    return answer(id)
  }
  a.start()
  return { world, a, b, asked }
}

test('new files come to a device that has nothing at their paths', async (t) => {
  const { world, a, b, asked } = twoDevices()
  b.start()
  await world.rest()
  for (const name of ['one', 'two', 'three']) a.user.write(name, `content of ${name}`)
  await world.rest()
  t.alike(b.files().toSorted(), ['one', 'three', 'two'])
  t.is(new Set(asked).size, asked.length, 'each object is asked for once')
  t.is(b.report?.dirty, false)
})

test('R12: what stands at a path that was not scanned so far is not asked for', async (t) => {
  const { world, a, b, asked } = twoDevices()
  a.user.write('same', 'content of both')
  b.user.write('same', 'content of both')
  await world.rest()
  b.start()
  await world.rest()
  t.alike(b.files(), ['same'])
  t.alike(asked, [])
})

test('a new path whose content is here is not asked for: the file moves there', async (t) => {
  const { world, a, b, asked } = twoDevices()
  b.start()
  a.user.write('old', 'content')
  await world.rest()
  const before = b.disk.tree.node('old')?.ino
  asked.length = 0
  a.user.rename('old', 'new')
  await world.rest()
  t.alike(b.files(), ['new'])
  t.is(b.disk.tree.node('new')?.ino, before)
  t.alike(asked, [])
})

test('a new file whose bytes cannot be had comes as soon as they can', async (t) => {
  const { world, a, b } = twoDevices()
  const answer = a.answer.bind(a)
  a.answer = async () => null
  b.start()
  a.user.write('file', 'content')
  await world.rest()
  t.alike(b.files(), [])
  t.is(b.folder.status().need.files, 1, 'it counts as missing')
  a.answer = answer
  a.folder.pause()
  await world.rest()
  a.folder.resume()
  await world.rest(60_000)
  t.alike(b.files(), ['file'])
})

test('no more statements are read while many bytes are on their way, and all of them in the end', async (t) => {
  const world = await FolderWorld.open({}, { pullAhead: 4 })
  const [a, b] = world.devices as [FolderDevice, FolderDevice]
  const answer = a.answer.bind(a)
  let give: () => void = () => undefined
  const given = new Promise<void>((resolve) => (give = resolve))
  a.answer = async (id) => await given.then(() => answer(id))
  const names = Array.from({ length: 30 }, (_, i) => `f${i}`)
  for (const name of names) a.user.write(name, `content of ${name}`)
  await world.rest()
  const needed = b.folder.status().need.files
  t.ok(needed >= 4 && needed < 30, `${needed} are waited for`)
  give()
  await world.rest()
  t.alike(b.files().toSorted(), names.toSorted())
  t.ok(a.folder.inSyncWith(b.device) && b.folder.inSyncWith(a.device))
})

test('what nobody can give keeps no further statements from being read', async (t) => {
  const world = await FolderWorld.open({}, { pullAhead: 4 })
  const [a, b] = world.devices as [FolderDevice, FolderDevice]
  const answer = a.answer.bind(a)
  a.answer = async () => null
  const names = Array.from({ length: 30 }, (_, i) => `f${i}`)
  for (const name of names) a.user.write(name, `content of ${name}`)
  await world.rest()
  t.is(b.folder.status().need.files, 30)
  a.answer = answer
  a.folder.pause()
  await world.rest()
  a.folder.resume()
  await world.rest(60_000)
  t.alike(b.files().toSorted(), names.toSorted())
})

test('statements that bring nothing to do are read in parts while something else waits, and those that do at once', async (t) => {
  const { world, a, b } = twoDevices()
  b.start()
  for (let i = 0; i < 12; i++) a.user.write(`file ${i}`, `content ${i}`)
  await world.rest()
  const read = async (append: () => void, breaksOff: boolean): Promise<{ readonly left: boolean; readonly isMarked: boolean }> => {
    const length = a.drive.length
    let told = (): void => undefined
    const isTold = new Promise<void>((resolve) => (told = resolve))
    const looked = b.folder.act(async (context) => {
      await isTold
      context.work.takePull()
      await pullAll(context, new AbortController().signal, () => breaksOff)
      const known = context.ports.index.remoteCheckpoint(a.drive.key)?.length ?? 0
      if (known <= length) throw new Error('nothing was read')
      const isMarked = context.work.takePull()
      context.work.markPull()
      return { left: known < a.drive.length, isMarked }
    })
    append()
    await world.rest()
    told()
    const result = await world.whenDone(looked)
    await world.rest()
    t.is(b.index.checkpoints.get(a.drive.key)?.length, a.drive.length, 'the rest later')
    return result
  }
  const sayAgain = (): void => {
    for (let i = 0; i < 12; i++) a.drive.append(a.drive.blocks.slice(i, i + 1))
    a.drive.announce()
  }
  t.alike(await read(sayAgain, true), { left: true, isMarked: true })
  t.alike(await read(sayAgain, false), { left: false, isMarked: false })
  // R27: one deletion came, then much that says nothing new.
  const deletion = (): void => {
    a.user.remove('file 3')
    world.clock.after(2_000, () => {
      for (let i = 0; i < 12; i++) if (a.drive.blocks[i]?.path !== 'file 3') a.drive.append(a.drive.blocks.slice(i, i + 1))
      a.drive.announce()
    })
  }
  t.alike(await read(deletion, true), { left: false, isMarked: false }, 'deletions are judged together')
  // Each is stated by itself.
  const news = (): void => {
    for (let i = 0; i < 4; i++) world.clock.after(i * 2_000, () => a.user.write(`new ${i}`, `content of ${i}`))
  }
  t.alike(await read(news, true), { left: false, isMarked: false }, 'news')
  t.is(b.files().length, 15)
})

test('the drive of which least is to be read comes first, and one that grows meanwhile does not wait for a long log that says nothing new', async (t) => {
  const world = await FolderWorld.open({}, {}, {})
  const [a, b, c] = world.devices as [FolderDevice, FolderDevice, FolderDevice]
  for (let i = 0; i < 12; i++) a.user.write(`file ${i}`, `content ${i}`)
  await world.rest()
  const replica = b.replicas.get(c.drive.key)
  if (replica === undefined) throw new Error('b knows c')
  /** a says again all that it has said, and c something new, which b hears of when `hears` says so. @returns whose drives were read. */
  const read = async (name: string, hears: 'before' | 'meanwhile'): Promise<{ readonly order: readonly DeviceId[]; readonly known: number }> => {
    const before = replica.length
    const order: DeviceId[] = []
    let told = (): void => undefined
    const isTold = new Promise<void>((resolve) => (told = resolve))
    const looked = b.folder.act(async (context) => {
      await isTold
      context.work.takePull()
      const { remotes } = context.ports
      const list = remotes.list.bind(remotes)
      const drives = list().map((drive) => following(drive, order, () => (replica.length = c.drive.length)))
      remotes.list = () => drives
      if (hears === 'meanwhile') replica.length = before
      await pullAll(context, new AbortController().signal, () => false)
      remotes.list = list
      context.work.markPull()
      return { order, known: context.ports.index.remoteCheckpoint(a.drive.key)?.length ?? 0 }
    })
    for (let i = 0; i < 12; i++) a.drive.append(a.drive.blocks.slice(i, i + 1))
    a.drive.announce()
    c.user.write(name, name)
    await world.rest()
    told()
    const result = await world.whenDone(looked)
    await world.rest()
    t.is(b.index.checkpoints.get(a.drive.key)?.length, a.drive.length, 'all is read in the end')
    t.ok(b.files().includes(name))
    return result
  }
  t.alike((await read('one', 'before')).order, [c.device, a.device])
  const { order, known } = await read('two', 'meanwhile')
  t.alike(order, [a.device], 'c is behind by nothing yet')
  t.ok(known < a.drive.length, 'the long log is left for it')
})

/** Says when it is read, and `meanwhile` with each part of it. */
function following(drive: RemoteDrive, order: DeviceId[], meanwhile: () => void): RemoteDrive {
  const changes: RemoteDrive['changes'] = async function* (since, signal) {
    order.push(drive.device)
    for await (const batch of drive.changes(since, signal)) {
      meanwhile()
      yield batch
    }
  }
  return { get device() { return drive.device }, get key() { return drive.key }, get generation() { return drive.generation }, get length() { return drive.length }, get fork() { return drive.fork }, changes, close: async () => await drive.close() }
}

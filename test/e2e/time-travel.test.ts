/**
 * Time travel of state (R14–R19): a state directory or a folder that was put back from a backup, a store that is gone, copied or
 * rolled back after others had replicated further. Each ends in equal trees with every content accounted for.
 */
import { cp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'brittle'
import { createGroup, createPair, waitConnected, type Device } from './harness.ts'
import { textsOf, waitEqual, waitFor } from './tree.ts'

const TIMEOUT = { timeout: 280_000 }

/** What of a stopped device a backup takes. */
type Part = 'state' | 'files'

const state = (device: Device): string => join(device.home, 'state')

async function backUp(device: Device, part: Part): Promise<string> {
  const to = device.beside(`backup-${part}`)
  await rm(to, { recursive: true, force: true })
  await cp(part === 'state' ? state(device) : device.path(), to, { recursive: true, preserveTimestamps: true })
  return to
}

/** As a snapshot of the file system would: the store cannot tell that it is older. */
async function rollBack(device: Device, backup: string, part: Part): Promise<void> {
  if (part === 'files') {
    await rm(device.path(), { recursive: true })
    await cp(backup, device.path(), { recursive: true, preserveTimestamps: true })
    return
  }
  for (const name of ['store/db', 'keys', 'store.life']) {
    await rm(join(state(device), name), { recursive: true })
    await cp(join(backup, name), join(state(device), name), { recursive: true, preserveTimestamps: true })
  }
}

async function settled(...devices: readonly Device[]): Promise<void> {
  for (const device of devices) {
    const result = await device.call('folders.sync', { timeoutMs: 120_000 })
    if (!result.ok) throw new Error(`${device.name} is not in sync: ${JSON.stringify(result)}`)
  }
}

async function generations(device: Device, of: Device): Promise<number> {
  const { folders } = await device.call('folders.list', { keys: true })
  const id = await of.id()
  return folders[0]?.drives?.filter((drive) => drive.device === id).length ?? 0
}

async function noticesOf(device: Device): Promise<string[]> {
  const { folders } = await device.call('status.get', {})
  return folders.flatMap(({ notices }) => notices.map(({ code }) => code))
}

/** Yesterday: three files on both. Today: one edited, one deleted, one made, on each side. */
async function yesterday(a: Device, b: Device): Promise<void> {
  for (const name of ['keep', 'edit-a', 'edit-b', 'delete-a', 'delete-b']) await a.write(`${name}.txt`, `${name} yesterday`)
  await settled(a, b)
}

async function today(a: Device, b: Device): Promise<void> {
  await a.write('edit-a.txt', 'edit-a today')
  await b.write('edit-b.txt', 'edit-b today')
  await rm(a.path('delete-a.txt'))
  await rm(b.path('delete-b.txt'))
  await a.write('new-a.txt', 'new-a today')
  await b.write('new-b.txt', 'new-b today')
  await settled(a, b)
}

const TODAY = ['edit-a.txt', 'edit-b.txt', 'keep.txt', 'new-a.txt', 'new-b.txt']

async function isToday(t: { alike(a: unknown, b: unknown, what?: string): void; is(a: unknown, b: unknown, what?: string): void }, a: Device, b: Device): Promise<void> {
  const tree = await waitEqual([a.path(), b.path()], 40_000)
  t.alike([...tree.keys()], TODAY, 'the files of today, no conflict copy')
  t.is(await b.read('edit-a.txt'), 'edit-a today')
  t.is(await a.read('edit-b.txt'), 'edit-b today')
}

/** State and files of a device, which is restarted for it. @returns what puts them back while it does not run. */
async function backUpMachine(device: Device): Promise<() => Promise<void>> {
  await device.stop()
  const [ofState, ofFiles] = [await backUp(device, 'state'), await backUp(device, 'files')]
  await device.start()
  return async () => {
    await rollBack(device, ofState, 'state')
    await rollBack(device, ofFiles, 'files')
  }
}

/** The machine is put back while the other one is off, its user works on, and then they meet. */
async function goOnAlone(device: Device, other: Device, putBack: () => Promise<void>): Promise<void> {
  await Promise.all([device.stop(), other.stop()])
  await putBack()
  await device.start()
  await device.write('edit-a.txt', 'edit-a on the restored machine')
  await device.write('only-here.txt', 'made on the restored machine')
  await device.call('folders.scan', {})
  await other.start()
  await waitConnected(device, other)
}

test('R18: the state directory of yesterday, the files of today', TIMEOUT, async (t) => {
  const [a, b] = await createPair(t)
  await yesterday(a, b)
  await a.stop()
  const backup = await backUp(a, 'state')
  await a.start()
  await waitConnected(a, b)
  await today(a, b)
  await a.stop()
  await rollBack(a, backup, 'state')
  await a.write('offline.txt', 'made while it was off')
  await a.start()
  await waitConnected(a, b)
  await waitFor('b has what was made since', () => b.read('offline.txt').then(() => true, () => false), 40_000)
  await rm(b.path('offline.txt'))
  await waitFor('a follows', () => a.read('offline.txt').then(() => false, () => true), 40_000)
  await isToday(t, a, b)
  t.is(await generations(b, a), 2, 'a new drive took over')
  await settled(a, b)
  t.alike([await noticesOf(a), await noticesOf(b)], [['state-restored'], []], 'its user is told')
  await a.restart()
  t.alike(await noticesOf(a), ['state-restored'], 'and still after a restart')
  t.ok((await a.cli('status')).stdout.includes('older than what it had told before'))
})

test('R18: the files of yesterday, the state of today: what came later comes back', TIMEOUT, async (t) => {
  const [a, b] = await createPair(t)
  await yesterday(a, b)
  await a.stop()
  const backup = await backUp(a, 'files')
  await a.start()
  await waitConnected(a, b)
  await today(a, b)
  await a.stop()
  await rollBack(a, backup, 'files')
  await a.start()
  await waitConnected(a, b)
  await isToday(t, a, b)
  await settled(a, b)
  t.alike([await noticesOf(a), await noticesOf(b)], [['files-restored'], []], 'its user is told')
})

test('R17: a whole machine of yesterday that goes on alone forks its log; both histories survive', TIMEOUT, async (t) => {
  const [a, b] = await createPair(t)
  await yesterday(a, b)
  const putBack = await backUpMachine(a)
  await waitConnected(a, b)
  await today(a, b)
  await goOnAlone(a, b, putBack)
  await waitEqual([a.path(), b.path()], 40_000, () => b.read('only-here.txt').then(() => true, () => false))
  await settled(a, b)
  const all = await textsOf(b.path())
  for (const text of ['edit-a today', 'edit-a on the restored machine', 'new-a today', 'new-b today', 'edit-b today', 'keep yesterday']) t.ok(all.has(text), text)
  t.is(await generations(b, a), 2, 'a new drive took over')
})

test('R19: a machine of yesterday, two new drives later, goes on alone: its edit is no older version of what the others have', TIMEOUT, async (t) => {
  const [a, b] = await createPair(t)
  await yesterday(a, b)
  const putBack = await backUpMachine(a)
  await waitConnected(a, b)
  await today(a, b)
  // The number that the restored machine gives to its edit stands for something else by then.
  for (const text of ['once more', 'and again']) {
    await a.write('edit-a.txt', text)
    await settled(a, b)
  }
  for (const digit of ['1', '2']) {
    await a.stop()
    await writeFile(join(state(a), 'store.life'), digit.repeat(32))
    await a.start()
    await waitConnected(a, b)
    await settled(a, b)
  }
  await goOnAlone(a, b, putBack)
  const tree = await waitEqual([a.path(), b.path()], 40_000, () => b.read('new-b.txt').then(() => true, () => false))
  await settled(a, b)
  const texts = await Promise.all([...tree.keys()].map((path) => b.read(path)))
  for (const text of ['and again', 'edit-a on the restored machine', 'new-a today', 'new-b today', 'edit-b today']) t.ok(texts.includes(text), `${text} is there, and not in a history only`)
  t.absent(texts.some((text) => text.startsWith('delete-')), 'what was deleted stays so')
})

test('R18: a copied state directory is taken over with new drives', TIMEOUT, async (t) => {
  const [a, b] = await createPair(t)
  await yesterday(a, b)
  await today(a, b)
  await a.stop()
  await cp(state(a), `${state(a)}.copy`, { recursive: true, preserveTimestamps: true })
  await rm(state(a), { recursive: true })
  await rename(`${state(a)}.copy`, state(a))
  await a.write('later.txt', 'later')
  await a.start()
  await waitConnected(a, b)
  await waitFor('b has the new file', () => b.read('later.txt').then(() => true, () => false), 40_000)
  await rm(a.path('later.txt'))
  await waitFor('and its end', () => b.read('later.txt').then(() => false, () => true), 40_000)
  await isToday(t, a, b)
  t.is(await generations(b, a), 2, 'a new drive took over')
})

test('R12: a wiped store is built again from files and devices', TIMEOUT, async (t) => {
  const [a, b] = await createPair(t)
  await yesterday(a, b)
  await today(a, b)
  await a.stop()
  await rm(join(state(a), 'store'), { recursive: true })
  await a.write('keep.txt', 'keep, edited while the store was gone')
  await rm(a.path('new-b.txt'))
  await a.start()
  await waitConnected(a, b)
  const tree = await waitEqual([a.path(), b.path()], 40_000, async () => (await textsOf(b.path())).has('keep, edited while the store was gone'))
  await settled(a, b)
  t.is(await a.read('new-b.txt'), 'new-b today', 'what is missing was not deleted')
  t.is([...tree.keys()].filter((path) => path.includes('sync-conflict')).length, 1, 'one conflict copy')
  for (const device of [a, b]) t.ok((await textsOf(device.path())).has('keep yesterday'), `${device.name} has both versions`)
})

test('R18: the files of yesterday, restored without a restart in between', TIMEOUT, async (t) => {
  const [a, b] = await createPair(t)
  await yesterday(a, b)
  const backup = await backUp(a, 'files')
  await today(a, b)
  await a.call('folders.scan', {})
  await a.stop()
  await rollBack(a, backup, 'files')
  await a.start()
  await waitConnected(a, b)
  await isToday(t, a, b)
})

test('R12: a folder that is removed and added again deletes nothing', TIMEOUT, async (t) => {
  const [a, b] = await createPair(t)
  await yesterday(a, b)
  await a.call('folders.remove', { folder: 'docs' })
  await rm(a.path('keep.txt'))
  await a.write('edit-a.txt', 'edited while it was not synced')
  await b.write('edit-b.txt', 'edit-b today')
  await a.add()
  await waitEqual([a.path(), b.path()], 40_000, async () => (await b.read('keep.txt')) === 'keep yesterday' && (await a.read('edit-b.txt')) === 'edit-b today')
  await settled(a, b)
  const all = await textsOf(b.path())
  for (const text of ['edited while it was not synced', 'edit-a yesterday']) t.ok(all.has(text), text)
})

test('R19: a fork that a third device took is not spread, and its owner makes a new drive', TIMEOUT, async (t) => {
  const [a, b, c] = (await createGroup(t, ['a', 'b', 'c'])) as [Device, Device, Device]
  await waitConnected(b, c)
  await yesterday(a, b)
  await settled(c)
  await c.stop()
  const putBack = await backUpMachine(a)
  await waitConnected(a, b)
  await today(a, b)
  await Promise.all([a.stop(), b.stop()])
  await putBack()
  await Promise.all([a.start(), c.start()])
  await waitConnected(a, c)
  await a.write('edit-a.txt', 'edit-a on the restored machine')
  await waitFor('c has the other history', async () => (await c.read('edit-a.txt')) === 'edit-a on the restored machine')
  await a.stop()
  await b.start()
  await waitConnected(b, c)
  await b.write('meanwhile.txt', 'b and c alone')
  await waitEqual([b.path(), c.path()], 40_000, () => c.read('meanwhile.txt').then(() => true, () => false))
  await a.start()
  await Promise.all([waitConnected(a, b), waitConnected(a, c)])
  await waitEqual([a.path(), b.path(), c.path()], 60_000, () => a.read('meanwhile.txt').then(() => true, () => false))
  await settled(a, b, c)
  // While a was away, b and c could only see one number of a for two changes: one text may stand in b's history alone.
  const all = new Set([...(await textsOf(b.path())), ...(await textsOf(c.path()))])
  for (const text of ['edit-a today', 'edit-a on the restored machine', 'new-a today', 'new-b today', 'edit-b today', 'keep yesterday']) t.ok(all.has(text), text)
  t.is(await generations(b, a), 2, 'a new drive took over')
})

test('R19: a whole machine of yesterday whose drive was replaced meanwhile: what it goes on with is no older version', TIMEOUT, async (t) => {
  const [a, b, c] = (await createGroup(t, ['a', 'b', 'c'])) as [Device, Device, Device]
  await yesterday(a, b)
  await settled(c)
  const putBack = await backUpMachine(a)
  await waitConnected(a, b)
  for (const time of ['morning', 'noon']) {
    await a.write('edit-a.txt', `edit-a in the ${time}`)
    await settled(a, b)
  }
  await today(a, b)
  const removed = await c.id()
  await c.stop()
  // The group changes keys: each device has a new drive, with the same writer.
  await b.call('devices.remove', { device: removed })
  await waitFor('a has a new drive', async () => (await generations(b, a)) === 2, 40_000)
  await settled(a, b)
  await goOnAlone(a, b, putBack)
  await waitEqual([a.path(), b.path()], 40_000, () => b.read('only-here.txt').then(() => true, () => false))
  await settled(a, b)
  const all = new Set<string>()
  for (const name of await readdir(b.path())) if (name.startsWith('edit-a')) all.add(await b.read(name))
  t.alike([...all].sort(), ['edit-a on the restored machine', 'edit-a today'], 'the edit has its name or a conflict copy, not only a place in history')
})

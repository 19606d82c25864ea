/** Deletions of others: all that is there to be done is done before any of it is stated, and whatever comes in between loses nothing. */
import test from 'brittle'
import { pullAll } from '../../daemon/folder/pull.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { FolderWorld, type FolderDevice } from './world.ts'

const FILES = 60
const SLICE = 10
const OPTIONS = { guard: { minimum: 1_000_000 }, sliceDeletions: SLICE }

async function world(devices = 2): Promise<readonly [FolderWorld, ...FolderDevice[]]> {
  const made = await FolderWorld.open(...Array.from({ length: devices }, () => OPTIONS))
  const [a] = made.devices as [FolderDevice]
  a.user.mkdir('d')
  for (let i = 0; i < FILES; i++) a.user.write(`d/${i}`, `file ${i}`)
  await made.rest(100_000)
  return [made, ...made.devices]
}

/** Once, when no more than so many files are left there. */
function whenLeft(device: FolderDevice, left: number, act: () => void): void {
  const { onChange } = device.disk
  let done = false
  device.disk.onChange = (paths) => {
    onChange(paths)
    if (done || device.files().length > left) return
    done = true
    act()
  }
}

function inSync(devices: readonly FolderDevice[]): boolean {
  return devices.every((one) => devices.every((other) => one === other || one.folder.inSyncWith(other.device)))
}

test('all of a large deletion is gone before any of it is stated', async (t) => {
  const [made, a, b] = (await world()) as [FolderWorld, FolderDevice, FolderDevice]
  const left: number[] = []
  b.drive.onAppend = () => {
    left.push(b.files().length)
    made.network.grew(b.device)
  }
  a.user.remove('d')
  await made.rest()
  t.is(left[0], 0)
  t.alike([b.files(), b.disk.tree.node('d')], [[], null])
  t.is(b.disk.history.size, FILES)
  t.ok(inSync([a, b]))
})

test('a statement that fails is made later', async (t) => {
  const [made, a, b] = (await world()) as [FolderWorld, FolderDevice, FolderDevice]
  let failures = 0
  b.drive.onAppend = () => {
    if (failures++ < 2) throw new Error('the disk is full')
    made.network.grew(b.device)
  }
  a.user.remove('d')
  await made.rest(100_000)
  t.alike([a.files(), b.files()], [[], []])
  t.is(b.disk.history.size, FILES)
  t.ok(failures > 2 && inSync([a, b]))
})

test('a kill between the deletions and their statements', async (t) => {
  const [made, a, b] = (await world()) as [FolderWorld, FolderDevice, FolderDevice]
  whenLeft(b, 25, () => b.kill())
  a.user.remove('d')
  await made.rest()
  t.absent(b.running)
  b.start()
  await made.rest(100_000)
  t.alike([a.files(), b.files()], [[], []])
  t.is(b.disk.history.size, FILES, 'each byte is in history')
  t.ok(inSync([a, b]))
})

test('what the user makes anew meanwhile lives', async (t) => {
  const [made, a, b] = (await world()) as [FolderWorld, FolderDevice, FolderDevice]
  whenLeft(b, 25, () => b.user.write('d/3', 'anew'))
  a.user.remove('d')
  await made.rest(100_000)
  t.alike([a.files(), b.files()], [['d/3'], ['d/3']])
  t.is(a.user.read('d/3').toString(), 'anew')
  t.ok(inSync([a, b]))
})

test('what its author makes anew meanwhile lives', async (t) => {
  const [made, a, b] = (await world()) as [FolderWorld, FolderDevice, FolderDevice]
  whenLeft(b, 25, () => {
    a.user.mkdir('d')
    a.user.write('d/3', 'anew')
  })
  a.user.remove('d')
  await made.rest(100_000)
  t.alike([a.files(), b.files()], [['d/3'], ['d/3']])
  t.is(b.user.read('d/3').toString(), 'anew')
  t.ok(inSync([a, b]))
})

test('three devices, two of which delete the same', async (t) => {
  const [made, a, b, c] = (await world(3)) as [FolderWorld, FolderDevice, FolderDevice, FolderDevice]
  whenLeft(b, 40, () => c.user.remove('d'))
  a.user.remove('d')
  await made.rest(100_000)
  t.alike([a, b, c].map((device) => device.files()), [[], [], []])
  t.ok(inSync([a, b, c]))
})

test('a kill between the deletions and their statements: what is in history is listed, by its path and as what it was', async (t) => {
  const [made, a, b] = (await world()) as [FolderWorld, FolderDevice, FolderDevice]
  const rows = new Map([...b.index.rows].map(([path, row]) => [path as string, row.entry]))
  whenLeft(b, 25, () => b.kill())
  a.user.remove('d')
  await made.rest()
  const unlisted = [...b.disk.history.keys()].filter((name) => !b.index.history.has(name))
  t.ok(unlisted.length > SLICE, 'there is something to list')
  b.start()
  await made.rest(100_000)
  const listed = [...b.index.history.values()]
  t.alike(listed.map(({ path }) => path as string).sort(), Array.from({ length: FILES }, (_each, i) => `d/${i}`).sort())
  t.alike(listed.filter(({ path, entry, reason }) => reason !== 'deleted' || JSON.stringify(entry) !== JSON.stringify(rows.get(path))), [], 'with the version that it had')
  const { checked, findings } = await made.whenDone(b.folder.check(false, new AbortController().signal))
  t.alike([checked.history, findings], [FILES, []])
})

test('R27: what is deleted here already and not stated yet is no deletion that comes in', async (t) => {
  const [made, a, b] = (await world()) as [FolderWorld, FolderDevice, FolderDevice]
  const path = 'd/3' as PathKey
  const before = b.index.rows.get(path) ?? null
  let stated = (): void => undefined
  const isStated = new Promise<void>((resolve) => (stated = resolve))
  const looked = b.folder.act(async (context) => {
    await isStated
    const entry = a.drive.statements().get(path)
    if (entry?.kind !== 'tombstone') throw new Error('it is not stated')
    context.unstated.keep([{ path, before, entry, row: { entry, seen: null }, list: null, kept: null, from: 'remote' }], made.clock.now())
    await pullAll(context, new AbortController().signal)
    const expected = context.tally.expects(path)
    context.unstated.clear()
    context.work.markDirty([path])
    return expected
  })
  a.user.remove(path)
  await made.rest()
  stated()
  t.absent(await made.whenDone(looked))
  await made.rest(100_000)
  t.is(b.files().length, FILES - 1)
  t.ok(inSync([a, b]))
})

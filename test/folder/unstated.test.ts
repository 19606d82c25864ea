/** Deletions of others: all that is there to be done is done before any of it is stated, and whatever comes in between loses nothing. */
import test from 'brittle'
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

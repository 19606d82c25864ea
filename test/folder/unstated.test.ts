/** Deletions and new files of others: all that is there to be done is done before any of it is stated, and whatever comes in between loses nothing. */
import test from 'brittle'
import { isPlainBirth } from '../../daemon/folder/unstated.ts'
import type { Change } from '../../daemon/folder/commit.ts'
import type { ContentList } from '../../daemon/sync/content.ts'
import type { FileEntry } from '../../daemon/sync/entry.ts'
import type { ChunkId, ContentId, WriterId } from '../../daemon/sync/ids.ts'
import { pullAll } from '../../daemon/folder/pull.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import type { RecentChunks } from '../../daemon/folder/recent-chunks.ts'
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

/** New files come to `b`, and once there are so many something happens. */
async function newFiles(devices: number, count: number, act: (a: FolderDevice, b: FolderDevice, c: FolderDevice) => void, files = FILES) {
  const made = await FolderWorld.open(...Array.from({ length: devices }, () => ({})))
  const [a, b, c] = made.devices as [FolderDevice, FolderDevice, FolderDevice]
  const stated: number[] = []
  b.drive.onAppend = () => {
    stated.push(b.files().length)
    made.network.grew(b.device)
  }
  const { onChange } = b.disk
  let done = false
  b.disk.onChange = (paths) => {
    onChange(paths)
    if (done || b.files().length < count) return
    done = true
    act(a, b, c)
  }
  a.user.mkdir('d')
  for (let i = 0; i < files; i++) a.user.write(`d/${i}`, `file ${i}`)
  return { made, a, b, c, stated }
}

const NAMES = Array.from({ length: FILES }, (_, i) => `d/${i}`).toSorted()

test('new files and their directory are there before any of them is stated', async (t) => {
  const { made, a, b, stated } = await newFiles(2, FILES, () => undefined)
  await made.rest()
  t.is(stated[0], FILES)
  t.alike(b.files().toSorted(), NAMES)
  t.ok(inSync([a, b]))
})

test('an author that makes a pause: the more wait to be stated, the longer is waited for what comes behind it', async (t) => {
  for (const [files, pause, expected] of [[400, 100, 401], [400, 300, 400], [40, 30, 40]] as const) {
    const { made, a, b, stated } = await newFiles(2, files, () => {
      made.clock.after(pause, () => a.user.write('d/later', 'later'))
    }, files)
    await made.rest()
    t.is(stated[0], expected, `${files} files, then ${pause} ms`)
    t.is(b.files().length, files + 1)
    t.ok(inSync([a, b]))
  }
})

test('R49: what the user makes of a new file before it is stated is its next version', async (t) => {
  for (const forgotten of [false, true]) {
    let recent = null as RecentChunks | null
    const { made, a, b } = await newFiles(2, FILES, () => {
      if (forgotten) recent?.clear()
      b.user.write('d/3', 'edited')
      b.user.remove('d/4')
      b.user.rename('d/5', 'e')
    })
    await made.whenDone(b.folder.act(async (context) => void (recent = context.recent)))
    await made.rest(100_000)
    const expected = [...NAMES.filter((name) => name !== 'd/4' && name !== 'd/5'), 'e']
    t.alike([a.files().toSorted(), b.files().toSorted()], [expected, expected], 'no conflict')
    t.alike([a.user.read('d/3').toString(), a.user.read('e').toString()], ['edited', 'file 5'])
    t.ok(inSync([a, b]))
  }
})

test('a kill between new files and their statements', async (t) => {
  for (const count of [1, FILES / 2, FILES]) {
    const { made, a, b } = await newFiles(2, count, () => b.kill())
    await made.rest()
    t.absent(b.running)
    b.start()
    await made.rest(100_000)
    t.alike([a.files().toSorted(), b.files().toSorted()], [NAMES, NAMES])
    t.alike([a.disk.history.size, b.disk.history.size], [0, 0], 'nothing was replaced')
    t.ok(inSync([a, b]))
  }
})

test('what its author does to a new file before it is stated here', async (t) => {
  const { made, a, b } = await newFiles(2, FILES, () => {
    a.user.write('d/3', 'edited')
    a.user.remove('d/4')
    a.user.rename('d/5', 'e')
  })
  await made.rest(100_000)
  const expected = [...NAMES.filter((name) => name !== 'd/4' && name !== 'd/5'), 'e']
  t.alike([a.files().toSorted(), b.files().toSorted()], [expected, expected])
  t.is(b.user.read('d/3').toString(), 'edited')
  t.ok(inSync([a, b]))
})

test('a directory that ends before its new files are stated', async (t) => {
  for (const count of [1, FILES]) {
    const { made, a, b } = await newFiles(2, count, () => a.user.remove('d'))
    await made.rest(100_000)
    t.alike([a.files(), b.files(), b.disk.tree.node('d')], [[], [], null])
    t.ok(inSync([a, b]))
  }
})

test('what another device made and took along is had from who has not stated it yet', async (t) => {
  const { made, a, b, c } = await newFiles(3, FILES, () => a.kill())
  await made.rest(100_000)
  t.absent(a.running)
  t.alike([b, c].map((device) => device.files().toSorted()), [NAMES, NAMES])
  t.ok(inSync([b, c]))
  a.start()
  await made.rest(100_000)
  t.ok(inSync([a, b, c]))
})

test('a new file of one chunk is stated later, one of several at once: what it shares with others is looked for in what is stated', (t) => {
  const birth = (chunks: number): Change => {
    const list = { cid: 'c' as ContentId, size: chunks * 10, sizeClass: 0, chunks: Array.from({ length: chunks }, (_, i) => ({ id: `chunk ${i}` as ChunkId, length: 10 })) } as unknown as ContentList
    const entry = { kind: 'file', cid: list.cid, size: list.size, mode: 0o644, mtime: '0', vv: {}, dots: [], mdot: ['w' as WriterId, 1] } as unknown as FileEntry
    const seen = { ino: '1', size: list.size, mtimeNs: '0', ctimeNs: '0', mode: 0o100644 }
    return { path: 'f' as PathKey, before: null, entry, row: { entry, seen }, list, kept: null, from: 'remote' }
  }
  t.alike([birth(0), birth(1), birth(2)].map(isPlainBirth), [true, true, false])
  t.absent(isPlainBirth({ ...birth(1), from: 'local' }))
})

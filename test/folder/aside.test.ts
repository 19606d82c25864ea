/** R48: directories leave the tree on the word of another device, before their ends are stated: what that may do, and what becomes of it. */
import test from 'brittle'
import { BATCH_ENTRIES } from '../../base/limits.ts'
import type { FolderReport } from '../../daemon/ports.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { FolderWorld, type FolderDevice } from './world.ts'

/** For a hint to be followed, and far less than it takes until it is given up. */
const SOON_MS = 200
const OPTIONS = { goneMin: 2 } as const
const BEFORE = 'd d/a d/b d/e d/e/c g g/h top'

/** Two devices with two directories. */
async function twoDevices(options: Parameters<typeof FolderWorld.open>[0] = OPTIONS) {
  const world = await FolderWorld.open(options, options)
  const [a, b] = world.devices as [FolderDevice, FolderDevice]
  for (const path of ['d', 'd/e', 'g']) a.user.mkdir(path)
  for (const name of ['d/a', 'd/b', 'd/e/c', 'g/h', 'top']) a.user.write(name, `content of ${name}`)
  await world.rest()
  const hear = (report: Partial<FolderReport>): void => {
    if (a.report !== null) b.reported(a.device, { ...a.report, ...report })
  }
  return { world, a, b, hear }
}

function gone(...paths: readonly string[]): Partial<FolderReport> {
  return { gone: paths as PathKey[], dirty: true }
}

/** Each directory that the device hears to be gone. */
function toldTo(device: FolderDevice): string[] {
  const told: string[] = []
  const reported = device.reported.bind(device)
  device.reported = (from, report) => {
    for (const path of report.gone ?? []) told.push(path)
    reported(from, report)
  }
  return told
}

function names(device: FolderDevice): string {
  return [...device.disk.tree.walk()].map(([path]) => path).join(' ')
}

function kept(device: FolderDevice): string[] {
  return [...device.disk.history.values()].flatMap((node) => (node.kind === 'file' ? [node.data.toString()] : [])).sort()
}

test('R48: the directories are gone before a path of them is stated; what is never stated comes back, and nothing is stated here', async (t) => {
  const { world, a, b, hear } = await twoDevices()
  const { length } = b.drive
  hear(gone('d', 'g'))
  await world.rest(SOON_MS)
  t.is(names(b), 'top')
  t.is(b.report?.dirty, true, 'disk and drive differ for now')
  hear({})
  await world.rest()
  t.alike([names(a), names(b)], [BEFORE, BEFORE])
  t.is(b.drive.length, length)
  t.is(b.report?.dirty, false)
  t.alike(kept(b), [])
})

test('R48: the device that said so falls silent, or has to ask its user first: they come back', async (t) => {
  for (const how of ['silence', 'decision'] as const) {
    const { world, a, b, hear } = await twoDevices()
    const { length } = b.drive
    hear(gone('d'))
    await world.rest(SOON_MS)
    t.is(names(b), 'g g/h top')
    if (how === 'silence') a.kill()
    else hear({ ...gone('d'), state: 'decision' as const })
    await world.rest(how === 'silence' ? undefined : SOON_MS)
    t.is(names(b), BEFORE, how)
    t.is(b.drive.length, length)
  }
})

test('R48: a deletion is told, carried out at once, and ends in history path by path, with a row for each', async (t) => {
  const { world, a, b } = await twoDevices()
  const told = toldTo(b)
  a.user.remove('d')
  await world.rest()
  t.alike(told, ['d'])
  t.alike([names(a), names(b)], ['g g/h top', 'g g/h top'])
  t.alike(kept(b), ['content of d/a', 'content of d/b', 'content of d/e/c'])
  t.is(b.disk.aside.size, 0)
  const rows = [...b.index.history.values()].map(({ path, reason }) => `${path} ${reason}`).sort()
  t.alike(rows, ['d/a deleted', 'd/b deleted', 'd/e/c deleted'])
})

test('R48: a kill once they are set aside: the start puts them back, and takes nothing for the doing of the user', async (t) => {
  const { world, a, b, hear } = await twoDevices()
  const { length } = b.drive
  hear(gone('d', 'g'))
  await world.rest(SOON_MS)
  t.is(names(b), 'top')
  b.kill()
  b.start()
  await world.rest()
  t.alike([names(a), names(b)], [BEFORE, BEFORE])
  t.is(b.drive.length, length)
})

test('R48: a version that a user restores meanwhile stands afterwards, and so does the rest', async (t) => {
  const { world, a, b, hear } = await twoDevices()
  a.user.write('d/b', 'the second')
  await world.rest()
  const end = new AbortController().signal
  const { versions } = await world.whenDone(b.folder.user.history('d/b' as PathKey, end))
  hear(gone('d'))
  await world.rest(SOON_MS)
  t.is(names(b), 'g g/h top')
  const old = versions.find(({ leaf }) => leaf.kind === 'file' && leaf.size === 'content of d/b'.length)
  if (old === undefined) return t.fail('no old version')
  await world.whenDone(b.folder.user.restore(old, null, end))
  t.is(b.user.read('d/b').toString(), 'content of d/b')
  await world.rest()
  t.alike([names(a), names(b)], [BEFORE, BEFORE])
  t.is(a.user.read('d/b').toString(), 'content of d/b')
})

test('R48: an orderly end and a pause put them back', async (t) => {
  for (const how of ['close', 'pause'] as const) {
    const { world, b, hear } = await twoDevices()
    hear(gone('d', 'g'))
    await world.rest(SOON_MS)
    t.is(names(b), 'top')
    await world.whenDone(b.folder[how]())
    t.is(names(b), BEFORE, how)
  }
})

test('R48: what the other device does not hold, or no index knows of, keeps its directory in the tree', async (t) => {
  const { world, a, b } = await twoDevices()
  const report = a.report
  a.kill()
  await world.rest()
  b.user.write('d/e/c', 'an edit that A has not seen')
  await world.rest()
  // No event told of it.
  b.disk.tree.attach('g/new', b.disk.tree.newFile(Buffer.from('new'), 0o644))
  b.linked(a.device)
  if (report !== null) b.reported(a.device, { ...report, ...gone('d', 'g') })
  await world.rest(SOON_MS)
  t.is(names(b), 'd d/a d/b d/e d/e/c g g/h g/new top')
})

test('R48: no hint takes what is no directory, is not there, or is all there is', async (t) => {
  const { world, b, hear } = await twoDevices({ ...OPTIONS, guard: { minimum: 3 } })
  hear(gone('top', 'd/a', 'missing'))
  await world.rest(SOON_MS)
  t.is(names(b), BEFORE)
  hear(gone('d', 'g'))
  await world.rest(SOON_MS)
  t.is(names(b), BEFORE, 'four of five files: the guard would ask (R27)')
})

test('R48: nor one after the other what the guard would not let go at once (R27)', async (t) => {
  const { world, a, b, hear } = await twoDevices({ ...OPTIONS, guard: { minimum: 3 } })
  for (const name of ['g/i', 'g/j']) a.user.write(name, `content of ${name}`)
  // What is new within the guard's window does not count.
  await world.rest(70_000)
  hear(gone('g'))
  await world.rest(SOON_MS)
  t.is(names(b), 'd d/a d/b d/e d/e/c top', 'three of seven files')
  hear(gone('g', 'd'))
  await world.rest(SOON_MS)
  t.is(names(b), 'd d/a d/b d/e d/e/c top')
})

test('R48: what somebody writes to a file that is set aside comes back, and lives everywhere', async (t) => {
  for (const ms of [0, 1, 2, 3, 5, 8, 12, 20]) {
    const { world, a, b } = await twoDevices()
    const node = b.disk.tree.node('d/e/c')
    a.user.remove('d')
    for (let waited = 0; b.disk.aside.size === 0 && waited < 500; waited++) await world.rest(1)
    await world.rest(ms)
    const isThere = [...b.disk.aside.values()].length > 0
    if (node?.kind === 'file') {
      node.data = Buffer.from('written through a descriptor')
      node.mtimeNs = node.ctimeNs = b.disk.tree.stamp()
    }
    await world.rest()
    if (isThere && b.disk.tree.node('d') !== null) t.alike([names(a), names(b)], ['d d/e d/e/c g g/h top', 'd d/e d/e/c g g/h top'], `after ${ms} ms`)
    const everywhere = [a, b].flatMap((device) => [...device.disk.history.values(), ...[...device.disk.tree.walk()].map(([, each]) => each)])
    t.ok(everywhere.some((each) => each.kind === 'file' && each.data.toString() === 'written through a descriptor'), `after ${ms} ms`)
    t.is(b.disk.aside.size, 0)
  }
})

test('R48: what the user makes at the old place meanwhile is found, whether the directory ends or comes back', async (t) => {
  for (const ends of [true, false]) {
    const { world, a, b, hear } = await twoDevices()
    hear(gone('d'))
    await world.rest(SOON_MS)
    b.user.mkdir('d')
    b.user.write('d/a', 'of the user of B')
    if (ends) a.user.remove('d')
    else hear({})
    await world.rest()
    t.is(names(a), names(b))
    for (const device of [a, b]) t.is(device.user.read('d/a').toString(), 'of the user of B')
    t.is(b.disk.aside.size, 0)
    if (!ends) t.ok(kept(b).includes('content of d/a'), 'what had its name is in history')
    if (!ends) t.ok([...b.index.history.values()].some(({ path }) => (path as string) === 'd/a'), 'with a row')
  }
})

test('R48: what somebody writes to a file that is set aside, and whose name the user takes, stands under a name of its own', async (t) => {
  const { world, a, b, hear } = await twoDevices()
  const node = b.disk.tree.node('d/a')
  hear(gone('d'))
  await world.rest(SOON_MS)
  t.is(b.disk.aside.size, 1)
  b.user.write('d', 'a file of the user of B')
  if (node?.kind === 'file') {
    node.data = Buffer.from('written through a descriptor')
    node.mtimeNs = node.ctimeNs = b.disk.tree.stamp()
  }
  hear({})
  await world.rest()
  t.is(names(a), names(b))
  for (const device of [a, b]) {
    const texts = device.files().map((path) => device.user.read(path).toString())
    t.ok(texts.includes('written through a descriptor') && texts.includes('a file of the user of B'), names(device))
  }
  t.absent(kept(b).includes('written through a descriptor'), 'it is no old version')
})

test('R48: deleted and made again at once, whenever it is: one tree', async (t) => {
  for (const ms of [0, 1, 5, 10, 20, 40, 80]) {
    const { world, a, b } = await twoDevices()
    a.user.remove('d')
    await world.rest(ms)
    a.user.mkdir('d')
    a.user.write('d/a', 'made again')
    await world.rest()
    t.alike([names(a), names(b)], ['d d/a g g/h top', 'd d/a g g/h top'], `after ${ms} ms`)
    t.is(b.user.read('d/a').toString(), 'made again')
  }
})

test('R48: what the guard holds is not told (R27, R28)', async (t) => {
  const { world, a, b } = await twoDevices({ ...OPTIONS, guard: { minimum: 3 } })
  const told = toldTo(b)
  a.user.remove('d')
  a.user.remove('g')
  await world.rest()
  t.alike(told, [])
  t.is(a.report?.state, 'decision')
  t.is(names(b), BEFORE)
})

test('R51: directories leave while the deletion goes on, before anything of it is judged, and what is above one leaves as well', async (t) => {
  const { world, a, b } = await twoDevices()
  a.user.mkdir('l')
  for (let i = 0; i < 40; i++) a.user.write(`l/${i}`, 'x')
  a.user.write('d/e/f', 'f')
  await world.rest()
  const { length } = a.drive
  a.user.remove('d/e')
  for (let i = 0; i < 20; i++) {
    a.user.unlink(`l/${i}`)
    await world.rest(10)
  }
  t.is(b.disk.tree.node('d/e'), null, 'gone')
  a.user.remove('d')
  for (let i = 20; i < 40; i++) {
    a.user.unlink(`l/${i}`)
    await world.rest(10)
  }
  t.is(b.disk.tree.node('d'), null, 'and what was above it')
  t.is(a.drive.length, length, 'nothing is stated')
  await world.rest()
  t.alike([names(a), names(b)], ['g g/h l top', 'g g/h l top'])
  t.is(b.disk.aside.size, 0)
  t.ok(kept(b).includes('content of d/e/c') && kept(b).includes('content of d/a'))
})

test('R51: what left while the deletion went on comes back when all of it has to wait for the user (R27, R28)', async (t) => {
  const { world, a, b } = await twoDevices({ ...OPTIONS, guard: { minimum: 3 } })
  a.user.mkdir('l')
  for (let i = 0; i < 20; i++) a.user.write(`l/${i}`, 'x')
  // What is new within the guard's window does not count.
  await world.rest(70_000)
  const before = names(b)
  const told = toldTo(b)
  a.user.remove('d')
  for (let i = 0; i < 20; i++) {
    a.user.unlink(`l/${i}`)
    await world.rest(10)
    if (i === 6) t.is(b.disk.tree.node('d'), null, 'ten of 25 files: gone')
  }
  a.user.remove('l')
  await world.rest()
  t.alike(told.filter((path) => path !== 'd'), [], 'not what is more than half')
  t.is(a.report?.state, 'decision')
  t.is(names(b), before)
  t.is(b.disk.aside.size, 0)
})

test('R51: a directory that is there again before it is judged is told no more', async (t) => {
  const { world, a, b } = await twoDevices()
  a.user.mkdir('l')
  for (let i = 0; i < 20; i++) a.user.write(`l/${i}`, 'x')
  await world.rest()
  a.user.remove('d')
  for (let i = 0; i < 20; i++) {
    a.user.unlink(`l/${i}`)
    await world.rest(10)
    if (i === 8) {
      t.alike(a.report?.gone, ['d' as PathKey])
      t.is(b.disk.tree.node('d'), null)
      a.user.mkdir('d')
      a.user.write('d/a', 'content of d/a')
      a.user.write('d/b', 'other')
    }
    if (i === 12) a.user.remove('g')
  }
  t.alike([...(a.report?.gone ?? [])].sort(), ['d/e', 'g'])
  await world.rest()
  t.alike([names(a), names(b)], ['d d/a d/b l top', 'd d/a d/b l top'])
  t.alike([b.user.read('d/a').toString(), b.user.read('d/b').toString()], ['content of d/a', 'other'])
})

test('what is gone below a directory that is looked at once more for a reason of its own is stated all the same', async (t) => {
  const { world, a, b } = await twoDevices()
  a.user.remove('g')
  await world.rest(4)
  a.user.unlink('d/e/c')
  for (let i = 0; i < 10; i++) {
    await world.rest(4)
    a.user.chmod('d', i % 2 === 0 ? 0o700 : 0o755)
  }
  await world.rest()
  t.alike([names(a), names(b)], ['d d/a d/b d/e top', 'd d/a d/b d/e top'])
})

test('what is gone below a directory that is looked at between two batches of statements is stated all the same', async (t) => {
  const options = { ...OPTIONS, guard: { minimum: 10_000 } } as const
  const world = await FolderWorld.open(options, options)
  const [a, b] = world.devices as [FolderDevice, FolderDevice]
  const files = Array.from({ length: 2 * BATCH_ENTRIES + 100 }, (_, i) => `p/q/${i}`)
  for (const path of ['p', 'p/q']) a.user.mkdir(path)
  for (const path of files) a.user.write(path, path)
  await world.rest()
  const { length } = a.drive
  let looks = 0
  a.drive.onAppend = () => {
    world.network.grew(a.device)
    if (a.drive.length >= length + BATCH_ENTRIES && looks++ === 0) a.folder.localChanged(['p' as PathKey])
  }
  for (const path of files) a.user.unlink(path)
  await world.rest()
  t.is(looks > 0, true)
  t.alike([names(a), names(b)], ['p p/q', 'p p/q'])
})

test('R48: a directory leaves after one that stood in it, and both come back as they were', async (t) => {
  const { world, a, b, hear } = await twoDevices()
  a.user.chmod('d', 0o700)
  await world.rest()
  const before = b.user.lstat('d')
  hear(gone('d/e'))
  await world.rest(SOON_MS)
  t.is(names(b), 'd d/a d/b g g/h top')
  hear(gone('d', 'd/e'))
  await world.rest(SOON_MS)
  t.is(names(b), 'g g/h top')
  hear({})
  await world.rest()
  t.alike([names(a), names(b)], [BEFORE, BEFORE])
  t.alike([b.user.lstat('d')?.ino, b.user.lstat('d')?.mode], [before?.ino, before?.mode])
  hear(gone('g', 'd/e', 'd'))
  await world.rest(SOON_MS)
  t.is(names(b), 'top', 'both at once: the upper one')
  t.is(b.disk.aside.size, 2)
})

test('R48: what is gone from a directory already, and not stated yet, does not keep it in the tree', async (t) => {
  const { world, a, b, hear } = await twoDevices()
  const { onChange } = b.disk
  const seen: string[] = []
  b.disk.onChange = (paths) => {
    onChange(paths)
    seen.push(names(b))
    // Between what is done and its statement.
    if (paths.includes('d/a' as PathKey) && !names(b).includes('d/a')) hear(gone('d'))
  }
  a.user.remove('d/a')
  await world.rest()
  t.ok(seen.includes('g g/h top'), 'it left, and came back since nothing more was stated')
  t.alike([names(a), names(b)], [BEFORE.replace('d/a ', ''), BEFORE.replace('d/a ', '')])
  t.alike(kept(b), ['content of d/a'])
})

test('R48: the checker looks at a tree that is as the rows say, and so at none of which a part is set aside', async (t) => {
  const { world, b, hear } = await twoDevices()
  hear(gone('d'))
  await world.rest(SOON_MS)
  t.is(names(b), 'g g/h top')
  const { findings } = await world.whenDone(b.folder.check(false, new AbortController().signal))
  t.alike(findings, [])
  t.is(names(b), BEFORE)
})

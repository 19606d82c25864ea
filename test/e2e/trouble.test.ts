/** Folders that go away, disks that are full or read-only, directories that cannot be read: a reason is told, and nothing is lost. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, renameSync } from 'node:fs'
import { chmod, mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import test, { type Assert } from 'brittle'
import type { Result } from '../../rpc/schema.ts'
import { createPair, createWorld, Device, pair } from './harness.ts'
import { treeOf, waitEqual, waitFor } from './tree.ts'

const TIMEOUT_MS = 280_000
const FILES = 40

type FolderStatus = Result<'status.get'>['folders'][number]

async function statusOf(device: Device): Promise<FolderStatus> {
  const [folder] = (await device.call('status.get', {})).folders
  if (folder === undefined) throw new Error('no folder')
  return folder
}

async function settled(a: Device, b: Device): Promise<void> {
  await waitFor('in sync', async () => (await a.call('folders.sync', { timeoutMs: 120_000 })).outcome === 'in-sync', 40_000)
  await waitEqual([a.path(), b.path()])
}

async function fill(device: Device): Promise<void> {
  for (let i = 0; i < FILES; i++) await device.write(`d${i % 4}/${i}.txt`, `file ${i}`)
}

const lines = async (device: Device): Promise<string[]> => [...(await treeOf(device.path()))].map(([path, line]) => `${path} ${line}`)

/** What takes the folder away, and how it comes back. */
const ways: readonly { readonly what: string; readonly codes: readonly string[]; readonly away: (device: Device) => Promise<void>; readonly back: (device: Device) => Promise<void> }[] = [
  {
    what: 'the folder is renamed away',
    codes: ['root-missing'],
    away: async (device) => await Promise.resolve(renameSync(device.path(), device.beside('gone'))),
    back: async (device) => await rename(device.beside('gone'), device.path())
  },
  {
    what: 'an empty directory takes its place',
    codes: ['root-missing', 'root-replaced', 'marker-missing'],
    away: async (device) => {
      renameSync(device.path(), device.beside('gone'))
      await mkdir(device.path())
    },
    back: async (device) => {
      await rm(device.path(), { recursive: true })
      await rename(device.beside('gone'), device.path())
    }
  },
  {
    what: 'a file takes its place',
    codes: ['root-missing', 'root-not-directory'],
    away: async (device) => {
      renameSync(device.path(), device.beside('gone'))
      await writeFile(device.path(), 'no folder')
    },
    back: async (device) => {
      await rm(device.path())
      await rename(device.beside('gone'), device.path())
    }
  },
  {
    what: 'a symlink to another directory takes its place',
    codes: ['root-missing', 'root-replaced', 'marker-missing'],
    away: async (device) => {
      renameSync(device.path(), device.beside('gone'))
      await mkdir(device.beside('other'))
      await symlink(device.beside('other'), device.path())
    },
    back: async (device) => {
      await rm(device.path())
      await rename(device.beside('gone'), device.path())
    }
  },
  {
    what: 'the marker is deleted',
    codes: ['marker-missing'],
    away: async (device) => await rename(device.path('.p2psync/marker.json'), device.beside('marker')),
    back: async (device) => await rename(device.beside('marker'), device.path('.p2psync/marker.json'))
  },
  {
    what: 'everything is deleted, with the marker',
    codes: ['marker-missing', 'root-missing'],
    away: async (device) => {
      execFileSync('cp', ['-a', device.path(), device.beside('saved')])
      for (const name of await readdir(device.path())) await rm(device.path(name), { recursive: true, force: true })
    },
    back: async (device) => {
      await rm(device.path(), { recursive: true })
      await rename(device.beside('saved'), device.path())
    }
  }
]

for (const { what, codes, away, back } of ways) {
  // Deleting everything one by one is deletion until the marker goes.
  const keepsAll = what !== 'everything is deleted, with the marker'
  test(`${what} in the middle of a sync: a halt with a reason, no deletion spreads, and back it heals`, { timeout: TIMEOUT_MS }, async (t) => {
    const [a, b] = await createPair(t)
    await fill(a)
    await settled(a, b)
    const before = await lines(a)
    await a.write('large.bin', randomBytes(8 * 1024 * 1024))
    await a.write('d0/0.txt', 'edited on a')
    await away(b)
    await b.call('folders.scan', {}).catch(() => undefined)
    const status = await waitFor('b halts', async () => (await statusOf(b)).state === 'halted' && (await statusOf(b)))
    t.ok(codes.includes(status.reason?.code ?? ''), `says why: ${status.reason?.code}`)
    await a.write('during.txt', 'written on a while b was halted')
    await a.call('folders.sync', { timeoutMs: 1000 })
    const now = await lines(a)
    if (keepsAll) t.alike(before.filter((line) => !line.startsWith('d0/0.txt') && !now.includes(line)), [], 'nothing is deleted on a')
    await back(b)
    await settled(a, b)
    if (keepsAll) t.is((await treeOf(b.path())).size, FILES + 4 + 2)
    t.is(await b.read('during.txt'), 'written on a while b was halted')
    t.is((await statusOf(b)).reason, null)
  })
}

test('a halted device that is restarted without its folder spreads no deletion', { timeout: TIMEOUT_MS }, async (t) => {
  const [a, b] = await createPair(t)
  await fill(a)
  await settled(a, b)
  await b.stop()
  renameSync(b.path(), b.beside('gone'))
  await mkdir(b.path())
  await b.start()
  t.is((await waitFor('b halts', async () => (await statusOf(b)).state === 'halted' && (await statusOf(b)))).reason?.code, 'marker-missing')
  t.alike(await readdir(b.path()), [], 'nothing is put into the directory')
  await a.write('later.txt', 'later')
  await rm(b.path(), { recursive: true })
  await rename(b.beside('gone'), b.path())
  await settled(a, b)
  t.is((await treeOf(a.path())).size, FILES + 5)
})

/** True if this user may mount; the folder of `device` is a small tmpfs then. */
function mountSmall(t: Assert, device: Device, size: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'p2psync-test', device.path()], { stdio: 'ignore' })
  } catch {
    t.comment('cannot mount here; skipped')
    return false
  }
  t.teardown(() => execFileSync('umount', ['-l', device.path()]), { order: 500, force: true })
  return true
}

async function smallPair(t: Assert, size: string): Promise<[Device, Device] | null> {
  const world = await createWorld(t)
  const [a, b] = [new Device(t, world, 'a'), new Device(t, world, 'b')]
  await mkdir(b.path(), { recursive: true })
  if (!mountSmall(t, b, size)) return null
  await Promise.all([a.start(), b.start()])
  await a.add()
  await pair(a, b)
  await b.add()
  return [a, b]
}

test('an unmounted disk halts the folder with a reason, spreads no deletion over a restart, and mounted again it goes on', { timeout: TIMEOUT_MS }, async (t) => {
  const world = await createWorld(t)
  const [a, b] = [new Device(t, world, 'a'), new Device(t, world, 'b')]
  await mkdir(b.path(), { recursive: true })
  await mkdir(b.beside('disk'))
  const mount = (): void => void execFileSync('mount', ['--bind', b.beside('disk'), b.path()], { stdio: 'ignore' })
  const umount = (): void => void execFileSync('umount', ['-l', b.path()], { stdio: 'ignore' })
  try {
    mount()
  } catch {
    t.comment('cannot mount here; skipped')
    return t.pass()
  }
  let mounted = true
  t.teardown(() => mounted && umount(), { order: 500, force: true })
  await Promise.all([a.start(), b.start()])
  await a.add()
  await pair(a, b)
  await b.add()
  await fill(a)
  await settled(a, b)
  const before = await lines(a)
  umount()
  mounted = false
  await b.call('folders.scan', {}).catch(() => undefined)
  const away = await waitFor('b halts', async () => (await statusOf(b)).state === 'halted' && (await statusOf(b)))
  t.ok(['root-replaced', 'marker-missing'].includes(away.reason?.code ?? ''), away.reason?.message)
  await b.restart()
  t.is((await waitFor('b halts again', async () => (await statusOf(b)).state === 'halted' && (await statusOf(b)))).reason?.code, 'marker-missing')
  await a.write('during.txt', 'written on a meanwhile')
  await a.call('folders.sync', { timeoutMs: 1000 })
  const now = await lines(a)
  t.alike(before.filter((line) => !now.includes(line)), [], 'nothing is deleted on a')
  t.alike(await readdir(b.path()), [], 'nothing is put into the mount point')
  mount()
  mounted = true
  await settled(a, b)
  t.is(await b.read('during.txt'), 'written on a meanwhile')
  t.is((await statusOf(b)).reason, null)
})

test('a full disk is a problem row, old files stay, and space heals it', { timeout: TIMEOUT_MS }, async (t) => {
  const devices = await smallPair(t, '3m')
  if (devices === null) return t.pass()
  const [a, b] = devices
  await a.write('keep.txt', 'old')
  await a.write('grow.bin', randomBytes(500_000))
  await settled(a, b)
  const old = await lines(b)
  await b.write('ballast', randomBytes(2_000_000))
  await waitFor('the ballast is on a', () => existsSync(a.path('ballast')))
  await a.write('grow.bin', randomBytes(1_500_000))
  for (let i = 0; i < 10; i++) await a.write(`many/${i}.bin`, randomBytes(30_000))
  // The first word may be that of a small one, or of a try that was begun while there was room.
  const status = await waitFor('the large one is not begun, and says what is missing', async () => {
    const found = await statusOf(b)
    return found.problems.some(({ code, message }) => code === 'ENOSPC' && message.includes('MiB are needed')) && found
  }, 40_000)
  t.ok(status.problems.every((problem) => problem.message.includes('free space')), status.problems[0]?.message)
  for (const line of old.filter((found) => found.startsWith('grow.bin') || found.startsWith('keep.txt'))) t.ok((await lines(b)).includes(line), 'the old file is intact')
  t.is((await b.cli('sync', '--timeout', '20s')).code === 0, false, 'sync does not say that all is well')
  await rm(b.path('ballast'))
  await settled(a, b)
  await waitFor('no problems', async () => (await statusOf(b)).problems.length === 0)
  t.pass('healed')
})

test('a disk that becomes read-only and writable again', { timeout: TIMEOUT_MS }, async (t) => {
  const devices = await smallPair(t, '20m')
  if (devices === null) return t.pass()
  const [a, b] = devices
  await fill(a)
  await settled(a, b)
  const old = await lines(b)
  execFileSync('mount', ['-o', 'remount,ro', b.path()])
  await a.write('d0/0.txt', 'edited on a')
  await a.write('new.txt', 'new')
  await rm(a.path('d1/1.txt'))
  await waitFor('b reports', async () => (await statusOf(b)).state === 'halted' || (await statusOf(b)).problems.some((problem) => problem.code === 'EROFS'), 40_000)
  t.alike(await lines(b), old, 'nothing changed on b')
  execFileSync('mount', ['-o', 'remount,rw', b.path()])
  await settled(a, b)
  t.is(await b.read('d0/0.txt'), 'edited on a')
  t.absent(existsSync(a.path('d1/1.txt')))
})

test('a directory and a file that cannot be read are problems, not deletions', { timeout: TIMEOUT_MS, skip: process.getuid?.() !== 0 }, async (t) => {
  const world = await createWorld(t)
  const a = new Device(t, world, 'a')
  // Root without its powers: permissions bind, and the build can be read wherever it lies.
  const b = new Device(t, world, 'b', {}, ['setpriv', '--inh-caps=-all', '--bounding-set=-all', process.execPath])
  await mkdir(b.path('dir/sub'), { recursive: true })
  await writeFile(b.path('dir/sub/inside.txt'), 'inside')
  await writeFile(b.path('file.txt'), 'file')
  await Promise.all([a.start(), b.start()])
  await a.add()
  await pair(a, b)
  await b.add()
  await settled(a, b)
  const before = await lines(a)
  await chmod(b.path('dir'), 0)
  await chmod(b.path('file.txt'), 0)
  await b.call('folders.scan', {})
  const { problems } = await statusOf(b)
  t.ok(problems.some((problem) => problem.path === 'dir' && problem.code === 'EACCES'), JSON.stringify(problems))
  await b.restart()
  await b.call('folders.scan', {})
  await a.write('dir/sub/inside.txt', 'edited on a')
  await a.call('folders.sync', { timeoutMs: 3000 })
  t.ok(existsSync(a.path('dir/sub/inside.txt')))
  t.ok((await lines(a)).some((line) => line.startsWith('file.txt file')), `nothing is deleted on a: ${before.length}`)
  await chmod(b.path('dir'), 0o755)
  await chmod(b.path('file.txt'), 0o644)
  await b.call('folders.scan', {})
  await settled(a, b)
  t.is(await b.read('dir/sub/inside.txt'), 'edited on a')
  t.is(await a.read('file.txt'), 'file')
})

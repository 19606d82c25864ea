/** A folder whose disk does not answer (a network file system whose server is gone): the daemon starts, goes on with its other folders, and ends. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, link, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'brittle'
import type { FolderStatus } from '../../rpc/shapes.ts'
import { createWorld, Device, pair, type Scope } from './harness.ts'
import { waitEqual, waitFor } from './tree.ts'

const TIMEOUT_MS = 180_000
const STEP_MS = 40_000
const COMMANDS_MS = 15_000

/** A FUSE file system whose program reads no request: each call waits until it is killed, or unmounted. */
function hang(at: string): (() => void) | null {
  const program = spawn('sh', ['-c', `exec 3<>/dev/fuse && mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 hang "$0" && echo mounted && exec sleep 600`, at], { stdio: ['ignore', 'pipe', 'ignore'] })
  for (let left = 50; left > 0 && !isMounted(at); left--) spawnSync('sleep', ['0.1'])
  const end = (): void => {
    program.kill('SIGKILL')
    spawnSync('umount', ['-l', at])
  }
  if (isMounted(at)) return end
  end()
  return null
}

function isMounted(at: string): boolean {
  return spawnSync('grep', ['-qF', ` ${at} fuse `, '/proc/self/mounts']).status === 0
}

const unable = process.getuid?.() !== 0 ? 'needs root' : existsSync('/dev/fuse') ? null : 'needs /dev/fuse'
if (unable !== null) console.log(`# a disk that hangs is skipped: ${unable}`)

test('a disk that hangs holds up neither the start, nor other folders, nor the end; it goes on by itself', { timeout: TIMEOUT_MS, skip: unable !== null }, async (t) => {
  const device = new Device(t, await createWorld(t), 'a')
  const far = device.beside('far')
  const status = async (path: string): Promise<FolderStatus | undefined> => (await device.call('status.get', {})).folders.find((folder) => folder.path === path)
  const halted = async (): Promise<FolderStatus> =>
    await waitFor('it says so', async () => {
      const folder = await status(far)
      return folder?.state === 'halted' && folder
    }, STEP_MS)
  await device.start()
  await device.add()
  await device.write('one.txt', 'one')
  await mkdir(far)
  await writeFile(device.beside('far', 'x'), 'x')
  await device.add(far)
  await waitFor('both are read', async () => (await status(far))?.files === 1 && (await status(device.path()))?.files === 1, STEP_MS)
  await device.stop()

  const end = hang(far)
  if (end === null) {
    t.comment('SKIPPED: cannot mount a FUSE file system here')
    return t.pass()
  }
  // Nothing may touch it, the end of this test neither.
  try {
    await device.start()
    const { reason } = await halted()
    t.is(reason?.code, 'root-unreadable', reason?.message)
    const begun = Date.now()
    const { checks } = await device.call('daemon.doctor', {})
    t.is(checks.find(({ name }) => name === 'disk of far')?.state, 'fail')
    await t.exception(async () => await device.call('folders.ignore', { folder: 'far' }), /does not answer/)
    await t.exception(async () => await device.call('folders.ignore', { folder: 'far', add: ['x'] }), /does not answer/)
    await t.exception(async () => await device.call('folders.ignored', { path: join(far, 'x') }), /does not answer/)
    await t.exception(async () => await device.call('folders.history', { path: join(far, 'x') }), /does not answer/)
    t.ok(Date.now() - begun < COMMANDS_MS, 'commands that ask it say so')
    await device.write('two.txt', 'two')
    await waitFor('another folder goes on', async () => (await status(device.path()))?.files === 2, STEP_MS)
    await device.stop()
    t.pass('it ends in order')
    await device.start()
    await halted()
  } finally {
    end()
  }
  await writeFile(device.beside('far', 'y'), 'y')
  await waitFor('it goes on by itself', async () => (await status(far))?.files === 2, STEP_MS)
})

/** One that answers as long as its program is not stopped. */
interface Passing {
  stop(): void
  goOn(): void
}

async function passThrough(t: Scope, under: string, at: string): Promise<Passing> {
  await Promise.all([mkdir(under, { recursive: true }), mkdir(at, { recursive: true })])
  const program = spawn('bindfs', ['-f', under, at], { stdio: 'ignore' })
  const end = (): void => {
    program.kill('SIGCONT')
    spawnSync('umount', ['-l', at])
    program.kill('SIGTERM')
  }
  // First: a process that waits for it cannot be killed.
  t.teardown(end, { order: -1, force: true })
  await waitFor('it is mounted', () => isMounted(at))
  return { stop: () => void program.kill('SIGSTOP'), goOn: () => void program.kill('SIGCONT') }
}

const unpassable = unable ?? (spawnSync('bindfs', ['--version']).status === 0 ? null : 'needs bindfs')
if (unpassable !== null) console.log(`# a disk that hangs in the midst is skipped: ${unpassable}`)

/** It takes a while to read them. */
const FILES = 4000
const APPLIED = 600
const DIRECTORIES = 2000

async function statusOf(device: Device, far: string): Promise<FolderStatus> {
  return (await device.call('status.get', {})).folders.find((folder) => folder.path === far) as FolderStatus
}

test('a disk that hangs in the midst of a scan: told, and its folder can be paused, removed, and added again', { timeout: TIMEOUT_MS, skip: unpassable !== null }, async (t) => {
  const device = new Device(t, await createWorld(t), 'a')
  const [under, far] = [device.beside('under'), device.beside('far')]
  const disk = await passThrough(t, under, far)
  await device.start()
  await device.add()
  await device.add(far)
  for (let i = 0; i < FILES; i++) await writeFile(join(under, `f${i}`), `${i}`)
  const inTheMidst = async (): Promise<void> => {
    device.call('folders.scan', { folder: 'far' }).catch(() => undefined)
    for (let left = 2000; left > 0 && (await statusOf(device, far)).state !== 'scanning'; left--) await sleep(1)
    disk.stop()
  }
  await inTheMidst()
  await device.write('near.txt', 'near')
  await waitFor('another folder goes on', async () => (await statusOf(device, device.path())).files === 1, STEP_MS)
  await waitFor('it is told', async () => (await statusOf(device, far)).problems.some(({ code }) => code === 'disk-silent'), STEP_MS)
  const begun = Date.now()
  await device.call('folders.pause', { folder: 'far' })
  t.is((await statusOf(device, far)).state, 'paused')
  await device.call('folders.resume', { folder: 'far' })
  await device.call('folders.remove', { folder: 'far' })
  await t.exception(async () => await device.call('folders.add', { path: far }), /does not answer/)
  t.ok(Date.now() - begun < STEP_MS, 'nobody waits for it')
  await device.write('near2.txt', 'near')
  await waitFor('another folder goes on', async () => (await statusOf(device, device.path())).files === 2, STEP_MS)
  disk.goOn()
  await waitFor('the marker is gone then', () => !existsSync(join(under, '.p2psync', 'marker.json')), STEP_MS)
  await device.add(far)
  await waitFor('all is there', async () => (await statusOf(device, far)).files === FILES && (await statusOf(device, far)).state === 'idle', STEP_MS)
  await inTheMidst()
  await device.stop()
  t.pass('it ends in order')
  disk.goOn()
})

test('a disk that hangs while its directories are watched: the daemon ends in order', { timeout: TIMEOUT_MS, skip: unpassable !== null }, async (t) => {
  const device = new Device(t, await createWorld(t), 'a')
  const [under, far] = [device.beside('under'), device.beside('far')]
  const disk = await passThrough(t, under, far)
  for (let i = 0; i < DIRECTORIES; i++) await mkdir(join(under, `d${i}`))
  await device.start()
  await device.add(far)
  await waitFor('all is read', async () => (await statusOf(device, far)).directories >= DIRECTORIES && (await statusOf(device, far)).state === 'idle', STEP_MS)
  for (const ms of [0, 50]) {
    device.call('folders.scan', { folder: 'far' }).catch(() => undefined)
    for (let left = 2000; left > 0 && (await statusOf(device, far)).state !== 'scanning'; left--) await sleep(1)
    await sleep(ms)
    disk.stop()
    const { pid } = device
    const ending = device.stop()
    await waitFor('it ends, but for a thread that the kernel keeps', async () => /^State:\s+Z/m.test(await readFile(`/proc/${pid}/status`, 'utf8').catch(() => 'State: Z')), STEP_MS)
    disk.goOn()
    await ending
    t.pass('in order')
    await device.start()
    await waitFor('it is read again', async () => (await statusOf(device, far)).state === 'idle', STEP_MS)
  }
})

test('a disk that hangs in the midst of an apply, and its folder is removed: it is as after a crash', { timeout: TIMEOUT_MS, skip: unpassable !== null }, async (t) => {
  const world = await createWorld(t)
  const [a, b] = [new Device(t, world, 'a'), new Device(t, world, 'b')]
  await Promise.all([a.start(), b.start()])
  await pair(a, b)
  const disk = await passThrough(t, b.beside('under'), b.path())
  await a.add()
  await b.add()
  for (let i = 0; i < APPLIED; i++) await a.write(`f${i}`, `old ${i}`)
  await waitEqual([a.path(), b.beside('under')], STEP_MS, async () => (await statusOf(b, b.path())).state === 'idle')
  for (let i = 0; i < APPLIED; i++) await a.write(`f${i}`, `new ${i}`)
  // Where a file system cannot swap names there is none for a moment.
  const isNew = async (i: number): Promise<boolean> => (await readFile(join(b.beside('under'), `f${i}`), 'utf8').catch(() => '')) === `new ${i}`
  await waitFor('it applies', async () => await isNew(0), STEP_MS)
  disk.stop()
  await b.call('folders.remove', { folder: 'docs' })
  disk.goOn()
  await waitFor('the marker is gone', () => !existsSync(join(b.beside('under'), '.p2psync', 'marker.json')), STEP_MS)
  await b.add()
  const tree = await waitEqual([a.path(), b.beside('under')], STEP_MS, async () => (await statusOf(b, b.path())).state === 'idle')
  t.is([...tree.keys()].filter((path) => /^f\d+$/.test(path)).length, APPLIED)
  t.alike([...tree.keys()].filter((path) => path.includes('conflict')), [])
  t.ok(await isNew(APPLIED - 1))
})

const untraceable = unpassable ?? (spawnSync('strace', ['--version']).status === 0 ? null : 'needs strace')
if (untraceable !== null) console.log(`# whether the main thread asks such a disk is skipped: ${untraceable}`)

/** What the main thread of this process asks of the file system below `at`: other threads are not traced. */
async function traced(t: Scope, pid: number, at: string, file: string): Promise<() => Promise<string[]>> {
  const strace = spawn('strace', ['-p', String(pid), '-y', '-s', '300', '-e', 'trace=file,desc', '-o', file], { stdio: ['ignore', 'ignore', 'pipe'] })
  t.teardown(() => void strace.kill())
  await new Promise<void>((resolve) => strace.stderr.setEncoding('utf8').on('data', (text: string) => text.includes('attached') && resolve()))
  return async () => {
    const ended = new Promise((resolve) => strace.on('exit', resolve))
    strace.kill()
    await ended
    const lines = (await readFile(file, 'utf8')).split('\n')
    if (!lines.some((line) => /^\w+\(/.test(line) && !line.includes(at))) throw new Error('no call at all was traced')
    // Names are opened from descriptors of their directories, and the folder below `at` is the only one. What is read and written elsewhere may name it.
    return lines.filter((line) => line.includes(`<${at}`) || (!/^p?(?:read|write)v?\d*\(/.test(line) && (line.includes(`"${at}`) || line.includes('"/proc/self/fd/'))))
  }
}

test('no thread that others wait for asks such a disk, whatever happens there', { timeout: TIMEOUT_MS, skip: untraceable !== null }, async (t) => {
  const world = await createWorld(t)
  const [a, b] = [new Device(t, world, 'a'), new Device(t, world, 'b')]
  await Promise.all([a.start(), b.start()])
  await pair(a, b)
  const under = b.beside('under')
  await passThrough(t, under, b.path())
  const asked = await traced(t, b.pid, b.path(), join(world.root, 'trace'))
  const equal = async (): Promise<void> => void (await waitEqual([a.path(), under], STEP_MS, async () => (await statusOf(b, b.path())).state === 'idle'))
  await a.add()
  await b.add()
  for (let i = 0; i < 30; i++) await a.write(`d/f${i}`, `old ${i}`)
  await a.write('large', Buffer.alloc(3_000_000, 1))
  await equal()
  for (let i = 0; i < 30; i++) await a.write(`d/f${i}`, `new ${i}`)
  await a.write('large', Buffer.alloc(3_000_001, 2))
  await symlink('d', a.path('link'))
  await equal()
  await chmod(a.path('d/f0'), 0o755)
  await chmod(a.path('d'), 0o700)
  await rename(a.path('d/f1'), a.path('f1'))
  await rm(a.path('link'))
  await equal()
  await rename(a.path('d'), a.path('e'))
  await equal()
  // Told by the watches of the file system itself.
  for (let i = 0; i < 30; i++) await b.write(`k/f${i}`, `${i}`)
  await b.write('here', Buffer.alloc(3_000_000, 3))
  await equal()
  await rm(a.path('k'), { recursive: true })
  await equal()
  // What users do there.
  await link(b.path('here'), b.path('hard'))
  await equal()
  await a.write('e/f0', 'newer 0')
  await equal()
  const { versions } = await b.call('folders.history', { path: b.path('e/f0') })
  const old = versions.find(({ current }) => !current)
  await b.call('folders.restore', { path: b.path('e/f0'), version: old?.id ?? '' })
  t.is(await readFile(join(under, 'e/f0'), 'utf8'), 'new 0')
  await equal()
  await b.call('folders.pause', { folder: 'docs' })
  await a.write('paused', 'x')
  await b.call('folders.resume', { folder: 'docs' })
  await equal()
  t.alike(await asked(), [])
  await b.stop()
  const starting = b.start()
  await waitFor('it begins', () => b.isRunning)
  const askedAgain = await traced(t, b.pid, b.path(), join(world.root, 'trace-start'))
  await starting
  await a.write('started', 'x')
  await b.write('started here', 'x')
  await equal()
  await b.call('folders.remove', { folder: 'docs' })
  t.alike(await askedAgain(), [], 'nor at a start')
})

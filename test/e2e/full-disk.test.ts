/**
 * The disk of the state directory runs full, for real: a small file system of its own holds it. The folder halts with a sentence, what
 * stood there stays, and it goes on by itself once there is space. Skipped where this user may not mount.
 */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { rmSync, statfsSync, writeFileSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import type { FolderStatus } from '../../rpc/shapes.ts'
import { createWorld, Device, pair } from './harness.ts'
import { treeOf, waitEqual, waitFor } from './tree.ts'

const TIMEOUT_MS = 280_000
const STATE_SIZE = '48m'
/** What the store still gets: less than the statements of the new files, more than nothing. */
const LEFT_BYTES = 256 * 1024
const FILES = 2000
/** The database has 9 MiB of its log in reserve, and long paths use that up soonest. */
const DEEP = Array.from({ length: 3 }, (_, i) => String(i).repeat(240)).join('/')
const HALT_MS = 60_000
const HEAL_MS = 90_000

async function folderOf(device: Device): Promise<FolderStatus> {
  const [folder] = (await device.call('status.get', {})).folders
  if (folder === undefined) throw new Error('no folder')
  return folder
}

const lines = async (device: Device): Promise<string[]> => [...(await treeOf(device.path()))].map(([path, line]) => `${path} ${line}`)

/** `a` and `b` share a folder; the state of one of them is on a small disk. Null if that cannot be made here. */
async function pairOnSmallDisk(t: Assert, small: 'a' | 'b'): Promise<{ a: Device; b: Device; sick: Device; ballast: string } | null> {
  const world = await createWorld(t)
  const [a, b] = [new Device(t, world, 'a'), new Device(t, world, 'b')]
  const sick = small === 'a' ? a : b
  const state = join(sick.home, 'state')
  await mkdir(state, { recursive: true })
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${STATE_SIZE}`, 'p2psync-test', state], { stdio: 'ignore' })
  } catch {
    t.comment('SKIPPED: cannot mount here, so no disk can be filled')
    return null
  }
  t.teardown(() => execFileSync('umount', ['-l', state]), { order: 500, force: true })
  await Promise.all([a.start(), b.start()])
  await a.add()
  await pair(a, b)
  await b.add()
  return { a, b, sick, ballast: join(state, 'ballast') }
}

function fill(ballast: string): void {
  const { bavail, bsize } = statfsSync(join(ballast, '..'))
  writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - LEFT_BYTES)))
}

async function write(device: Device, text: string): Promise<void> {
  for (let i = 0; i < FILES; i++) await device.write(`${DEEP}/${i}-${'n'.repeat(200)}`, `${text} ${i}`)
}

for (const small of ['b', 'a'] as const) {
  const role = small === 'a' ? 'device that sends' : 'device that receives'
  test(`the disk of the store runs full on the ${role}: a halt with a sentence, old files intact, and it goes on by itself`, { timeout: TIMEOUT_MS }, async (t) => {
    const made = await pairOnSmallDisk(t, small)
    if (made === null) return t.pass()
    const { a, b, sick, ballast } = made
    const well = sick === a ? b : a
    await a.write('keep.txt', 'old')
    await a.write('edited.txt', 'old text')
    await a.write('deleted.txt', 'deleted later')
    await waitEqual([a.path(), b.path()])
    const pid = sick.pid
    fill(ballast)
    await a.write('edited.txt', 'new text')
    await rm(a.path('deleted.txt'))
    await write(a, 'new')
    await a.write('large.bin', randomBytes(3 << 20))
    const halted = await waitFor('it halts', async () => {
      const folder = await folderOf(sick)
      return folder.state === 'halted' && folder
    }, HALT_MS)
    t.ok((halted.reason?.message.length ?? 0) > 30, `${halted.reason?.code}: ${halted.reason?.message}`)
    t.ok(/space|ENOSPC/i.test(halted.reason?.message ?? ''), 'says what is missing')
    t.not((await folderOf(well)).state, 'halted', 'the other one goes on')
    const old = ['keep.txt', 'edited.txt']
    for (const name of old) t.ok(['old', 'old text', 'new text'].includes(await b.read(name)), `${name} is whole`)
    await well.write('meanwhile.txt', 'written while the other had no space')
    const before = await lines(well)
    await well.call('folders.sync', { timeoutMs: 3_000 })
    const after = await lines(well)
    t.alike(before.filter((line) => !after.includes(line)), [], 'nothing goes away where there is space')
    t.not((await sick.cli('sync', '--timeout', '5s')).code, 0, 'sync does not say that all is well')
    rmSync(ballast)
    await waitEqual([a.path(), b.path()], HEAL_MS, async () => (await treeOf(b.path(), false)).size === FILES + 4 + 3)
    t.is(sick.pid, pid, 'nobody restarted it')
    t.is(await b.read('edited.txt'), 'new text')
    t.is(await a.read('meanwhile.txt'), 'written while the other had no space')
    await waitFor('all is well', async () => (await folderOf(sick)).state === 'idle' && (await folderOf(sick)).problems.length === 0, HEAL_MS)
  })
}

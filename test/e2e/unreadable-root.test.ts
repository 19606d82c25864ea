/** A root that is there and cannot be read: a halt with a reason, not one tombstone, and back it goes on without being asked. */
import { chmod, mkdir, rm } from 'node:fs/promises'
import test from 'brittle'
import type { FolderStatus } from '../../rpc/shapes.ts'
import { createShimmedPair } from '../shim/pair.ts'
import { whyNoShim } from '../shim/shim.ts'
import { createWorld, Device, pair } from './harness.ts'
import { treeOf, waitEqual, waitFor } from './tree.ts'

const TIMEOUT_MS = 280_000
const FILES = 30
const HALT_MS = 30_000
const HEAL_MS = 60_000

async function folderOf(device: Device): Promise<FolderStatus> {
  const [folder] = (await device.call('status.get', {})).folders
  if (folder === undefined) throw new Error('no folder')
  return folder
}

const halted = async (device: Device): Promise<FolderStatus> =>
  await waitFor(`${device.name} halts`, async () => {
    const folder = await folderOf(device)
    return folder.state === 'halted' && folder
  }, HALT_MS)

const lines = async (device: Device): Promise<string[]> => [...(await treeOf(device.path()))].map(([path, line]) => `${path} ${line}`)

async function fill(device: Device): Promise<void> {
  for (let i = 0; i < FILES; i++) await device.write(`d${i % 3}/${i}.txt`, `file ${i}`)
}

const unable = process.getuid?.() === 0 ? null : 'needs root'
if (unable !== null) console.log(`# a root without permissions is skipped: ${unable}`)

test('a root with no permissions (chmod 000): a halt, over a restart too, no deletion, and it goes on by itself', { timeout: TIMEOUT_MS, skip: unable !== null }, async (t) => {
  const world = await createWorld(t)
  const a = new Device(t, world, 'a')
  // Root without its powers: permissions bind, and the build can be read wherever it lies.
  const b = new Device(t, world, 'b', {}, ['setpriv', '--inh-caps=-all', '--bounding-set=-all', process.execPath])
  await mkdir(b.path(), { recursive: true })
  await Promise.all([a.start(), b.start()])
  await a.add()
  await pair(a, b)
  await b.add()
  await fill(a)
  await waitEqual([a.path(), b.path()])
  const before = await lines(a)
  await chmod(b.path(), 0)
  // Nobody asks b to look: what comes from a does.
  await a.write('d0/0.txt', 'edited on a')
  const { reason } = await halted(b)
  t.is(reason?.code, 'root-unreadable', reason?.message)
  t.ok((reason?.message ?? '').includes(b.path()), reason?.message)
  await b.restart()
  t.is((await halted(b)).reason?.code, 'root-unreadable')
  await a.write('during.txt', 'written on a meanwhile')
  await rm(a.path('d1/1.txt'))
  await a.call('folders.sync', { timeoutMs: 2_000 })
  const kept = (line: string): boolean => !line.startsWith('d0/0.txt') && !line.startsWith('d1/1.txt')
  const now = await lines(a)
  t.alike(before.filter((line) => kept(line) && !now.includes(line)), [], 'nothing is deleted on a')
  await chmod(b.path(), 0o755)
  await waitEqual([a.path(), b.path()], HEAL_MS, async () => (await b.read('during.txt').catch(() => '')) === 'written on a meanwhile')
  t.alike((await lines(a)).filter(kept).length, before.filter(kept).length + 1, 'all is there')
  t.is(await b.read('d0/0.txt'), 'edited on a')
  await waitFor('no reason any more', async () => (await folderOf(b)).reason === null)
})

const noShim = whyNoShim()
if (noShim !== null) console.log(`# a failing disk is skipped: ${noShim}`)

for (const [call, errno] of [['open', 'ESTALE'], ['readdir', 'EIO'], ['stat', 'EIO']] as const) {
  test(`every ${call} below the root fails with ${errno}: not one tombstone, and it goes on by itself`, { timeout: TIMEOUT_MS, skip: noShim !== null }, async (t) => {
    const [a, b] = await createShimmedPair(t)
    await fill(a.device)
    await waitEqual([a.device.path(), b.device.path()])
    const before = await lines(a.device)
    b.shim.arm({ fate: { kind: 'fail', errno }, call, area: 'tree' })
    await b.device.call('folders.scan', {}).catch(() => undefined)
    await a.device.write('during.txt', 'written on a meanwhile')
    await waitFor('b says so', async () => {
      const folder = await folderOf(b.device)
      return folder.state === 'halted' || folder.problems.length > 0
    }, HALT_MS)
    const { state, reason, problems } = await folderOf(b.device)
    t.comment(`${state}: ${reason?.message ?? problems[0]?.message}`)
    t.ok((reason?.message ?? problems[0]?.message ?? '').length > 20, 'in a sentence')
    await b.device.call('folders.scan', {}).catch(() => undefined)
    await a.device.call('folders.sync', { timeoutMs: 3_000 })
    const now = await lines(a.device)
    t.alike(before.filter((line) => !now.includes(line)), [], 'nothing is deleted on a')
    b.shim.disarm()
    await waitEqual([a.device.path(), b.device.path()], HEAL_MS, async () => (await b.device.read('during.txt').catch(() => '')) !== '')
    t.is((await lines(a.device)).length, before.length + 1, 'all is there')
    await waitFor('all is well', async () => {
      const folder = await folderOf(b.device)
      return folder.state === 'idle' && folder.problems.length === 0
    }, HEAL_MS)
  })
}

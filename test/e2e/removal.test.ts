/**
 * Membership that ends (R20–R22, R24, R30): a removed device, one that leaves for another group, one device key on two machines.
 */
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'brittle'
import type { FolderStatus } from '../../rpc/schema.ts'
import { createGroup, Device, waitConnected, type Scope } from './harness.ts'
import { waitEqual, waitFor } from './tree.ts'

const TIMEOUT = { timeout: 280_000 }

async function status(device: Device): Promise<FolderStatus | null> {
  return (await device.call('status.get', {})).folders[0] ?? null
}

async function waitHalted(device: Device, code: string): Promise<void> {
  await waitFor(`${device.name} is halted: ${code}`, async () => {
    const folder = await status(device)
    return folder?.state === 'halted' && folder.reason?.code === code
  }, 40_000)
}

const has = (device: Device, path: string): (() => Promise<boolean>) => () => device.read(path).then(() => true, () => false)

async function encryptionKeys(device: Device): Promise<Set<string>> {
  const { folders } = await device.call('folders.list', { keys: true })
  return new Set(folders.flatMap((folder) => (folder.drives ?? []).map((drive) => drive.encryptionKey)))
}

async function three(t: Scope): Promise<[Device, Device, Device]> {
  const [a, b, c] = (await createGroup(t, ['a', 'b', 'c'])) as [Device, Device, Device]
  await waitConnected(b, c)
  await a.write('shared.txt', 'for all')
  await waitEqual([a.path(), b.path(), c.path()], 30_000, has(c, 'shared.txt'))
  return [a, b, c]
}

test('R20–R22: a removed device gets nothing more, the others change the key; it comes back with a new one', TIMEOUT, async (t) => {
  const [a, b, c] = await three(t)
  const before = await encryptionKeys(a)
  const old = await c.id()
  await a.call('devices.remove', { device: old })
  await waitHalted(c, 'removed')
  await waitFor('its connections ended', async () => !(await c.call('status.get', {})).devices.some((device) => device.connected))
  await a.write('secret.txt', 'not for c')
  await c.write('meanwhile.txt', 'made while removed')
  await waitEqual([a.path(), b.path()], 40_000, has(b, 'secret.txt'))
  t.absent(await has(c, 'secret.txt')(), 'nothing new for the removed device')
  await waitFor('new drives under a new key on both', async () => {
    const now = await encryptionKeys(a)
    return [...now].some((key) => !before.has(key)) && (await status(b))?.devices.some((row) => row.inSync) === true
  })
  await c.restart()
  t.is((await status(c))?.reason?.code, 'removed', 'also after a restart')
  t.is((await c.call('status.get', {})).reason?.code, 'removed')
  t.is((await c.cli('status')).stdout.split('This device was removed from its group').length, 2, 'and says it once')
  t.is((await a.call('status.get', {})).reason, null)

  const { invite } = await b.call('invites.create', {})
  await c.call('invites.join', { code: invite, timeoutMs: 120_000 })
  const tree = await waitEqual([a.path(), b.path(), c.path()], 60_000, async () => (await has(a, 'meanwhile.txt')()) && (await has(c, 'secret.txt')()))
  t.alike([...tree.keys()], ['meanwhile.txt', 'secret.txt', 'shared.txt'], 'its files were merged, with no conflict')
  const { devices } = await a.call('devices.list', {})
  t.is(devices.length, 3)
  t.absent(devices.some((device) => device.id === old), 'the old key is dead')
  t.is((await c.call('folders.sync', { timeoutMs: 120_000 })).outcome, 'in-sync')
})

test('R24: join --leave from a group of several', TIMEOUT, async (t) => {
  const [a, b, c] = await three(t)
  const d = await beside(t, a, 'd')
  await d.start()
  await d.write('theirs.txt', 'of the other group')
  await d.write('shared.txt', 'another text')
  await d.add()
  const old = await c.id()
  const { invite } = await d.call('invites.create', {})
  const refused = await c.cli('join', invite, '--json')
  t.is(refused.code, 5, 'not without --leave')
  await c.call('devices.rename', { device: old, name: 'nas' })
  t.is((await c.cli('join', 'nonsense', '--leave', '--json')).code, 1)
  t.is(await c.id(), old, 'a code that cannot be right costs no group')
  const e = await beside(t, a, 'e')
  await e.start()
  const used = (await d.call('invites.create', {})).invite
  await e.call('invites.join', { code: used })
  const late = await c.cli('join', used, '--leave', '--json')
  t.alike([late.code, (late.json as { error?: { code: string } }).error?.code], [1, 'INVITE_USED'])
  t.is(await c.id(), old, 'nor does one that somebody else has used')
  await e.stop()
  t.is((await a.call('devices.list', {})).devices.length, 3, 'the group did not lose it')
  const joined = await c.cli('join', invite, '--leave', '--json')
  t.is(joined.code, 0, joined.stderr)
  t.is((await c.call('status.get', {})).device.name, 'nas', 'it keeps its name')
  const tree = await waitEqual([c.path(), d.path()], 60_000, async () => (await has(c, 'theirs.txt')()) && (await has(d, 'shared.txt')()))
  t.is([...tree.keys()].filter((path) => path.includes('sync-conflict')).length, 1, 'both texts are kept')
  await waitFor('the old group knows', async () => (await a.call('devices.list', {})).devices.every((device) => device.id !== old))
  await a.write('after.txt', 'of the old group')
  await waitEqual([a.path(), b.path()], 30_000, has(b, 'after.txt'))
  t.absent(await has(c, 'after.txt')())
})

test('R30: one device key on two machines halts both, until one joins with a new key', TIMEOUT, async (t) => {
  const [a, b] = (await createGroup(t, ['a', 'b'])) as [Device, Device]
  await b.write('one.txt', 'one')
  await waitEqual([a.path(), b.path()], 20_000, has(a, 'one.txt'))
  await b.stop()
  const clone = await beside(t, a, 'b2')
  await cp(b.home, clone.home, { recursive: true, preserveTimestamps: true, filter: (path) => !path.endsWith('.sock') })
  await cp(b.path(), clone.path(), { recursive: true, preserveTimestamps: true })
  await rewriteRegistry(clone, b)
  await b.start()
  await waitConnected(a, b)
  await clone.start()
  await Promise.all([waitHalted(b, 'cloned'), waitHalted(clone, 'cloned')])
  await clone.write('by the clone.txt', 'by the clone')
  await b.write('by b.txt', 'by b')

  const { invite } = await a.call('invites.create', {})
  const joined = await clone.cli('join', invite, '--leave', '--json')
  t.is(joined.code, 0, joined.stderr)
  await b.restart()
  await waitConnected(a, b)
  await waitConnected(a, clone)
  const tree = await waitEqual([a.path(), b.path(), clone.path()], 60_000, async () => (await has(a, 'by b.txt')()) && (await has(b, 'by the clone.txt')()))
  t.alike([...tree.keys()], ['by b.txt', 'by the clone.txt', 'one.txt'])
  t.is((await a.call('devices.list', {})).devices.length, 3)
})

/** A device in the same network, in no group. */
async function beside(t: Scope, other: Device, name: string): Promise<Device> {
  return new Device(t, { root: await t.tmp(), bootstrap: other.environment()['P2PSYNC_BOOTSTRAP'] ?? '' }, name)
}

/** The copy knows its folder under its own path. */
async function rewriteRegistry(clone: Device, original: Device): Promise<void> {
  const file = join(clone.home, 'state', 'folders.json')
  await writeFile(file, (await readFile(file, 'utf8')).replaceAll(original.path(), clone.path()))
}

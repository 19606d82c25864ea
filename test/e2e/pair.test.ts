/** Two devices become one group: before or after `add`, by the documented commands, for good. */
import test from 'brittle'
import { createDevices, waitConnected, type Device } from './harness.ts'
import { waitEqual, waitFor } from './tree.ts'

const TIMEOUT_MS = 280_000

interface Invite {
  readonly schema: number
  readonly invite: string
  readonly expiresAt: string
}

async function twoDevices(t: Parameters<typeof createDevices>[0]): Promise<[Device, Device]> {
  const [a, b] = await createDevices(t, ['a', 'b'])
  if (a === undefined || b === undefined) throw new Error('unreachable')
  return [a, b]
}

async function inviteAndJoin(host: Device, guest: Device): Promise<string> {
  const invited = await host.cli('invite', '--json')
  if (invited.code !== 0) throw new Error(invited.stderr)
  const { invite } = invited.json as Invite
  const joined = await guest.cli('join', invite, '--json')
  if (joined.code !== 0) throw new Error(joined.stderr)
  return invite
}

async function deviceIds(device: Device): Promise<string[]> {
  const { devices } = await device.call('devices.list', {})
  return devices.map((each) => each.id).sort()
}

test('pair first, add the folder after; both list both, also after a restart of both', { timeout: TIMEOUT_MS }, async (t) => {
  const [a, b] = await twoDevices(t)
  await inviteAndJoin(a, b)
  await waitConnected(a, b)
  const ids = [await a.id(), await b.id()].sort()
  t.alike(await deviceIds(a), ids, 'the host lists both')
  t.alike(await deviceIds(b), ids, 'the guest lists both')

  const folder = await a.add()
  await waitFor('the guest hears of the folder', async () => (await b.call('folders.list', {})).folders.some((each) => each.id === folder))
  t.is(await b.add(), folder, 'a folder of that name is joined')
  await a.write('hello.txt', 'from a')
  await waitEqual([a.path(), b.path()], 20_000, () => b.read('hello.txt').then((text) => text === 'from a'))

  await Promise.all([a.restart(), b.restart()])
  await waitConnected(a, b)
  t.alike(await deviceIds(a), ids, 'the host lists both after a restart')
  t.alike(await deviceIds(b), ids, 'the guest lists both after a restart')
  await b.write('again.txt', 'from b')
  const tree = await waitEqual([a.path(), b.path()], 20_000, () => a.read('again.txt').then((text) => text === 'from b', () => false))
  t.alike([...tree.keys()], ['again.txt', 'hello.txt'])
})

test('R24: add on both first, then pair: folders of one name are bound together', { timeout: TIMEOUT_MS }, async (t) => {
  const [a, b] = await twoDevices(t)
  await a.write('of-a.txt', 'a')
  await b.write('of-b.txt', 'b')
  const added = await a.cli('add', a.path(), '--json')
  t.is(added.code, 0, added.stderr)
  t.is((await b.cli('add', b.path(), '--json')).code, 0)
  await inviteAndJoin(a, b)
  const tree = await waitEqual([a.path(), b.path()], 20_000, () => a.read('of-b.txt').then(() => true, () => false))
  t.alike([...tree.keys()], ['of-a.txt', 'of-b.txt'])
  const folders = (await b.call('folders.list', {})).folders
  t.is(folders.length, 1, 'one folder remains')
  t.is(folders[0]?.id, (added.json as { folder: { id: string } }).folder.id, 'it is the group\'s')
})

test('an invite pairs one device, once', { timeout: TIMEOUT_MS }, async (t) => {
  const [a, b, c] = await createDevices(t, ['a', 'b', 'c'])
  if (a === undefined || b === undefined || c === undefined) throw new Error('unreachable')
  const invite = await inviteAndJoin(a, b)
  const second = await c.cli('join', invite, '--timeout', '200s', '--json')
  t.is(second.code, 1, 'a used code is a failed join')
  t.ok(['INVITE_USED', 'INVITE_INVALID', 'INVITE_EXPIRED'].includes(errorCode(second.json)), second.stderr)
  t.alike(await deviceIds(c), [await c.id()], 'nothing changed on the third device')
  t.is((await deviceIds(a)).length, 2, 'the group did not grow')
})

test('an expired invite pairs no one', { timeout: TIMEOUT_MS }, async (t) => {
  const [a, b] = await twoDevices(t)
  const { invite, expiresAt } = await a.call('invites.create', { expiresMs: 1_000 })
  await waitFor('the invite is expired', () => Date.now() > Date.parse(expiresAt))
  const joined = await b.cli('join', invite, '--timeout', '200s', '--json')
  t.is(joined.code, 1)
  t.is(errorCode(joined.json), 'INVITE_EXPIRED', joined.stderr)
  t.is((await deviceIds(a)).length, 1)
})

function errorCode(json: unknown): string {
  const code = (json as { error?: { code?: unknown } } | undefined)?.error?.code
  return typeof code === 'string' ? code : `no error code in ${JSON.stringify(json)}`
}

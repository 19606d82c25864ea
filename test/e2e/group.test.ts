/** Who is in the group, and what that means for folders. */
import { existsSync } from 'node:fs'
import test from 'brittle'
import { createDevices, createGroup, pair } from './harness.ts'
import { waitEqual, waitFor } from './tree.ts'

test('a removed device gets nothing new, says so, and keeps its files', { timeout: 280_000 }, async (t) => {
  const [a, b, c] = await createGroup(t, ['a', 'b', 'c'])
  if (a === undefined || b === undefined || c === undefined) throw new Error('unreachable')
  await a.write('before.txt', 'for all')
  await waitEqual([a.path(), b.path(), c.path()], 30_000, () => existsSync(c.path('before.txt')))
  const removed = await a.cli('devices', 'remove', await c.id(), '--json')
  t.is(removed.code, 0, removed.stderr)
  await waitFor('b knows it too', async () => (await b.call('devices.list', {})).devices.length === 2)
  await waitFor('c is let go', async () => !(await c.isConnectedTo(a)) && !(await c.isConnectedTo(b)))
  await a.write('after.txt', 'not for c')
  await c.write('of-c.txt', 'not for the group')
  await waitEqual([a.path(), b.path()], 30_000, () => existsSync(b.path('after.txt')))
  await a.call('folders.sync', { timeoutMs: 120_000 })
  t.absent(existsSync(c.path('after.txt')), 'nothing new')
  t.absent(existsSync(a.path('of-c.txt')) || existsSync(b.path('of-c.txt')), 'nothing from it either')
  t.is(await c.read('before.txt'), 'for all', 'its files stay')
})

test('R24: from a group of several, join needs --leave', { timeout: 280_000 }, async (t) => {
  const [a, b, c] = await createDevices(t, ['a', 'b', 'c'])
  if (a === undefined || b === undefined || c === undefined) throw new Error('unreachable')
  await pair(a, b)
  const { invite } = await c.call('invites.create', {})
  const refused = await b.cli('join', invite, '--timeout', '200s', '--json')
  t.is(refused.code, 5, refused.stderr)
  t.is((await b.call('devices.list', {})).devices.length, 2, 'still in the group')
  const left = await b.cli('join', invite, '--leave', '--timeout', '200s', '--json')
  t.is(left.code, 0, left.stderr)
  await waitFor('b and c are one group', async () => (await c.call('devices.list', {})).devices.length === 2 && (await b.call('devices.list', {})).devices.length === 2)
})

test('folders of other names stay apart; add --join binds one, and joins nothing by itself', { timeout: 280_000 }, async (t) => {
  const [a, b] = await createDevices(t, ['a', 'b'])
  if (a === undefined || b === undefined) throw new Error('unreachable')
  await pair(a, b)
  const photos = await a.add(a.beside('photos'))
  const music = await b.add(b.beside('music'))
  t.not(photos, music)
  await waitFor('both hear of both', async () => (await a.call('folders.list', {})).folders.length === 2 && (await b.call('folders.list', {})).folders.length === 2)
  const elsewhere = (await b.call('folders.list', {})).folders.find((folder) => folder.id === photos)
  t.is(elsewhere?.path, null, 'on a only')
  const joined = await b.cli('add', b.beside('pictures'), '--join', 'photos', '--json')
  t.is(joined.code, 0, joined.stderr)
  t.is((joined.json as { folder: { id: string } }).folder.id, photos)
  const again = await b.cli('add', b.beside('pictures'), '--json')
  t.is(again.code, 0, 'adding it again changes nothing')
  t.is((await b.call('folders.list', {})).folders.length, 2)
})

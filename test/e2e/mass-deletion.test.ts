/** R27 to R29 with real daemons: a mass deletion waits at its source, or where it arrives; approve and reject end it. */
import { mkdir, readdir, rename } from 'node:fs/promises'
import test, { type Assert } from 'brittle'
import type { Result } from '../../rpc/schema.ts'
import { createDevices, pair, type Device } from './harness.ts'
import { waitEqual, waitFor } from './tree.ts'

const TIMEOUT_MS = 280_000
const FILES = 40
const MINIMUM = 20

type FolderStatus = Result<'status.get'>['folders'][number]

/** Two devices with equal `docs/d`; `guarded` ones hold from 20 files on. */
async function guardedPair(t: Assert, guarded: readonly string[]): Promise<[Device, Device]> {
  const [a, b] = await createDevices(t, ['a', 'b'])
  if (a === undefined || b === undefined) throw new Error('unreachable')
  for (const device of [a, b]) {
    if (!guarded.includes(device.name)) continue
    await device.call('config.set', { key: 'guardMinFiles', value: MINIMUM })
    await device.restart()
  }
  for (let i = 0; i < FILES; i++) await a.write(`d/${i}.txt`, `file ${i}`)
  await a.write('other.txt', 'other')
  await a.add()
  await pair(a, b)
  await b.add()
  await waitEqual([a.path(), b.path()], 30_000, async () => (await count(b)) === FILES)
  await a.call('folders.sync', { timeoutMs: 120_000 })
  return [a, b]
}

/** In one moment: of a removal that is looked at while it goes on, the first part is no mass deletion yet, and goes. */
async function dropDirectory(device: Device): Promise<void> {
  await rename(device.path('d'), device.beside(`d-${performance.now()}`))
}

async function count(device: Device): Promise<number> {
  return await readdir(device.path('d')).then((names) => names.length, () => 0)
}

async function statusOf(device: Device): Promise<FolderStatus> {
  const [folder] = (await device.call('status.get', {})).folders
  if (folder === undefined) throw new Error('no folder')
  return folder
}

async function waitDecision(device: Device): Promise<FolderStatus> {
  await waitFor(`${device.name} waits for a decision`, async () => (await statusOf(device)).state === 'decision', 20_000)
  return await statusOf(device)
}

test('R28: held at the source, found again after a restart, approved', { timeout: TIMEOUT_MS }, async (t) => {
  const [a, b] = await guardedPair(t, ['a', 'b'])
  await dropDirectory(a)
  const { reason } = await waitDecision(a)
  t.is(reason?.code, 'mass-deletion')
  t.ok(reason?.message.includes('p2psync approve docs'), reason?.message)
  await a.write('more.txt', 'other changes go on')
  await waitFor('the other change arrives', () => b.read('more.txt').then(() => true, () => false), 20_000)
  t.is(await count(b), FILES)
  t.is((await a.cli('sync', '--timeout', '200s')).code, 5)
  t.is((await b.cli('sync', '--timeout', '200s')).code, 5, 'the other one knows that it waits')
  await a.restart()
  await waitDecision(a)
  t.is(await count(b), FILES)
  const approved = await a.cli('approve', 'docs', '--json')
  t.is(approved.code, 0, approved.stderr)
  t.is((approved.json as { here: number }).here, FILES + 1, 'the files and their directory')
  await waitEqual([a.path(), b.path()], 30_000, async () => (await count(b)) === 0)
  t.is((await statusOf(b)).reason, null, 'an approved deletion is not held again')
  t.is((await a.cli('sync', '--timeout', '200s')).code, 0)
  t.is((await a.cli('approve', 'docs')).code, 1, 'nothing waits any more')
})

test('R28: rejected at the source, the files come back', { timeout: TIMEOUT_MS }, async (t) => {
  const [a, b] = await guardedPair(t, ['a'])
  await dropDirectory(a)
  await waitDecision(a)
  t.is((await a.cli('reject', 'docs')).code, 0)
  const tree = await waitEqual([a.path(), b.path()], 30_000, async () => (await count(a)) === FILES)
  t.is(tree.size, FILES + 2)
  t.is(await a.read('d/7.txt'), 'file 7')
  t.is((await a.cli('sync', '--timeout', '200s')).code, 0)
  await waitFor('a rests', async () => (await statusOf(a)).state === 'idle')
})

test('R29: held where it arrives, rejected there, lives everywhere; then approved there', { timeout: TIMEOUT_MS }, async (t) => {
  const [a, b] = await guardedPair(t, ['b'])
  await dropDirectory(a)
  const { reason } = await waitDecision(b)
  t.is(reason?.code, 'mass-deletion')
  t.is(await count(b), FILES)
  await b.restart()
  await waitDecision(b)
  t.is(await count(b), FILES)
  t.is((await b.cli('reject', 'docs')).code, 0)
  await waitEqual([a.path(), b.path()], 30_000, async () => (await count(a)) === FILES)
  t.is((await b.cli('sync', '--timeout', '200s')).code, 0)

  await dropDirectory(a)
  await waitDecision(b)
  t.is((await b.cli('approve', 'docs')).code, 0)
  await waitEqual([a.path(), b.path()], 30_000, async () => (await count(b)) === 0)
  t.is((await b.cli('sync', '--timeout', '200s')).code, 0)
})

test('R27: a renamed directory is no deletion', { timeout: TIMEOUT_MS }, async (t) => {
  const [a, b] = await guardedPair(t, ['a', 'b'])
  await mkdir(a.path('new'))
  await rename(a.path('d'), a.path('new', 'place'))
  await waitEqual([a.path(), b.path()], 30_000, async () => (await readdir(b.path('new', 'place')).catch(() => [])).length === FILES)
  t.is(await count(b), 0)
  t.is((await b.cli('sync', '--timeout', '200s')).code, 0)
  t.is((await statusOf(a)).reason, null)
})

/** Lost and conflicting files with real daemons: history of all devices, restore, resolve. */
import { readdir, readFile, rm, stat, utimes } from 'node:fs/promises'
import test, { type Assert } from 'brittle'
import type { Result } from '../../rpc/schema.ts'
import { createPair, type Device } from './harness.ts'
import { waitEqual, waitFor } from './tree.ts'

const TIMEOUT_MS = 280_000
const at = (second: number): Date => new Date(Date.UTC(2024, 0, 1, 0, 0, second))

type Versions = Result<'folders.history'>['versions']

async function settle(a: Device, b: Device): Promise<void> {
  await a.call('folders.sync', { timeoutMs: 120_000 })
  await waitEqual([a.path(), b.path()], 20_000)
}

async function versions(device: Device, path: string): Promise<Versions> {
  const listed = await device.cli('history', device.path(path), '--json')
  if (listed.code !== 0) throw new Error(listed.stderr)
  return (listed.json as { versions: Versions }).versions
}

async function old(device: Device, path: string): Promise<string> {
  const version = (await versions(device, path)).find(({ current }) => !current)
  if (version === undefined) throw new Error(`${path} has no old version`)
  return version.id
}

test('a version that only another device kept is listed, fetched and put back on both', { timeout: TIMEOUT_MS }, async (t) => {
  const [a, b] = await createPair(t)
  const large = Buffer.alloc(3_000_000, 'first version ')
  await a.write('doc.bin', large)
  await utimes(a.path('doc.bin'), at(1), at(1))
  await settle(a, b)
  await a.write('doc.bin', 'the second version')
  await settle(a, b)

  const listed = await versions(a, 'doc.bin')
  t.is(listed.length, 2)
  t.ok(listed[0]?.current)
  t.is(listed[1]?.size, large.length)
  t.alike(listed[1]?.holders.map(({ device, reason }) => [device.id, reason]), [[await b.id(), 'replaced']])
  t.alike((await versions(b, 'doc.bin')).map(({ id }) => id), listed.map(({ id }) => id), 'the same ids on both')

  const id = listed[1]?.id ?? ''
  const outside = a.beside('copy.bin')
  t.is((await a.cli('restore', a.path('doc.bin'), '--version', id, '--to', outside)).code, 0)
  t.ok((await readFile(outside)).equals(large))
  t.is(Math.round((await stat(outside)).mtimeMs), at(1).getTime())
  t.is((await a.cli('restore', a.path('doc.bin'), '--version', id, '--to', outside)).code, 1, 'never over something')
  t.alike((await readdir(a.beside())).sort(), ['copy.bin', 'docs', 'home'], 'nothing is left beside')

  t.is((await a.cli('restore', a.path('doc.bin'), '--version', id)).code, 0)
  t.ok((await readFile(a.path('doc.bin'))).equals(large))
  await settle(a, b)
  t.ok((await readFile(b.path('doc.bin'))).equals(large))
  const after = await versions(a, 'doc.bin')
  t.ok(after.find(({ size, current }) => size === 18 && !current), 'what stood there is in history')

  const unknown = await a.cli('restore', a.path('doc.bin'), '--version', 'ffffffffff', '--json')
  t.is(unknown.code, 1)
  t.is((unknown.json as { error: { code: string } }).error.code, 'VERSION_UNKNOWN')
  t.is((await a.cli('history', a.path('never.txt'))).code, 1)
})

test('a deleted file comes back with its directory; the tree comes back as it was', { timeout: TIMEOUT_MS }, async (t) => {
  const [a, b] = await createPair(t)
  await a.write('deep/er/note.txt', 'a note')
  await a.write('stays.txt', 'stays')
  await settle(a, b)
  const before = new Date(Date.now() + 1)
  await waitFor('a moment', async () => Date.now() > before.getTime() + 5, 1000)
  await rm(a.path('deep'), { recursive: true })
  await a.write('later.txt', 'later')
  await settle(a, b)
  t.absent((await readdir(b.path())).includes('deep'))

  const copy = a.beside('before')
  const tree = await a.cli('restore', a.path(), '--at', before.toISOString(), '--to', copy, '--json')
  t.is(tree.code, 0, tree.stderr)
  t.is((tree.json as { files: number }).files, 2)
  t.is(await readFile(`${copy}/deep/er/note.txt`, 'utf8'), 'a note')
  t.alike((await readdir(copy)).sort(), ['deep', 'stays.txt'])
  t.is((await a.cli('restore', 'docs', '--at', before.toISOString(), '--to', copy)).code, 1, 'never into something')
  t.is((await a.cli('restore', 'docs', '--at', before.toISOString(), '--to', a.path('inside'))).code, 1)

  const id = await old(a, 'deep/er/note.txt')
  t.is((await a.cli('restore', a.path('deep/er/note.txt'), '--version', id)).code, 0)
  t.is(await a.read('deep/er/note.txt'), 'a note')
  await settle(a, b)
  t.is(await b.read('deep/er/note.txt'), 'a note')
})

test('the device that holds a version is away: a sentence, nothing changed', { timeout: TIMEOUT_MS }, async (t) => {
  const [a, b] = await createPair(t)
  await a.write('doc.txt', 'first')
  await settle(a, b)
  await a.write('doc.txt', 'second')
  await settle(a, b)
  const id = await old(a, 'doc.txt')
  await b.stop()
  const refused = await a.cli('restore', a.path('doc.txt'), '--version', id, '--json')
  t.is(refused.code, 1)
  t.is(await a.read('doc.txt'), 'second')
})

async function conflict(t: Assert): Promise<[Device, Device, string]> {
  const [a, b] = await createPair(t)
  await a.write('doc.txt', 'common')
  await settle(a, b)
  await Promise.all([a.stop(), b.stop()])
  await a.write('doc.txt', 'edited on a')
  await utimes(a.path('doc.txt'), at(10), at(10))
  await b.write('doc.txt', 'edited on b')
  await utimes(b.path('doc.txt'), at(20), at(20))
  await Promise.all([a.start(), b.start()])
  await settle(a, b)
  const copy = (await readdir(a.path())).find((name) => name.includes('.sync-conflict-')) ?? ''
  return [a, b, copy]
}

test('resolve --keep this: the copy goes, on both', { timeout: TIMEOUT_MS }, async (t) => {
  const [a, b, copy] = await conflict(t)
  t.is((await a.cli('resolve', a.path('doc.txt'), '--keep', 'this')).code, 0)
  await settle(a, b)
  t.alike([await readdir(b.path()).then((names) => names.filter((name) => name !== '.p2psync')), await b.read('doc.txt')], [['doc.txt'], 'edited on b'])
  t.ok((await versions(a, copy)).length > 0, 'its bytes are in history')
  t.is((await a.cli('resolve', a.path('doc.txt'), '--keep', 'this')).code, 1, 'no conflict any more')
})

test('resolve --keep other: the copy takes the name, on both', { timeout: TIMEOUT_MS }, async (t) => {
  const [a, b, copy] = await conflict(t)
  t.is((await b.cli('resolve', b.path(copy), '--keep', 'other')).code, 0)
  await settle(a, b)
  for (const device of [a, b]) t.alike([(await readdir(device.path())).filter((name) => name !== '.p2psync'), await device.read('doc.txt')], [['doc.txt'], 'edited on a'])
  t.ok((await versions(a, 'doc.txt')).some(({ current, size }) => !current && size === 11))
})

test('resolve --keep both: the copy gets an ordinary name, on both', { timeout: TIMEOUT_MS }, async (t) => {
  const [a, b] = await conflict(t)
  await a.write('doc (2).txt', 'taken')
  await settle(a, b)
  const result = await a.cli('resolve', a.path('doc.txt'), '--keep', 'both', '--json')
  t.is(result.code, 0, result.stderr)
  await settle(a, b)
  for (const device of [a, b]) {
    t.alike((await readdir(device.path())).filter((name) => name !== '.p2psync').sort(), ['doc (2).txt', 'doc (3).txt', 'doc.txt'])
    t.alike([await device.read('doc.txt'), await device.read('doc (3).txt')], ['edited on b', 'edited on a'])
  }
  t.alike((await a.call('folders.conflicts', {})).conflicts, [])
  t.is((await a.request('GET', `/v1/folders/docs/history?path=doc.txt`)).status, 200)
})

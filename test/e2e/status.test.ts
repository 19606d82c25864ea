/** What `status` and `sync` say, and the exit codes scripts rely on. */
import { mkdir, rename, rm } from 'node:fs/promises'
import test from 'brittle'
import { createDevices, createPair } from './harness.ts'
import { waitEqual, waitFor } from './tree.ts'
import type { Result, StatusDocument } from '../../rpc/schema.ts'

test('R37: status states the folder, its totals and who is in sync', { timeout: 280_000 }, async (t) => {
  const [a, b] = await createPair(t)
  await a.write('one.txt', '12345')
  await a.write('dir/two.txt', '678')
  await waitEqual([a.path(), b.path()], 20_000, () => b.read('dir/two.txt').then(() => true, () => false))
  t.is((await a.cli('sync', '--timeout', '200s')).code, 0)
  // A watcher's word about what is known already may still come, and is looked at for a moment.
  const status = await waitFor('it rests', async () => {
    const shown = await a.cli('status', '--json')
    t.is(shown.code, 0, shown.stderr)
    const found = shown.json as StatusDocument
    return found.folders[0]?.state === 'idle' && found
  })
  t.is(status.schema, 1)
  t.is(status.devices.length, 1)
  t.is(status.devices[0]?.connected, true)
  const [folder] = status.folders
  t.is(folder?.name, 'docs')
  t.is(folder?.path, a.path())
  t.alike([folder?.files, folder?.directories, folder?.bytes], [2, 1, 8])
  t.alike(folder?.need, { files: 0, bytes: 0, deletes: 0 })
  t.is(folder?.state, 'idle')
  t.alike(folder?.devices, [{ id: await b.id(), need: { files: 0, bytes: 0, deletes: 0 }, inSync: true }])
  t.is((await a.cli('status')).code, 0, 'text for people too')
})

test('sync: 0 when equal, also right after an edit', { timeout: 280_000 }, async (t) => {
  const [a, b] = await createPair(t)
  for (let i = 0; i < 5; i++) {
    await a.write('edit.txt', `edit ${i}`)
    await b.write(`other-${i}.txt`, `${i}`)
    const synced = await a.cli('sync', '--timeout', '200s', '--json')
    t.is(synced.code, 0, synced.stderr)
    await waitEqual([a.path(), b.path()], 0)
  }
  t.pass('each sync that ended with 0 left equal trees')
})

test('sync: 4 with none connected though others have the folder, 5 when halted', { timeout: 280_000 }, async (t) => {
  const [a, b] = await createPair(t)
  await b.stop()
  await waitFor('a sees that b went', async () => !(await a.isConnectedTo(b)))
  t.is((await a.cli('sync', '--timeout', '2s', '--json')).code, 4)

  await rename(a.path(), a.beside('away'))
  const halted = await a.cli('sync', '--timeout', '200s', '--json')
  t.is(halted.code, 5, halted.stderr)
  const folder = (await a.call('status.get', {})).folders[0]
  t.is(folder?.state, 'halted')
  t.is(folder?.reason?.code, 'root-missing')

  await rename(a.beside('away'), a.path())
  await a.write('back.txt', 'back')
  await b.start()
  await waitFor('the folder goes on when its root is back', async () => {
    await a.call('folders.scan', {}).catch(() => undefined)
    return (await a.call('status.get', {})).folders[0]?.state === 'idle'
  })
  await waitEqual([a.path(), b.path()], 30_000)
})

test('R26: a folder without its marker is halted and nothing is deleted elsewhere', { timeout: 280_000 }, async (t) => {
  const [a, b] = await createPair(t)
  await a.write('precious.txt', 'bytes')
  await waitEqual([a.path(), b.path()], 20_000, () => b.read('precious.txt').then(() => true, () => false))
  await a.stop()
  await rm(a.path(), { recursive: true })
  await mkdir(a.path())
  await a.start()
  await waitFor('a says that it halted', async () => (await a.call('status.get', {})).folders[0]?.state === 'halted')
  t.is((await a.cli('sync', '--timeout', '200s', '--json')).code, 5)
  t.is(await b.read('precious.txt'), 'bytes')
})

test('a paused folder neither sends nor takes until it is resumed', { timeout: 280_000 }, async (t) => {
  const [a, b] = await createPair(t)
  t.is((await a.cli('pause', 'docs')).code, 0)
  t.is((await a.call('status.get', {})).folders[0]?.state, 'paused')
  await a.write('while-paused.txt', 'x')
  await b.write('meanwhile.txt', 'y')
  await b.call('folders.scan', {})
  const paused = await waitFor('b hears of it', async () => {
    const { paused: found } = await b.call('folders.sync', { timeoutMs: 2_000 })
    return found.length > 0 && found
  })
  t.alike(paused.map((device) => device.id), [await a.id()], 'sync lists who is paused')
  const began = Date.now()
  const here = await a.cli('sync', '--timeout', '60s', '--json')
  t.ok(Date.now() - began < 45_000, 'where it is paused, sync answers at once')
  const told = JSON.parse(here.stdout) as Result<'folders.sync'>
  t.alike([here.code, told.outcome, told.reason?.code, told.paused.map((device) => device.id), told.absent], [5, 'halted', 'paused', [await a.id()], []])
  t.ok((await a.cli('sync', 'docs')).stderr.includes('docs is paused on this device'))
  t.is((await a.cli('resume', 'docs')).code, 0)
  const tree = await waitEqual([a.path(), b.path()], 20_000, () => b.read('while-paused.txt').then(() => true, () => false))
  t.alike([...tree.keys()], ['meanwhile.txt', 'while-paused.txt'])
})

test('remove stops syncing here, files stay; added again it merges', { timeout: 280_000 }, async (t) => {
  const [a, b] = await createPair(t)
  await a.write('file.txt', '1')
  await waitEqual([a.path(), b.path()], 20_000, () => b.read('file.txt').then(() => true, () => false))
  t.is((await b.cli('remove', 'docs')).code, 0)
  t.is((await b.call('status.get', {})).folders.length, 0)
  await a.write('file.txt', '2')
  await a.call('folders.scan', {})
  t.is(await b.read('file.txt'), '1', 'what is there stays as it is')
  await b.add()
  const tree = await waitEqual([a.path(), b.path()], 30_000)
  t.ok(tree.has('file.txt'))
})

test('a device alone is in sync with itself', { timeout: 280_000 }, async (t) => {
  const [a] = await createDevices(t, ['a'])
  await a?.add()
  const synced = await a?.cli('sync', '--timeout', '200s', '--json')
  t.is(synced?.code, 0, synced?.stderr)
})

test('R25: two folders of one name made apart in one group stay two, and status says so', { timeout: 280_000 }, async (t) => {
  const [a, b] = await createPair(t)
  await mkdir(b.beside('other'), { recursive: true })
  const made = await b.cli('add', b.beside('other'), '--name', 'docs', '--new', '--json')
  t.is(made.code, 0, made.stderr)
  await waitFor('a hears of it', async () => (await a.call('folders.list', {})).folders.length === 2)
  const folders = (await b.call('status.get', {})).folders
  t.is(folders.length, 2)
  for (const folder of folders) t.ok(folder.problems.some((problem) => problem.code === 'same-name'), folder.path)
})

/** Changes made while a daemon was stopped, or while the other device was away, are found and merged. */
import { chmod, mkdir, rename, rm, symlink, unlink } from 'node:fs/promises'
import test from 'brittle'
import { createPair, waitConnected } from './harness.ts'
import { waitEqual } from './tree.ts'

test('edits made on both sides while both daemons were stopped are merged', { timeout: 280_000 }, async (t) => {
  const [a, b] = await createPair(t)
  await a.write('keep.txt', 'keep')
  await a.write('edit-on-a.txt', 'before')
  await a.write('edit-on-b.txt', 'before')
  await a.write('delete-on-a.txt', 'x')
  await a.write('dir/rename-on-b.txt', 'y')
  await a.write('tree/of/files.txt', 'z')
  await waitEqual([a.path(), b.path()], 20_000, () => b.read('tree/of/files.txt').then(() => true, () => false))

  await Promise.all([a.stop(), b.stop()])
  await a.write('edit-on-a.txt', 'after, on a')
  await unlink(a.path('delete-on-a.txt'))
  await mkdir(a.path('made-on-a'))
  await chmod(a.path('keep.txt'), 0o600)
  await b.write('edit-on-b.txt', 'after, on b')
  await rename(b.path('dir/rename-on-b.txt'), b.path('dir/renamed.txt'))
  await rm(b.path('tree'), { recursive: true })
  await symlink('keep.txt', b.path('made-on-b'))
  await Promise.all([a.start(), b.start()])

  const tree = await waitEqual([a.path(), b.path()], 30_000, () => a.read('dir/renamed.txt').then(() => true, () => false))
  t.alike([...tree.keys()], ['dir', 'dir/renamed.txt', 'edit-on-a.txt', 'edit-on-b.txt', 'keep.txt', 'made-on-a', 'made-on-b'])
  t.is(await b.read('edit-on-a.txt'), 'after, on a')
  t.is(await a.read('edit-on-b.txt'), 'after, on b')
  t.ok(tree.get('keep.txt')?.startsWith('file 600 '))
})

test('edits made while the other device was away arrive when it is back', { timeout: 280_000 }, async (t) => {
  const [a, b] = await createPair(t)
  await a.write('shared.txt', '1')
  await waitEqual([a.path(), b.path()], 20_000, () => b.read('shared.txt').then(() => true, () => false))
  await b.stop()
  for (let i = 0; i < 50; i++) await a.write(`many/${i % 5}/${i}.txt`, `file ${i}`)
  await a.write('shared.txt', '2')
  await a.call('folders.scan', {})
  await b.start()
  await waitConnected(a, b)
  const tree = await waitEqual([a.path(), b.path()], 30_000)
  t.is(tree.size, 57, 'fifty files, six directories and the shared one')
  t.is(await b.read('shared.txt'), '2')
})

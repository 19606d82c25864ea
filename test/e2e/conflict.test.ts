/** Concurrent changes: nothing is lost, every device decides the same. */
import { chmod, readdir, unlink, utimes, writeFile } from 'node:fs/promises'
import test, { type Assert } from 'brittle'
import { createPair, type Device } from './harness.ts'
import { waitEqual, type Tree } from './tree.ts'

const TIMEOUT_MS = 280_000
const at = (second: number): Date => new Date(Date.UTC(2024, 0, 1, 0, 0, second))
const copiesIn = (tree: Tree): string[] => [...tree.keys()].filter((path) => path.includes('.sync-conflict-'))

/** A synced `doc.txt`, then one change on each side while neither daemon runs. */
async function apart(t: Assert, onA: (a: Device) => Promise<void>, onB: (b: Device) => Promise<void>): Promise<[Device, Device, Tree]> {
  const [a, b] = await createPair(t)
  await a.write('doc.txt', 'the common version')
  await waitEqual([a.path(), b.path()], 20_000, () => b.read('doc.txt').then(() => true, () => false))
  await Promise.all([a.stop(), b.stop()])
  await onA(a)
  await onB(b)
  await Promise.all([a.start(), b.start()])
  await Promise.all([a, b].map((device) => device.call('folders.sync', { timeoutMs: 120_000 })))
  return [a, b, await waitEqual([a.path(), b.path()], 20_000)]
}

test('two edits: the later keeps the name, the other becomes the same conflict copy on both', { timeout: TIMEOUT_MS }, async (t) => {
  const [a, b, tree] = await apart(
    t,
    async (device) => {
      await device.write('doc.txt', 'edited on a')
      await utimes(device.path('doc.txt'), at(10), at(10))
    },
    async (device) => {
      await device.write('doc.txt', 'edited on b, later')
      await utimes(device.path('doc.txt'), at(20), at(20))
    }
  )
  const copies = copiesIn(tree)
  t.is(copies.length, 1)
  t.ok(/^doc\.sync-conflict-[a-z2-7]{10}\.txt$/.test(copies[0] ?? ''), copies[0] ?? 'none')
  t.is(await a.read('doc.txt'), 'edited on b, later')
  t.is(await b.read(copies[0] ?? ''), 'edited on a')
  const listed = await a.cli('conflicts', '--json')
  t.is(listed.code, 0, listed.stderr)
  t.is((listed.json as { conflicts: { copy: string }[] }).conflicts[0]?.copy, copies[0])

  await unlink(b.path(copies[0] ?? ''))
  const after = await waitEqual([a.path(), b.path()], 20_000, async () => !(await readdir(a.path())).includes(copies[0] ?? ''))
  t.alike([...after.keys()], ['doc.txt'], 'a deleted conflict copy stays deleted')
})

test('chmod here, edit there: both, and no conflict', { timeout: TIMEOUT_MS }, async (t) => {
  const [, b, tree] = await apart(
    t,
    (device) => chmod(device.path('doc.txt'), 0o600),
    (device) => writeFile(device.path('doc.txt'), 'edited')
  )
  t.alike([...tree.keys()], ['doc.txt'])
  t.ok(tree.get('doc.txt')?.startsWith('file 600 '), tree.get('doc.txt') ?? 'absent')
  t.is(await b.read('doc.txt'), 'edited')
})

test('delete here, edit there: the edit stays', { timeout: TIMEOUT_MS }, async (t) => {
  const [a, , tree] = await apart(
    t,
    (device) => unlink(device.path('doc.txt')),
    (device) => writeFile(device.path('doc.txt'), 'edited')
  )
  t.alike([...tree.keys()], ['doc.txt'])
  t.is(await a.read('doc.txt'), 'edited')
})

test('the same edit on both is no conflict', { timeout: TIMEOUT_MS }, async (t) => {
  const edit = (device: Device): Promise<void> => writeFile(device.path('doc.txt'), 'the same new text')
  const [a, , tree] = await apart(t, edit, edit)
  t.alike([...tree.keys()], ['doc.txt'])
  t.is(await a.read('doc.txt'), 'the same new text')
})

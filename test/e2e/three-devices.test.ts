/** More than two devices; bytes come from whoever has them, and `sync` waits for all. */
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'brittle'
import { createGroup, waitConnected } from './harness.ts'
import { waitEqual } from './tree.ts'

test('three devices reach one tree, and a change travels through one to another while its author is off', { timeout: 280_000 }, async (t) => {
  const [a, b, c] = await createGroup(t, ['a', 'b', 'c'])
  if (a === undefined || b === undefined || c === undefined) throw new Error('unreachable')
  const roots = [a.path(), b.path(), c.path()]
  await Promise.all([a.write('a.txt', 'a'), b.write('b.txt', 'b'), c.write('c.txt', 'c')])
  const tree = await waitEqual(roots, 30_000, async () => (await c.call('status.get', {})).folders[0]?.files === 3)
  t.alike([...tree.keys()], ['a.txt', 'b.txt', 'c.txt'], 'a change of each is on all')

  await c.stop()
  await a.write('while-c-is-off/large.bin', randomBytes(3 * 1024 * 1024))
  await waitEqual([a.path(), b.path()], 30_000)
  await a.stop()
  await c.start()
  await waitConnected(b, c)
  await waitEqual([b.path(), c.path()], 30_000)
  t.pass('c got what a made from b')

  await c.write('while-a-is-off.txt', 'from c')
  await waitEqual([b.path(), c.path()], 30_000)
  await a.start()
  const last = await waitEqual(roots, 30_000)
  t.ok(last.has('while-a-is-off.txt') && last.has('while-c-is-off/large.bin'))
  t.absent([...last.keys()].some((path) => path.includes('sync-conflict')), 'no conflict copies')
})

test('R38: a device that is killed while `sync` waits for it and comes back is waited for, with what changed there', { timeout: 280_000 }, async (t) => {
  const [a, b, c] = await createGroup(t, ['a', 'b', 'c'])
  if (a === undefined || b === undefined || c === undefined) throw new Error('unreachable')
  await a.write('a.txt', 'a')
  await waitEqual([a.path(), b.path(), c.path()], 30_000)

  // It says nothing more, so that nobody can be done with it.
  process.kill(b.pid, 'SIGSTOP')
  const syncing = a.cli('sync', '--timeout', '60s', '--json')
  await delay(2_000)
  await b.kill9()
  await writeFile(b.path('from-b.txt'), 'while it was dead')
  await delay(1_000)
  await b.start()
  const { code, json } = await syncing
  t.is(code, 0)
  t.alike((json as { absent: unknown[] }).absent, [], 'it counts as connected')
  t.is(await readFile(a.path('from-b.txt'), 'utf8'), 'while it was dead')
})

/** Two trees that both have files become one: equal files are recognised, different ones are both kept. */
import { utimes, mkdir, symlink, chmod } from 'node:fs/promises'
import test from 'brittle'
import { createDevices, pair } from './harness.ts'
import { waitEqual } from './tree.ts'

const COPY = /^(.*)\.sync-conflict-[a-z2-7]{10}(\.[^.]+)?$/
const at = (second: number): Date => new Date(Date.UTC(2024, 0, 1, 0, 0, second))

test('merging two existing trees keeps every content of both', { timeout: 280_000 }, async (t) => {
  const [a, b] = await createDevices(t, ['a', 'b'])
  if (a === undefined || b === undefined) throw new Error('unreachable')
  for (const device of [a, b]) {
    await device.write('same.txt', 'the same')
    await utimes(device.path('same.txt'), at(1), at(1))
    await device.write('both/same-bytes-other-time.txt', 'equal')
  }
  await utimes(a.path('both/same-bytes-other-time.txt'), at(2), at(2))
  await utimes(b.path('both/same-bytes-other-time.txt'), at(3), at(3))
  await a.write('different.txt', 'older, of a')
  await utimes(a.path('different.txt'), at(4), at(4))
  await b.write('different.txt', 'newer, of b')
  await utimes(b.path('different.txt'), at(5), at(5))
  await a.write('only/a.txt', 'a')
  await b.write('only/b.txt', 'b')
  await a.write('kind', 'a file here')
  await mkdir(b.path('kind'))
  await b.write('kind/inside.txt', 'a directory there')
  await symlink('same.txt', a.path('link'))
  await mkdir(b.path('empty'))
  await a.write('mode.sh', '#!/bin/sh\n')
  await chmod(a.path('mode.sh'), 0o750)

  await a.add()
  await pair(a, b)
  await b.add()
  const tree = await waitEqual([a.path(), b.path()], 30_000, () => b.read('only/a.txt').then(() => true, () => false))

  const copies = [...tree.keys()].filter((path) => COPY.test(path))
  t.alike(copies.map((path) => COPY.exec(path)?.[1]).sort(), ['different', 'kind'], 'a copy of each loser and of nothing else')
  t.is(await a.read('different.txt'), 'newer, of b', 'the later mtime keeps the name')
  t.is(await b.read(copies.find((path) => path.startsWith('different')) ?? ''), 'older, of a')
  t.is(await b.read(copies.find((path) => path.startsWith('kind')) ?? ''), 'a file here')
  t.is(await a.read('kind/inside.txt'), 'a directory there', 'a directory wins over a file')
  for (const path of ['same.txt', 'only/a.txt', 'only/b.txt', 'link', 'empty', 'mode.sh']) t.ok(tree.has(path), path)
  const { conflicts } = await a.call('folders.conflicts', {})
  t.alike(conflicts.map((each) => each.copy).sort(), copies.sort(), 'the conflicts are listed')
})

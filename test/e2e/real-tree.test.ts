/** A tree as people have them: thousands of small files and one large one, equal by hash. */
import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import test from 'brittle'
import { createDevices, pair } from './harness.ts'
import { treeHash, waitEqual } from './tree.ts'

const SMALL_FILES = 3_000
const LARGE_BYTES = 64 * 1024 * 1024

async function makeTree(root: string): Promise<void> {
  for (let directory = 0; directory < SMALL_FILES / 30; directory++) {
    const path = `${root}/package-${directory % 20}/lib-${directory}`
    await mkdir(path, { recursive: true })
    const files = Array.from({ length: 30 }, (_, i) => i)
    await Promise.all(files.map((i) => writeFile(`${path}/file-${i}.js`, randomBytes((directory * 31 + i * 97) % 6_000).toString('base64'))))
  }
  await writeFile(`${root}/large.bin`, randomBytes(LARGE_BYTES))
}

test('a tree of 3,000 small files and one of 64 MiB reaches an empty device and stays equal', { timeout: 280_000 }, async (t) => {
  const [a, b] = await createDevices(t, ['a', 'b'])
  if (a === undefined || b === undefined) throw new Error('unreachable')
  await makeTree(a.path())
  await a.add()
  await pair(a, b)
  const started = Date.now()
  await b.add()
  await waitEqual([a.path(), b.path()], 150_000)
  t.comment(`${Date.now() - started} ms from add to equal`)
  t.is(await treeHash(a.path()), await treeHash(b.path()))
  t.is((await b.cli('sync', '--timeout', '200s', '--json')).code, 0)
  const folder = (await b.call('status.get', {})).folders[0]
  t.is(folder?.files, SMALL_FILES + 1)
  t.alike(folder?.problems, [])
  await Promise.all([a.restart(), b.restart()])
  t.is((await b.cli('sync', '--timeout', '200s', '--json')).code, 0, 'after a restart nothing has to be done again')
  t.is(await treeHash(a.path()), await treeHash(b.path()))
})

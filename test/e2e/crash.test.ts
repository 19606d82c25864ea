/** kill -9 at a bad moment costs nothing. */
import { randomBytes } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'brittle'
import { createPair, waitConnected, type Device } from './harness.ts'
import { treeHash, waitEqual, waitFor } from './tree.ts'

const FILE_BYTES = 96 * 1024 * 1024
const UNDER_WAY_BYTES = 4 * 1024 * 1024

/** Bytes that stand below `.p2psync` of a device's folder: what is being staged. */
async function stagedBytes(device: Device): Promise<number> {
  const root = device.path('.p2psync')
  let sum = 0
  for (const name of await readdir(root, { recursive: true }).catch(() => [])) {
    const found = await stat(join(root, name)).catch(() => null)
    if (found?.isFile()) sum += found.blocks * 512
  }
  return sum
}

for (const victim of ['receiver', 'sender'] as const) {
  test(`kill -9 of the ${victim} in the middle of a transfer, then a restart`, { timeout: 280_000 }, async (t) => {
    const [a, b] = await createPair(t)
    await a.write('small.txt', 'before')
    await waitEqual([a.path(), b.path()], 20_000, () => b.read('small.txt').then(() => true, () => false))
    await a.write('large.bin', randomBytes(FILE_BYTES))
    await a.write('small.txt', 'after')
    await waitFor('bytes are on the way', async () => (await stagedBytes(b)) > UNDER_WAY_BYTES, 30_000)
    const dead = victim === 'receiver' ? b : a
    await dead.kill9()
    const names = await readdir(b.path())
    if (names.includes('large.bin')) t.is((await stat(b.path('large.bin'))).size, FILE_BYTES, 'a final name never holds a part')
    else t.pass('no final name yet')
    const hash = await treeHash(a.path())
    await dead.start()
    await waitConnected(a, b)
    await waitEqual([a.path(), b.path()], 60_000)
    t.is(await treeHash(b.path()), hash, 'the tree of the author, byte for byte')
    t.is(await b.read('small.txt'), 'after')
    await waitFor('nothing is left in staging', async () => (await stagedBytes(b)) < UNDER_WAY_BYTES)
  })
}

test('kill -9 of both right after local edits loses none of them', { timeout: 280_000 }, async (t) => {
  const [a, b] = await createPair(t)
  for (let i = 0; i < 20; i++) await a.write(`a/${i}.txt`, `a ${i}`)
  for (let i = 0; i < 20; i++) await b.write(`b/${i}.txt`, `b ${i}`)
  await Promise.all([a.kill9(), b.kill9()])
  await Promise.all([a.start(), b.start()])
  const tree = await waitEqual([a.path(), b.path()], 30_000, () => a.read('b/19.txt').then(() => true, () => false))
  t.is(tree.size, 42, 'forty files and two directories, no conflict copies')
})

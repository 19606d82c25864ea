/** The disk of the power cuts loses what it may, and never what a sync covers. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { Random } from '../fakes/random.ts'
import type { Op } from '../shim/journal.ts'
import { Disk } from './model.ts'

const SEEDS = 60
const NEW = 1n << 40n

function op(call: Op['call'], path: string, more: Partial<Op> = {}): Op {
  return { call, path, other: '', seq: 0, inode: 0n, offset: 0, result: 0, flags: 0, data: Buffer.alloc(0), ...more }
}

/** The old file replaced as it should be: written beside, synced, renamed, the directory synced. */
function replacing(root: string): Op[] {
  const [draft, final] = [join(root, 'draft'), join(root, 'file')]
  return [
    op('create', draft, { inode: NEW, flags: 1 }),
    op('write', draft, { inode: NEW, data: Buffer.from('new') }),
    op('fsync', draft, { inode: NEW }),
    op('rename', draft, { other: final, inode: NEW }),
    op('fsync', root)
  ]
}

/** What is found at `file` over many cuts; null: nothing. */
async function found(t: Assert, change: (ops: Op[]) => Op[]): Promise<Set<string | null>> {
  const root = join(await t.tmp(), 'root')
  mkdirSync(root)
  writeFileSync(join(root, 'file'), 'old')
  const disk = new Disk([root])
  const results = new Set<string | null>()
  for (let seed = 0; seed < SEEDS; seed++) {
    disk.restore(change(replacing(root)), new Random(seed))
    results.add(existsSync(join(root, 'file')) ? readFileSync(join(root, 'file'), 'latin1') : null)
  }
  return results
}

test('what is synced is found, whatever the cut', async (t) => {
  t.alike([...(await found(t, (ops) => ops))], ['new'])
})

test('a name whose directory was not synced is the old or the new one', async (t) => {
  t.alike([...(await found(t, (ops) => ops.slice(0, -1)))].sort(), ['new', 'old'])
})

test('bytes that were not synced may be missing, half there or zeros under their final name', async (t) => {
  const results = await found(t, (ops) => ops.filter(({ call, inode }) => call !== 'fsync' || inode !== NEW))
  t.alike([...results].sort(), ['', '\0\0\0', 'n', 'new'])
})

test('syncfs covers everything before it', async (t) => {
  t.alike([...(await found(t, (ops) => [...ops.filter(({ call }) => call !== 'fsync'), op('syncfs', '')]))], ['new'])
})

test('without a cut nothing is lost; a tree that is exchanged goes with its directory', async (t) => {
  const root = join(await t.tmp(), 'root')
  mkdirSync(join(root, 'a/in'), { recursive: true })
  writeFileSync(join(root, 'a/in/file'), 'text')
  writeFileSync(join(root, 'b'), 'b')
  const disk = new Disk([root])
  disk.restore([op('exchange', join(root, 'a'), { other: join(root, 'b') })], null)
  t.alike(readdirSync(join(root, 'b/in')), ['file'])
  t.is(readFileSync(join(root, 'a'), 'utf8'), 'b')
  disk.restore([], new Random(1))
  t.is(readFileSync(join(root, 'a/in/file'), 'utf8'), 'text', 'each cut begins at the beginning')
})

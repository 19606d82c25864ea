/** Every kind of change, both ways, while both devices run. */
import { randomBytes } from 'node:crypto'
import { appendFile, chmod, lutimes, mkdir, open, rename, rm, symlink, unlink, utimes, writeFile } from 'node:fs/promises'
import test, { type Assert } from 'brittle'
import { messageOf } from '../../base/errors.ts'
import { createPair, type Device } from './harness.ts'
import { waitEqual, waitFor, type Tree } from './tree.ts'

const MIB = 1024 * 1024
const COPY = /\.sync-conflict-/

interface Change {
  readonly name: string
  run(device: Device): Promise<void>
  /** What the tree of both must then be like. */
  holds(tree: Tree): boolean
}

const is = (tree: Tree, path: string, pattern: RegExp): boolean => pattern.test(tree.get(path) ?? 'absent')

const changes: readonly Change[] = [
  { name: 'create', run: (d) => d.write('file.txt', 'one'), holds: (tree) => is(tree, 'file.txt', /^file \d+ \d+ 3 /) },
  { name: 'edit', run: (d) => writeFile(d.path('file.txt'), 'other'), holds: (tree) => is(tree, 'file.txt', /^file \d+ \d+ 5 /) },
  { name: 'append', run: (d) => appendFile(d.path('file.txt'), ' more'), holds: (tree) => is(tree, 'file.txt', /^file \d+ \d+ 10 /) },
  { name: 'rename', run: (d) => rename(d.path('file.txt'), d.path('renamed.txt')), holds: (tree) => tree.has('renamed.txt') && !tree.has('file.txt') },
  {
    name: 'move into a new directory',
    run: async (d) => {
      await mkdir(d.path('sub/deep'), { recursive: true })
      await rename(d.path('renamed.txt'), d.path('sub/deep/moved.txt'))
    },
    holds: (tree) => tree.has('sub/deep/moved.txt') && !tree.has('renamed.txt')
  },
  { name: 'rename a directory', run: (d) => rename(d.path('sub'), d.path('dir')), holds: (tree) => tree.has('dir/deep/moved.txt') && !tree.has('sub') },
  { name: 'chmod', run: (d) => chmod(d.path('dir/deep/moved.txt'), 0o600), holds: (tree) => is(tree, 'dir/deep/moved.txt', /^file 600 /) },
  { name: 'chmod of a directory', run: (d) => chmod(d.path('dir/deep'), 0o700), holds: (tree) => is(tree, 'dir/deep', /^directory 700$/) },
  { name: 'a read-only file', run: (d) => chmod(d.path('dir/deep/moved.txt'), 0o444), holds: (tree) => is(tree, 'dir/deep/moved.txt', /^file 444 /) },
  { name: 'mtime', run: (d) => utimes(d.path('dir/deep/moved.txt'), 1e9, 1e9 + 0.25), holds: (tree) => is(tree, 'dir/deep/moved.txt', /^file 444 1000000000250000 /) },
  { name: 'symlink', run: (d) => symlink('deep/moved.txt', d.path('dir/link')), holds: (tree) => is(tree, 'dir/link', /^symlink \d+ deep\/moved\.txt$/) },
  { name: 'dangling symlink', run: (d) => symlink('/nowhere/at all', d.path('dangling')), holds: (tree) => is(tree, 'dangling', /^symlink \d+ \/nowhere\/at all$/) },
  { name: 'mtime of a symlink', run: (d) => lutimes(d.path('dangling'), 1e9, 1e9), holds: (tree) => is(tree, 'dangling', /^symlink 1000000000000000 /) },
  {
    name: 'another target',
    run: async (d) => {
      await unlink(d.path('dangling'))
      await symlink('elsewhere', d.path('dangling'))
    },
    holds: (tree) => is(tree, 'dangling', / elsewhere$/)
  },
  { name: 'empty directory', run: (d) => mkdir(d.path('empty')), holds: (tree) => is(tree, 'empty', /^directory/) },
  { name: 'empty file', run: (d) => d.write('zero', ''), holds: (tree) => is(tree, 'zero', /^file \d+ \d+ 0 /) },
  { name: '20 MiB', run: (d) => d.write('large.bin', randomBytes(20 * MIB)), holds: (tree) => is(tree, 'large.bin', /^file \d+ \d+ 20971520 /) },
  {
    name: 'an edit inside the 20 MiB',
    run: async (d) => {
      const file = await open(d.path('large.bin'), 'r+')
      await file.write(randomBytes(5000), 0, 5000, 9 * MIB)
      await file.close()
    },
    holds: (tree) => is(tree, 'large.bin', / 20971520 /)
  },
  { name: 'truncate to nothing', run: (d) => writeFile(d.path('large.bin'), ''), holds: (tree) => is(tree, 'large.bin', / 0 e3b0c442/) },
  {
    name: 'file becomes directory',
    run: async (d) => {
      await unlink(d.path('zero'))
      await d.write('zero/inside.txt', 'now a directory')
    },
    holds: (tree) => is(tree, 'zero', /^directory/) && tree.has('zero/inside.txt')
  },
  {
    name: 'directory becomes symlink',
    run: async (d) => {
      await rm(d.path('zero'), { recursive: true })
      await symlink('dir', d.path('zero'))
    },
    holds: (tree) => is(tree, 'zero', /^symlink \d+ dir$/)
  },
  {
    name: 'symlink becomes file',
    run: async (d) => {
      await unlink(d.path('zero'))
      await d.write('zero', 'file again')
    },
    holds: (tree) => is(tree, 'zero', /^file \d+ \d+ 10 /)
  },
  {
    name: 'file becomes symlink',
    run: async (d) => {
      await unlink(d.path('zero'))
      await symlink('empty', d.path('zero'))
    },
    holds: (tree) => is(tree, 'zero', /^symlink/)
  },
  {
    name: 'symlink becomes directory',
    run: async (d) => {
      await unlink(d.path('zero'))
      await d.write('zero/a/b/c.txt', 'deep')
    },
    holds: (tree) => tree.has('zero/a/b/c.txt')
  },
  {
    name: 'directory becomes file',
    run: async (d) => {
      await rm(d.path('zero'), { recursive: true })
      await d.write('zero', 'and back')
    },
    holds: (tree) => is(tree, 'zero', /^file \d+ \d+ 8 /) && !tree.has('zero/a')
  },
  {
    name: 'replace by rename over it',
    run: async (d) => {
      await d.write('zero.new', 'replaced')
      await rename(d.path('zero.new'), d.path('zero'))
    },
    holds: (tree) => is(tree, 'zero', / 8 /) && !tree.has('zero.new')
  },
  { name: 'unusual names', run: (d) => d.write('dir/ä ö\\ü\n"?*.txt ', 'x'), holds: (tree) => tree.has('dir/ä ö\\ü\n"?*.txt ') },
  { name: 'delete a file', run: (d) => unlink(d.path('zero')), holds: (tree) => !tree.has('zero') },
  { name: 'delete an empty directory', run: (d) => rm(d.path('empty'), { recursive: true }), holds: (tree) => !tree.has('empty') },
  { name: 'delete a tree', run: (d) => rm(d.path('dir'), { recursive: true }), holds: (tree) => !tree.has('dir') && !tree.has('dir/deep/moved.txt') }
]

async function runChanges(t: Assert, from: Device, to: Device): Promise<void> {
  for (const change of changes) {
    const started = Date.now()
    await change.run(from)
    const tree = await waitEqual([from.path(), to.path()], 15_000).catch((error: unknown): never => {
      throw new Error(`${change.name}: ${messageOf(error)}`, { cause: error })
    })
    t.ok(change.holds(tree), `${change.name} (${Date.now() - started} ms)`)
    t.absent([...tree.keys()].some((path) => COPY.test(path)), 'no conflict')
  }
}

for (const direction of ['a to b', 'b to a']) {
  test(`every kind of change reaches the other device, ${direction}`, { timeout: 280_000 }, async (t) => {
    const [a, b] = await createPair(t)
    await (direction === 'a to b' ? runChanges(t, a, b) : runChanges(t, b, a))
    await waitFor('both say they are in sync', async () => (await inSync(a)) && (await inSync(b)))
  })
}

async function inSync(device: Device): Promise<boolean> {
  const folder = (await device.call('status.get', {})).folders[0]
  return folder?.state === 'idle' && folder.devices.length === 1 && folder.devices.every((other) => other.inSync)
}

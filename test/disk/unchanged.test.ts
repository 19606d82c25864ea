/** A directory that the index knows as a whole: its rows are not read where nothing changed, and whatever changed is told, and keeps it from being moved. */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test, { type Assert } from 'brittle'
import { WorkerPool } from '../../base/workers.ts'
import { directoryDigest } from '../../daemon/sync/directory-digest.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { nameOf } from '../../daemon/sync/path.ts'
import type { MovedTree } from '../../daemon/sync/relocation.ts'
import { openFolder, scan, told, type Folder } from './tree.ts'

/** A directory with files, one with files inside it, a symlink. */
async function knownFolder(t: Assert): Promise<Folder & { readonly read: string[] }> {
  const workers = new WorkerPool()
  t.teardown(async () => await workers.close())
  const folder = await openFolder(t, { workers })
  fs.mkdirSync(join(folder.root, 'd/sub'), { recursive: true })
  for (const name of ['d/a', 'd/b', 'd/ä\u{1f600}', 'd/sub/x']) fs.writeFileSync(join(folder.root, name), name)
  fs.symlinkSync('a', join(folder.root, 'd/link'))
  // What was written in the moment of a reading is read once more.
  for (let left = 100; left > 0 && (await scan(folder)).length > 0; left--) await new Promise((resolve) => setTimeout(resolve, 50))
  const read: string[] = []
  const digests = new Map<PathKey, Buffer>()
  for (const directory of ['', 'd', 'd/sub'] as PathKey[]) {
    const rows = await folder.rows.children(directory)
    digests.set(directory, directoryDigest([...rows].map(([name, { seen }]) => ({ name, ino: BigInt(seen?.ino ?? 0), size: BigInt(seen?.size ?? 0), mtimeNs: BigInt(seen?.mtimeNs ?? 0), ctimeNs: BigInt(seen?.ctimeNs ?? 0), mode: BigInt(seen?.mode ?? 0) }))))
  }
  folder.rows.onChildren = (directory) => void read.push(directory)
  Object.assign(folder.rows, { digest: async (directory: PathKey) => digests.get(directory) ?? null })
  return { ...folder, read }
}

test('what did not change is known without its rows', async (t) => {
  const folder = await knownFolder(t)
  const watched: string[] = []
  t.alike(await scan(folder, { onDirectory: (directory) => (watched.push(directory), null) }), [])
  t.alike(folder.read, [])
  t.alike(watched.sort(), ['', 'd', 'd/sub'], 'each is watched, and looked at')
})

const CHANGES: readonly { readonly what: string; readonly change: (root: string) => void; readonly tells: readonly string[]; readonly reads: readonly string[] }[] = [
  { what: 'another content of the same size and time', change: (root) => rewrite(join(root, 'd/a'), 'D/A'), tells: ['present d/a'], reads: ['d'] },
  { what: 'a new file', change: (root) => fs.writeFileSync(join(root, 'd/new'), 'n'), tells: ['present d/new'], reads: ['d'] },
  { what: 'a file that is gone', change: (root) => fs.rmSync(join(root, 'd/b')), tells: ['absent d/b'], reads: ['d'] },
  { what: 'a file that has another name', change: (root) => fs.renameSync(join(root, 'd/b'), join(root, 'd/c')), tells: ['absent d/b', 'present d/c'], reads: ['d'] },
  { what: 'the mode of a file', change: (root) => fs.chmodSync(join(root, 'd/a'), 0o600), tells: ['present d/a'], reads: ['d'] },
  { what: 'the mode of a directory', change: (root) => fs.chmodSync(join(root, 'd/sub'), 0o700), tells: ['present d/sub'], reads: ['d'] },
  { what: 'a symlink to elsewhere', change: (root) => relink(join(root, 'd/link'), 'b'), tells: ['present d/link'], reads: ['d'] },
  { what: 'a file deeper down', change: (root) => fs.writeFileSync(join(root, 'd/sub/y'), 'y'), tells: ['present d/sub/y'], reads: ['d/sub'] },
  { what: 'something special', change: (root) => void execFileSync('mkfifo', [join(root, 'd/pipe')]), tells: ['problem d/pipe special-file'], reads: ['d'] }
]

for (const { what, change, tells, reads } of CHANGES) {
  test(`told of a directory that is known as a whole: ${what}`, async (t) => {
    const folder = await knownFolder(t)
    change(folder.root)
    const found = told(await scan(folder)).filter((line) => !line.startsWith('unstable'))
    t.alike(found, tells)
    t.ok(reads.every((directory) => folder.read.includes(directory)), folder.read.join(' '))
  })
}

test('R46: what is known as a whole moves as a whole, without its rows', async (t) => {
  const folder = await knownFolder(t)
  t.alike(await moveAway(folder), { paths: 7, directories: ['d' as PathKey, 'd/sub' as PathKey] })
  t.alike(folder.read, [])
  t.is(fs.readFileSync(join(folder.root, 'n/sub/x'), 'utf8'), 'd/sub/x')
})

for (const { what, change } of CHANGES) {
  test(`R46: what is known as a whole stays for ${what}`, async (t) => {
    const folder = await knownFolder(t)
    change(folder.root)
    t.is(await moveAway(folder), null)
    t.ok(fs.existsSync(join(folder.root, 'd')))
  })
}

test('what the rules exclude since is not entered', async (t) => {
  const folder = await knownFolder(t)
  fs.writeFileSync(join(folder.root, 'd/sub/y'), 'y')
  t.alike(await scan(folder, { ignored: (path) => path.startsWith('d/sub') }), [])
})

test('a scan that reads all files again reads these as well', async (t) => {
  const folder = await knownFolder(t)
  t.alike(told(await scan(folder, { rehash: true })).filter((line) => line.startsWith('present') && nameOf(line as PathKey) === 'a'), ['present d/a'])
})

test('a problem that was told is looked at again', async (t) => {
  const folder = await knownFolder(t)
  const pipe = join(folder.root, 'd/pipe')
  execFileSync('mkfifo', [pipe])
  t.alike(told(await scan(folder)), ['problem d/pipe special-file'])
  fs.rmSync(pipe)
  t.alike(told(await scan(folder)), ['healed d/pipe'])
})

async function moveAway({ disk, root, rows }: Folder): Promise<MovedTree | null> {
  const { ino } = fs.lstatSync(join(root, 'd'), { bigint: true })
  return await disk.moveDirectory({ from: 'd' as PathKey, to: 'n' as PathKey, ino: String(ino) }, rows)
}

function rewrite(path: string, text: string): void {
  const before = join(fs.mkdtempSync(join(tmpdir(), 'p2psync-')), 'before')
  execFileSync('cp', ['-p', path, before])
  fs.writeFileSync(path, text)
  // To the nanosecond, which Node's utimes is not.
  execFileSync('touch', ['-r', before, path])
  fs.rmSync(dirname(before), { recursive: true })
}

function relink(path: string, target: string): void {
  fs.rmSync(path)
  fs.symlinkSync(target, path)
}

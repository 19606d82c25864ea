/** What stands on disk below a folder, in a form that two devices can be compared by. Knows nothing of p2psync but `.p2psync`. */
import { createHash } from 'node:crypto'
import { createReadStream, type BigIntStats } from 'node:fs'
import { lstat, readFile, readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf } from '../../base/errors.ts'

/** Path below the root → one line that says everything that is synced about it. */
export type Tree = ReadonlyMap<string, string>

/** Hashing trees is work that the daemons under test should not have to share the machine with. */
const TREE_POLL_MS = 50
const POLL_MS = 20

/** Kinds, permission bits, sizes, mtimes (µs), link targets and, if `content`, the SHA-256 of every file. */
export async function treeOf(root: string, content = true): Promise<Tree> {
  const tree = new Map<string, string>()
  await walk(root, '', content, tree)
  return new Map([...tree].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** One hash over the whole tree. */
export async function treeHash(root: string): Promise<string> {
  const hash = createHash('sha256')
  for (const [path, line] of await treeOf(root)) hash.update(`${path}\0${line}\0`)
  return hash.digest('hex')
}

/** The paths in which the two differ, with both sides; empty if they are equal. */
export function differences(left: Tree, right: Tree): string[] {
  const lines: string[] = []
  for (const path of new Set([...left.keys(), ...right.keys()])) {
    if (left.get(path) !== right.get(path)) lines.push(`${path}\n  < ${left.get(path) ?? 'absent'}\n  > ${right.get(path) ?? 'absent'}`)
  }
  return lines
}

/** The texts of all files below a folder, those of its history included: what is kept there, so not what is on its way in. */
export async function textsOf(root: string, directory = '', found = new Set<string>()): Promise<Set<string>> {
  for (const entry of await orGone(readdir(join(root, directory), { withFileTypes: true }), [])) {
    const path = join(directory, entry.name)
    if (path === join('.p2psync', 'staging') || path === join('.p2psync', 'marker.json')) continue
    if (entry.isDirectory()) await textsOf(root, path, found)
    if (!entry.isFile()) continue
    const text = await orGone(readFile(join(root, path), 'utf8'), null)
    if (text !== null) found.add(text)
  }
  return found
}

/** What is waited for may take so many times as long as asked: a machine with other work is slower, and nothing is wrong by that. */
export const PATIENCE = 4

/** Waits until all roots hold the same tree by hash and `ready` holds; rejects with the differences. */
export async function waitEqual(roots: readonly string[], timeoutMs = 20_000, ready: () => Promise<boolean> | boolean = () => true): Promise<Tree> {
  const deadline = Date.now() + timeoutMs * PATIENCE
  let last: string[] = []
  for (;;) {
    const found = await compare(roots)
    if (found.kind === 'equal' && (await ready())) return found.tree
    last = found.kind === 'equal' ? [`equal, but not as expected: ${[...found.tree.keys()].slice(0, 40).join(' ')}`] : found.lines
    if (Date.now() > deadline) throw new Error(`not equal after ${timeoutMs * PATIENCE} ms, ${last.length} differences:\n${last.slice(0, 20).join('\n')}`)
    await pause(TREE_POLL_MS)
  }
}

/** Waits until `condition` gives something other than false, null or undefined, and returns that. */
export async function waitFor<T>(what: string, condition: () => Promise<T | false | null | undefined> | T | false | null | undefined, timeoutMs = 20_000): Promise<T> {
  const deadline = Date.now() + timeoutMs * PATIENCE
  for (;;) {
    const value = await condition()
    if (value !== false && value !== null && value !== undefined) return value
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs * PATIENCE} ms: ${what}`)
    await pause(POLL_MS)
  }
}

type Comparison = { readonly kind: 'equal'; readonly tree: Tree } | { readonly kind: 'different'; readonly lines: string[] }

/** Metadata first: files are hashed only once everything else agrees. */
async function compare(roots: readonly string[]): Promise<Comparison> {
  for (const content of [false, true]) {
    const trees = await Promise.all(roots.map((root) => treeOf(root, content)))
    const [first, ...others] = trees
    if (first === undefined) throw new Error('no roots')
    const lines = others.flatMap((other, i) => differences(first, other).map((line) => `${roots[0]} < > ${roots[i + 1]}: ${line}`))
    if (lines.length > 0) return { kind: 'different', lines }
    if (content) return { kind: 'equal', tree: first }
  }
  throw new Error('unreachable')
}

async function walk(root: string, directory: string, content: boolean, tree: Map<string, string>): Promise<void> {
  for (const name of await orGone(readdir(join(root, directory)), [])) {
    if (directory === '' && name === '.p2psync') continue
    const path = directory === '' ? name : `${directory}/${name}`
    const stat = await orGone(lstat(join(root, path), { bigint: true }), null)
    if (stat === null) continue
    tree.set(path, await describe(join(root, path), stat, content))
    if (stat.isDirectory()) await walk(root, path, content, tree)
  }
}

async function describe(path: string, stat: BigIntStats, content: boolean): Promise<string> {
  const mode = (Number(stat.mode) & 0o777).toString(8)
  const mtime = (stat.mtimeNs / 1000n).toString()
  if (stat.isDirectory()) return `directory ${mode}`
  if (stat.isSymbolicLink()) return `symlink ${mtime} ${await orGone(readlink(path), '')}`
  if (!stat.isFile()) return 'special'
  return `file ${mode} ${mtime} ${stat.size} ${content ? await orGone(hashFile(path), '') : ''}`
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const data of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(data as Buffer)
  return hash.digest('hex')
}

/** A tree that is being synced changes under the walk. */
async function orGone<T, U>(promise: Promise<T>, gone: U): Promise<T | U> {
  try {
    return await promise
  } catch (error) {
    const code = errnoOf(error)
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EINVAL') return gone
    throw error
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

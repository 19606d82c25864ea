/**
 * A disk that may lose at a power cut whatever no sync covers. It starts from a directory as it stands, takes the calls of a journal, and
 * gives the trees that may be found afterwards. The model is stricter than ext4, and no stricter than what POSIX file systems do:
 *
 * - bytes, times and modes of a file are safe from its fsync or fdatasync (or a syncfs) on; what came later may be there, half there,
 *   zeros, or not there, for each file on its own;
 * - changes of names are atomic each (a rename has never happened by half), and those in one directory keep their order; a change is
 *   safe once a directory that it touched is synced later, with all that came before it there. Names may be seen before the bytes.
 */
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, utimesSync, writeFileSync, lutimesSync, linkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Random } from '../fakes/random.ts'
import type { Op } from '../shim/journal.ts'

interface Node {
  readonly kind: 'file' | 'directory' | 'symlink'
  data: Buffer
  mode: number
  /** Seconds. */
  mtime: number
}

/** One call on the bytes or the times of a file. */
interface Change {
  readonly at: number
  readonly op: Op
}

interface File {
  readonly changes: Change[]
  /** Number of changes that a sync covers. */
  safe: number
}

const NAME_CALLS: ReadonlySet<Op['call']> = new Set(['create', 'rename', 'exchange', 'link', 'unlink', 'mkdir', 'rmdir', 'symlink'])
const DIRTY_CALLS: ReadonlySet<Op['call']> = new Set(['write', 'truncate', 'allocate', 'chmod', 'utimes'])

export class Disk {
  readonly #roots: readonly string[]
  readonly #base = new Map<string, Node>()
  readonly #inodes = new Map<string, bigint>()

  /** Everything below the roots as it stands now is safe. */
  constructor(roots: readonly string[]) {
    this.#roots = roots
    for (const root of roots) this.#take(root)
  }

  #take(path: string): void {
    const stat = lstatSync(path, { bigint: true })
    const shared = { mode: Number(stat.mode & 0o7777n), mtime: (Number(stat.mtimeNs / 1000n) + 0.4) / 1e6 }
    this.#inodes.set(path, stat.ino)
    if (stat.isDirectory()) {
      this.#base.set(path, { kind: 'directory', data: Buffer.alloc(0), ...shared })
      for (const name of readdirSync(path)) this.#take(join(path, name))
    } else if (stat.isSymbolicLink()) this.#base.set(path, { kind: 'symlink', data: Buffer.from(readlinkSync(path)), ...shared })
    else if (stat.isFile()) this.#base.set(path, { kind: 'file', data: readFileSync(path), ...shared })
  }

  /** The roots are made anew as they may be found after these calls. `random` null: nothing is lost. */
  restore(ops: readonly Op[], random: Random | null): void {
    const names = new Names(this.#base, this.#inodes)
    const kept = random === null ? null : keptNames(ops, random)
    const files = new Map<Node, File>()
    for (const [at, op] of ops.entries()) {
      if (NAME_CALLS.has(op.call)) names.apply(op, kept === null || kept.has(at))
      if (op.call === 'syncfs') for (const file of files.values()) file.safe = file.changes.length
      const node = names.nodeOf(op.inode)
      if (node === null || node.kind === 'directory') continue
      const file = fileOf(files, node)
      if (DIRTY_CALLS.has(op.call) || (op.call === 'create' && (op.flags & 2) !== 0)) file.changes.push({ at, op })
      if (op.call === 'fsync' || op.call === 'fdatasync') file.safe = file.changes.length
    }
    for (const [node, file] of files) settle(node, file, random)
    for (const root of this.#roots) rmSync(root, { recursive: true, force: true })
    names.write(this.#roots)
  }
}

/** Paths and inodes, once as they were (to know what a call is about) and once as they may be found. */
class Names {
  readonly #seen: Map<string, Node>
  readonly #found: Map<string, Node>
  readonly #byInode = new Map<bigint, Node>()

  constructor(base: ReadonlyMap<string, Node>, inodes: ReadonlyMap<string, bigint>) {
    const copies = new Map<bigint, Node>()
    this.#seen = new Map()
    for (const [path, node] of base) {
      const inode = inodes.get(path) as bigint
      const copy = copies.get(inode) ?? { ...node }
      copies.set(inode, copy)
      this.#seen.set(path, copy)
      this.#byInode.set(inode, copy)
    }
    this.#found = new Map(this.#seen)
  }

  nodeOf(inode: bigint): Node | null {
    return this.#byInode.get(inode) ?? null
  }

  apply(op: Op, kept: boolean): void {
    const made = this.#made(op)
    if (made !== null) this.#byInode.set(op.inode, made)
    change(this.#seen, op, made)
    if (kept) change(this.#found, op, made)
  }

  #made(op: Op): Node | null {
    const now = Date.now() / 1000
    if (op.call === 'create') return (op.flags & 1) === 0 ? null : { kind: 'file', data: Buffer.alloc(0), mode: 0o600, mtime: now }
    if (op.call === 'mkdir') return { kind: 'directory', data: Buffer.alloc(0), mode: op.result & 0o7777, mtime: now }
    return op.call === 'symlink' ? { kind: 'symlink', data: op.data, mode: 0o777, mtime: now } : null
  }

  write(roots: readonly string[]): void {
    for (const root of roots) mkdirSync(root, { recursive: true, mode: 0o700 })
    const written = new Map<Node, string>()
    const paths = [...this.#found.keys()].sort((a, b) => a.split('/').length - b.split('/').length || (a < b ? -1 : 1))
    const there = new Set<string>()
    for (const path of paths) {
      // Of a directory that is lost all below it is.
      if (!roots.includes(path) && !there.has(dirname(path))) continue
      writeNode(path, this.#found.get(path) as Node, written)
      there.add(path)
    }
    for (const path of paths.reverse()) {
      const node = this.#found.get(path)
      if (node?.kind === 'directory' && written.has(node)) chmodSync(path, node.mode)
    }
  }
}

/** A subtree goes with its directory. */
function change(paths: Map<string, Node>, op: Op, made: Node | null): void {
  if (made !== null) paths.set(op.path, made)
  if (op.call === 'unlink' || op.call === 'rmdir') paths.delete(op.path)
  if (op.call === 'link') copy(paths, op.path, op.other)
  if (op.call === 'rename') {
    const moved = cut(paths, op.path)
    if (moved.size > 0) cut(paths, op.other)
    paste(paths, moved, op.other)
  }
  if (op.call === 'exchange') {
    const [one, other] = [cut(paths, op.path), cut(paths, op.other)]
    paste(paths, one, op.other)
    paste(paths, other, op.path)
  }
}

function copy(paths: Map<string, Node>, from: string, to: string): void {
  const node = paths.get(from)
  if (node !== undefined) paths.set(to, node)
}

function cut(paths: Map<string, Node>, root: string): Map<string, Node> {
  const moved = new Map([...paths].filter(([path]) => path === root || path.startsWith(`${root}/`)).map(([path, node]) => [path.slice(root.length), node]))
  for (const rest of moved.keys()) paths.delete(root + rest)
  return moved
}

function paste(paths: Map<string, Node>, moved: ReadonlyMap<string, Node>, root: string): void {
  for (const [rest, node] of moved) paths.set(root + rest, node)
}

/** Indexes of the changes of names that are found: all that a sync covers, and some of the others. */
function keptNames(ops: readonly Op[], random: Random): Set<number> {
  const needed = neededNames(ops)
  const lost = new Set<string>()
  const kept = new Set<number>()
  const share = random.next()
  for (const [at, op] of ops.entries()) {
    if (!NAME_CALLS.has(op.call)) continue
    const directories = directoriesOf(op)
    const gone = !needed.has(at) && (directories.some((path) => lost.has(path)) || random.chance(share * 0.5))
    if (gone) for (const path of directories) lost.add(path)
    else kept.add(at)
  }
  return kept
}

/** Backwards: what a later sync covers, with all that came before it in the same directories. */
function neededNames(ops: readonly Op[]): Set<number> {
  const needed = new Set<number>()
  const safe = new Set<string>()
  let all = false
  for (let at = ops.length - 1; at >= 0; at--) {
    const op = ops[at] as Op
    if (op.call === 'syncfs') all = true
    if (op.call === 'fsync') safe.add(op.path)
    if (!NAME_CALLS.has(op.call)) continue
    const directories = directoriesOf(op)
    if (!all && !directories.some((path) => safe.has(path))) continue
    needed.add(at)
    for (const path of directories) safe.add(path)
  }
  return needed
}

function directoriesOf(op: Op): string[] {
  return op.other === '' ? [dirname(op.path)] : [dirname(op.path), dirname(op.other)]
}

function fileOf(files: Map<Node, File>, node: Node): File {
  let file = files.get(node)
  if (file === undefined) files.set(node, (file = { changes: [], safe: 0 }))
  return file
}

/** What is found of a file: all that is safe, and of the rest so much as chance wants. */
function settle(node: Node, { changes, safe }: File, random: Random | null): void {
  const rest = changes.length - safe
  const count = safe + (random === null ? rest : random.pick([0, rest, random.below(rest + 1)]))
  for (const { op } of changes.slice(0, count)) dirty(node, op, 'whole')
  const torn = changes[count]
  if (torn !== undefined && random !== null) dirty(node, torn.op, random.pick(['nothing', 'half', 'zeros']))
}

function dirty(node: Node, op: Op, how: 'whole' | 'half' | 'zeros' | 'nothing'): void {
  if (how === 'nothing') return
  if (op.call === 'create') node.data = Buffer.alloc(0)
  if (op.call === 'chmod') node.mode = op.result & 0o7777
  if (op.call === 'utimes') node.mtime = Number(op.data.readBigInt64LE(16)) + Number(op.data.readBigInt64LE(24)) / 1e9
  if (op.call === 'truncate') node.data = resized(node.data, op.offset)
  // 1: FALLOC_FL_KEEP_SIZE.
  if (op.call === 'allocate' && (op.flags & 1) === 0) node.data = resized(node.data, Math.max(node.data.length, op.offset + op.result))
  if (op.call !== 'write') return
  const data = how === 'whole' ? op.data : how === 'half' ? op.data.subarray(0, op.data.length >> 1) : Buffer.alloc(op.data.length)
  node.data = resized(node.data, Math.max(node.data.length, op.offset + data.length), true)
  data.copy(node.data, op.offset)
}

function resized(data: Buffer, size: number, fresh = false): Buffer {
  if (size === data.length && !fresh) return data
  const next = Buffer.alloc(size)
  data.copy(next, 0, 0, Math.min(size, data.length))
  return next
}

function writeNode(path: string, node: Node, written: Map<Node, string>): void {
  const first = written.get(node)
  if (first !== undefined && node.kind === 'file') return linkSync(first, path)
  written.set(node, path)
  if (node.kind === 'directory') return void mkdirSync(path, { recursive: true, mode: 0o700 })
  if (node.kind === 'symlink') {
    symlinkSync(node.data.toString(), path)
    lutimesSync(path, node.mtime, node.mtime)
    return
  }
  writeFileSync(path, node.data)
  chmodSync(path, node.mode)
  utimesSync(path, node.mtime, node.mtime)
}

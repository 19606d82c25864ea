/**
 * A file tree in memory with what matters of a real one: inodes that are used again, hard links, three times, modes, symbolic
 * links, special files, unreadable places. Synchronous; user operations and the fake disk both work on it.
 */
import type { SeenStat } from '../../daemon/ports.ts'

export interface FileNode {
  readonly kind: 'file'
  ino: number
  mode: number
  mtimeNs: bigint
  ctimeNs: bigint
  /** Never changes. */
  readonly bornNs: bigint
  data: Buffer
  links: number
}

export interface SymlinkNode {
  readonly kind: 'symlink'
  ino: number
  mode: number
  mtimeNs: bigint
  ctimeNs: bigint
  /** Never changes. */
  readonly bornNs: bigint
  target: string
  links: number
}

export interface DirectoryNode {
  readonly kind: 'directory'
  ino: number
  mode: number
  mtimeNs: bigint
  ctimeNs: bigint
  /** Never changes. */
  readonly bornNs: bigint
  readonly children: Map<string, FakeNode>
  links: number
}

/** A FIFO, socket or device. */
export interface SpecialNode {
  readonly kind: 'special'
  ino: number
  mode: number
  mtimeNs: bigint
  ctimeNs: bigint
  /** Never changes. */
  readonly bornNs: bigint
  links: number
}

export type FakeNode = FileNode | SymlinkNode | DirectoryNode | SpecialNode
export type LeafNode = FileNode | SymlinkNode

/** Less than this is a burst of changes within one millisecond, not a clock that was set back. */
const CLOCK_STEP_NS = 60_000_000_000n
const TYPE_BITS: Readonly<Record<FakeNode['kind'], number>> = { file: 0o100000, directory: 0o040000, symlink: 0o120000, special: 0o010000 }

/** As Node's system errors: a `code`. */
export class FakeFsError extends Error {
  readonly code: string

  constructor(code: string, path: string) {
    super(`${code}: ${path}`)
    this.code = code
  }
}

export function statOf(node: FakeNode): SeenStat {
  return { ino: String(node.ino), size: sizeOf(node), mtimeNs: String(node.mtimeNs), ctimeNs: String(node.ctimeNs), mode: TYPE_BITS[node.kind] | node.mode }
}

function sizeOf(node: FakeNode): number {
  if (node.kind === 'file') return node.data.length
  if (node.kind === 'symlink') return Buffer.byteLength(node.target)
  return node.kind === 'directory' ? 4096 : 0
}

export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash === -1 ? '' : path.slice(0, slash)
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

export function joinPath(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`
}

export type Copies = Map<FakeNode, FakeNode>

/** Deep; one node with two names stays one. */
export function copyNode<T extends FakeNode>(node: T, copies: Copies): T {
  const known = copies.get(node)
  if (known !== undefined) return known as T
  if (node.kind !== 'directory') {
    const copy = { ...node }
    copies.set(node, copy)
    return copy
  }
  const children = new Map<string, FakeNode>()
  const copy: DirectoryNode = { ...node, children }
  copies.set(node, copy)
  for (const [name, child] of node.children) children.set(name, copyNode(child, copies))
  return copy as T
}

export class FakeTree {
  #root: DirectoryNode
  readonly #now: () => number
  #lastNs = 0n
  #nextIno = 2
  readonly #freeInos: number[] = []

  constructor(now: () => number) {
    this.#now = now
    this.#root = { kind: 'directory', ino: 1, mode: 0o755, mtimeNs: 0n, ctimeNs: 0n, bornNs: 0n, children: new Map(), links: 1 }
  }

  get root(): DirectoryNode {
    return this.#root
  }

  /** `copies`: nodes that were copied already, for those that have names outside of the tree as well. */
  snapshot(copies: Copies): DirectoryNode {
    return copyNode(this.#root, copies)
  }

  /** Inodes go on from where they are, so that what is put back is never taken for what it was. */
  reset(root: DirectoryNode): void {
    this.#root = root
    this.#freeInos.length = 0
  }

  /** Growing for as long as the clock does, with digits below a microsecond. A clock that is set back takes the stamps along. */
  stamp(): bigint {
    const now = BigInt(Math.floor(this.#now())) * 1_000_000n
    const isSetBack = now < this.#lastNs - CLOCK_STEP_NS
    this.#lastNs = now > this.#lastNs || isSetBack ? now + 7n : this.#lastNs + 1_001n
    return this.#lastNs
  }

  /** The node itself, symbolic links not followed. */
  node(path: string): FakeNode | null {
    if (path === '') return this.root
    let node: FakeNode = this.root
    for (const name of path.split('/')) {
      if (node.kind !== 'directory') return null
      const child = node.children.get(name)
      if (child === undefined) return null
      node = child
    }
    return node
  }

  lstat(path: string): SeenStat | null {
    const node = this.node(path)
    return node === null ? null : statOf(node)
  }

  directory(path: string): DirectoryNode {
    const node = this.node(path)
    if (node === null) throw new FakeFsError('ENOENT', path)
    if (node.kind !== 'directory') throw new FakeFsError('ENOTDIR', path)
    return node
  }

  newFile(data: Buffer, mode: number): FileNode {
    const at = this.stamp()
    return { kind: 'file', ino: this.#takeIno(), mode, mtimeNs: at, ctimeNs: at, bornNs: at, data, links: 0 }
  }

  newSymlink(target: string): SymlinkNode {
    const at = this.stamp()
    return { kind: 'symlink', ino: this.#takeIno(), mode: 0o777, mtimeNs: at, ctimeNs: at, bornNs: at, target, links: 0 }
  }

  newDirectory(mode: number): DirectoryNode {
    const at = this.stamp()
    return { kind: 'directory', ino: this.#takeIno(), mode, mtimeNs: at, ctimeNs: at, bornNs: at, children: new Map(), links: 0 }
  }

  newSpecial(): SpecialNode {
    const at = this.stamp()
    return { kind: 'special', ino: this.#takeIno(), mode: 0o644, mtimeNs: at, ctimeNs: at, bornNs: at, links: 0 }
  }

  /** Fails if the name is taken. */
  attach(path: string, node: FakeNode): void {
    const parent = this.directory(parentOf(path))
    if (parent.children.has(nameOf(path))) throw new FakeFsError('EEXIST', path)
    parent.children.set(nameOf(path), node)
    node.links++
    this.touchInode(node)
    this.#touchDirectory(parent)
  }

  /** Takes the name away and gives what had it; the node lives on while something holds it. */
  detach(path: string): FakeNode {
    const parent = this.directory(parentOf(path))
    const node = parent.children.get(nameOf(path))
    if (node === undefined) throw new FakeFsError('ENOENT', path)
    parent.children.delete(nameOf(path))
    node.links--
    this.touchInode(node)
    this.#touchDirectory(parent)
    return node
  }

  /** After the last link is gone and nobody holds it: the inode number can be used again, as ext4 does. */
  free(node: FakeNode): void {
    if (node.links === 0) this.#freeInos.push(node.ino)
  }

  /** A link or rename changes the inode's ctime. */
  touchInode(node: FakeNode): void {
    node.ctimeNs = this.stamp()
  }

  /** Every path, parents first. */
  *walk(directory = ''): IterableIterator<[path: string, node: FakeNode]> {
    const node = this.directory(directory)
    for (const name of [...node.children.keys()].sort()) {
      const path = joinPath(directory, name)
      const child = node.children.get(name) as FakeNode
      yield [path, child]
      if (child.kind === 'directory') yield* this.walk(path)
    }
  }

  #touchDirectory(node: DirectoryNode): void {
    node.mtimeNs = node.ctimeNs = this.stamp()
  }

  #takeIno(): number {
    return this.#freeInos.pop() ?? this.#nextIno++
  }
}

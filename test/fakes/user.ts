/** What a user or a program does to the files of a folder: plain system calls on a `FakeTree`, each with the hint a watcher gives. */
import { FakeFsError, joinPath, nameOf, parentOf, statOf, type DirectoryNode, type FakeNode, type FakeTree } from './tree.ts'
import type { SeenStat } from '../../daemon/ports.ts'

const DEFAULT_FILE_MODE = 0o644
const DEFAULT_DIRECTORY_MODE = 0o755
const WRITE_BACK_NS = 35_000_000_000n

export class FakeUser {
  readonly tree: FakeTree
  readonly #hint: (paths: readonly string[]) => void

  /** Inodes with data that a program wrote, and when: kernels write them back after half a minute. */
  readonly #written = new Map<number, bigint>()

  constructor(tree: FakeTree, hint: (paths: readonly string[]) => void = () => undefined) {
    this.tree = tree
    this.#hint = hint
  }

  /** Creates, or replaces the content in place. */
  write(path: string, data: Buffer | string, mode = DEFAULT_FILE_MODE): void {
    const bytes = Buffer.from(data)
    const node = this.tree.node(path)
    if (node === null) this.tree.attach(path, this.tree.newFile(bytes, mode))
    else if (node.kind !== 'file') throw new FakeFsError('EISDIR', path)
    else {
      node.data = bytes
      node.mtimeNs = node.ctimeNs = this.tree.stamp()
    }
    const written = this.tree.node(path)
    if (written !== null) this.#written.set(written.ino, written.mtimeNs)
    this.#hint([path])
  }

  /** A power cut may take what was written into it last. */
  isUnsynced(node: FakeNode): boolean {
    const at = this.#written.get(node.ino)
    return at !== undefined && at === node.mtimeNs && this.tree.stamp() - at < WRITE_BACK_NS
  }

  /** As editors do: a new file beside it, renamed over it. */
  replace(path: string, data: Buffer | string, mode = DEFAULT_FILE_MODE): void {
    if (this.tree.node(path)?.kind === 'directory') throw new FakeFsError('EISDIR', path)
    const beside = joinPath(parentOf(path), `.${nameOf(path)}.tmp`)
    this.write(beside, data, mode)
    this.rename(beside, path)
  }

  append(path: string, data: Buffer | string): void {
    const node = this.#expect(path, 'file')
    this.write(path, Buffer.concat([node.data, Buffer.from(data)]))
  }

  read(path: string): Buffer {
    return this.#expect(path, 'file').data
  }

  mkdir(path: string, mode = DEFAULT_DIRECTORY_MODE): void {
    this.tree.attach(path, this.tree.newDirectory(mode))
    this.#hint([path])
  }

  symlink(path: string, target: string): void {
    this.tree.attach(path, this.tree.newSymlink(target))
    this.#hint([path])
  }

  fifo(path: string): void {
    this.tree.attach(path, this.tree.newSpecial())
    this.#hint([path])
  }

  unlink(path: string): void {
    const node = this.tree.node(path)
    if (node === null) throw new FakeFsError('ENOENT', path)
    if (node.kind === 'directory') throw new FakeFsError('EISDIR', path)
    this.tree.free(this.tree.detach(path))
    this.#hint([path])
  }

  rmdir(path: string): void {
    if (this.#expect(path, 'directory').children.size > 0) throw new FakeFsError('ENOTEMPTY', path)
    this.tree.free(this.tree.detach(path))
    this.#hint([path])
  }

  /** rm -r */
  remove(path: string): void {
    const node = this.tree.node(path)
    if (node === null) throw new FakeFsError('ENOENT', path)
    if (node.kind !== 'directory') return this.unlink(path)
    for (const name of [...node.children.keys()]) this.remove(joinPath(path, name))
    this.rmdir(path)
  }

  rename(from: string, to: string): void {
    const node = this.tree.node(from)
    if (node === null) throw new FakeFsError('ENOENT', from)
    if (from === to) return
    if (to.startsWith(`${from}/`)) throw new FakeFsError('EINVAL', to)
    this.#makeRoom(node, to)
    this.tree.detach(from)
    this.tree.attach(to, node)
    this.#hint([from, to])
  }

  chmod(path: string, mode: number): void {
    const node = this.tree.node(path)
    if (node === null || node.kind === 'symlink') throw new FakeFsError('ENOENT', path)
    node.mode = mode
    node.ctimeNs = this.tree.stamp()
    this.#hint([path])
  }

  utimes(path: string, mtimeNs: bigint): void {
    const node = this.tree.node(path)
    if (node === null) throw new FakeFsError('ENOENT', path)
    node.mtimeNs = mtimeNs
    node.ctimeNs = this.tree.stamp()
    this.#hint([path])
  }

  lstat(path: string): SeenStat | null {
    const node = this.tree.node(path)
    return node === null ? null : statOf(node)
  }

  #makeRoom(node: FakeNode, to: string): void {
    const parent = this.tree.directory(parentOf(to))
    const there = parent.children.get(nameOf(to))
    if (there === undefined) return
    if (node.kind === 'directory' && there.kind !== 'directory') throw new FakeFsError('ENOTDIR', to)
    if (node.kind !== 'directory' && there.kind === 'directory') throw new FakeFsError('EISDIR', to)
    if (there.kind === 'directory' && (there as DirectoryNode).children.size > 0) throw new FakeFsError('ENOTEMPTY', to)
    this.tree.free(this.tree.detach(to))
  }

  #expect<K extends FakeNode['kind']>(path: string, kind: K): Extract<FakeNode, { kind: K }> {
    const node = this.tree.node(path)
    if (node === null) throw new FakeFsError('ENOENT', path)
    if (node.kind !== kind) throw new FakeFsError(kind === 'directory' ? 'ENOTDIR' : 'EISDIR', path)
    return node as Extract<FakeNode, { kind: K }>
  }
}

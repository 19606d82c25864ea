/** The fake disk's scan: as the port says, on a `FakeTree`. One walk per request. */
import { P2psyncError } from '../../base/errors.ts'
import type { Finding, KnownTree, Problem, Row, ScanRequest } from '../../daemon/ports.ts'
import { chunkId, contentList, type Chunk, type ContentList } from '../../daemon/sync/content.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import type { DiskStore } from './disk-store.ts'
import type { Life } from './life.ts'
import { joinPath, nameOf, parentOf, statOf, type DirectoryNode, type FakeNode, type FileNode } from './tree.ts'

/** Small, so that small contents have several chunks. */
export const CHUNK_BYTES = 8
/** How far below a looked-at directory the walk goes; `all` is everything. */
type Depth = 'all' | number

/** A fake cutter: every 8 bytes. */
export function cut(data: Buffer): ContentList {
  const chunks: Chunk[] = []
  for (let at = 0; at < data.length; at += CHUNK_BYTES) {
    const piece = data.subarray(at, at + CHUNK_BYTES)
    chunks.push({ id: chunkId(piece), length: piece.length })
  }
  return contentList(0, chunks)
}

/** Truncated to what Node can restore. */
export function microseconds(ns: bigint): string {
  return String((ns / 1000n) * 1000n)
}

export class ScanWalk {
  readonly #store: DiskStore
  readonly #life: Life
  readonly #request: ScanRequest
  readonly #known: KnownTree
  readonly #problems: Map<string, Problem>
  /** Rows of files that do not stand where they stood, by inode. */
  readonly #departed = new Map<string, { path: PathKey; row: Row }>()
  /** Directories that do not stand where they stood, and where others stand, by inode. */
  readonly #missed = new Map<string, { readonly path: PathKey; readonly born: bigint }>()
  readonly #met = new Map<string, { readonly path: PathKey; readonly born: bigint }>()
  /** Told once it is known what departed; then null. */
  #newcomers: { readonly path: PathKey; readonly kind: FakeNode['kind'] }[] | null = []

  constructor(store: DiskStore, life: Life, request: ScanRequest, known: KnownTree, problems: Map<string, Problem>) {
    this.#store = store
    this.#life = life
    this.#request = request
    this.#known = known
    this.#problems = problems
  }

  async *run(): AsyncGenerator<Finding> {
    yield* this.#walk()
    const newcomers = this.#newcomers ?? []
    this.#newcomers = null
    for (const { path, kind } of newcomers) {
      if (this.#store.tree.node(path)?.kind !== kind) yield { kind: 'unstable', path }
      else if (kind === 'directory') yield* this.#directory(path, 'all')
      else yield* this.#present(path, await this.#known.row(path), 'all')
    }
  }

  async *#walk(): AsyncGenerator<Finding> {
    const { paths } = this.#request
    if (paths === 'all') {
      yield* this.#directory('' as PathKey, 'all')
      for (const path of [...this.#problems.keys()]) if (this.#store.tree.node(path) === null) yield* this.#healed(path as PathKey)
      return
    }
    for (const path of [...new Set(paths)].sort()) yield* this.#look(path)
  }

  /** The topmost thing on the way to the path that is new, gone or no directory speaks for all below it. */
  async *#look(path: PathKey): AsyncGenerator<Finding> {
    if (path === '') return yield* this.#directory(path, 1)
    const names = path.split('/')
    for (let depth = 1; depth <= names.length; depth++) {
      const at = names.slice(0, depth).join('/') as PathKey
      const parent = names.slice(0, depth - 1).join('/') as PathKey
      if (this.#store.denied.has(parent)) return yield this.#problem(parent, 'EACCES')
      const node = this.#store.tree.node(at)
      const row = await this.#known.row(at)
      const last = depth === names.length
      if (node !== null && last && this.#request.ignored(at, node.kind === 'directory')) return yield* this.#replaced(at, row)
      if (this.#request.ignored(at, node === null ? !last || row?.entry.kind === 'directory' : node.kind === 'directory')) return
      if (node === null) return yield* this.#absent(at, row)
      if (last) return yield* this.#present(at, row, 1)
      if (node.kind !== 'directory' || row?.entry.kind !== 'directory') return yield* this.#present(at, row, 'all')
    }
  }

  async *#directory(directory: PathKey, depth: Depth): AsyncGenerator<Finding> {
    await this.#request.onDirectory?.(directory)
    await this.#life.step()
    const node = this.#store.tree.node(directory)
    if (node?.kind !== 'directory') return yield { kind: 'unstable', path: directory }
    if (directory === '' && this.#store.halted !== null) throw new P2psyncError('FOLDER_HALTED', this.#store.halted.message)
    if (this.#store.denied.has(directory)) return yield this.#problem(directory, 'EACCES')
    yield* this.#healed(directory)
    const names = [...node.children.keys()].sort()
    const rows = await this.#known.children(directory)
    for (const name of names) {
      const path = joinPath(directory, name) as PathKey
      yield* this.#present(path, rows.get(name) ?? null, depth === 'all' ? 'all' : depth - 1)
    }
    for (const [name, row] of rows) {
      if (!names.includes(name)) yield* this.#absent(joinPath(directory, name) as PathKey, row)
    }
    for (const path of [...this.#problems.keys()]) {
      if (path !== '' && parentOf(path) === directory && !names.includes(nameOf(path))) yield* this.#healed(path as PathKey)
    }
  }

  async *#present(path: PathKey, row: Row | null, depth: Depth): AsyncGenerator<Finding> {
    const node = this.#store.tree.node(path)
    if (node === null) return yield { kind: 'unstable', path }
    if (this.#request.ignored(path, node.kind === 'directory')) return yield* this.#replaced(path, row)
    if (row !== null && row.seen?.ino !== String(node.ino)) this.#depart(path, row)
    if (node.kind === 'special') {
      yield* this.#replaced(path, row)
      return yield this.#problem(path, 'special-file')
    }
    if (node.kind === 'directory') return yield* this.#presentDirectory(path, node, row, depth)
    if (node.kind === 'file' && this.#store.denied.has(path)) return yield this.#problem(path, 'EACCES')
    yield* this.#presentLeaf(path, node, row)
    if (row?.entry.kind === 'directory' || row?.shadow) yield* this.#absentBelow(path)
  }

  async *#presentDirectory(path: PathKey, node: DirectoryNode, row: Row | null, depth: Depth): AsyncGenerator<Finding> {
    const seen = statOf(node)
    if (this.#directoryIsNews(path, node, row)) yield { kind: 'present', path, node: { kind: 'directory', mode: node.mode & 0o777 }, seen }
    const known = row?.entry.kind === 'directory' && row.ignored !== true
    if (!known) {
      this.#met.set(seen.ino, { path, born: node.bornNs })
      this.#tellMoved(seen.ino)
    }
    if (this.#newcomers !== null && !row?.shadow && (!known || row?.seen?.ino !== seen.ino)) this.#newcomers.push({ path, kind: 'directory' })
    else if (!known) yield* this.#directory(path, 'all')
    else if (depth === 'all' || depth > 0) yield* this.#directory(path, depth)
    else yield* this.#healed(path)
  }

  #directoryIsNews(path: PathKey, node: DirectoryNode, row: Row | null): boolean {
    if (row?.shadow) return [...node.children].some(([name, child]) => child.kind !== 'special' && !this.#request.ignored(joinPath(path, name) as PathKey, child.kind === 'directory'))
    if (row === null || row.ignored || row.seen === null || row.entry.kind !== 'directory') return true
    return row.seen.ino !== String(node.ino) || row.seen.mode !== statOf(node).mode
  }

  async *#presentLeaf(path: PathKey, node: Exclude<FakeNode, { kind: 'directory' | 'special' }>, row: Row | null): AsyncGenerator<Finding> {
    const seen = statOf(node)
    const unchanged = row !== null && !row.ignored && row.entry.kind === node.kind && row.seen !== null && sameStat(row.seen, seen)
    if (unchanged && this.#request.rehash !== true) return yield* this.#healed(path)
    if (node.kind === 'symlink') {
      yield { kind: 'present', path, node: { kind: 'symlink', mtime: microseconds(node.mtimeNs), target: node.target }, seen }
      return yield* this.#healed(path)
    }
    const isNew = this.#request.rehash !== true && row?.seen?.ino !== seen.ino
    if (isNew && this.#newcomers !== null) return void this.#newcomers.push({ path, kind: 'file' })
    const moved = isNew ? await this.#moved(path, node, seen) : null
    if (moved !== null) yield moved
    else yield* this.#hash(path, node, seen)
    yield* this.#healed(path)
  }

  #tellMoved(ino: string): void {
    const [missed, met] = [this.#missed.get(ino), this.#met.get(ino)]
    if (missed !== undefined && met !== undefined && met.born <= missed.born) this.#request.onMovedDirectory?.({ from: missed.path, to: met.path })
  }

  #depart(path: PathKey, row: Row): void {
    if (row.entry.kind === 'file' && row.seen !== null && row.ignored !== true) this.#departed.set(row.seen.ino, { path, row })
  }

  async #moved(path: PathKey, node: FileNode, seen: ReturnType<typeof statOf>): Promise<Finding | null> {
    const from = this.#departed.get(seen.ino)
    const was = from?.row.seen ?? null
    if (from === undefined || was === null || from.row.entry.kind !== 'file') return null
    if (was.size !== seen.size || was.mtimeNs !== seen.mtimeNs || node.bornNs > BigInt(was.ctimeNs)) return null
    const known = await this.#known.content(from.row.entry.cid)
    if (known === null) return null
    const content = { kind: 'file', mode: node.mode & 0o777, size: node.data.length, mtime: microseconds(node.mtimeNs), content: known.list } as const
    return { kind: 'present', path, node: content, seen: { ...seen, ctimeNs: was.ctimeNs }, moved: { from: from.path, unread: seen.ctimeNs !== was.ctimeNs } }
  }

  /** Reads twice: what changes in between is unstable. */
  async *#hash(path: PathKey, node: FileNode, seen: ReturnType<typeof statOf>): AsyncGenerator<Finding> {
    const data = Buffer.from(node.data)
    await this.#life.step()
    const after = this.#store.tree.node(path)
    if (after === null || !sameStat(statOf(after), seen)) return yield { kind: 'unstable', path }
    const content = cut(data)
    const [only] = content.chunks
    if (only !== undefined && content.chunks.length === 1) this.#request.onChunk?.(only.id, Buffer.from(data))
    yield { kind: 'present', path, node: { kind: 'file', mode: node.mode & 0o777, size: data.length, mtime: microseconds(node.mtimeNs), content }, seen }
  }

  async *#replaced(path: PathKey, row: Row | null): AsyncGenerator<Finding> {
    if (row !== null && (row.entry.kind !== 'tombstone' || row.shadow === true)) yield* this.#absent(path, row)
  }

  async *#absent(path: PathKey, row: Row | null): AsyncGenerator<Finding> {
    yield* this.#healed(path)
    if (row === null || this.#request.ignored(path, row.entry.kind === 'directory' || row.shadow === true)) return
    if (row.entry.kind === 'directory' && row.seen !== null && row.ignored !== true && !row.shadow) {
      this.#missed.set(row.seen.ino, { path, born: BigInt(row.seen.ctimeNs) })
      this.#tellMoved(row.seen.ino)
    }
    if (row.entry.kind === 'directory' || row.shadow) yield* this.#absentBelow(path)
    this.#depart(path, row)
    if (row.entry.kind !== 'tombstone' || row.seen !== null) yield { kind: 'absent', path, row }
  }

  async *#absentBelow(directory: PathKey): AsyncGenerator<Finding> {
    for (const [name, row] of await this.#known.children(directory)) yield* this.#absent(joinPath(directory, name) as PathKey, row)
  }

  #problem(path: PathKey, code: string): Finding {
    const problem: Problem = { path, code, message: `cannot read ${path}: ${code}` }
    this.#problems.set(path, problem)
    return { kind: 'problem', path, problem }
  }

  *#healed(path: PathKey): Generator<Finding> {
    if (this.#problems.delete(path)) yield { kind: 'healed', path }
  }
}

export function sameStat(a: ReturnType<typeof statOf>, b: ReturnType<typeof statOf>): boolean {
  return a.ino === b.ino && a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs && a.mode === b.mode
}

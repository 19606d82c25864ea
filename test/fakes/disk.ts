/** A `Disk` over a `DiskStore`: what daemon/disk does on a real file system, in memory and with virtual time. */
import { P2psyncError } from '../../base/errors.ts'
import type { ApplyOp, ApplyResult, AsidePlace, Disk, Finding, HistoryFile, KeptNote, KnownTree, Look, Place, Problem, PutBack, Recheck, RootState, ScanRequest, SeenStat, StagedFile, Stray, WholeFile } from '../../daemon/ports.ts'
import { chunkId, type ContentList } from '../../daemon/sync/content.ts'
import type { IgnoreText } from '../../daemon/sync/ignore.ts'
import type { FileEntry } from '../../daemon/sync/entry.ts'
import type { ContentId, PathKey } from '../../daemon/sync/ids.ts'
import type { MovedTree, Relocation } from '../../daemon/sync/relocation.ts'
import { Applier } from './disk-apply.ts'
import { CHUNK_BYTES, ScanWalk, cut, sameStat } from './disk-scan.ts'
import type { DiskStore, StagedContent } from './disk-store.ts'
import type { Life } from './life.ts'
import { FakeFsError, joinPath, parentOf, nameOf, statOf, type DirectoryNode, type FakeNode } from './tree.ts'

const IGNORE_FILE = '.p2psyncignore'
const FINDINGS_BATCH = 4

export class FakeDisk implements Disk {
  readonly minChunk = CHUNK_BYTES
  readonly #store: DiskStore
  readonly #life: Life
  readonly #problems = new Map<string, Problem>()
  readonly #applier: Applier
  readonly #applied: (op: ApplyOp, result: ApplyResult) => void
  readonly #moved: (from: PathKey, to: PathKey | null) => void

  constructor(store: DiskStore, life: Life, applied: (op: ApplyOp, result: ApplyResult) => void = () => undefined, moved: (from: PathKey, to: PathKey | null) => void = () => undefined) {
    this.#store = store
    this.#life = life
    this.#applied = applied
    this.#moved = moved
    this.#applier = new Applier({ store, life, strayPath: (path) => this.#strayPath(path) })
  }

  async inspect(): Promise<RootState> {
    await this.#life.step()
    return this.#store.halted ?? { kind: 'ready', epoch: this.#store.epoch }
  }

  async setEpoch(epoch: number): Promise<void> {
    await this.#life.step()
    this.#store.epoch = epoch
    this.#store.onSync()
  }

  async *scan(request: ScanRequest, known: KnownTree, signal: AbortSignal): AsyncIterable<readonly Finding[]> {
    await this.#expectRoot()
    let batch: Finding[] = []
    for await (const finding of new ScanWalk(this.#store, this.#life, request, known, this.#problems).run()) {
      if (signal.aborted) return
      batch.push(finding)
      if (batch.length < FINDINGS_BATCH) continue
      yield batch
      batch = []
    }
    await this.#expectRoot()
    if (batch.length > 0) yield batch
  }

  async #expectRoot(): Promise<void> {
    const state = await this.inspect()
    if (state.kind === 'halted') throw new P2psyncError('FOLDER_HALTED', state.message)
  }

  /** There are no descriptors here. */
  async hold(): Promise<null> {
    await this.#life.step()
    return null
  }

  async read(place: Place, offset: number, length: number, seen?: SeenStat): Promise<Buffer | null> {
    await this.#life.step()
    const node = place.area === 'tree' ? this.#store.tree.node(place.path) : (this.#store.history.get(place.path) ?? null)
    if (this.#store.halted !== null || node?.kind !== 'file' || this.#store.denied.has(place.path) || offset + length > node.data.length) return null
    if (seen !== undefined && !sameStat(statOf(node), seen)) return null
    return Buffer.from(node.data.subarray(offset, offset + length))
  }

  async stage(list: ContentList): Promise<StagedFile> {
    await this.#life.step()
    if (this.#store.halted !== null) throw new FakeFsError('ENOENT', 'the root')
    if (this.#store.full) throw new FakeFsError('ENOSPC', `staging of ${list.size} bytes`)
    let staged = this.#store.staging.get(list.cid)
    if (staged === undefined) this.#store.staging.set(list.cid, (staged = { list, data: Buffer.alloc(list.size), have: new Set(), sealed: false }))
    return new FakeStagedFile(staged, this.#store, this.#life)
  }

  async foresee(_cid: ContentId, size: number): Promise<void> {
    await this.#life.step()
    if (this.#store.full) throw new FakeFsError('ENOSPC', `staging of ${size} bytes`)
  }

  async stageAll(files: readonly WholeFile[]): Promise<readonly unknown[]> {
    const errors: unknown[] = []
    for (const { list, data } of files) {
      errors.push(await this.#stageOne(list, data).then(() => null, (error: unknown) => error))
    }
    return errors
  }

  async #stageOne(list: ContentList, data: Uint8Array): Promise<void> {
    const staged = await this.stage(list)
    for (const { offset } of staged.missing()) await staged.write(offset, data)
    await staged.seal()
    await staged.release()
  }

  isStaged(cid: ContentId): boolean {
    return this.#store.staging.get(cid)?.sealed === true
  }

  async keepStaged(wanted: ReadonlySet<ContentId>): Promise<void> {
    await this.#life.step()
    for (const cid of [...this.#store.staging.keys()]) if (!wanted.has(cid)) this.#store.staging.delete(cid)
  }

  async putRight(): Promise<null> {
    return await Promise.resolve(null)
  }

  async apply(ops: readonly ApplyOp[], ignored: ScanRequest['ignored']): Promise<readonly ApplyResult[]> {
    const results: ApplyResult[] = []
    for (const op of ops) {
      const result = await this.#applier.apply(op, ignored)
      this.#applied(op, result)
      results.push(result)
      this.#store.onWrite()
    }
    this.#store.onSync()
    return results
  }

  async moveDirectory({ from, to, ino }: Pick<Relocation, 'from' | 'to' | 'ino'>, known: KnownTree | null): Promise<MovedTree | null> {
    await this.#life.step()
    const { tree } = this.#store
    const isFree = (): boolean => this.#store.halted === null && !this.#store.failing.has(to) && !this.#store.denied.has(parentOf(to)) && tree.lstat(from)?.ino === ino && tree.node(to) === null && tree.node(parentOf(to))?.kind === 'directory'
    if (!isFree() || tree.node(from)?.kind !== 'directory') return null
    const moved = known === null ? { paths: 1, directories: [from] } : await this.#asKnown(known, from)
    if (moved === null) return null
    await this.#life.step()
    if (!isFree()) return null
    tree.attach(to, tree.detach(from))
    this.#moved(from, to)
    this.#store.onWrite()
    this.#store.onChange([from, to])
    await this.#life.step()
    this.#store.onSync()
    return moved
  }

  async setAside(directories: readonly { readonly path: PathKey; readonly ino: string }[], known: KnownTree): Promise<readonly AsidePlace[]> {
    await this.#life.step()
    const { tree, aside, failing, denied } = this.#store
    const places: AsidePlace[] = []
    for (const { path, ino } of directories) {
      const stands = (): boolean => this.#store.halted === null && !failing.has(path) && !denied.has(parentOf(path)) && tree.lstat(path)?.ino === ino && tree.node(path)?.kind === 'directory'
      if (!stands() || (await this.#asKnown(known, path)) === null) continue
      await this.#life.step()
      if (!stands()) continue
      const name = this.#store.newHistoryName(path)
      aside.set(name, { node: tree.detach(path) as DirectoryNode, path })
      places.push({ path, name })
      this.#moved(path, null)
      this.#store.onWrite()
      this.#store.onChange([path])
      await this.#life.step()
    }
    this.#store.onSync()
    return places
  }

  async putBack(): Promise<PutBack> {
    await this.#life.step()
    const { tree, aside } = this.#store
    const paths: PathKey[] = []
    const kept: { path: PathKey; name: string }[] = []
    for (const [name, { node, path }] of [...aside].sort(([, x], [, y]) => x.path.length - y.path.length)) {
      if (this.#store.halted !== null || this.#store.failing.has(path)) throw new FakeFsError('EACCES', path)
      paths.push(path as PathKey)
      const place = async (from: DirectoryNode, at: string): Promise<void> => {
        for (const [child, inside] of [...from.children]) {
          const to = joinPath(at, child)
          const there = tree.node(to)
          from.children.delete(child)
          inside.links--
          if (there === null && this.#hasDirectory(parentOf(to))) tree.attach(to, inside)
          else if (inside.kind === 'directory') {
            await this.#life.step()
            from.children.set(child, inside)
            await place(inside, to)
            from.children.delete(child)
            tree.free(inside)
          } else if (inside.kind !== 'special') kept.push({ path: to as PathKey, name: this.#store.keep({ node: inside, path: to, reason: 'replaced' }) })
          this.#store.onWrite()
          await this.#life.step()
        }
      }
      if (tree.node(path) === null && this.#hasDirectory(parentOf(path))) tree.attach(path, node)
      else await place(node, path)
      aside.delete(name)
      this.#store.onWrite()
      this.#store.onChange([path])
      await this.#life.step()
    }
    this.#store.onSync()
    return { paths, kept }
  }

  /** Made again, if the user removed it. */
  #hasDirectory(path: string): boolean {
    const { tree } = this.#store
    if (path === '') return true
    if (!this.#hasDirectory(parentOf(path))) return false
    if (tree.node(path) === null) tree.attach(path, tree.newDirectory(0o755))
    return tree.node(path)?.kind === 'directory'
  }

  async #asKnown(known: KnownTree, directory: PathKey): Promise<MovedTree | null> {
    await this.#life.step()
    const node = this.#store.tree.node(directory)
    const rows = await known.children(directory)
    const living = [...rows.values()].filter((row) => row.entry.kind !== 'tombstone' || row.shadow === true)
    if (node?.kind !== 'directory' || this.#store.denied.has(directory) || node.children.size !== living.length) return null
    let paths = 1
    const directories = [directory]
    for (const [name, child] of node.children) {
      const row = rows.get(name)
      if (row === undefined || row.seen === null || row.shadow === true || row.ignored === true || row.blocked !== undefined || row.entry.kind !== child.kind) return null
      const stat = statOf(child)
      if (child.kind === 'directory' ? stat.ino !== row.seen.ino || stat.mode !== row.seen.mode : !sameStat(stat, row.seen)) return null
      const below = child.kind === 'directory' ? await this.#asKnown(known, joinPath(directory, name) as PathKey) : { paths: 1, directories: [] }
      if (below === null) return null
      paths += below.paths
      directories.push(...below.directories)
    }
    return { paths, directories }
  }

  async recover(): Promise<readonly PathKey[]> {
    await this.#life.step()
    const paths: PathKey[] = [...(await this.putBack()).paths]
    for (const displaced of [...this.#store.limbo]) {
      this.#store.keep(displaced)
      paths.push(displaced.path as PathKey)
    }
    return paths
  }

  async history(): Promise<{ readonly files: readonly HistoryFile[]; readonly fileSystemBytes: number }> {
    await this.#life.step()
    const files = [...this.#store.history].map(([name, node]) => ({ name, size: node.kind === 'file' ? node.data.length : 0, at: Number(node.ctimeNs / 1_000_000n) }))
    return { files, fileSystemBytes: this.#store.fileSystemBytes }
  }

  async removeHistory(name: string): Promise<boolean> {
    await this.#life.step()
    if (this.#store.halted !== null || name.includes('/')) return false
    const node = this.#store.history.get(name)
    if (node !== undefined) node.links--
    this.#store.history.delete(name)
    return true
  }

  async recheck(name: string, path: PathKey, entry: FileEntry): Promise<Recheck> {
    await this.#life.step()
    const node = this.#store.history.get(name)
    if (node === undefined) return { kind: 'gone' }
    if (node.kind !== 'file' || node.links > 1 || cut(node.data).cid === entry.cid) return { kind: 'same' }
    let place = path as string
    while (parentOf(place) !== '' && this.#store.tree.node(parentOf(place))?.kind !== 'directory') place = joinPath(parentOf(parentOf(place)), nameOf(place))
    const at = this.#strayPath(place as PathKey)
    this.#store.history.delete(name)
    this.#store.tree.attach(at, node)
    node.links--
    return { kind: 'stray', at }
  }

  /** It is not so much that it had to be told apart by age. */
  async recentHistory(_ms: number): Promise<readonly string[]> {
    await this.#life.step()
    return [...this.#store.history.keys()]
  }

  async historyNotes(names: readonly string[]): Promise<readonly (KeptNote | null)[]> {
    await this.#life.step()
    return names.map((name) => {
      const [node, note] = [this.#store.history.get(name), this.#store.notes.get(name)]
      return node === undefined || note === undefined ? null : { ...note, path: note.path as PathKey, seen: statOf(node) }
    })
  }

  async look(place: Place): Promise<Look> {
    await this.#life.step()
    const { tree, history, denied } = this.#store
    const find = (): FakeNode | null => (place.area === 'tree' ? tree.node(place.path) : (history.get(place.path) ?? null))
    const node = find()
    if (node === null) return { kind: 'nothing' }
    if (node.kind === 'special' || denied.has(place.path)) return { kind: 'problem', problem: { path: place.path, code: node.kind === 'special' ? 'special-file' : 'EACCES', message: `cannot read ${place.path}` } }
    const seen = statOf(node)
    if (node.kind === 'symlink') return { kind: 'symlink', seen, target: node.target }
    if (node.kind === 'directory') return { kind: 'directory', seen }
    const content = cut(Buffer.from(node.data))
    await this.#life.step()
    const after = find()
    return after !== null && sameStat(statOf(after), seen) ? { kind: 'file', seen, content } : { kind: 'unstable' }
  }

  async strays(clear: boolean): Promise<readonly Stray[]> {
    await this.#life.step()
    const found = [...this.#store.limbo, ...this.#store.aside.values()].map((displaced): Stray => ({ path: displaced.path, code: 'left-over' }))
    if (clear) await this.recover()
    return found
  }

  async readIgnoreFiles(): Promise<readonly IgnoreText[]> {
    await this.#life.step()
    const texts: IgnoreText[] = []
    for (const [name, node] of this.#store.tree.root.children) {
      const isOne = name === IGNORE_FILE || name.startsWith(`${IGNORE_FILE}.sync-conflict-`)
      if (isOne && node.kind === 'file') texts.push({ path: name as PathKey, text: node.data.toString() })
    }
    return texts
  }

  async close(): Promise<void> {
    await this.#life.step()
  }

  #strayPath(path: PathKey): PathKey {
    for (let n = 0; ; n++) {
      const name = `${nameOf(path)}.sync-conflict-${'abcdefghijklmnopqrstuvwxyz234567'.charAt(n % 32).repeat(10)}`
      const at = joinPath(parentOf(path), name)
      if (this.#store.tree.node(at) === null) return at as PathKey
    }
  }
}

class FakeStagedFile implements StagedFile {
  readonly cid: ContentId
  readonly #staged: StagedContent
  readonly #store: DiskStore
  readonly #life: Life

  constructor(staged: StagedContent, store: DiskStore, life: Life) {
    this.#store = store
    this.cid = staged.list.cid
    this.#staged = staged
    this.#life = life
  }

  missing(): readonly { readonly chunk: ContentList['chunks'][number]; readonly offset: number }[] {
    let offset = 0
    const rows = this.#staged.list.chunks.map((chunk) => {
      const row = { chunk, offset }
      offset += chunk.length
      return row
    })
    return rows.filter((row) => !this.#staged.have.has(row.offset))
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    await this.#life.step()
    const wanted = this.missing().find((row) => row.offset === offset)
    if (wanted === undefined) return
    if (chunkId(data) !== wanted.chunk.id) return this.#store.onMisuse(`bytes that were not verified were staged at ${offset}`)
    this.#staged.data.set(data, offset)
    this.#staged.have.add(offset)
  }

  async seal(): Promise<void> {
    await this.#life.step()
    if (this.missing().length > 0) return this.#store.onMisuse('sealed with chunks missing')
    this.#staged.sealed = true
  }

  async release(): Promise<void> {
    await this.#life.step()
  }
}

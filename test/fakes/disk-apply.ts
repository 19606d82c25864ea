/**
 * The fake disk's apply: each change is one exchange, with room for a user (or a crash) before it, between exchange and history,
 * and after it.
 */
import type { ApplyOp, ApplyResult, AsidePlace, Displace, ScanRequest, SeenStat } from '../../daemon/ports.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { sameStat } from './disk-scan.ts'
import type { Displaced, DiskStore } from './disk-store.ts'
import type { Life } from './life.ts'
import { joinPath, parentOf, statOf, type DirectoryNode, type FakeNode, type LeafNode } from './tree.ts'

type Op<K extends ApplyOp['kind']> = Extract<ApplyOp, { kind: K }>
type Ignored = ScanRequest['ignored']
type Checked = { readonly kind: 'ok'; readonly node: FakeNode | null } | { readonly kind: 'no'; readonly result: ApplyResult }

export interface ApplyOptions {
  readonly store: DiskStore
  readonly life: Life
  /** Where something unexpected that came out of an exchange of this path goes. */
  strayPath(path: PathKey): PathKey
}

export class Applier {
  readonly #store: DiskStore
  readonly #life: Life
  readonly #strayPath: (path: PathKey) => PathKey
  /** Our own link changes an inode's ctime: the stat that the index still has → what it is now. */
  readonly #relinked = new Map<string, { before: SeenStat; after: SeenStat }>()

  constructor(options: ApplyOptions) {
    this.#store = options.store
    this.#life = options.life
    this.#strayPath = options.strayPath
  }

  async apply(op: ApplyOp, ignored: Ignored): Promise<ApplyResult> {
    await this.#life.step()
    const failure = this.#store.halted?.code ?? this.#store.failing.get(op.path)
    if (failure !== undefined) return { kind: 'problem', problem: { path: op.path, code: failure, message: `cannot change ${op.path}: ${failure}` } }
    const result = await this.#apply(op, ignored)
    if (result.kind === 'done') this.#store.onChange(op.kind === 'link' ? [op.path, op.to] : op.kind === 'move' ? [op.path, op.from] : [op.path])
    else if (result.kind === 'changed' && result.stray !== null) this.#store.onChange([op.path, result.stray])
    return result
  }

  async #apply(op: ApplyOp, ignored: Ignored): Promise<ApplyResult> {
    switch (op.kind) {
      case 'file':
        return this.#store.staging.get(op.cid)?.sealed ? this.#place(op, ignored, () => this.#stagedNode(op)) : this.#notStaged(op)
      case 'symlink':
        return this.#place(op, ignored, () => withMtime(this.#store.tree.newSymlink(op.target), op.mtime))
      case 'directory':
        return this.#place(op, ignored, () => this.#store.tree.newDirectory(op.mode))
      case 'remove':
        return this.#remove(op, ignored)
      case 'attributes':
        return this.#attributes(op)
      case 'link':
        return this.#link(op)
      case 'move':
        return this.#move(op)
      case 'separate':
        return this.#separate(op)
    }
  }

  #notStaged(op: Op<'file'>): ApplyResult {
    const checked = this.#check(op.path, op.expect)
    return checked.kind === 'no' ? checked.result : { kind: 'not-staged' }
  }

  #stagedNode(op: Op<'file'>): LeafNode {
    const staged = this.#store.staging.get(op.cid)
    if (staged === undefined) throw new Error('staged content vanished')
    this.#store.staging.delete(op.cid)
    return withMtime(this.#store.tree.newFile(staged.data, op.mode), op.mtime)
  }

  async #place(op: Op<'file' | 'symlink' | 'directory'>, ignored: Ignored, make: () => FakeNode): Promise<ApplyResult> {
    const before = this.#check(op.path, op.expect)
    if (before.kind === 'no') return op.expect === null && this.#isIgnoredDirectory(op.path, ignored) ? { kind: 'kept-by-ignored' } : before.result
    if (before.node?.kind === 'directory') return this.#placeOverDirectory(op, before.node, ignored, make)
    await this.#life.step()
    if (!this.#parentStands(op.path)) return changed(op.path)
    const there = this.#store.tree.node(op.path)
    if ((there === null) !== (op.expect === null)) return changed(op.path)
    if (op.kind === 'file' && this.#store.staging.get(op.cid)?.sealed !== true) return { kind: 'not-staged' }
    if (there !== null && !isLeaf(there)) return changed(op.path)
    const displaced = there === null ? null : this.#takeOut(op.path, there)
    this.#store.tree.attach(op.path, make())
    this.#store.onWrite()
    const seen = this.#store.tree.lstat(op.path)
    if (displaced === null) return { kind: 'done', seen, kept: null }
    await this.#life.step()
    if (!sameButCtime(displaced.stat, op.expect as SeenStat)) return this.#stray(op.path, displaced.displaced)
    return { kind: 'done', seen, kept: this.#displace(displaced.displaced, op.displace) }
  }

  #isIgnoredDirectory(path: PathKey, ignored: Ignored): boolean {
    return this.#parentStands(path) && this.#store.tree.node(path)?.kind === 'directory' && ignored(path, true)
  }

  #placeOverDirectory(op: Op<'file' | 'symlink' | 'directory'>, node: DirectoryNode, ignored: Ignored, make: () => FakeNode): ApplyResult {
    if (op.kind === 'directory') return changed(op.path)
    if (node.children.size > 0) return this.#keptByIgnored(op.path, node, ignored) ? { kind: 'kept-by-ignored' } : changed(op.path)
    this.#store.tree.free(this.#store.tree.detach(op.path))
    this.#store.tree.attach(op.path, make())
    return { kind: 'done', seen: this.#store.tree.lstat(op.path), kept: null }
  }

  async #remove(op: Op<'remove'>, ignored: Ignored): Promise<ApplyResult> {
    if (op.aside !== undefined) return await this.#removeAside(op, op.aside)
    const before = this.#check(op.path, op.expect)
    if (before.kind === 'no') return before.result
    await this.#life.step()
    const node = this.#store.tree.node(op.path)
    if (node === null || node.kind === 'special') return changed(op.path)
    if (node.kind === 'directory') return before.node?.kind === 'directory' ? this.#removeDirectory(op.path, node, ignored) : changed(op.path)
    if (before.node?.kind === 'directory') return changed(op.path)
    const { displaced, stat } = this.#takeOut(op.path, node, 'deleted')
    this.#store.onWrite()
    await this.#life.step()
    if (!sameButCtime(stat, op.expect)) return this.#stray(op.path, displaced)
    return { kind: 'done', seen: null, kept: this.#displace(displaced, op.displace) }
  }

  async #removeAside(op: Op<'remove'>, aside: AsidePlace): Promise<ApplyResult> {
    const top = this.#store.aside.get(aside.name)
    const names = op.path.slice(aside.path.length).split('/').slice(1)
    let parent = top?.node
    for (const name of names.slice(0, -1)) {
      const inside: FakeNode | undefined = parent?.children.get(name)
      parent = inside?.kind === 'directory' ? inside : undefined
    }
    const last = names.at(-1)
    const find = (): FakeNode | undefined => (last === undefined ? top?.node : parent?.children.get(last))
    const node = find()
    if (top === undefined || parent === undefined || node === undefined || !this.#matches(op.path, statOf(node), op.expect)) return changed(op.path)
    await this.#life.step()
    if (find() !== node) return changed(op.path)
    if (node.kind === 'directory') {
      if (node.children.size > 0) return changed(op.path)
      if (last === undefined) this.#store.aside.delete(aside.name)
      else {
        parent.children.delete(last)
        node.links--
      }
      this.#store.tree.free(node)
      this.#store.onWrite()
      return { kind: 'done', seen: null, kept: null }
    }
    if (node.kind === 'special' || last === undefined) return changed(op.path)
    parent.children.delete(last)
    node.links--
    this.#store.tree.touchInode(node)
    const displaced: Displaced = { node, path: op.path, reason: 'deleted' }
    this.#store.limbo.add(displaced)
    this.#store.onWrite()
    await this.#life.step()
    if (!sameButCtime(statOf(node), op.expect)) {
      this.#store.limbo.delete(displaced)
      parent.children.set(last, node)
      node.links++
      return changed(op.path)
    }
    return { kind: 'done', seen: null, kept: this.#displace(displaced, op.displace) }
  }

  #removeDirectory(path: PathKey, node: DirectoryNode, ignored: Ignored): ApplyResult {
    if (node.children.size > 0) return this.#keptByIgnored(path, node, ignored) ? { kind: 'kept-by-ignored' } : changed(path)
    this.#store.tree.free(this.#store.tree.detach(path))
    return { kind: 'done', seen: null, kept: null }
  }

  #keptByIgnored(path: string, node: DirectoryNode, ignored: Ignored): boolean {
    return [...node.children].every(([name, child]) => {
      const at = joinPath(path, name)
      if (child.kind === 'special' || ignored(at as PathKey, child.kind === 'directory')) return true
      return child.kind === 'directory' && child.children.size > 0 && this.#keptByIgnored(at, child, ignored)
    })
  }

  #attributes(op: Op<'attributes'>): ApplyResult {
    const checked = this.#check(op.path, op.expect)
    if (checked.kind === 'no') return checked.result
    const node = checked.node as FakeNode
    if (op.mode !== null && node.kind !== 'symlink') node.mode = op.mode
    if (op.mtime !== null && node.kind !== 'directory') node.mtimeNs = BigInt(op.mtime)
    if (op.mode !== null || op.mtime !== null) this.#store.tree.touchInode(node)
    return { kind: 'done', seen: statOf(node), kept: null }
  }

  #link(op: Op<'link'>): ApplyResult {
    const checked = this.#check(op.path, op.expect)
    if (checked.kind === 'no') return checked.result
    const node = checked.node
    if (node === null || !isLeaf(node)) return changed(op.path)
    if (this.#store.tree.node(op.to) !== null || !this.#parentStands(op.to)) return changed(op.to)
    this.#store.tree.attach(op.to, node)
    const after = statOf(node)
    this.#relinked.set(op.path, { before: op.expect, after })
    return { kind: 'done', seen: after, kept: null }
  }

  /** Two names for a moment, in which a user or a crash can come. */
  async #move(op: Op<'move'>): Promise<ApplyResult> {
    const source = this.#check(op.from, op.source)
    if (source.kind === 'no') return source.result
    const moving = source.node
    if (moving === null || !isLeaf(moving)) return changed(op.from)
    const target = this.#check(op.path, op.expect)
    if (target.kind === 'no') return target.result
    if (target.node?.kind === 'directory') {
      if (target.node.children.size > 0) return changed(op.path)
      this.#store.tree.free(this.#store.tree.detach(op.path))
    }
    const displaced = target.node !== null && isLeaf(target.node) ? this.#takeOut(op.path, target.node) : null
    this.#store.tree.attach(op.path, moving)
    await this.#life.step()
    const kept = displaced === null ? null : this.#displace(displaced.displaced, op.displace)
    if (this.#store.tree.node(op.from) !== moving || this.#store.tree.node(op.path) !== moving) return { kind: 'changed', paths: [op.from, op.path], stray: null }
    this.#store.tree.detach(op.from)
    await this.#life.step()
    const seen = this.#store.tree.lstat(op.path)
    if (seen === null || this.#store.tree.node(op.path) !== moving || !sameButCtime(seen, op.source)) return { kind: 'done', seen: op.source, kept }
    if (op.mode === null && op.mtime === null) return { kind: 'done', seen, kept }
    const set = this.#attributes({ kind: 'attributes', path: op.path, expect: seen, mode: op.mode, mtime: op.mtime })
    return set.kind === 'done' ? { ...set, kept } : set
  }

  #separate(op: Op<'separate'>): ApplyResult {
    const { tree } = this.#store
    const node = tree.node(op.path)
    if (node?.kind !== 'file' || node !== tree.node(op.from)) return changed(op.path)
    const isExpected = op.expect !== null && sameStat(statOf(node), op.expect)
    tree.detach(op.path)
    tree.attach(op.path, withMtime(tree.newFile(Buffer.from(node.data), node.mode), String(node.mtimeNs)))
    return { kind: 'done', seen: isExpected ? tree.lstat(op.path) : null, kept: null }
  }

  #check(path: PathKey, expect: SeenStat | null): Checked {
    if (!this.#parentStands(path)) return { kind: 'no', result: changed(path) }
    const node = this.#store.tree.node(path)
    if (node === null || expect === null) return node === null && expect === null ? { kind: 'ok', node } : { kind: 'no', result: changed(path) }
    return this.#matches(path, statOf(node), expect) ? { kind: 'ok', node } : { kind: 'no', result: changed(path) }
  }

  #matches(path: PathKey, stat: SeenStat, expect: SeenStat): boolean {
    if (stat.mode !== expect.mode || stat.ino !== expect.ino) return false
    if ((stat.mode & 0o170000) === 0o040000) return true
    const relinked = this.#relinked.get(path)
    if (relinked !== undefined && sameStat(relinked.before, expect) && sameStat(relinked.after, stat)) return true
    return sameStat(stat, expect)
  }

  #parentStands(path: string): boolean {
    return this.#store.tree.node(parentOf(path))?.kind === 'directory'
  }

  /** The stat is from before the exchange but for ctime, as on a real disk. */
  #takeOut(path: PathKey, node: LeafNode, reason: Displaced['reason'] = 'replaced'): { displaced: Displaced; stat: SeenStat } {
    this.#store.tree.detach(path)
    const displaced: Displaced = { node, path, reason }
    this.#store.limbo.add(displaced)
    return { displaced, stat: statOf(node) }
  }

  #displace(displaced: Displaced, to: Displace): string | null {
    const linked = to.to === 'linked' && this.#store.tree.node(to.at) === displaced.node
    if (!linked) return this.#store.keep(displaced)
    this.#store.limbo.delete(displaced)
    return null
  }

  #stray(path: PathKey, displaced: Displaced): ApplyResult {
    const stray = this.#strayPath(path)
    this.#store.limbo.delete(displaced)
    this.#store.tree.attach(stray, displaced.node)
    return { kind: 'changed', paths: [path, stray], stray }
  }
}

function changed(path: PathKey): ApplyResult {
  return { kind: 'changed', paths: [path], stray: null }
}

function isLeaf(node: FakeNode): node is LeafNode {
  return node.kind === 'file' || node.kind === 'symlink'
}

function sameButCtime(stat: SeenStat, expect: SeenStat): boolean {
  return stat.ino === expect.ino && stat.size === expect.size && stat.mtimeNs === expect.mtimeNs && stat.mode === expect.mode
}

function withMtime<T extends LeafNode>(node: T, mtime: string): T {
  node.mtimeNs = BigInt(mtime)
  return node
}

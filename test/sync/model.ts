/**
 * N devices that know nothing but the pure core: a disk, an own statement per path, and snapshots of the others' statements. It
 * keeps a ledger of what users made and what they replaced with their own hands, and checks every step against the disk.
 */
import type { DirectoryEntry, Dot, Entry, FileEntry, SymlinkEntry } from '../../daemon/sync/entry.ts'
import { stripConflict } from '../../daemon/sync/conflict.ts'
import { knownVersion, localChange, type LocalNode } from '../../daemon/sync/diff.ts'
import { contentKey, isLive, sameEntry, treeEqual } from '../../daemon/sync/entry-compare.ts'
import type { ContentId, PathKey, WriterId } from '../../daemon/sync/ids.ts'
import { ancestorsOf, comparePaths, isBelow, nameOf, parentOf, ROOT } from '../../daemon/sync/path.ts'
import { plan } from '../../daemon/sync/plan.ts'
import { reconcile, type PathView, type Resolution, type Step, type TreeView } from '../../daemon/sync/reconcile.ts'

export type Tree = Map<PathKey, Entry>

/** A user made a content at a path, or replaced or deleted one there. */
interface Event {
  readonly kind: 'made' | 'gave-up'
  readonly path: PathKey
  readonly content: string
  /** Ids of the events this device had heard of. */
  readonly known: ReadonlySet<number>
}

export class Ledger {
  readonly events: Event[] = []

  /** What was made, is not live anywhere, and no user who acted without foreknowledge of it being made again gave up. */
  lost(live: ReadonlySet<string>): string[] {
    return this.events
      .filter((event, id) => event.kind === 'made' && !live.has(placeOf(event)) && !this.#givenUp(event, id))
      .map(placeOf)
  }

  #givenUp(made: Event, _id: number): boolean {
    return this.events.some((event, id) => event.kind === 'gave-up' && placeOf(event) === placeOf(made) && !made.known.has(id))
  }
}

/** A content counts as kept at its path and at any conflict path of it. */
export function placeOf(where: { readonly path: PathKey; readonly content: string }): string {
  return `${baseOf(where.path)} ${where.content}`
}

function baseOf(path: PathKey): PathKey {
  let at = path
  while (stripConflict(at) !== at) at = stripConflict(at)
  return at
}

export class Device {
  readonly index: number
  writer: WriterId
  readonly ledger: Ledger
  readonly disk = new Map<PathKey, LocalNode>()
  readonly own: Tree = new Map()
  readonly remotes = new Map<number, Tree>()
  readonly dirty = new Set<PathKey>()
  readonly known = new Set<number>()
  readonly ignoredPaths = new Set<string>()
  counter = 0

  constructor(index: number, ledger: Ledger) {
    this.index = index
    this.writer = String(index + 1).repeat(16) as WriterId
    this.ledger = ledger
  }

  // ---------------------------------------------------------------------------------------------- the user

  /** Parents are made; what is in the way is replaced. Bytes that are stated already make no new version (R12) and so no event. */
  put(path: PathKey, node: LocalNode): void {
    for (const ancestor of ancestorsOf(path).reverse()) {
      if (this.disk.get(ancestor)?.kind === 'directory') continue
      this.giveUp(ancestor)
      this.disk.set(ancestor, { kind: 'directory', mode: 0o755 })
    }
    const there = this.disk.get(path)
    if (there?.kind === 'directory' && node.kind !== 'directory') for (const below of this.below(path)) this.drop(below)
    const same = there !== undefined && contentOfNode(there) === contentOfNode(node)
    if (!same) this.giveUp(path)
    this.disk.set(path, node)
    const before = this.counter
    this.scan()
    const made = this.own.get(path)?.dots.some(([writer, n]) => writer === this.writer && n > before)
    if (!same && made === true) this.note('made', path, node)
  }

  remove(path: PathKey): void {
    for (const below of this.below(path)) this.drop(below)
    this.drop(path)
    this.scan()
  }

  /** A rename with everything below. */
  move(from: PathKey, to: PathKey): void {
    if (to === from || isBelow(to, from) || isBelow(from, to)) return
    const moved = [from, ...this.below(from)].map((path) => [path, this.disk.get(path)] as const)
    for (const [path] of [...moved].reverse()) this.drop(path)
    for (const [path, node] of moved.sort(([a], [b]) => comparePaths(a, b))) {
      if (node !== undefined) this.put(`${to}${path.slice(from.length)}` as PathKey, node)
    }
    this.scan()
  }

  /** Attributes only. */
  retouch(path: PathKey, change: { readonly mode?: number; readonly mtime?: string }): void {
    const node = this.disk.get(path)
    if (node === undefined) return
    if (node.kind === 'directory') this.disk.set(path, { ...node, mode: change.mode ?? node.mode })
    else if (node.kind === 'symlink') this.disk.set(path, { ...node, mtime: change.mtime ?? node.mtime })
    else this.disk.set(path, { ...node, ...change })
    this.scan()
  }

  private drop(path: PathKey): void {
    this.giveUp(path)
    this.disk.delete(path)
  }

  private giveUp(path: PathKey): void {
    const node = this.disk.get(path)
    if (node !== undefined) this.note('gave-up', path, node)
  }

  private note(kind: Event['kind'], path: PathKey, node: LocalNode): void {
    if (node.kind === 'directory') return
    this.ledger.events.push({ kind, path, content: contentOfNode(node), known: new Set(this.known) })
    this.known.add(this.ledger.events.length - 1)
  }

  private below(path: PathKey): PathKey[] {
    return [...this.disk.keys()].filter((other) => isBelow(other, path)).sort((a, b) => comparePaths(b, a))
  }

  // ---------------------------------------------------------------------------------------------- the daemon

  scan(): boolean {
    let changed = false
    for (const path of new Set([...this.own.keys(), ...this.disk.keys()])) {
      const { own, remotes } = this.view(path)
      const found = this.disk.get(path) ?? null
      const change = localChange({ own, found, merged: knownVersion(own, remotes, found), take: () => this.take() })
      if (change.kind === 'same') continue
      if (change.kind === 'adopt' && change.owed !== null) this.disk.set(path, nodeOf(change.entry))
      this.own.set(path, change.entry)
      this.dirty.add(path)
      changed = true
    }
    return changed
  }

  /**
   * The index is lost: a new writer, everything is scanned anew (R12). What adopts a stated version counts as no more than that
   * version: if it had been made here anew after an edit that nobody else states yet, that edit may still replace it (history).
   */
  forget(generation: number): void {
    this.own.clear()
    this.writer = (String(this.index + 1).repeat(8) + String(10000000 + generation)) as WriterId
    this.counter = 0
    this.scan()
    for (const [path, node] of this.disk) if (this.own.get(path)?.vv[this.writer] === undefined) this.note('gave-up', path, node)
    for (const tree of this.remotes.values()) for (const path of tree.keys()) this.dirty.add(path)
  }

  hear(other: Device): void {
    const before = this.remotes.get(other.index) ?? new Map<PathKey, Entry>()
    const after = new Map(other.own)
    for (const [path, entry] of after) if (!sameEntry(before.get(path) ?? null, entry)) this.dirty.add(path)
    this.remotes.set(other.index, after)
    for (const event of other.known) this.known.add(event)
  }

  /** Hears of some paths only: a change set is read in batches of paths, and a reconcile may run between them. */
  hearSome(other: Device, wanted: (index: number) => boolean): void {
    const tree = new Map(this.remotes.get(other.index) ?? [])
    for (const [i, [path, entry]] of [...other.own].entries()) {
      if (!wanted(i) || sameEntry(tree.get(path) ?? null, entry)) continue
      tree.set(path, entry)
      this.dirty.add(path)
    }
    this.remotes.set(other.index, tree)
  }

  /** @param skip by step number: true leaves a step (and what waits for it) undone; 'crash': done on disk, then everything forgotten. */
  settle(skip: (step: number) => boolean | 'crash' = () => false): boolean {
    const resolutions = this.reconcile()
    const steps = plan(resolutions)
    const undone = new Set<PathKey>()
    const done = new Set<PathKey>()
    let changed = false
    for (const [i, step] of steps.entries()) {
      const { path, target } = step.resolution
      for (const other of step.after) if (!done.has(other) && !undone.has(other)) throw new Error(`${path} waits for ${other}, which comes later`)
      const verdict = skip(i)
      if (verdict === true || step.after.some((other) => undone.has(other))) {
        undone.add(path)
        continue
      }
      this.act(step)
      if (verdict === 'crash') {
        this.scan()
        return true
      }
      done.add(path)
      if (!sameEntry(this.own.get(path) ?? null, target)) changed = true
      this.own.set(path, target)
      this.dirty.delete(path)
    }
    for (const path of [...this.dirty]) if (!resolutions.has(path)) this.dirty.delete(path)
    for (const path of undone) this.dirty.add(path)
    return changed
  }

  reconcile(): ReadonlyMap<PathKey, Resolution> {
    const paths = new Set<PathKey>()
    const directories = new Set<PathKey>()
    const view: TreeView = {
      path: (path) => (paths.has(path) ? this.view(path) : undefined),
      children: (path) => (directories.has(path) ? this.children(path) : undefined),
      ignored: (path) => this.ignoredPaths.has(path)
    }
    for (;;) {
      const result = reconcile(this.dirty, view)
      if (result.kind === 'resolved') return result.resolutions
      const asked = paths.size + directories.size
      for (const path of result.paths) paths.add(path)
      for (const path of result.directories) directories.add(path)
      if (paths.size + directories.size === asked) throw new Error('reconcile asks for what it has')
    }
  }

  view(path: PathKey): PathView {
    const remotes = [...this.remotes.values()].map((tree) => tree.get(path)).filter((entry) => entry !== undefined)
    return { own: this.own.get(path) ?? null, remotes }
  }

  private children(directory: PathKey): Set<string> {
    const names = new Set<string>()
    for (const tree of [this.own, ...this.remotes.values()]) {
      for (const path of tree.keys()) if (parentOf(path) === directory) names.add(nameOf(path))
    }
    return names
  }

  private take(): Dot {
    return [this.writer, ++this.counter]
  }

  /** Carries a step out on the disk; throws where a real disk would refuse. */
  private act({ resolution, action }: Step): void {
    const { path, target, own } = resolution
    const there = this.disk.get(path)
    const fail = (why: string): never => {
      throw new Error(`${action.kind} ${path}: ${why}`)
    }
    if (isLive(own) !== (there !== undefined)) fail('the disk is not as own says')
    const parent = parentOf(path)
    const inDirectory = parent === ROOT || this.disk.get(parent)?.kind === 'directory'
    switch (action.kind) {
      case 'adopt':
        if (!treeEqual(own, target)) fail('not equal')
        return
      case 'attributes':
        if (own === null || contentKey(own) !== contentKey(target)) fail('not of one content')
        break
      case 'remove':
        if (this.below(path).length > 0) fail('not empty')
        this.disk.delete(path)
        return
      case 'preserve':
        if (contentOfNode(this.disk.get(action.from) ?? fail('nothing to preserve')) !== contentKey(target)) fail('other bytes')
        break
      case 'directory':
        if (there?.kind === 'directory') fail('is one')
        break
      case 'write':
      case 'symlink':
        if (this.below(path).length > 0) fail('something is below')
    }
    if (!inDirectory) fail('no parent')
    this.disk.set(path, nodeOf(target))
  }
}

/** As `contentKey` of the entry it makes. */
export function contentOfNode(node: LocalNode): string {
  if (node.kind === 'file') return `file:${node.content.cid}`
  return node.kind === 'symlink' ? `symlink:${node.target}` : 'directory:'
}

export function fileNode(cid: string, mode: number, mtime: string): LocalNode {
  return { kind: 'file', mode, size: 1, mtime, content: { cid: cid as ContentId, size: 1, chunks: [] } }
}

function nodeOf(entry: Entry): LocalNode {
  const live = entry as FileEntry | DirectoryEntry | SymlinkEntry
  if (live.kind === 'file') return fileNode(live.cid, live.mode, live.mtime)
  return live.kind === 'directory' ? { kind: 'directory', mode: live.mode } : { kind: 'symlink', mtime: live.mtime, target: live.target }
}

/** Everyone hears everyone and settles, until nothing changes. */
export function converge(devices: readonly Device[], maxRounds = 40): number {
  for (let round = 1; round <= maxRounds; round++) {
    let changed = false
    for (const device of devices) {
      for (const other of devices) if (other !== device) device.hear(other)
      if (device.settle()) changed = true
      if (device.scan()) throw new Error(`device ${device.index}: the scan after applying found a change`)
    }
    if (!changed) return round
  }
  throw new Error('does not converge')
}

/** The live tree as text, for comparison and for messages; `full`: tombstones and versions as well. */
export function treeText(tree: ReadonlyMap<PathKey, Entry>, full = false): string {
  return [...tree]
    .filter(([, entry]) => full || isLive(entry))
    .sort(([a], [b]) => comparePaths(a, b))
    .map(([path, entry]) => `${path} ${entryText(entry, full)}`)
    .join('\n')
}

function entryText(entry: Entry, full: boolean): string {
  const fields = Object.entries(entry).filter(([name]) => full || !['vv', 'dots', 'mdot'].includes(name))
  return JSON.stringify(Object.fromEntries(fields.sort(([a], [b]) => (a < b ? -1 : 1))))
}

/**
 * The working state of one reconcile: the set of paths that must be looked at together, grown until nothing more belongs to it.
 *
 *     settle   merge what is said of a path (and the virtual entries that arrived there); its losers become virtual entries
 *     explore  where a directory ends, everything below must be known to be dead. Not for what is only passed through on the way to
 *              a path: it has a turn of its own, and a directory that ends with all in it would else drag in all of it each time
 *     displace the top-down pass (R9): a path with something live below is a directory, whatever won there
 *
 * Virtual entries are only ever added, and a path that became live stays so: the growth ends. Cyclic only by type with
 * reconcile.ts, whose contract it fills.
 */
import { conflictPath, copyDots, copyEntry } from './conflict.ts'
import { hasBytes, isLive, sameEntry } from './entry-compare.ts'
import type { DirectoryEntry, Entry, FileEntry, SymlinkEntry } from './entry.ts'
import type { PathKey } from './ids.ts'
import { mergeEntries } from './merge.ts'
import { ancestorsOf, comparePaths, joinPath, parentOf } from './path.ts'
import type { PathView, Reconciled, Resolution, TreeView } from './reconcile.ts'
import { resolve } from './resolve.ts'
import { vectorOf } from './version.ts'

type Loser = FileEntry | SymlinkEntry
type Need = Extract<Reconciled, { kind: 'need' }>

/** One path under consideration. */
export interface Considered {
  readonly path: PathKey
  readonly view: PathView
  /** Of view and virtual entries, R9 not applied; null if nothing is said of the path. */
  readonly merged: Entry | null
  readonly losers: readonly Loser[]
  /** The ignore rules exclude it: it has no resolution and counts as nothing (R31). */
  readonly ignored: boolean
}

export class Closure {
  readonly #tree: TreeView
  readonly #considered = new Map<PathKey, Considered>()
  readonly #queue = new Set<PathKey>()
  /** Virtual entries by the conflict path where they arrived. */
  readonly #virtuals = new Map<PathKey, Loser[]>()
  /** Paths with something live below; the least such path names the one whose existence proves it. */
  readonly #occupied = new Map<PathKey, PathKey>()
  /** Ancestors of what is considered that nobody asked for: they matter only if something live is below them. */
  readonly #passed = new Set<PathKey>()
  /** Settled since the last look, and no directory: something may live below. */
  readonly #unexplored = new Set<PathKey>()
  readonly #needPaths = new Set<PathKey>()
  readonly #needDirectories = new Set<PathKey>()

  constructor(tree: TreeView) {
    this.#tree = tree
  }

  consider(paths: Iterable<PathKey>): void {
    for (const path of [...paths].sort(comparePaths)) this.#add(path)
    do this.#grow()
    while (this.#displace())
  }

  /** What must be loaded before there can be an answer; null if nothing. */
  missing(): Need | null {
    if (this.#needPaths.size + this.#needDirectories.size === 0) return null
    return { kind: 'need', paths: [...this.#needPaths], directories: [...this.#needDirectories] }
  }

  resolutions(dirty: ReadonlySet<PathKey>): ReadonlyMap<PathKey, Resolution> {
    const targets = new Map<PathKey, Entry>()
    for (const considered of this.#considered.values()) {
      const target = considered.ignored ? null : this.#target(considered)
      if (target !== null) targets.set(considered.path, target)
    }
    return resolve({
      dirty,
      targets,
      considered: this.#considered,
      losers: (path) => this.#losers(path),
      ignored: (path) => this.#tree.ignored(path, false)
    })
  }

  #add(path: PathKey): void {
    if (this.#passed.delete(path)) {
      const known = this.#considered.get(path)
      if (known !== undefined && !known.ignored && known.merged?.kind !== 'directory') this.#unexplored.add(path)
    }
    this.#enqueue(path)
  }

  /** @returns false if it was there before. */
  #enqueue(path: PathKey): boolean {
    if (this.#considered.has(path) || this.#queue.has(path)) return false
    this.#queue.add(path)
    const parent = parentOf(path)
    if (parent !== '' && this.#enqueue(parent)) this.#passed.add(parent)
    return true
  }

  #grow(): void {
    while (this.#queue.size + this.#unexplored.size > 0) {
      for (const path of this.#queue) {
        this.#queue.delete(path)
        this.#settle(path)
      }
      for (const path of this.#unexplored) this.#explore(path)
      this.#unexplored.clear()
    }
  }

  #settle(path: PathKey): void {
    const view = this.#tree.path(path)
    if (view === undefined) {
      this.#needPaths.add(path)
      return
    }
    const considered = this.#merge(path, view)
    this.#considered.set(path, considered)
    if (considered.ignored) return
    if (isLive(considered.merged)) this.#occupy(path)
    if (considered.losers.length > 0) this.#passed.delete(path)
    if (considered.merged?.kind !== 'directory' && !this.#passed.has(path)) this.#unexplored.add(path)
    for (const loser of considered.losers) this.#arrive(path, loser)
  }

  #merge(path: PathKey, view: PathView): Considered {
    const versions = [...(view.own === null ? [] : [view.own]), ...view.remotes, ...(this.#virtuals.get(path) ?? [])]
    if (versions.length === 0) return { path, view, merged: null, losers: [], ignored: this.#tree.ignored(path, false) }
    const { merged, losers } = mergeEntries(versions)
    const directory = isLive(merged) ? merged.kind === 'directory' : view.own?.kind === 'directory'
    return { path, view, merged, losers, ignored: this.#tree.ignored(path, directory) }
  }

  #occupy(path: PathKey): void {
    for (const ancestor of ancestorsOf(path)) {
      const known = this.#occupied.get(ancestor)
      if (known !== undefined && comparePaths(known, path) <= 0) return
      this.#occupied.set(ancestor, path)
    }
  }

  /** A losing content of `from` takes part at its conflict path (R6), unless it lost there already or is ignored there (R7). */
  #arrive(from: PathKey, loser: Loser): boolean {
    const path = conflictPath(from, loser)
    if (path === from || this.#tree.ignored(path, false)) return false
    const entry = copyEntry(loser)
    const arrived = this.#virtuals.get(path) ?? []
    if (arrived.some((other) => sameEntry(other, entry))) return false
    this.#virtuals.set(path, [...arrived, entry])
    this.#considered.delete(path)
    this.#add(path)
    return true
  }

  /** Below what is no directory (any more), whatever is live makes it one. Only where somebody speaks of a directory or children are known. */
  #explore(path: PathKey): void {
    const view = this.#considered.get(path)?.view
    if (view === undefined || this.#occupied.has(path)) return
    const children = this.#tree.children(path)
    if (children !== undefined) for (const name of children) this.#add(joinPath(path, name))
    else if (statesDirectory(view)) this.#needDirectories.add(path)
  }

  /** R9: what a directory displaces loses as in a conflict. @returns whether that brought anything new. */
  #displace(): boolean {
    let grown = false
    for (const considered of [...this.#considered.values()]) {
      const displaced = this.#displaced(considered)
      if (displaced !== null && this.#arrive(considered.path, displaced)) grown = true
    }
    return grown
  }

  #displaced({ path, merged, ignored }: Considered): Loser | null {
    return !ignored && this.#occupied.has(path) && hasBytes(merged) ? merged : null
  }

  #losers(path: PathKey): readonly Loser[] {
    const considered = this.#considered.get(path)
    if (considered === undefined) return []
    const displaced = this.#displaced(considered)
    return displaced === null ? considered.losers : [...considered.losers, displaced]
  }

  #target({ path, view, merged }: Considered): Entry | null {
    const occupant = this.#occupied.get(path)
    if (occupant === undefined && this.#passed.has(path) && merged?.kind !== 'directory') return null
    if (occupant === undefined || merged?.kind === 'directory') return merged
    const entry = this.#considered.get(occupant)?.merged ?? null
    return directoryOver(merged, view, entry)
  }
}

function statesDirectory({ own, remotes }: PathView): boolean {
  return own?.kind === 'directory' || remotes.some((entry) => entry.kind === 'directory')
}

const DEFAULT_DIRECTORY_MODE = 0o755

/**
 * The directory that must stand where something else won, with the vector of the winner. It keeps mode and dots of the
 * directories that are (dominated, but) stated there. Where nothing at all is stated, `occupant` proves it.
 */
function directoryOver(merged: Entry | null, view: PathView, occupant: Entry | null): DirectoryEntry | null {
  const all = view.own === null ? view.remotes : [view.own, ...view.remotes]
  const directories = all.filter((entry): entry is DirectoryEntry => entry.kind === 'directory')
  const stated = directories.length === 0 ? null : mergeEntries(directories).merged
  const dots = stated?.dots ?? merged?.dots ?? copyDots(occupant?.dots ?? [])
  const mdot = stated?.kind === 'directory' ? stated.mdot : dots.at(-1)
  if (mdot === undefined) return null
  const mode = stated?.kind === 'directory' ? stated.mode : DEFAULT_DIRECTORY_MODE
  return { kind: 'directory', vv: merged?.vv ?? vectorOf(dots), dots, mdot, mode }
}


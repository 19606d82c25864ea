/**
 * The last step of reconcile: from the targets of all considered paths to resolutions, with what each owes to the contents that
 * lost there (R6–R8): which copies come before it, and which bytes go to history because they get none.
 */
import type { Considered } from './closure.ts'
import { conflictPath, isConflictPath, stripConflict } from './conflict.ts'
import { hasBytes, sameContent, sameEntry } from './entry-compare.ts'
import type { Entry, FileEntry, SymlinkEntry } from './entry.ts'
import type { PathKey } from './ids.ts'
import type { Resolution } from './reconcile.ts'

/** What the closure came to. */
export interface Settled {
  readonly dirty: ReadonlySet<PathKey>
  /** Every considered path of which anything is said and which is not ignored. */
  readonly targets: ReadonlyMap<PathKey, Entry>
  readonly considered: ReadonlyMap<PathKey, Considered>
  /** Losing contents of a path, those displaced by a directory included. */
  losers(path: PathKey): readonly (FileEntry | SymlinkEntry)[]
  ignored(path: PathKey): boolean
}

/** A resolution for every path that was dirty or shall change. */
export function resolve(settled: Settled): ReadonlyMap<PathKey, Resolution> {
  const copies = copiesOf(settled)
  const sources = sourcesOf(settled, copies)
  const resolutions = new Map<PathKey, Resolution>()
  for (const [path, target] of settled.targets) {
    const own = ownOf(settled, path)
    const settledHere = sameEntry(own, target)
    if (settledHere && !settled.dirty.has(path)) continue
    resolutions.set(path, {
      path,
      own,
      target,
      copies: copies.get(path) ?? [],
      copyOf: sources.get(path) ?? null,
      toHistory: settledHere ? [] : homeless(settled, path, own)
    })
  }
  return resolutions
}

/** Base path → its conflict paths. A copy that another device made of what we still hold at the base counts as well: bytes are had at once. */
function copiesOf(settled: Settled): ReadonlyMap<PathKey, readonly PathKey[]> {
  const copies = new Map<PathKey, PathKey[]>()
  const add = (base: PathKey, copy: PathKey): void => {
    const known = copies.get(base) ?? []
    if (!known.includes(copy)) copies.set(base, [...known, copy])
  }
  for (const path of settled.targets.keys()) {
    for (const loser of settled.losers(path)) {
      const copy = conflictPath(path, loser)
      if (copy !== path && settled.targets.has(copy)) add(path, copy)
    }
  }
  for (const [path, target] of settled.targets) {
    const base = isConflictPath(path) ? stripConflict(path) : path
    if (base !== path && givesUp(settled, base, target)) add(base, path)
  }
  return copies
}

/** True if `base` holds the content now and shall hold another. */
function givesUp(settled: Settled, base: PathKey, content: Entry): boolean {
  const target = settled.targets.get(base)
  if (target === undefined || !hasBytes(content)) return false
  return sameContent(ownOf(settled, base), content) && !sameContent(target, content)
}

/** Conflict path → the base whose losing content it keeps; of several the one where we hold the bytes, else the first. */
function sourcesOf(settled: Settled, copies: ReadonlyMap<PathKey, readonly PathKey[]>): ReadonlyMap<PathKey, PathKey> {
  const sources = new Map<PathKey, PathKey>()
  const held = new Set<PathKey>()
  for (const base of [...copies.keys()].sort()) {
    for (const copy of copies.get(base) ?? []) {
      const target = settled.targets.get(copy) ?? null
      const holds = sameContent(ownOf(settled, base), target)
      const loses = holds || settled.losers(base).some((loser) => sameContent(loser, target))
      if (!loses || held.has(copy) || (sources.has(copy) && !holds)) continue
      sources.set(copy, base)
      if (holds) held.add(copy)
    }
  }
  return sources
}

/** Losers without a copy: at an ignored conflict path all of them (R7, R8), elsewhere those that only we may hold (R6). */
function homeless(settled: Settled, path: PathKey, own: Entry | null): readonly Entry[] {
  const entries: Entry[] = []
  for (const loser of settled.losers(path)) {
    const copy = conflictPath(path, loser)
    const held = sameContent(own, loser) ? own : null
    if (copy !== path && settled.ignored(copy)) entries.push(held ?? loser)
    else if (held !== null && (copy === path || !sameContent(settled.targets.get(copy) ?? null, loser))) entries.push(held)
  }
  return entries
}

function ownOf(settled: Settled, path: PathKey): Entry | null {
  return settled.considered.get(path)?.view.own ?? null
}

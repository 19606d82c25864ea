/**
 * The tree as it was at a time, as far as known: a version was there from its modification time until it was displaced, which each
 * device's history says. Of several that fit, the one that went first. What a user overwrote in place and no device kept is missing.
 */
import type { HistoryQuery, KeptVersion } from '../ports.ts'
import { hasBytes } from '../sync/entry-compare.ts'
import type { DeviceId, PathKey } from '../sync/ids.ts'
import { isBelow } from '../sync/path.ts'
import type { FolderContext } from './context.ts'
import type { Leaf } from './edit.ts'
import { askOthers, leafOf, ownHistory } from './history.ts'

export interface PastLeaf {
  readonly path: PathKey
  readonly leaf: Leaf
  /** Who can give its bytes, besides this device. */
  readonly sources: readonly DeviceId[]
}

export interface PastTree {
  readonly leaves: readonly PastLeaf[]
  /** Those that stand now: when they came is not known. */
  readonly directories: readonly { readonly path: PathKey; readonly mode: number }[]
  /** Connected devices that did not tell all of their history. */
  readonly silent: readonly DeviceId[]
}

const NO_END = Number.MAX_SAFE_INTEGER

/** `at`: milliseconds since the epoch. `under`: only this path and what is below it. */
export async function treeAt(context: FolderContext, at: number, under: PathKey | null, signal: AbortSignal): Promise<PastTree> {
  const { index, clock } = context.ports
  const within = (path: PathKey): boolean => under === null || path === under || isBelow(path, under)
  const query: HistoryQuery = { path: null, after: at }
  const found = new Candidates(at, clock.now())
  const directories: { path: PathKey; mode: number }[] = []
  for await (const rows of index.all()) {
    for (const { path, row } of rows) {
      if (!within(path) || row.ignored === true || row.seen === null) continue
      if (row.entry.kind === 'directory') directories.push({ path, mode: row.entry.mode })
      else if (hasBytes(row.entry)) found.consider({ path, leaf: leafOf(row.entry), sources: [] }, NO_END)
    }
  }
  for (const kept of await ownHistory(index, query)) if (within(kept.path)) found.consider(pastOf(kept, []), kept.at)
  const { answers, silent } = await askOthers(context, query, signal)
  for (const [device, versions] of answers) for (const kept of versions) if (within(kept.path)) found.consider(pastOf(kept, [device]), kept.at)
  return { leaves: found.leaves(), directories, silent }
}

function pastOf(kept: KeptVersion, sources: readonly DeviceId[]): PastLeaf {
  return { path: kept.path, leaf: kept.content, sources }
}

class Candidates {
  readonly #at: number
  readonly #now: number
  readonly #best = new Map<PathKey, { readonly past: PastLeaf; readonly end: number }>()

  constructor(at: number, now: number) {
    this.#at = at
    this.#now = now
  }

  consider(past: PastLeaf, end: number): void {
    const begin = Number(BigInt(past.leaf.mtime) / 1_000_000n)
    // A time in the future says nothing.
    if (end <= this.#at || (begin > this.#at && begin <= this.#now)) return
    const known = this.#best.get(past.path)
    if (known === undefined || end < known.end) this.#best.set(past.path, { past, end })
  }

  leaves(): PastLeaf[] {
    return [...this.#best.values()].map(({ past }) => past)
  }
}

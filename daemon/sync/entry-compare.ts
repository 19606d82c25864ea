/** When two statements say the same: of content, of a tree (R37), or altogether; and which content keeps a name (R4). */
import type { Dot, Entry, FileEntry, LiveEntry, SymlinkEntry } from './entry.ts'
import { compareDots, compareVersions, sameDots } from './version.ts'

const KIND_RANK: Readonly<Record<Entry['kind'], number>> = { directory: 2, file: 1, symlink: 1, tombstone: 0 }

export function isLive(entry: Entry | null): entry is LiveEntry {
  return entry !== null && entry.kind !== 'tombstone'
}

/** What can lose a conflict and then needs a copy. */
export function hasBytes(entry: Entry | null): entry is FileEntry | SymlinkEntry {
  return entry !== null && (entry.kind === 'file' || entry.kind === 'symlink')
}

/** Equal for equal kind and content; two directories, and two tombstones, are of one content. */
export function contentKey(entry: Entry): string {
  return `${entry.kind}:${contentOf(entry)}`
}

/** The content id of a file, the target of a symlink, '' for what has no content. */
export function contentOf(entry: Entry): string {
  if (entry.kind === 'file') return entry.cid
  return entry.kind === 'symlink' ? entry.target : ''
}

export function mtimeOf(entry: Entry): string | null {
  return entry.kind === 'file' || entry.kind === 'symlink' ? entry.mtime : null
}

export function modeOf(entry: Entry): number | null {
  return entry.kind === 'file' || entry.kind === 'directory' ? entry.mode : null
}

export function mdotOf(entry: Entry): Dot | null {
  return entry.kind === 'file' || entry.kind === 'directory' ? entry.mdot : null
}

/** Kind and content id or target. */
export function sameContent(a: Entry | null, b: Entry | null): boolean {
  if (a === null || b === null) return false
  return a.kind === b.kind && contentOf(a) === contentOf(b)
}

/** Mode and mtime, as far as the kind has them. */
export function sameAttributes(a: Entry, b: Entry): boolean {
  return modeOf(a) === modeOf(b) && mtimeOf(a) === mtimeOf(b)
}

/** R37: a tree with the one cannot be told from a tree with the other. */
export function treeEqual(a: Entry | null, b: Entry | null): boolean {
  if (!isLive(a) || !isLive(b)) return !isLive(a) && !isLive(b)
  return sameContent(a, b) && sameAttributes(a, b)
}

/** Nothing is left to publish if the other is published. */
export function sameEntry(a: Entry | null, b: Entry | null): boolean {
  if (a === null || b === null) return a === b
  if (a === b) return true
  return sameContent(a, b) && sameAttributes(a, b) && sameOrigin(a, b) && sizeOf(a) === sizeOf(b)
}

/** Positive if a keeps the name against b: kind, then later mtime, then greater content (R4). Zero only for equal content and mtime. */
export function compareContentRank(a: Entry, b: Entry): number {
  const kind = KIND_RANK[a.kind] - KIND_RANK[b.kind]
  if (kind !== 0) return kind
  const mtime = compareMtimes(mtimeOf(a), mtimeOf(b))
  return mtime !== 0 ? mtime : compareContent(a, b)
}

/** Decimal nanoseconds; null (no mtime) is earliest. */
export function compareMtimes(a: string | null, b: string | null): number {
  if (a === b) return 0
  if (a === null || b === null) return a === null ? -1 : 1
  const difference = BigInt(a) - BigInt(b)
  return difference === 0n ? 0 : difference > 0n ? 1 : -1
}

function compareContent(a: Entry, b: Entry): number {
  const p = contentOf(a)
  const q = contentOf(b)
  if (p !== q) return p > q ? 1 : -1
  return a.kind === b.kind ? 0 : a.kind > b.kind ? 1 : -1
}

function sameOrigin(a: Entry, b: Entry): boolean {
  if (compareVersions(a.vv, b.vv) !== 'equal' || !sameDots(a.dots, b.dots)) return false
  if (a.kind === 'tombstone' && b.kind === 'tombstone') return a.approved === b.approved
  const p = mdotOf(a)
  const q = mdotOf(b)
  return p === null || q === null ? p === q : compareDots(p, q) === 0
}

function sizeOf(entry: Entry): number | null {
  return entry.kind === 'file' ? entry.size : null
}

/**
 * Merges what is said of one path (R4, R5). A function of the *set* of versions: order and repetition do not matter. It works
 * on contents, not on pairs:
 *
 *     versions ─ drop the dominated ─ gather by content ─ drop superseded contents ─ highest rank wins, the others lose
 *
 * The result's vector knows all versions, so publishing it ends the argument; whoever publishes it must have kept the losers (R8).
 */
import { compareContentRank, contentKey, sameEntry } from './entry-compare.ts'
import type { DirectoryEntry, Dot, Entry, FileEntry, SymlinkEntry, Tombstone, VersionVector } from './entry.ts'
import { compareDots, compareVersions, covers, coversAll, maxima, unionDots } from './version.ts'

export interface Merge {
  readonly merged: Entry
  /** Contents that the merged vector covers though nobody chose to drop them; each needs a conflict copy (R6). Highest rank first. */
  readonly losers: readonly (FileEntry | SymlinkEntry)[]
}

/** All versions of one content (kind and content id). */
interface Rival {
  readonly versions: readonly Entry[]
  readonly vv: VersionVector
  readonly dots: readonly Dot[]
  /** The version that ranks highest; it lends the mtime. */
  readonly top: Entry
}

type Moded = FileEntry | DirectoryEntry
type Mode = Pick<Moded, 'mode' | 'mdot'>

/** @param versions at least one. */
export function mergeEntries(versions: readonly Entry[]): Merge {
  const standing = undominated(versions)
  const [only] = standing
  if (only === undefined) throw new Error('nothing to merge')
  if (standing.length === 1) return { merged: only, losers: [] }
  const [winner, ...losers] = openRivals(standing)
  const merged = assemble(winner as Rival, standing, maxima(standing.map((version) => version.vv)))
  return { merged, losers: losers.map(ownMerge).filter((entry) => entry.kind === 'file' || entry.kind === 'symlink') }
}

/** The versions that count: neither dominated nor of a content that others supersede. Each states what somebody may still want. */
export function openVersions(versions: readonly Entry[]): readonly Entry[] {
  return openRivals(undominated(versions)).flatMap((rival) => rival.versions)
}

/** Contents that no other supersedes, highest rank first; all, should they supersede one another in a circle. */
function openRivals(standing: readonly Entry[]): readonly Rival[] {
  const rivals = rivalsOf(standing)
  const open = rivals.filter((rival) => !rivals.some((other) => supersedes(other, rival)))
  return open.length > 0 ? open : rivals
}

/** The versions that no other strictly dominates, each once. */
function undominated(versions: readonly Entry[]): Entry[] {
  const standing: Entry[] = []
  for (const [i, version] of versions.entries()) {
    const beaten = versions.some((other, j) => {
      if (i === j) return false
      const order = compareVersions(other.vv, version.vv)
      return order === 'dominates' || (order === 'equal' && j < i && sameEntry(other, version))
    })
    if (!beaten) standing.push(version)
  }
  return standing
}

/** Highest rank first. */
function rivalsOf(standing: readonly Entry[]): Rival[] {
  const byContent = new Map<string, Entry[]>()
  for (const version of standing) {
    const key = contentKey(version)
    const same = byContent.get(key)
    if (same === undefined) byContent.set(key, [version])
    else same.push(version)
  }
  return [...byContent.values()].map(rivalOf).sort((a, b) => compareContentRank(b.top, a.top))
}

function rivalOf(versions: readonly Entry[]): Rival {
  const top = versions.reduce((best, version) => (compareContentRank(version, best) > 0 ? version : best))
  return { versions, vv: maxima(versions.map((version) => version.vv)), dots: unionDots(versions.map((version) => version.dots)), top }
}

/**
 * R4: whoever stands behind `by` knew every change that made the content `rival` and went on from it, and not the other way round
 * as well. By R8 they have kept or given up its bytes. One change unknown is enough for a conflict: somebody made it independently.
 */
function supersedes(by: Rival, rival: Rival): boolean {
  return by !== rival && coversAll(by.vv, rival.dots) && !coversAll(rival.vv, by.dots)
}

/** A content as all its own versions together state it. */
function ownMerge(rival: Rival): Entry {
  return assemble(rival, rival.versions, rival.vv)
}

/** The content of `rival`, its mode decided among `versions`. */
function assemble(rival: Rival, versions: readonly Entry[], vv: VersionVector): Entry {
  const { top, dots } = rival
  switch (top.kind) {
    case 'file':
      return fileOf(rival, top, { vv, dots, ...settleMode(versions, 'file') })
    case 'directory':
      return { kind: 'directory', vv, dots, ...settleMode(versions, 'directory') }
    case 'symlink':
      return { kind: 'symlink', vv, dots, mtime: top.mtime, target: top.target }
    case 'tombstone':
      return tombstoneOf(rival.versions, { kind: 'tombstone', vv, dots })
  }
}

function fileOf(rival: Rival, top: FileEntry, rest: Pick<FileEntry, 'vv' | 'dots' | 'mode' | 'mdot'>): FileEntry {
  const [chunk] = rival.versions.flatMap((version) => (version.kind === 'file' && version.chunk !== undefined ? [version.chunk] : [])).sort()
  const entry: FileEntry = { kind: 'file', ...rest, size: top.size, mtime: top.mtime, cid: top.cid }
  return chunk === undefined ? entry : { ...entry, chunk }
}

function tombstoneOf(versions: readonly Entry[], entry: Tombstone): Tombstone {
  const approved = versions.some((version) => version.kind === 'tombstone' && version.approved === true)
  return approved ? { ...entry, approved } : entry
}

/**
 * R5 among the versions of one kind (the mode of a file says nothing of a directory). A mode stands unless another version
 * knows it and has set its own unknown to it. Of several that stand: apart from each other → AND; else the winning content's.
 */
function settleMode(versions: readonly Entry[], kind: Moded['kind']): Mode {
  const moded = versions.filter((version): version is Moded => version.kind === kind)
  const standing = moded.filter((version) => !moded.some((other) => overrides(other, version)))
  const pool = standing.length > 0 ? standing : moded
  const apart = pool.some((a, i) => pool.some((b, j) => i < j && !covers(a.vv, b.mdot) && !covers(b.vv, a.mdot)))
  return combine(apart ? pool : ofHighestContent(pool))
}

function overrides(by: Moded, version: Moded): boolean {
  return covers(by.vv, version.mdot) && !covers(version.vv, by.mdot)
}

function ofHighestContent(pool: readonly Moded[]): Moded[] {
  const highest = pool.reduce((best, version) => (compareContentRank(version, best) > 0 ? version : best))
  return pool.filter((version) => contentKey(version) === contentKey(highest))
}

function combine(versions: readonly Moded[]): Mode {
  const mode = versions.reduce((bits, version) => bits & version.mode, 0o777)
  const mdot = versions.map((version) => version.mdot).reduce((greatest, dot) => (compareDots(dot, greatest) > 0 ? dot : greatest))
  return { mode, mdot }
}


/**
 * What a scan's finding means against our own statement and what the group says: nothing, a version that is known already (a
 * crash between apply and index, R8; a first join, R12), or a local change, which takes the next counter (R3).
 */
import { isLive, modeOf, mtimeOf, sameAttributes, sameContent, sameEntry } from './entry-compare.ts'
import type { Dot, Entry, LiveEntry, VersionVector } from './entry.ts'
import type { ChunkId, ContentId } from './ids.ts'
import { mergeEntries, openVersions } from './merge.ts'
import { bump, compareVersions } from './version.ts'

/** What stands on disk at a path. Structurally a `DiskNode` of the ports. */
export type LocalNode =
  | { readonly kind: 'file'; readonly mode: number; readonly size: number; readonly mtime: string; readonly content: LocalContent }
  | { readonly kind: 'directory'; readonly mode: number }
  | { readonly kind: 'symlink'; readonly mtime: string; readonly target: string }

export interface LocalContent {
  readonly cid: ContentId
  readonly size: number
  readonly chunks: readonly { readonly id: ChunkId }[]
}

export interface LocalInput {
  /** Our statement. */
  readonly own: Entry | null
  /** Null: the parent was read and it is not there. */
  readonly found: LocalNode | null
  /** What is stated of the found content: `knownVersion`. Never a merge of all that is stated (see there). */
  readonly merged: Entry | null
  /** The next counter; called at most once. */
  take(): Dot
}

/** Attributes by which the disk differs from the version it adopts; null: that one is right. */
export interface Owed {
  readonly mode: number | null
  readonly mtime: string | null
}

export type LocalChange =
  | { readonly kind: 'same' }
  /**
   * The disk holds a version that is known: state it as it is. `owed` is what the disk must be given first (null: nothing): once
   * stated, our statement and the target are equal and no plan will touch the path again.
   */
  | { readonly kind: 'adopt'; readonly entry: Entry; readonly owed: Owed | null }
  | { readonly kind: 'change'; readonly entry: Entry }

/**
 * Against our own statement first: a chmod of what we hold is a change even while others speak of the same content. Only
 * content that is new to us is looked for in what they say.
 */
export function localChange({ own, merged, found, take }: LocalInput): LocalChange {
  if (matches(own, found)) return { kind: 'same' }
  const known = merged !== null && isNews(merged, own) && states(merged, found) ? merged : null
  if (known !== null && matches(known, found)) return { kind: 'adopt', entry: known, owed: null }
  if (found === null) return { kind: 'change', entry: deleted(own as LiveEntry, take()) }
  if (own !== null && states(own, found)) return { kind: 'change', entry: retouched(own as LiveEntry, found, take()) }
  if (known !== null) return { kind: 'adopt', entry: known, owed: owedBy(known, found) }
  const dot = take()
  return { kind: 'change', entry: created(own, found, bump(own?.vv ?? {}, dot[0], dot[1]), dot) }
}

/**
 * The version that a finding may adopt: what others state of the found content, if it dominates our statement. Null if none does,
 * or if somebody has replaced or deleted that content since: a late statement of it would have our file removed again. It covers
 * no contents of others that would lose against it: their copies are not published yet (R8).
 */
export function knownVersion(own: Entry | null, remotes: readonly Entry[], found: LocalNode | null): Entry | null {
  const dominating = (entry: Entry): boolean => own === null || compareVersions(entry.vv, own.vv) === 'dominates'
  const agreeing = openVersions(remotes).filter((entry) => states(entry, found) && dominating(entry))
  return agreeing.length === 0 ? null : mergeEntries(agreeing).merged
}

/** Nanoseconds (decimal) cut to whole microseconds, which is what Node can set (R36). */
export function toMicroseconds(mtime: string): string {
  if (mtime.endsWith('000')) return mtime
  const ns = BigInt(mtime)
  const rest = ((ns % 1000n) + 1000n) % 1000n
  return String(ns - rest)
}

/** The same kind, content and attributes under a new change of ours: it dominates `over` and itself (R29, restore, resolve). */
export function restamp(entry: Entry, over: readonly VersionVector[], dot: Dot): Entry {
  const vv = over.reduce((known, vector) => join(known, vector), bump(entry.vv, dot[0], dot[1]))
  if (entry.kind === 'file' || entry.kind === 'directory') return { ...entry, vv, dots: [dot], mdot: dot }
  return { ...entry, vv, dots: [dot] }
}

function join(a: VersionVector, b: VersionVector): VersionVector {
  return Object.entries(b).reduce((known, [writer, n]) => bump(known, writer as Dot[0], n), a)
}

/** The entry states what was found: kind and content; attributes aside. */
export function agreesWith(entry: Entry, found: LocalNode): boolean {
  return states(entry, found)
}

/** By what the disk differs from a version of the same content. */
export function owedBy(known: Entry, found: LocalNode): Owed {
  return owedTo(known, asEntry(found))
}

/** Says more than our statement does, or something else with the same knowledge. */
function isNews(merged: Entry, own: Entry | null): boolean {
  if (own === null) return true
  return compareVersions(merged.vv, own.vv) !== 'dominated' && !sameEntry(merged, own)
}

/** Of one kind and content; attributes aside. */
function states(entry: Entry, found: LocalNode | null): boolean {
  return found === null ? !isLive(entry) : sameContent(entry, asEntry(found))
}

/** Nothing can be told apart on disk. */
function matches(entry: Entry | null, found: LocalNode | null): boolean {
  if (found === null) return !isLive(entry)
  if (entry === null) return false
  const node = asEntry(found)
  return sameContent(entry, node) && sameAttributes(entry, node)
}

function owedTo(known: Entry, node: LiveEntry): Owed {
  const mode = modeOf(known)
  const mtime = mtimeOf(known)
  return { mode: mode === modeOf(node) ? null : mode, mtime: mtime === mtimeOf(node) ? null : mtime }
}

function deleted(own: LiveEntry, dot: Dot): Entry {
  return { kind: 'tombstone', vv: bump(own.vv, dot[0], dot[1]), dots: [dot] }
}

/** Mode or mtime changed, the content did not: dots stay, so that it never conflicts with an edit (R4). */
function retouched(own: LiveEntry, found: LocalNode, dot: Dot): Entry {
  const vv = bump(own.vv, dot[0], dot[1])
  if (own.kind === 'symlink' && found.kind === 'symlink') return { ...own, vv, mtime: toMicroseconds(found.mtime) }
  if (own.kind === 'symlink' || found.kind === 'symlink') throw new Error('not of one content')
  const mdot = own.mode === permissions(found.mode) ? own.mdot : dot
  if (own.kind === 'directory') return { ...own, vv, mode: permissions(found.mode), mdot }
  return { ...own, vv, mode: permissions(found.mode), mdot, mtime: found.kind === 'file' ? toMicroseconds(found.mtime) : own.mtime }
}

/** New content. The change that set the mode is kept if neither kind nor mode changed. */
function created(own: Entry | null, found: LocalNode, vv: VersionVector, dot: Dot): Entry {
  const node = entryOf(found, vv, [dot], dot)
  const keepsMode = own !== null && own.kind === 'file' && node.kind === 'file' && own.mode === node.mode
  return keepsMode ? { ...node, mdot: own.mdot } : node
}

/** The node in the shape of an entry that nobody has changed yet; only content and attributes count. */
function asEntry(found: LocalNode): LiveEntry {
  return entryOf(found, {}, [], ['' as Dot[0], 0])
}

/** Made for each file that is found, so without an object in between. */
function entryOf(found: LocalNode, vv: VersionVector, dots: readonly Dot[], mdot: Dot): LiveEntry {
  switch (found.kind) {
    case 'directory':
      return { kind: 'directory', vv, dots, mdot, mode: permissions(found.mode) }
    case 'symlink':
      return { kind: 'symlink', vv, dots, mtime: toMicroseconds(found.mtime), target: found.target }
    case 'file': {
      const { cid, size, chunks } = found.content
      const mode = permissions(found.mode)
      const mtime = toMicroseconds(found.mtime)
      const [only] = chunks
      if (only === undefined || chunks.length > 1) return { kind: 'file', vv, dots, mdot, mode, size, mtime, cid }
      return { kind: 'file', vv, dots, mdot, mode, size, mtime, cid, chunk: only.id }
    }
  }
}

/** setuid, setgid and sticky are not synced. */
function permissions(mode: number): number {
  return mode & 0o777
}


/**
 * The guard against mass deletion (R27), as functions over a state; time comes in as a parameter. Over a sliding window, unapproved
 * deletions of more than half of the files that were there when it began, and of at least a minimum, are held. A deletion whose
 * content appears at another path within the window is a rename and does not count.
 */
import type { PathKey } from './ids.ts'

export interface GuardLimits {
  readonly windowMs: number
  /** Fewer deletions than this are never held. */
  readonly minimum: number
  /** Part of the window's starting files, 0 to 1; more than this is held. */
  readonly fraction: number
}

export const GUARD_LIMITS: GuardLimits = { windowMs: 60_000, minimum: 1000, fraction: 0.5 }

/** One file that is about to be deleted or has appeared. `content`: `contentKey` of its entry. */
export interface FileChange {
  readonly path: PathKey
  readonly content: string
  /** Listed by the user's `approve`, or flagged so by its sender (R28). */
  readonly approved?: boolean
  /** A deletion that waits already: it stays held, unless it turns out to be a rename. */
  readonly held?: boolean
  /** An appearance in the place of another file: there are no more files than before. */
  readonly replaces?: boolean
}

interface Timed extends FileChange {
  readonly at: number
}

/** What happened within the window. Empty at a start. */
export interface GuardState {
  readonly deleted: readonly Timed[]
  readonly appeared: readonly Timed[]
  /** Live files when the oldest of these happened. */
  readonly startingFiles: number
}

export const EMPTY_GUARD: GuardState = { deleted: [], appeared: [], startingFiles: 0 }

export interface GuardInput {
  /** Milliseconds; only differences count. */
  readonly now: number
  /** Live files before these changes. */
  readonly files: number
  readonly deletions: readonly FileChange[]
  readonly appearances: readonly FileChange[]
}

export interface Verdict {
  readonly state: GuardState
  /** Deletions that must wait for the user; the others may go. */
  readonly held: readonly FileChange[]
}

/** Judges one batch. What is held is not entered into the state: it has not happened. */
export function judgeDeletions(state: GuardState, input: GuardInput, limits: GuardLimits = GUARD_LIMITS): Verdict {
  const { now } = input
  const recent = forget(state, input, limits)
  const appeared = [...recent.appeared, ...input.appearances.map((change) => ({ ...change, at: now }))]
  const counting = input.deletions.filter((change) => change.approved !== true)
  const done = recent.deleted.filter((change) => change.approved !== true)
  const lost = withoutRenames([...done, ...counting], appeared).length
  const holds = lost >= limits.minimum && lost > recent.startingFiles * limits.fraction
  const held = withoutRenames(counting, appeared).filter((change) => holds || change.held === true)
  const waiting = new Set(held)
  const deleted = [...recent.deleted, ...input.deletions.filter((change) => !waiting.has(change)).map((change) => ({ ...change, at: now }))]
  return { state: { ...recent, deleted, appeared }, held }
}

/** Drops what lies before the window. The starting files of a window that has moved on are told from today's. */
function forget(state: GuardState, { now, files }: GuardInput, { windowMs }: GuardLimits): GuardState {
  const within = (change: Timed): boolean => change.at > now - windowMs && change.at <= now
  const deleted = state.deleted.filter(within)
  const appeared = state.appeared.filter(within)
  const added = appeared.filter((change) => change.replaces !== true)
  return { deleted, appeared, startingFiles: files + deleted.length - added.length }
}

/** A deletion is a rename if its content appears at another path; each appearance answers for one deletion. */
function withoutRenames<T extends FileChange>(deletions: readonly T[], appeared: readonly FileChange[]): T[] {
  const places = new Map<string, PathKey[]>()
  for (const { path, content } of appeared) {
    const known = places.get(content)
    if (known === undefined) places.set(content, [path])
    else known.push(path)
  }
  return deletions.filter(({ path, content }) => !takeOther(places.get(content) ?? [], path))
}

/** Takes one place that is not `path`; constant time, because thousands of files may be of one content. @returns false if there is none. */
function takeOther(places: PathKey[], path: PathKey): boolean {
  const last = places.pop()
  if (last !== path) return last !== undefined
  const other = places.findLastIndex((place) => place !== path)
  if (other >= 0) places.splice(other, 1)
  places.push(last)
  return other >= 0
}

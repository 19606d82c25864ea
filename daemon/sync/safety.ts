/**
 * The guard against mass deletion (R27); time comes in as a parameter. Over a sliding window, unapproved deletions of more than half of
 * the files that were there when it began, and of at least a minimum, are held. A deletion whose content appears at another path
 * within the window is a rename and does not count.
 */
import type { PathKey } from './ids.ts'

export interface GuardLimits {
  readonly windowMs: number
  /** Fewer deletions than this are never held. */
  readonly minimum: number
  /** Part of the window's starting files, 0 to 1; more than this is held. */
  readonly fraction: number
}

const NONE = -1
const UNUSED = -2

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

export interface GuardInput {
  /** Milliseconds; only differences count. */
  readonly now: number
  /** Live files before these changes. */
  readonly files: number
  readonly deletions: readonly FileChange[]
}

/** What happened within the sliding window; empty at a start. */
export class DeletionWindow {
  readonly #limits: GuardLimits
  readonly #deleted = new Marks()
  readonly #appeared = new Marks()
  #pending = new Gathered()

  constructor(limits: Partial<GuardLimits> = {}) {
    this.#limits = { ...GUARD_LIMITS, ...limits }
  }

  /** Deletions within the window that were not held. */
  get deletions(): number {
    return this.#deleted.size
  }

  /** A file that appeared; it counts from the next judgement on. */
  appeared(change: FileChange): void {
    this.#pending.add(change, change.replaces !== true)
  }

  /** Judges one batch. What is held is not entered: it has not happened. @returns the deletions that must wait for the user; the others may go. */
  judge({ now, files, deletions }: GuardInput): readonly FileChange[] {
    const { windowMs } = this.#limits
    this.#deleted.forget(now - windowMs, now)
    this.#appeared.forget(now - windowMs, now)
    // The starting files of a window that has moved on are told from today's.
    const startingFiles = files + this.#deleted.size - this.#appeared.counted
    this.#appeared.add(this.#pending.at(now))
    this.#pending = new Gathered()
    if (deletions.length === 0) return []
    const held = this.#held(
      deletions.filter(({ approved }) => approved !== true),
      startingFiles
    )
    const waiting = new Set(held)
    const going = new Gathered()
    for (const change of deletions) if (!waiting.has(change)) going.add(change, change.approved !== true)
    this.#deleted.add(going.at(now))
    return held
  }

  /** As `judge`, of what has not happened and may never. What appears meanwhile can only make it fewer. */
  wouldHold({ now, files, deletions }: GuardInput): boolean {
    const { windowMs } = this.#limits
    this.#deleted.forget(now - windowMs, now)
    this.#appeared.forget(now - windowMs, now)
    return this.#held(deletions.filter(({ approved }) => approved !== true), files + this.#deleted.size - this.#appeared.counted).length > 0
  }

  /** As `wouldHold`, of so many of which nothing else is known: none of them counts as a rename. */
  mightHold({ now, files, deletions }: { readonly now: number; readonly files: number; readonly deletions: number }): boolean {
    const { windowMs } = this.#limits
    this.#deleted.forget(now - windowMs, now)
    this.#appeared.forget(now - windowMs, now)
    return this.#isMass(this.#deleted.counted + deletions, files + this.#deleted.size - this.#appeared.counted)
  }

  #isMass(lost: number, startingFiles: number): boolean {
    const { minimum, fraction } = this.#limits
    return lost >= minimum && lost > startingFiles * fraction
  }

  #held(counting: readonly FileChange[], startingFiles: number): readonly FileChange[] {
    const isMass = (lost: number): boolean => this.#isMass(lost, startingFiles)
    const flagged = counting.some(({ held }) => held === true)
    // Renames only make it fewer: the usual deletion is told without looking for them.
    if (!flagged && !isMass(this.#deleted.counted + counting.length)) return []
    const places = this.#appeared.places()
    let lost = this.#deleted.lost(places)
    for (const change of counting) if (!places.take(mark(change.content), mark(change.path))) lost++
    const holds = isMass(lost)
    if (!holds && !flagged) return []
    const again = this.#appeared.places()
    return counting.filter((change) => !again.take(mark(change.content), mark(change.path)) && (holds || change.held === true))
  }
}

/** Changes of one instant, as marks: 16 bytes each, since a first sync makes a hundred thousand within a window. */
interface Batch {
  readonly at: number
  readonly contents: readonly number[]
  readonly paths: readonly number[]
  /** The first so many count. */
  readonly counted: number
}

/** Changes that become a batch; as marks from the first, since one scan may find a million new files before it is judged. */
class Gathered {
  readonly #counting: { readonly contents: number[]; readonly paths: number[] } = { contents: [], paths: [] }
  readonly #others: { readonly contents: number[]; readonly paths: number[] } = { contents: [], paths: [] }

  add({ content, path }: FileChange, counts: boolean): void {
    const { contents, paths } = counts ? this.#counting : this.#others
    contents.push(mark(content))
    paths.push(mark(path))
  }

  at(now: number): Batch {
    const [first, rest] = [this.#counting, this.#others]
    const counted = first.contents.length
    return rest.contents.length === 0 ? { at: now, ...first, counted } : { at: now, contents: [...first.contents, ...rest.contents], paths: [...first.paths, ...rest.paths], counted }
  }
}

class Marks {
  #batches: Batch[] = []
  #size = 0
  #counted = 0

  get size(): number {
    return this.#size
  }

  get counted(): number {
    return this.#counted
  }

  add(batch: Batch): void {
    if (batch.contents.length === 0) return
    this.#batches.push(batch)
    this.#size += batch.contents.length
    this.#counted += batch.counted
  }

  /** Keeps what happened after `from` and not after `now`: a clock may have been set back. */
  forget(from: number, now: number): void {
    const within = ({ at }: Batch): boolean => at > from && at <= now
    if (this.#batches.every(within)) return
    this.#batches = this.#batches.filter(within)
    this.#size = this.#batches.reduce((sum, { contents }) => sum + contents.length, 0)
    this.#counted = this.#batches.reduce((sum, { counted }) => sum + counted, 0)
  }

  places(): Places {
    const places = new Places(this.#size)
    for (const { contents, paths } of this.#batches) for (const [i, content] of contents.entries()) places.add(content, paths[i] ?? 0)
    return places
  }

  /** How many of those that count have no place. */
  lost(places: Places): number {
    let lost = 0
    for (const { contents, paths, counted } of this.#batches) {
      for (let i = 0; i < counted; i++) if (!places.take(contents[i] ?? 0, paths[i] ?? 0)) lost++
    }
    return lost
  }
}

/**
 * Where contents appeared; each place answers for one deletion. A hash table in flat arrays, since it is made of all that appeared within
 * the window for each slice of a directory that was renamed.
 */
class Places {
  readonly #paths: Float64Array
  /** Of each place the one before it of the same content, or NONE. */
  readonly #before: Int32Array
  readonly #contents: Float64Array
  /** Of each content its last place: UNUSED where there is no content, NONE once all are taken. */
  readonly #last: Int32Array
  #size = 0

  constructor(size: number) {
    const slots = 2 ** Math.ceil(Math.log2(2 * size + 2))
    this.#paths = new Float64Array(size)
    this.#before = new Int32Array(size)
    this.#contents = new Float64Array(slots)
    this.#last = new Int32Array(slots).fill(UNUSED)
  }

  add(content: number, path: number): void {
    const slot = this.#slot(content)
    const place = this.#size++
    this.#paths[place] = path
    this.#before[place] = Math.max(this.#last[slot] as number, NONE)
    this.#contents[slot] = content
    this.#last[slot] = place
  }

  /** Takes one place that is not `path`; constant time, because thousands of files may be of one content. @returns false if there is none. */
  take(content: number, path: number): boolean {
    const slot = this.#slot(content)
    const last = this.#last[slot] as number
    if (last < 0) return false
    if (this.#paths[last] !== path) {
      this.#last[slot] = this.#before[last] as number
      return true
    }
    let after = last
    let place = this.#before[last] as number
    while (place >= 0 && this.#paths[place] === path) {
      after = place
      place = this.#before[place] as number
    }
    if (place < 0) return false
    this.#before[after] = this.#before[place] as number
    return true
  }

  /** Of the content, or where it would be. */
  #slot(content: number): number {
    const { length } = this.#last
    // The low bits of a mark are as good as a hash, its high ones are another.
    let slot = (content ^ (content / 0x100000000)) & (length - 1)
    while (this.#last[slot] !== UNUSED && this.#contents[slot] !== content) slot = (slot + 1) & (length - 1)
    return slot
  }
}

/** 53 bits of a string (two 32-bit FNV-like sums). Two that fall together would make one deletion count more or less, and lose nothing. */
function mark(text: string): number {
  let low = 0x811c9dc5
  let high = 0x1b873593
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    low = Math.imul(low ^ unit, 0x01000193)
    high = Math.imul(high ^ unit, 0x5bd1e995)
    high ^= high >>> 15
  }
  return (high & 0x1fffff) * 0x100000000 + (low >>> 0)
}

/**
 * Large files that are written to again and again: a log, a database, the disk of a virtual machine, a download. Each version is read
 * whole here, written whole on every other device, and goes to history there. So one that was read some times in a row rests: it is read
 * again once whoever writes to it has come to an end, or after a time that grows with what a version costs and with how often it was read
 * (decisions/0030-large-files-rest.md).
 */
import { MAX_REST_MS } from '../../base/limits.ts'
import type { Clock } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import type { Notices } from './notices.ts'

/** In a row, without any rest: somebody saves now and then. */
const FREE_READS = 5
/** In the long run reading takes at most this share of the time, … */
const READING_SHARE = 1 / 20
/** … and a file makes no more than this to be written elsewhere. */
const BYTES_A_MS = (4 * 1024 * 1024) / 1000
/** Who paused so many times longer than ever in this row has come to an end, … */
const QUIET_GAPS = 3
const MIN_QUIET_MS = 1000
/** … and who paused for this share of the rest in any case. */
const QUIET_SHARE = 1 / 4
/** A pause of this many of its longest rests: the next read is the first of another row. */
const FRESH_RESTS = 2
/** Of so many files it is known when they were read; of more the one that was longest not read is forgotten. */
const MAX_KNOWN = 1000

/** Times are those of the clock, which may be set. */
interface Reads {
  readonly bytes: number
  readonly ms: number
  /** In this row. */
  readonly count: number
  readonly ended: number
  /** When it was last seen to have been written to. */
  readonly seen: number
  /** The longest time without that, in this row; while it is read nobody looks. */
  readonly gapMs: number
}

export interface Rest {
  readonly path: PathKey
  /** From the last read on, in milliseconds. */
  readonly ms: number
}

export class Resting {
  readonly #clock: Clock
  readonly #notices: Notices
  readonly #scan: (paths: readonly PathKey[]) => void
  readonly #reads = new Map<PathKey, Reads>()
  /** Written to, and not read since. */
  readonly #waiting = new Set<PathKey>()
  /** Its rest is over, and it is about to be read. */
  readonly #over = new Set<PathKey>()

  constructor(clock: Clock, notices: Notices, scan: (paths: readonly PathKey[]) => void) {
    this.#clock = clock
    this.#notices = notices
    this.#scan = scan
  }

  /** Something that was written is not read yet. */
  get any(): boolean {
    return this.#waiting.size > 0
  }

  get list(): readonly Rest[] {
    return [...this.#waiting].map((path) => ({ path, ms: restMs(this.#reads.get(path)) }))
  }

  /** It was written to. @returns true if it is not to be read now: then it is scanned again when its rest is over. */
  rests(path: PathKey): boolean {
    const now = this.#clock.now()
    const reads = this.#reads.get(path)
    if (reads !== undefined) this.#reads.set(path, { ...reads, seen: now, gapMs: Math.max(reads.gapMs, now - Math.max(reads.seen, reads.ended)) })
    if (this.#over.delete(path) || reads === undefined || isOver(reads, now)) return false
    this.#waiting.add(path)
    this.#plan()
    return true
  }

  /** It was read, in so many milliseconds, whatever came of it. */
  read(path: PathKey, bytes: number, ms: number): void {
    const now = this.#clock.now()
    const before = this.#reads.get(path)
    this.#over.delete(path)
    // What was written while it was read may not be in it.
    if (before === undefined || before.seen <= now - ms) this.#waiting.delete(path)
    const { count, gapMs } = before === undefined || isFresh(before, now) ? { count: 0, gapMs: 0 } : before
    // Behind all others: those that were not read for longest stand first.
    this.#reads.delete(path)
    this.#reads.set(path, { bytes, ms, count: count + 1, ended: now, seen: before?.seen ?? now, gapMs })
    for (const known of this.#reads.keys()) {
      if (this.#reads.size <= MAX_KNOWN) break
      if (this.#waiting.has(known)) this.#scan([known])
      this.gone(known)
    }
  }

  /** It is not there any more. */
  gone(path: PathKey): void {
    this.#waiting.delete(path)
    this.#reads.delete(path)
    this.#over.delete(path)
  }

  #plan(): void {
    const now = this.#clock.now()
    const due = [...this.#waiting].map((path) => dueIn(this.#reads.get(path), now))
    this.#notices.drop('resting')
    if (due.length > 0) this.#notices.once('resting', Math.max(0, Math.min(...due)), () => this.#look())
  }

  #look(): void {
    const now = this.#clock.now()
    const due = [...this.#waiting].filter((path) => dueIn(this.#reads.get(path), now) <= 0)
    for (const path of due) {
      this.#waiting.delete(path)
      this.#over.add(path)
    }
    if (due.length > 0) this.#scan(due)
    this.#plan()
  }
}

function restMs(reads: Reads | undefined): number {
  if (reads === undefined || reads.count <= FREE_READS) return 0
  return Math.min(reads.ms * 2 ** (reads.count - FREE_READS), longestMs(reads))
}

function longestMs({ bytes, ms }: Reads): number {
  return Math.min(MAX_REST_MS, Math.max(ms / READING_SHARE, bytes / BYTES_A_MS))
}

/** A clock that was set back ends each rest. */
function isOver(reads: Reads, now: number): boolean {
  return now < reads.ended || now - reads.ended >= restMs(reads)
}

function isFresh(reads: Reads, now: number): boolean {
  return now < reads.ended || now - reads.ended >= FRESH_RESTS * longestMs(reads)
}

function dueIn(reads: Reads | undefined, now: number): number {
  if (reads === undefined || now < reads.seen || isOver(reads, now)) return 0
  const rest = restMs(reads)
  const quiet = Math.min(rest * QUIET_SHARE, Math.max(MIN_QUIET_MS, reads.gapMs * QUIET_GAPS))
  return Math.ceil(Math.min(reads.ended + rest, reads.seen + quiet) - now)
}

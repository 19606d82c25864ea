/**
 * How old something in history is, by a clock that is wrong sooner or later: a small machine boots in 1970 and learns the time a minute later,
 * a typing error sets it ten years ahead; either way everything would be far too old at once (invariant 5: a clock never decides whether content
 * survives). A device that was off for a month looks the same. So what a leap skips is no age for what came before it, unless the new time itself
 * has lasted as long as history is kept. The limit of size counts all the while.
 */
import type { ClockLeap, HistoryClock } from '../ports.ts'

const DAY_MS = 24 * 3600 * 1000
/** More than that between two looks is a leap. */
const LEAP_MS = 7 * DAY_MS
/**
 * For so long a device may well be off, again and again: such a leap takes the place of the last one of its kind. Of longer ones, and of a clock that is
 * set back, nothing tells which time was the right one: they add up.
 */
const AWAY_MS = 60 * DAY_MS

/** At a start, before anything comes into history, and before history ends anything. @returns what is to be kept, if that is news. */
export function look(known: HistoryClock | null, now: number): HistoryClock | null {
  // What is there already may be of any time.
  if (known === null) return { lookedAt: now, set: { at: now, skipped: Number.MAX_SAFE_INTEGER }, away: { at: now, skipped: 0 } }
  const ms = now - known.lookedAt
  // Once a day: a device at rest writes nothing else.
  if (Math.abs(ms) <= LEAP_MS) return Math.abs(ms) < DAY_MS ? null : { ...known, lookedAt: now }
  if (ms > 0 && ms <= AWAY_MS) return { ...known, lookedAt: now, away: { at: now, skipped: ms } }
  const skipped = Math.min(Math.max(0, known.set.skipped + ms), Number.MAX_SAFE_INTEGER)
  return { ...known, lookedAt: now, set: { at: now, skipped } }
}

/** When it came into history, as far as that can be told: what a clock brought that was ahead came at the latest when that was set right. */
export function cameAt({ set }: HistoryClock, now: number, at: number): number {
  if (at <= now) return at
  return at - now > LEAP_MS ? Math.min(now, set.at) : now
}

/** In milliseconds. `at`: of `cameAt`. */
export function ageOf({ set, away }: HistoryClock, now: number, at: number): number {
  return Math.min(ageBy(set, now, at), ageBy(away, now, at))
}

function ageBy(leap: ClockLeap, now: number, at: number): number {
  return at >= leap.at ? now - at : Math.max(now - at - leap.skipped, now - leap.at, 0)
}

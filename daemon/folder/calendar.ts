/**
 * How old something in history is, by a clock that is wrong sooner or later: a small machine boots in 1970 and learns the time a minute later,
 * a typing error sets it ten years ahead; either way everything would be far too old at once (invariant 5: a clock never decides whether content
 * survives). A device that was off for a month looks the same. So what a leap skips is no age for what came before it, unless the new time itself
 * has lasted as long as history is kept. The limit of size counts all the while.
 */
import type { HistoryClock } from '../ports.ts'

const DAY_MS = 24 * 3600 * 1000
/** More than that between two looks is a leap. */
const LEAP_MS = 7 * DAY_MS
/** For so long a smaller leap does not take the place of a larger one: a device that is on once a week leaps every time. */
const HOLD_MS = 30 * DAY_MS

/** At a start, before anything comes into history, and before history ends anything. @returns what is to be kept, if that is news. */
export function look(known: HistoryClock | null, now: number): HistoryClock | null {
  // What is there already may be of any time.
  if (known === null) return { lookedAt: now, leapedAt: now, skipped: Number.MAX_SAFE_INTEGER }
  const ms = now - known.lookedAt
  // Once a day: a device at rest writes nothing else.
  if (Math.abs(ms) <= LEAP_MS) return Math.abs(ms) < DAY_MS ? null : { ...known, lookedAt: now }
  const skipped = Math.max(0, ms)
  const lasts = now - known.leapedAt
  return known.skipped > skipped && lasts >= 0 && lasts < HOLD_MS ? { ...known, lookedAt: now } : { lookedAt: now, leapedAt: now, skipped }
}

/** When it came into history, as far as that can be told: what a clock brought that was ahead came at the latest when that was set right. */
export function cameAt({ leapedAt }: HistoryClock, now: number, at: number): number {
  if (at <= now) return at
  return at - now > LEAP_MS ? Math.min(now, leapedAt) : now
}

/** In milliseconds. `at`: of `cameAt`. */
export function ageOf({ leapedAt, skipped }: HistoryClock, now: number, at: number): number {
  if (at >= leapedAt) return now - at
  return Math.max(now - at - skipped, now - leapedAt, 0)
}

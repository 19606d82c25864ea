/**
 * Whether the clock may end history by age. It is a wrong clock sooner or later: a small machine boots in 1970 and learns the time a
 * minute later, a typing error sets it ten years ahead; either way everything in history would be far too old at once (invariant 5: a
 * clock never decides whether content survives). So after a leap nothing goes by age until the new time has lasted as long as history
 * is kept, whatever is restarted meanwhile; and what comes into history by a clock that is behind counts from when history was looked at last.
 * The limit of size counts all the while.
 */
import type { HistoryClock } from '../ports.ts'

const DAY_MS = 24 * 3600 * 1000
/** Machines sleep for days; less than this makes no history of weeks expire that was not about to. */
const LEAP_MS = 7 * DAY_MS

/** At each look at the history. `newest`: when it got its latest file, by the clock of then; null: it is empty. @returns what is to be kept, if that is news. */
export function look(known: HistoryClock | null, now: number, newest: number | null): HistoryClock | null {
  const before = known?.lookedAt ?? newest ?? now
  if (Math.abs(now - before) > LEAP_MS) return { lookedAt: now, leapedAt: now }
  // Once a day: a device at rest writes nothing else.
  return known !== null && Math.abs(now - before) < DAY_MS ? null : { lookedAt: now, leapedAt: known?.leapedAt ?? null }
}

/** Before this, in milliseconds since the epoch, what was displaced is too old. */
export function oldest({ leapedAt }: HistoryClock, now: number, maxAgeMs: number): number {
  return leapedAt !== null && now - leapedAt < maxAgeMs ? Number.NEGATIVE_INFINITY : now - maxAgeMs
}

/** When something comes into history: `now`, or if that is long before the last look, the last look. */
export function stamp(known: HistoryClock | null, now: number): number {
  return known !== null && known.lookedAt - now > LEAP_MS ? known.lookedAt : now
}

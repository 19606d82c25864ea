/**
 * Whether the clock may end history by age. It is a wrong clock sooner or later: a small machine boots in 1970 and learns the time a
 * minute later, a typing error sets it ten years ahead; either way everything in history would be far too old at once (invariant 5: a
 * clock never decides whether content survives). So after a leap nothing goes by age until the new time has lasted as long as history
 * is kept. The limit of size counts all the while.
 */

/** A machine sleeps for days; less than this makes no history of weeks expire that was not about to. */
const LEAP_MS = 7 * 24 * 3600 * 1000

export class Calendar {
  #last: number | null = null
  #leapedAt = Number.NEGATIVE_INFINITY

  /** At each look at the history. `newest`: when it got its latest file, by the clock of then; null: it is empty. */
  look(now: number, newest: number | null): void {
    const before = this.#last ?? newest ?? now
    this.#last = now
    if (Math.abs(now - before) > LEAP_MS) this.#leapedAt = now
  }

  /** Before this, in milliseconds since the epoch, what was displaced is too old. */
  oldest(now: number, maxAgeMs: number): number {
    return now - this.#leapedAt < maxAgeMs ? Number.NEGATIVE_INFINITY : now - maxAgeMs
  }
}

/**
 * How far the reading of other drives may be ahead of their bytes. A statement is read in a hundredth of the time that its file takes to
 * come, and what waits for bytes, or with them for its turn, is kept in memory, a kilobyte each: without a bound a first sync of a million
 * files would hold them all.
 */
import { PULL_AHEAD_CONTENTS } from '../../base/limits.ts'
import type { Fetcher } from './fetcher.ts'
import type { Work } from './work.ts'

export class PullRoom {
  readonly #fetcher: Pick<Fetcher, 'open' | 'unavailable' | 'staged'>
  readonly #work: Pick<Work, 'dirtyCount'>
  readonly #limit: number
  #waiting = false

  constructor(fetcher: Pick<Fetcher, 'open' | 'unavailable' | 'staged'>, work: Pick<Work, 'dirtyCount'>, limit = PULL_AHEAD_CONTENTS) {
    this.#fetcher = fetcher
    this.#work = work
    this.#limit = limit
  }

  /** Nothing more is to be read now; `resumes` tells when. */
  isFull(): boolean {
    this.#waiting = this.#waits >= this.#limit
    return this.#waiting
  }

  /** True once, when reading stopped and half of it is done or given up: drives are to be read on. */
  resumes(): boolean {
    if (!this.#waiting || this.#waits > this.#limit / 2) return false
    this.#waiting = false
    return true
  }

  /**
   * Neither what nobody can give now counts, nor what is here and cannot be applied: what is read may be of others, or end that. So all that
   * counts is under way or has its turn.
   */
  get #waits(): number {
    const { open, unavailable, staged } = this.#fetcher
    return open - unavailable + Math.min(staged, this.#work.dirtyCount)
  }
}

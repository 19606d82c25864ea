/**
 * What a scan met that is new, until it is known what is gone: it may be what moved. What is kept of them is bounded: of many files only
 * the paths, to be looked at again, and more than that do not wait. Such a file is read, and stated as any new one; if it was moved, its
 * old place ends as any that is gone, the other devices take its content from there (decisions/0008), and the guard pairs the two (R27).
 */
import type { PathKey } from '../sync/ids.ts'
import type { Child } from './listing.ts'

/** A path takes a tenth to a twentieth of what is kept of a whole one; a million of them are a hundred megabytes. */
const PATHS_PER_WHOLE = 50
const PATHS_AT_ONCE = 32

export class Newcomers {
  readonly files: Child[] = []
  readonly directories: Child[] = []
  readonly #whole: number
  readonly #paths: PathKey[] = []

  /** @param whole files of which all that is known is kept, a kilobyte each. */
  constructor(whole: number) {
    this.#whole = whole
  }

  /** @returns false if it cannot wait. */
  add(file: Child): boolean {
    if (this.files.length < this.#whole) this.files.push(file)
    else if (this.#paths.length < this.#whole * PATHS_PER_WHOLE) this.#paths.push(file.path)
    else return false
    return true
  }

  /** Files of which only the paths were kept, some at a time. */
  *more(): Generator<readonly PathKey[]> {
    for (let start = 0; start < this.#paths.length; start += PATHS_AT_ONCE) yield this.#paths.slice(start, start + PATHS_AT_ONCE)
  }
}

/**
 * Names of directories that are hinted themselves, while a deletion is looked at: mostly such a directory is gone, and a look at it tells of
 * all that was in it. So its names wait for that, and are not looked at one by one. All else is looked at together, so that what moved from
 * one place to another is known for it.
 *
 * While many names go and no directory does, all of it waits for a moment without any, since each look begins with one at the root, and takes
 * the processor from what comes.
 */
import type { PathKey } from '../sync/ids.ts'
import { parentOf, ROOT } from '../sync/path.ts'

/** Fewer are looked at as they come: a user's own change waits for no deletion. */
const MANY_NAMES = 16
/** In a row in which many names come and nothing is looked at. */
const MAX_ROUNDS = 5

export class Shrinking {
  #waiting: readonly PathKey[] = []
  #rounds = 0

  get empty(): boolean {
    return this.#waiting.length === 0
  }

  /** All that waits still. */
  get left(): readonly PathKey[] {
    return this.#waiting
  }

  /** @returns what of these hints is to be looked at now, with what has waited. */
  due(hinted: readonly PathKey[]): readonly PathKey[] {
    const parents = new Set(hinted.flatMap((path) => (path === ROOT ? [] : [parentOf(path)])))
    const directories = new Set(hinted.filter((path) => path !== ROOT && parents.has(path)))
    if (directories.size === 0 && hinted.length >= MANY_NAMES && this.#rounds < MAX_ROUNDS) {
      this.#rounds++
      this.#waiting = [...this.#waiting, ...hinted]
      return []
    }
    this.#rounds = 0
    const waits = (path: PathKey): boolean => path !== ROOT && directories.has(parentOf(path)) && !directories.has(path)
    const due = new Set(this.#waiting)
    for (const path of hinted) if (!waits(path)) due.add(path)
    this.#waiting = hinted.filter(waits)
    return [...due]
  }

  /** What was in directories that are known to be gone needs no look. */
  drop(isGone: (directory: PathKey) => boolean): void {
    this.#waiting = this.#waiting.filter((path) => !isGone(parentOf(path)))
  }
}

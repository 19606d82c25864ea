/**
 * Directories from which one name after the other goes while a deletion is looked at. Mostly the directory itself is gone a moment later,
 * and that tells of all that was in it: so the names wait for as long as more of them go, and are not looked at one by one.
 */
import type { PathKey } from '../sync/ids.ts'
import { parentOf, ROOT } from '../sync/path.ts'

/** Fewer of one directory at a time are looked at as they come: a user's own change waits for no deletion. */
const MANY_NAMES = 16
/** Nor do many of one that goes on for longer. */
const MAX_ROUNDS = 5

interface Waiting {
  readonly paths: Set<PathKey>
  rounds: number
}

export class Shrinking {
  readonly #waiting = new Map<PathKey, Waiting>()

  get empty(): boolean {
    return this.#waiting.size === 0
  }

  /** All that waits still. */
  get left(): PathKey[] {
    return [...this.#waiting.values()].flatMap(({ paths }) => [...paths])
  }

  /** @returns what of these hints, and of those that waited, is to be looked at now; what was in directories that are known to be gone is not. */
  due(hinted: readonly PathKey[], isGone: (directory: PathKey) => boolean): readonly PathKey[] {
    const fresh = byDirectory(hinted)
    // A directory that is hinted itself decides of what was in it, the next time.
    const due = new Set(hinted.filter((path) => path === ROOT || fresh.has(path) || this.#waiting.has(path)))
    for (const [directory, waiting] of this.#waiting) {
      if (due.has(directory) || (fresh.has(directory) && ++waiting.rounds < MAX_ROUNDS)) continue
      this.#waiting.delete(directory)
      if (!isGone(directory)) for (const path of waiting.paths) due.add(path)
    }
    for (const [directory, paths] of fresh) this.#add(directory, paths, due)
    return [...due]
  }

  #add(directory: PathKey, paths: readonly PathKey[], due: Set<PathKey>): void {
    const waiting = this.#waiting.get(directory)
    if (waiting === undefined && paths.length < MANY_NAMES && !due.has(directory)) {
      for (const path of paths) due.add(path)
      return
    }
    const waits = paths.filter((path) => !due.has(path))
    if (waits.length === 0) return
    if (waiting === undefined) this.#waiting.set(directory, { paths: new Set(waits), rounds: 0 })
    else for (const path of waits) waiting.paths.add(path)
  }
}

function byDirectory(paths: readonly PathKey[]): ReadonlyMap<PathKey, readonly PathKey[]> {
  const found = new Map<PathKey, PathKey[]>()
  for (const path of paths) {
    if (path === ROOT) continue
    const directory = parentOf(path)
    const known = found.get(directory)
    if (known === undefined) found.set(directory, [path])
    else known.push(path)
  }
  return found
}

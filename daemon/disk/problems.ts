/**
 * Which paths had a problem when they were last looked at, so that a scan can say when one is gone (`healed`). In memory only:
 * after a start the first full scan reports all problems anew.
 */
import { errnoOf } from '../../base/errors.ts'
import type { Finding, Problem } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import { isBelow, parentOf } from '../sync/path.ts'

const NONE: readonly Finding[] = []

export class Problems {
  /** By the directory that holds them. */
  readonly #paths = new Map<PathKey, Set<PathKey>>()

  has(path: PathKey): boolean {
    return this.#paths.get(parentOf(path))?.has(path) === true
  }

  /** One of the direct children of a directory, or it itself. */
  within(directory: PathKey): boolean {
    return this.#paths.has(directory) || this.has(directory)
  }

  note(path: PathKey, problem: Problem): Finding {
    const parent = parentOf(path)
    let there = this.#paths.get(parent)
    if (there === undefined) this.#paths.set(parent, (there = new Set()))
    there.add(path)
    return { kind: 'problem', path, problem }
  }

  /** Null if there was none. */
  heal(path: PathKey): Finding | null {
    const parent = parentOf(path)
    const there = this.#paths.get(parent)
    if (there === undefined || !there.delete(path)) return null
    if (there.size === 0) this.#paths.delete(parent)
    return { kind: 'healed', path }
  }

  /** Problems directly in a directory that its listing did not meet again. */
  healMissing(directory: PathKey, met: ReadonlySet<PathKey>): Finding[] {
    const there = this.#paths.get(directory)
    if (there === undefined) return []
    return [...there].filter((path) => path !== directory && !met.has(path)).flatMap((path) => this.heal(path) ?? [])
  }

  /** All problems below a directory that is gone. */
  healBelow(directory: PathKey): readonly Finding[] {
    if (this.#paths.size === 0) return NONE
    const inside = [...this.#paths].filter(([parent]) => parent === directory || isBelow(parent, directory))
    return inside.flatMap(([, paths]) => [...paths]).filter((path) => path !== directory).flatMap((path) => this.heal(path) ?? [])
  }
}

/** Sentences for what can be wrong with a path while it is read. */
export function readProblem(path: string, error: unknown): Problem {
  const code = errnoOf(error) ?? 'EIO'
  return { path, code, message: `cannot read ${path === '' ? 'the folder' : path} (${code}): ${READ_ADVICE[code] ?? 'it is tried again at the next scan'}` }
}

const READ_ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'give this user the right to read it, or ignore it',
  EPERM: 'give this user the right to read it, or ignore it',
  EIO: 'the disk reports an error; check it',
  ESTALE: 'the network file system lost it; mount it again',
  'too-large': 'it would be cut into more than four million chunks, as files of more than 4 TiB are; split or ignore it',
  EMFILE: 'too many open files; raise the limit (ulimit -n)',
  mount: 'it is a mount point, which is not synced; add it as a folder of its own'
}

export function specialProblem(path: string): Problem {
  return { path, code: 'special-file', message: `${path} is neither a file, a directory nor a symlink and is not synced; ignore it to hide this` }
}

export function nameProblem(path: string): Problem {
  return { path, code: 'invalid-name', message: `the name of ${path} cannot be synced (not UTF-8, too long, or reserved); rename it` }
}

export function mountProblem(path: string): Problem {
  return { path, code: 'mount', message: `${path} is a mount point and is not synced; add it as a folder of its own` }
}

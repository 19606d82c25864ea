/**
 * Whether the file system takes several names for one (R40): letter case, Unicode normalization. Asked once after each open, with a
 * file of our own; a folder that was moved to another disk is asked again at the next start.
 */
import type { Problem, Row } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import { nameClashes } from '../sync/name-clash.ts'
import { joinPath, parentOf } from '../sync/path.ts'
import { SWAP_DIR } from './layout.ts'
import type { Child } from './listing.ts'
import { decodeName } from './names.ts'
import { at, self, type Directory, type Roots } from './roots.ts'
import { close, lstatOrNull, open, readNames, unlinkIfThere } from './sys.ts'

/** What the file system compares names by; null: by their bytes. */
export type Fold = ((name: string) => string) | null

export interface Folds {
  readonly case: boolean
  readonly normalization: boolean
}

/** Composed and in mixed case; its decomposed and its lower-case form are other names wherever names are bytes. */
const PROBE_NAME = 'Probe-\u00c5'

export class Folding {
  readonly #roots: Roots
  #fold: Promise<Fold> | null

  /** `given`: what to believe in place of asking. */
  constructor(roots: Roots, given: Folds | null) {
    this.#roots = roots
    this.#fold = given === null ? null : Promise.resolve(foldOf(given))
  }

  async fold(): Promise<Fold> {
    this.#fold ??= probe(this.#roots).then(foldOf)
    try {
      return await this.#fold
    } catch (error) {
      this.#fold = null
      throw error
    }
  }

  /** The problem of making a new name in a directory that holds another one the file system takes for the same; null: none. */
  async clash(parent: Directory, name: string, path: PathKey): Promise<Problem | null> {
    const fold = await this.fold()
    if (fold === null) return null
    const names = (await readNames(self(parent))).map(decodeName).filter((there) => there !== null)
    const standing = new Set(names)
    if (standing.has(name)) return null
    const clash = nameClashes([...names, name], fold, (there) => standing.has(there)).find((found) => found.name === name)
    if (clash === undefined) return null
    const message = `cannot create ${path}: this file system takes its name for that of ${joinPath(parentOf(path), clash.with)}; rename one of them on a device that can tell them apart`
    return { path, code: 'name-clash', message }
  }
}

/** Children under the names that their rows have: what the file system shows in another spelling is no new name. */
export function publishedNames(children: readonly Child[], rows: ReadonlyMap<string, Row>, directory: PathKey, fold: Fold): readonly Child[] {
  if (fold === null) return children
  const shown = new Set(children.map((child) => child.name))
  const published = new Map<string, string>()
  for (const [name, row] of rows) if (row.entry.kind !== 'tombstone' && !shown.has(name)) published.set(fold(name), name)
  return children.map((child) => {
    const name = rows.has(child.name) ? undefined : published.get(fold(child.name))
    return name === undefined ? child : { ...child, name, path: joinPath(directory, name) }
  })
}

export function foldOf(folds: Folds): Fold {
  if (!folds.case && !folds.normalization) return null
  return (name) => {
    const composed = folds.normalization ? name.normalize('NFC') : name
    return folds.case ? composed.toLowerCase() : composed
  }
}

async function probe(roots: Roots): Promise<Folds> {
  return await roots.useOwn(SWAP_DIR, async (swap) => {
    const file = at(swap, PROBE_NAME)
    await close(await open(file, 'w', 0o600))
    try {
      return {
        case: (await lstatOrNull(at(swap, PROBE_NAME.toLowerCase()))) !== null,
        normalization: (await lstatOrNull(at(swap, PROBE_NAME.normalize('NFD')))) !== null
      }
    } finally {
      await unlinkIfThere(file)
    }
  })
}

/**
 * Directories leave the tree by one rename(2) each, to `.p2psync/staging/aside/<batch>/<n>` (R48). The batch's note, on disk for sure
 * before the first of them moves, says where each belongs, so that put-back.ts needs no index. Nothing can be lost by it: whatever
 * stands in a directory moves along.
 *
 * INVARIANT: the names end in a slash, so that the kernel takes nothing but a directory. `<n>` is free: the batch is ours and new.
 */
import { randomBytes } from 'node:crypto'
import { errnoOf } from '../../base/errors.ts'
import type { AsidePlace, KnownTree } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import { nameOf, parentOf } from '../sync/path.ts'
import { treeAsKnown, type AsKnownParts } from './as-known.ts'
import type { ApplyHooks } from './atomic.ts'
import type { Folding } from './folding.ts'
import { namesIn } from './history.ts'
import { eachAtMost } from './each.ts'
import { ASIDE_DIR, ASIDE_NOTE } from './layout.ts'
import { syncDirectory } from './marker.ts'
import { at, self, WalkError, type Directory, type Roots } from './roots.ts'
import { inoOf, kindOf } from './seen.ts'
import { isGone, lstatOrNull, readNames, rename, rmdir, unlink, writeNew } from './sys.ts'

export interface SetAsideParts extends AsKnownParts {
  readonly folding: Folding
  readonly hooks: ApplyHooks
  /** Something empty is left beside the tree. */
  readonly onFailure?: () => void
}

export interface DirectoryToSet {
  readonly path: PathKey
  readonly ino: string
}

/** Each is looked through with several calls at once. */
const DIRECTORIES_AT_ONCE = 4
/** Unique: random for this process, then counted. */
const run = randomBytes(6).toString('hex')
let count = 0

/** Of those whose whole tree is what `known` says, to the letter; the others stay. @returns where each stands that moved. */
export async function setAside(parts: SetAsideParts, directories: readonly DirectoryToSet[], known: KnownTree): Promise<readonly AsidePlace[]> {
  const { roots, folding } = parts
  roots.refresh()
  const places: AsidePlace[] = []
  const batch = `${run}${(++count).toString(36)}`
  try {
    // R40: where names fold, each has to be looked at.
    if ((await folding.fold()) !== null) return []
    await roots.useOwn(`${ASIDE_DIR}/${batch}`, async (area) => {
      await writeNote(area, directories.map(({ path }) => path))
      await eachAtMost([...directories.entries()], DIRECTORIES_AT_ONCE, async ([n, directory]) => {
        if (await isSet(parts, directory, known, area, String(n))) places.push({ path: directory.path, name: `${batch}/${n}` })
      })
      if (!(await isSynced(roots, area, places))) await takeBack(roots, area, places)
    })
  } catch (error) {
    // What moved is told in any case: a scan must not take it for gone.
    if (places.length === 0 && !isOrdinary(error)) throw error
  }
  if (places.length === 0 && !(await dropBatch(roots, batch))) parts.onFailure?.()
  return places
}

async function writeNote(area: Directory, paths: readonly PathKey[]): Promise<void> {
  await writeNew(at(area, ASIDE_NOTE), Buffer.from(JSON.stringify({ paths })))
  await syncDirectory(area.fd)
}

async function isSet(parts: SetAsideParts, { path, ino }: DirectoryToSet, known: KnownTree, area: Directory, name: string): Promise<boolean> {
  const { roots, hooks } = parts
  try {
    return await roots.use(parentOf(path), async (parent) => {
      const standing = await lstatOrNull(at(parent, nameOf(path)))
      if (standing === null || inoOf(standing.ino) !== ino || kindOf(standing) !== 'directory' || standing.dev !== parent.device) return false
      if ((await treeAsKnown(parts, known, path)) === null) return false
      await hooks.beforeMove?.(path)
      await rename(`${at(parent, nameOf(path))}/`, `${at(area, name)}/`)
      roots.forget(path)
      return true
    })
  } catch (error) {
    if (!isOrdinary(error)) throw error
    return false
  }
}

async function isSynced(roots: Roots, area: Directory, places: readonly AsidePlace[]): Promise<boolean> {
  try {
    for (const parent of new Set(places.map(({ path }) => parentOf(path)))) await roots.use(parent, async (directory) => await syncReadable(directory))
    await syncDirectory(area.fd)
    return true
  } catch (error) {
    if (!isOrdinary(error)) throw error
    return false
  }
}

/** A directory may be one that may not be read, and a file system one that cannot do it at all. */
export async function syncReadable(directory: Directory): Promise<void> {
  try {
    await syncDirectory(directory.fd)
  } catch (error) {
    const code = errnoOf(error)
    if (code !== 'EACCES' && code !== 'EINVAL' && code !== 'ENOTSUP') throw error
  }
}

/** What may not survive a power cut is not done. */
async function takeBack(roots: Roots, area: Directory, places: AsidePlace[]): Promise<void> {
  for (const place of [...places]) {
    const { path, name } = place
    await roots.use(parentOf(path), async (parent) => await rename(`${at(area, nameOf(name as PathKey))}/`, `${at(parent, nameOf(path))}/`))
    places.splice(places.indexOf(place), 1)
  }
}

/** A batch of which nothing stands there any more. One that cannot be dropped says nothing of what it held. @returns false: it goes later. */
export async function dropBatch(roots: Roots, batch: string): Promise<boolean> {
  const path = `${ASIDE_DIR}/${batch}`
  try {
    await roots.use(path, async (area) => {
      const names = await readNames(self(area))
      if (names.every((name) => name === ASIDE_NOTE)) for (const name of names) await unlink(at(area, name))
    })
    await roots.use(ASIDE_DIR, async (aside) => await rmdir(at(aside, batch)))
    roots.forget(path)
    return true
  } catch (error) {
    if (!isOrdinary(error)) throw error
    return isGone(error)
  }
}

/** All such batches. @returns false if one that is empty could not be dropped. */
export async function dropEmptyBatches(roots: Roots): Promise<boolean> {
  let all = true
  for (const batch of await namesIn(roots, ASIDE_DIR)) {
    const names = await namesIn(roots, `${ASIDE_DIR}/${batch}`)
    if (names.every((name) => name === ASIDE_NOTE) && !(await dropBatch(roots, batch))) all = false
  }
  return all
}

/** Of one path or system call: then it goes the other way. */
export function isOrdinary(error: unknown): boolean {
  return error instanceof WalkError || errnoOf(error) !== null
}

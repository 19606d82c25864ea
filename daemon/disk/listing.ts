/** What a directory holds at this moment: its names, decoded and checked, each with its lstat. */
import { errnoOf } from '../../base/errors.ts'
import type { PathKey } from '../sync/ids.ts'
import { joinPath, parsePath, ROOT } from '../sync/path.ts'
import { eachAtMost } from './each.ts'
import { OWN_DIR } from './layout.ts'
import { decodeName, escapeName } from './names.ts'
import { at, self, type Directory } from './roots.ts'
import { lstat, readNames, type Stat } from './sys.ts'

export interface Child {
  readonly name: string
  readonly path: PathKey
  readonly stat: Stat
}

export interface Listing {
  readonly children: readonly Child[]
  /** Names that were read but went before they could be looked at. */
  readonly vanished: readonly PathKey[]
  /** Escaped paths of names that cannot be synced. */
  readonly invalid: readonly PathKey[]
  readonly unreadable: readonly { readonly path: PathKey; readonly error: unknown }[]
}

/** lstat calls of one directory under way at once: enough to keep the pool busy, few enough to share it. */
const LSTAT_AT_ONCE = 16

/** Throws what readdir throws: then nothing is known of the children (invariant 4). Our own directory is left out. */
export async function listDirectory(directory: Directory, path: PathKey): Promise<Listing> {
  const children: Child[] = []
  const vanished: PathKey[] = []
  const invalid: PathKey[] = []
  const unreadable: { path: PathKey; error: unknown }[] = []
  await eachAtMost(await readNames(self(directory)), LSTAT_AT_ONCE, async (raw) => {
    if (path === ROOT && raw === OWN_DIR) return
    const name = decodeName(raw)
    const child = name === null ? null : parsePath(joinPath(path, name))
    if (name === null || child === null) {
      invalid.push(joinPath(path, name ?? escapeName(raw)))
      return
    }
    try {
      children.push({ name, path: child, stat: await lstat(at(directory, name)) })
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') vanished.push(child)
      else unreadable.push({ path: child, error })
    }
  })
  return { children, vanished, invalid, unreadable }
}

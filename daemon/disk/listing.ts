/** What a directory holds at this moment: its names, decoded and checked, each with its lstat. */
import { errnoOf } from '../../base/errors.ts'
import type { PathKey } from '../sync/ids.ts'
import { joinPath, parsePath, ROOT } from '../sync/path.ts'
import { OWN_DIR } from './layout.ts'
import { decodeName, escapeName } from './names.ts'
import { at, self, type Directory } from './roots.ts'
import { lstatEach, readNames, type Stat } from './sys.ts'

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
  const names: Pick<Child, 'name' | 'path'>[] = []
  for (const raw of await readNames(self(directory))) {
    if (path === ROOT && raw === OWN_DIR) continue
    const name = decodeName(raw)
    const child = name === null ? null : parsePath(joinPath(path, name))
    if (name === null || child === null) invalid.push(joinPath(path, name ?? escapeName(raw)))
    else names.push({ name, path: child })
  }
  await lstatEach(
    names,
    LSTAT_AT_ONCE,
    ({ name }) => at(directory, name),
    ({ name, path: child }, stat) => void children.push({ name, path: child, stat }),
    ({ path: child }, error) => void (errnoOf(error) === 'ENOENT' ? vanished.push(child) : unreadable.push({ path: child, error }))
  )
  return { children, vanished, invalid, unreadable }
}

/** A file that is held open as long as it is used, and that is sure to be what was seen of it: before, and if asked, after. */
import { errnoOf } from '../../base/errors.ts'
import type { OpenFile, Place, SeenStat } from '../ports.ts'
import { nameOf, parentOf, parsePath } from '../sync/path.ts'
import { parseHistoryName } from './history.ts'
import { at, WalkError, type Roots } from './roots.ts'
import { kindOf, sameSeen, toSeen } from './seen.ts'
import { close, fstat, lstat, open, READ_FLAGS, type Stat } from './sys.ts'

export async function holdPlace(roots: Roots, place: Place, seen: SeenStat): Promise<Omit<OpenFile, 'verified'> | null> {
  const target = targetOf(place)
  return target === null ? null : await hold(roots, target.directory, target.file, seen)
}

/** For reading; null if there is no file that can be. */
export async function openPlace(roots: Roots, place: Place): Promise<number | null> {
  const target = targetOf(place)
  if (target === null) return null
  let fd: number
  try {
    fd = await roots.use(target.directory, async (parent) => await open(at(parent, target.file), READ_FLAGS))
  } catch (error) {
    if (!isExpected(error)) throw error
    return null
  }
  if (kindOf(await fstat(fd)) === 'file') return fd
  await close(fd)
  return null
}

/** A directory and a name in it; null for a name that cannot be ours. */
export function targetOf(place: Place): { readonly directory: string; readonly file: string } | null {
  if (place.area === 'history') return parseHistoryName(place.path)
  const path = parsePath(place.path)
  return path === null ? null : { directory: parentOf(path), file: nameOf(path) }
}

async function hold(roots: Roots, directory: string, file: string, seen: SeenStat): Promise<Omit<OpenFile, 'verified'> | null> {
  let fd: number
  try {
    fd = await roots.use(directory, async (parent) => await open(at(parent, file), READ_FLAGS))
  } catch (error) {
    if (!isExpected(error)) throw error
    return null
  }
  const isUnchanged = async (): Promise<boolean> => {
    try {
      return isSeen(await fstat(fd), seen) && isSeen(await roots.use(directory, async (parent) => await lstat(at(parent, file))), seen)
    } catch (error) {
      if (!isExpected(error)) throw error
      return false
    }
  }
  if (await isUnchanged()) return { fd, isUnchanged, close: async () => await close(fd) }
  await close(fd)
  return null
}

/** The same node, untouched: a write, a rename and a change of mode all show in the ctime. */
function isSeen(stat: Stat, seen: SeenStat): boolean {
  return kindOf(stat) === 'file' && sameSeen(toSeen(stat), seen)
}

function isExpected(error: unknown): boolean {
  return errnoOf(error) !== null || error instanceof WalkError
}

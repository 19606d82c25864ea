/** A file that is held open as long as it is used, and that is sure to be what was seen of it: before, and if asked, after. */
import { errnoOf } from '../../base/errors.ts'
import type { OpenFile, SeenStat } from '../ports.ts'
import { at, WalkError, type Roots } from './roots.ts'
import { kindOf, sameSeen, toSeen } from './seen.ts'
import { close, fstat, lstat, open, READ_FLAGS, type Stat } from './sys.ts'

export async function hold(roots: Roots, directory: string, file: string, seen: SeenStat): Promise<Omit<OpenFile, 'verified'> | null> {
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

/** What commands ask of a path whose disk may not answer. */
import { errnoOf, P2psyncError } from '../../base/errors.ts'
import { NO_ANSWER } from '../disk/marker.ts'
import { far } from '../disk/sys.ts'

/** A disk that sleeps, or is mounted at the first look at it, takes so long. */
const AWAKE_MS = 15_000

/** Throws PATH_DENIED where the disk does not answer: the command does, and asks no second time. `mayGoOn` throws from then on. */
export async function inTime<T>(path: string, work: (mayGoOn: () => void) => Promise<T>): Promise<T> {
  try {
    return await far.inTime(path, work, AWAKE_MS)
  } catch (error) {
    if (errnoOf(error) !== 'ETIMEDOUT') throw error
    throw new P2psyncError('PATH_DENIED', `cannot look at ${path}: ${NO_ANSWER}`, { cause: error })
  }
}

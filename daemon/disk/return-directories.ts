/**
 * History has files alone, so a directory there is one that the user put in the place of a file in the last instant before that went, and
 * that could not go back: a crash came, or a disk failed. It gets its name in the tree again, or where that was taken one of its own, whole, by
 * one rename: what is in it may have names that are no text, and modes that let nobody in.
 */
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import type { Displaced } from './displaced.ts'
import { directoriesInHistory, parseHistoryName, type HistorySlot } from './history.ts'
import { RECOVERED, type HistoryNotes } from './history-notes.ts'
import { isRenamed } from './put-back.ts'
import { placeFor } from './recheck.ts'
import type { Roots } from './roots.ts'
import { isOrdinary } from './set-aside.ts'

export interface ReturnParts {
  readonly roots: Roots
  readonly displaced: Displaced
  readonly notes: HistoryNotes
  readonly log: Log
}

const visit = async (): Promise<void> => undefined

/** `hours`: of history. `found` is told each path in the tree that one has now. One that has no place yet keeps none of the others. @returns false then. */
export async function returnDirectories(parts: ReturnParts, hours: readonly string[], found: (path: PathKey) => void): Promise<boolean> {
  const { roots, notes, log } = parts
  const names = await directoriesInHistory(roots, hours)
  const known = await notes.of(names)
  let all = true
  for (const [i, name] of names.entries()) {
    try {
      const { directory, file } = parseHistoryName(name) as HistorySlot
      found(await toTree(parts, directory, file, known[i]?.path ?? RECOVERED))
    } catch (error) {
      if (!isOrdinary(error)) throw error
      all = false
      log.error({ name, error: messageOf(error) }, 'a directory that came into history could not be put back; it is tried again')
    }
  }
  return all
}

/** A directory `name` of `area`, to where it stood, or beside it. @returns where. */
export async function toTree({ roots, displaced }: Pick<ReturnParts, 'roots' | 'displaced'>, area: string, name: string, stood: PathKey): Promise<PathKey> {
  const path = await placeFor(roots, stood)
  if (await isRenamed(roots, area, name, path)) return path
  const home = await displaced.rehome(area, name, path, visit)
  return 'at' in home ? home.at : path
}

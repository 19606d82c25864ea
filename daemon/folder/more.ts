/** What the cycle carries out next, and what it still carries out before it states what it has done (unstated.ts). */
import type { PathKey } from '../sync/ids.ts'
import { followGone } from './aside.ts'
import type { FolderContext } from './context.ts'
import { endsAtOnce, isHinted } from './hints.ts'
import type { Notices } from './notices.ts'
import { holdDeletions, pullAll } from './pull.ts'

/** Paths reconciled in one go: large enough to batch the publishing, small enough to keep the cycle responsive. */
const SLICE_PATHS = 1000
/** Fewer are carried out once nothing else has come for a moment. */
const WORTH_PATHS = 250
const GATHER_MS = 20
/** In a row without anything new, while something is on its way: it is large, or slow. */
const PAUSES = 5
/** To state so many takes half a pause, on each device that hears of them: the more there are, the longer is waited for what comes behind them … */
const PAUSE_PATHS = 50
/** … but others may wait for what is stated here. */
const MAX_PAUSES = 25

export interface Flood {
  readonly sliceDeletions: number | undefined
  readonly notices: Notices
  /** Ends a pull. */
  signal(): AbortSignal
  /** The folder is held, or somebody waits for an answer. */
  stopped(): boolean
}

export function takeSlice(context: FolderContext, { sliceDeletions }: Flood): ReadonlySet<PathKey> | null {
  return context.work.takeDirty(SLICE_PATHS, endsAtOnce(context, sliceDeletions), (path) => context.tally.expectsEnd(path))
}

/** What came in while others were carried out; null if anything else is to be done now. */
export async function takeMore(context: FolderContext, flood: Flood): Promise<ReadonlySet<PathKey> | null> {
  const { unstated, work } = context
  for (let pauses = 0; ; ) {
    const next = await nextOf(context, flood)
    if (next !== 'few') return next
    if (pauses >= patience(context) || !unstated.mayWait(context.ports.clock.now())) return takeSlice(context, flood)
    const count = work.dirtyCount
    await flood.notices.pause(GATHER_MS)
    pauses = work.dirtyCount > count ? 0 : pauses + 1
  }
}

/** `few`: less than is worth it, and more is on its way, or may well be. */
async function nextOf(context: FolderContext, flood: Flood): Promise<ReadonlySet<PathKey> | null | 'few'> {
  const { fetcher, tally, unstated, work } = context
  if (flood.stopped()) return null
  if (!unstated.hasNew) await followGone(context)
  if (work.takePull()) await pullAll(context, flood.signal())
  await holdDeletions(context)
  if (flood.stopped()) return null
  if (!unstated.hasNew) return work.takeEnds(endsAtOnce(context, flood.sliceDeletions), (path) => tally.expectsEnd(path))
  // Our own doing comes back as hints; anything else may be a user's change, which is not waited with.
  if (work.urgent || isHinted(context) || work.isInDoubtBeyond(unstated)) return null
  const isOnItsWay = fetcher.open > fetcher.unavailable
  return work.dirtyCount === 0 || (isOnItsWay && work.dirtyCount < WORTH_PATHS) ? 'few' : takeSlice(context, flood)
}

/** In pauses. An author that reads a disk, or shares a processor, makes some of its own. */
function patience({ fetcher, unstated, work }: FolderContext): number {
  const pauses = fetcher.open > fetcher.unavailable ? PAUSES : 0
  return work.dirtyCount > 0 ? pauses : Math.max(pauses, Math.min(Math.floor(unstated.size / PAUSE_PATHS), MAX_PAUSES))
}

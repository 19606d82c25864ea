/**
 * When what could not be done is tried again: soon at first, because most causes pass at once (a disk that was full, a file that was
 * locked), then ever more seldom. No event tells that a cause is gone.
 */
import { ASK_LAST_MS, RETRY_FIRST_MS, RETRY_LAST_MS } from '../../base/limits.ts'
import type { PathKey } from '../sync/ids.ts'
import type { FolderContext } from './context.ts'

export class Retries {
  #waitMs = RETRY_FIRST_MS
  #due = 0
  #failing = 0

  /** Until the next try, or null if nothing is to be tried. Something new shortens it again. */
  next(context: FolderContext): number | null {
    const failing = failingPaths(context)
    // What is still being asked for as well: when nobody could give it there is no event that would have this called.
    const due = failing + context.fetcher.open
    if (due === 0 || due > this.#due || failing > this.#failing) this.#waitMs = RETRY_FIRST_MS
    this.#due = due
    this.#failing = failing
    return due === 0 ? null : this.#waitMs
  }

  /**
   * At the end of a cycle: true if the wait that is planned does not fit any more, because something new failed or nothing is to be
   * tried. What is unavailable counts only as something: it is asked for again and again while devices report.
   */
  isStale(context: FolderContext): boolean {
    const failing = failingPaths(context)
    if (failing > this.#failing) return true
    this.#failing = failing
    return failing === 0 && context.fetcher.open === 0
  }

  /** Marks all of it as work; the next time comes later. */
  markAndSlow(context: FolderContext): void {
    this.#waitMs = Math.min(this.#waitMs * 2, this.#failing > 0 ? RETRY_LAST_MS : ASK_LAST_MS)
    this.mark(context)
  }

  mark(context: FolderContext): void {
    // A nack may have been for a moment only: a file that was being written.
    context.fetcher.peersChanged()
    context.work.markDirty(context.blocked.keys())
    const unread = refusedBySystem(context)
    if (unread.length > 0) context.work.markScan(unread)
  }
}

function failingPaths(context: FolderContext): number {
  return context.blocked.size + refusedBySystem(context).length
}

/** Paths that could not be looked at here for a reason of the system (an errno); names and kinds that are not synced stay as they are. */
function refusedBySystem({ problems, blocked }: FolderContext): PathKey[] {
  return [...problems.values()].filter(({ path, code }) => /^E[A-Z]+$/.test(code) && path !== '' && !blocked.has(path as PathKey)).map(({ path }) => path as PathKey)
}

/**
 * Deletions of others that are carried out on disk and not stated in our drive yet. Users wait for files to be gone, and each statement takes as
 * long as two deletions: so what comes in meanwhile is deleted first, for a moment. Until they are stated the index holds the rows of
 * before, and whoever decides anything of such a path asks here. A crash in between is one between any step on disk and its statement:
 * the scan finds the paths gone, and what others state of them is adopted.
 */
import type { Row } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import { commit, type Change } from './commit.ts'
import type { FolderContext } from './context.ts'

/** Of one moment, in number and time: what a crash leaves to a scan, and what a user's own change may wait for. */
const MAX_PATHS = 20_000
const MAX_MS = 2_000

export class Unstated {
  readonly #changes = new Map<PathKey, Change>()
  #since = 0

  get changes(): readonly Change[] {
    return [...this.#changes.values()]
  }

  /** What stands there in truth; undefined: what the index says. */
  row(path: PathKey): Row | undefined {
    return this.#changes.get(path)?.row
  }

  keep(changes: readonly Change[], now: number): void {
    if (this.#changes.size === 0) this.#since = now
    for (const change of changes) this.#changes.set(change.path, change)
  }

  /** More may be done before they are stated. A clock that was set back ends it. */
  mayWait(now: number): boolean {
    return this.#changes.size > 0 && this.#changes.size < MAX_PATHS && now >= this.#since && now - this.#since < MAX_MS
  }

  clear(): void {
    this.#changes.clear()
  }
}

/** Nothing but the end of a path, and nothing of it is left. */
export function isPlainEnd({ entry, row, list, from }: Change): boolean {
  return from === 'remote' && list === null && entry?.kind === 'tombstone' && row.entry.kind === 'tombstone' && row.shadow !== true
}

export async function stateEnds(context: FolderContext): Promise<void> {
  const { unstated } = context
  const { changes } = unstated
  if (changes.length === 0) return
  try {
    await commit(context, changes)
  } finally {
    unstated.clear()
  }
}

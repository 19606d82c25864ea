/**
 * What others state, carried out on disk and not stated in our drive yet: deletions, and files and directories that are new here. Users
 * wait for files to be there, or gone; a statement takes as long as either, here and on each device that reads it. So what comes in
 * meanwhile is done first, for a moment. Until they are stated the index holds the rows of before, and whoever decides anything of such
 * a path asks here. A crash in between is one between any step on disk and its statement: the scan finds the paths as they are, and what
 * others state of them is adopted (decisions/0017-later-statements.md).
 */
import type { Row } from '../ports.ts'
import type { ContentList } from '../sync/content.ts'
import type { ContentId, PathKey } from '../sync/ids.ts'
import { nameOf, parentOf, ROOT } from '../sync/path.ts'
import { commit, type Change } from './commit.ts'
import type { FolderContext } from './context.ts'

/** Of one moment, in number and time: what a crash leaves to a scan, and what a user's own change may wait for. */
const MAX_ENDS = 20_000
const MAX_ENDS_MS = 2_000
/** What a crash leaves of new files is read again, and what they take in memory is a kilobyte each. A user's own change is not waited with. */
const MAX_NEW = 12_000
const MAX_NEW_MS = 10_000

export class Unstated {
  readonly #changes = new Map<PathKey, Change>()
  readonly #names = new Map<PathKey, Set<string>>()
  readonly #lists = new Map<ContentId, ContentList>()
  #since = 0
  #new = 0
  #era: object = {}

  get changes(): readonly Change[] {
    return [...this.#changes.values()]
  }

  get size(): number {
    return this.#changes.size
  }

  /** Until they are stated; then another one begins. */
  get era(): object {
    return this.#era
  }

  get isEmpty(): boolean {
    return this.#changes.size === 0
  }

  /** Something is new among them. */
  get hasNew(): boolean {
    return this.#new > 0
  }

  has(path: PathKey): boolean {
    return this.#changes.has(path)
  }

  hasAny(paths: Iterable<PathKey>): boolean {
    for (const path of paths) if (this.#changes.has(path)) return true
    return false
  }

  /** What stands there in truth; undefined: what the index says. */
  row(path: PathKey): Row | undefined {
    return this.#changes.get(path)?.row
  }

  /** Names in it, as far as they are new. */
  children(directory: PathKey): Iterable<string> {
    return this.#names.get(directory) ?? []
  }

  /** Of a content that the index does not know yet. */
  listOf(cid: ContentId): ContentList | null {
    return this.#lists.get(cid) ?? null
  }

  keep(changes: readonly Change[], now: number): void {
    if (this.#changes.size === 0) this.#since = now
    for (const change of changes) {
      this.#changes.set(change.path, change)
      if (change.list !== null) this.#lists.set(change.list.cid, change.list)
      if (change.row.entry.kind !== 'tombstone') this.#note(change.path)
    }
  }

  #note(path: PathKey): void {
    this.#new++
    const parent = path === ROOT ? ROOT : parentOf(path)
    const names = this.#names.get(parent)
    if (names === undefined) this.#names.set(parent, new Set([nameOf(path)]))
    else names.add(nameOf(path))
  }

  /** More may be done before they are stated. A clock that was set back ends it. */
  mayWait(now: number): boolean {
    const [paths, ms] = this.hasNew ? [MAX_NEW, MAX_NEW_MS] : [MAX_ENDS, MAX_ENDS_MS]
    return this.#changes.size > 0 && this.#changes.size < paths && now >= this.#since && now - this.#since < ms
  }

  clear(): void {
    this.#era = {}
    this.#changes.clear()
    this.#names.clear()
    this.#lists.clear()
    this.#new = 0
  }
}

/** Nothing but the end of a path, and nothing of it is left. */
export function isPlainEnd({ entry, row, list, from }: Change): boolean {
  return from === 'remote' && list === null && entry?.kind === 'tombstone' && row.entry.kind === 'tombstone' && row.shadow !== true
}

/** Something where there was nothing, and nothing of ours has ever been stated. Chunks of large files are looked for here before they are asked for. */
export function isPlainBirth({ before, entry, list, row, kept, from }: Change): boolean {
  if (from !== 'remote' || before !== null || kept !== null || row.seen === null || row.shadow === true) return false
  return entry?.kind === 'directory' || (entry?.kind === 'file' && list !== null && list.chunks.length <= 1)
}

export async function stateEnds(context: FolderContext): Promise<void> {
  const { unstated } = context
  const { changes } = unstated
  if (changes.length === 0) return
  try {
    await keepRows(context, changes, new Set(await commit(context, changes)))
  } finally {
    unstated.clear()
  }
}

/**
 * A new file that the user has changed, or moved away, before it was stated. Without a row his change would be another new file, in
 * conflict with the one that it was made from. A row without a stat is looked at, and stated as it is then.
 */
async function keepRows({ ports, work }: FolderContext, changes: readonly Change[], unreadable: ReadonlySet<PathKey>): Promise<void> {
  if (unreadable.size === 0) return
  const batch = ports.index.batch()
  for (const { path, row } of changes) if (unreadable.has(path)) batch.putRow(path, { entry: row.entry, seen: null })
  await batch.flush()
  work.markScan(unreadable)
}

/**
 * R35: what an apply displaced is looked at again after 2 s and at the next full scan, because a writer may still hold it open. Names
 * are kept in memory for the 2 s only; for the full scan the history's own newest hours say which are meant, so that a crash in
 * between forgets none.
 */
import { DISPLACED_RECHECK_MS } from '../../base/limits.ts'
import { messageOf } from '../../base/errors.ts'
import type { HistoryRow } from '../ports.ts'
import type { FolderContext } from './context.ts'

/** Rows of history that are read together: after a mass deletion thousands are due at once. */
const ROWS_AT_ONCE = 256

interface Fresh {
  readonly name: string
  readonly at: number
}

export class Displacements {
  #fresh: Fresh[] = []
  /** Something was displaced since the last full scan, or a start knows nothing of that. */
  #pending = true
  readonly #failed = new Set<string>()

  note(name: string, now: number): void {
    this.#fresh.push({ name, at: now })
    this.#pending = true
  }

  /** Their statement failed: they are to be listed by themselves. */
  failed(names: Iterable<string>): void {
    for (const name of names) this.#failed.add(name)
  }

  takeFailed(): readonly string[] {
    const names = [...this.#failed]
    this.#failed.clear()
    return names
  }

  /** When the first of them is due; null: nothing waits. */
  dueIn(now: number): number | null {
    const [first] = this.#fresh
    // A clock that was set back must not put it off.
    return first === undefined ? null : Math.min(DISPLACED_RECHECK_MS, Math.max(0, first.at + DISPLACED_RECHECK_MS - now))
  }

  takeDue(now: number): readonly string[] {
    const isDue = ({ at }: Fresh): boolean => at + DISPLACED_RECHECK_MS <= now || at > now
    const due = this.#fresh.filter(isDue)
    this.#fresh = this.#fresh.filter((each) => !isDue(each))
    return due.map(({ name }) => name)
  }

  /** Those whose first look is still to come. */
  get waiting(): ReadonlySet<string> {
    return new Set(this.#fresh.map(({ name }) => name))
  }

  takePending(): boolean {
    const pending = this.#pending
    this.#pending = false
    return pending
  }

  /** The look failed: the next full scan does it. */
  keep(): void {
    this.#pending = true
  }
}

/** In the cycle. */
export async function lookAgain(context: FolderContext): Promise<void> {
  await recheck(context, context.displaced.takeDue(context.ports.clock.now()))
}

/** With a full scan. `windowMs`: longer ago than the last full scan. */
export async function lookAgainAtAll(context: FolderContext, windowMs: number): Promise<void> {
  if (!context.displaced.takePending()) return
  try {
    await recheck(context, await context.ports.disk.recentHistory(windowMs))
  } catch (error) {
    context.displaced.keep()
    context.ports.log.warn({ error: messageOf(error) }, 'what was displaced could not be looked at again; the next full scan does it')
  }
}

async function recheck(context: FolderContext, names: readonly string[]): Promise<void> {
  const { index } = context.ports
  for (let start = 0; start < names.length; start += ROWS_AT_ONCE) {
    const rows = await Promise.all(names.slice(start, start + ROWS_AT_ONCE).map((name) => index.historyRow(name)))
    for (const row of rows) {
      if (context.signal.aborted) return context.displaced.keep()
      if (row !== null) await isUntouched(context, row)
    }
  }
}

/** False if somebody wrote to it since: then it stands under a name of its own, and is in history no more. */
export async function isUntouched(context: FolderContext, row: HistoryRow): Promise<boolean> {
  const { disk, log } = context.ports
  const { name, path, entry } = row
  if (entry.kind !== 'file') return true
  const outcome = await disk.recheck(name, path, entry)
  if (outcome.kind !== 'stray') return true
  log.warn({ path, at: outcome.at }, 'somebody wrote to a file after a sync had replaced it; what was written stands under a name of its own')
  await forget(context, row)
  context.work.markScan(outcome.at === null ? [path] : [path, outcome.at])
  return false
}

/** The old version is not there any more: the user's own program wrote over it. */
async function forget({ ports: { index } }: FolderContext, { name, entry }: HistoryRow): Promise<void> {
  const batch = index.batch()
  batch.delHistory(name)
  if (entry.kind === 'file') batch.delPlace(entry.cid, { area: 'history', path: name })
  await batch.flush()
}

/** Where another device's tree differs from ours, kept in the tally and in the index alike. What is ignored here is not compared (R37). */
import type { IndexBatch, Row } from '../ports.ts'
import { sameEntry } from '../sync/entry-compare.ts'
import type { Entry } from '../sync/entry.ts'
import type { DeviceId, PathKey } from '../sync/ids.ts'
import type { FolderContext } from './context.ts'

/**
 * The mark in the index is for any difference, of versions too: after a crash these paths are reconciled again.
 * `batch` null: only the tally is told, the index knows already.
 */
export function compareWithDevice(context: FolderContext, batch: IndexBatch | null, device: DeviceId, path: PathKey, own: Row | null, theirs: Entry | null): void {
  const { rules, tally } = context
  const ignored = own?.ignored === true || rules.ignored(path, (theirs ?? own?.entry)?.kind === 'directory')
  if (ignored) tally.forget(device, path)
  else tally.compare(device, path, own?.entry ?? null, theirs)
  batch?.setDivergent(device, path, !ignored && !sameEntry(own?.entry ?? null, theirs))
}

/** After a change of the rules: what is ignored now is neither a difference nor needed. */
export async function forgetIgnored(context: FolderContext): Promise<void> {
  const { ports, rules, tally, work } = context
  const batch = ports.index.batch()
  const isIgnored = (path: PathKey): boolean => rules.ignored(path, false) || rules.ignored(path, true)
  for (const device of new Set(ports.remotes.list().map((drive) => drive.device))) {
    for (const path of [...tally.divergentPaths(device)].filter(isIgnored)) {
      tally.forget(device, path)
      batch.setDivergent(device, path, false)
    }
  }
  work.markDirty([...tally.pendingPaths()].filter(isIgnored))
  await batch.flush()
}

/** For a start: what is known to differ is compared again, and reconciled. */
export async function loadDivergent(context: FolderContext): Promise<void> {
  const { index } = context.ports
  for await (const rows of index.divergent()) {
    context.work.markDirty(rows.map((row) => row.path))
    const paths = rows.map((row) => row.path)
    const [own, remote] = await Promise.all([index.rows(paths), index.remoteRows(paths)])
    for (const [i, row] of rows.entries()) {
      const theirs = (remote[i] ?? []).filter((statement) => statement.device === row.device).sort((a, b) => b.generation - a.generation)[0]
      compareWithDevice(context, null, row.device, row.path, own[i] ?? null, theirs?.entry ?? null)
      if (theirs !== undefined) context.guard.incoming(row.path, own[i] ?? null, theirs.entry)
    }
  }
}

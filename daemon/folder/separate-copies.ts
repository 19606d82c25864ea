/**
 * A conflict copy is a second name of the losing file until the winner has the path (docs/decisions/0028). Where that did not come about,
 * each gets a file of its own, so that a program that goes on writing to the path does not write into the copy as well.
 */
import type { Row } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import type { FolderContext } from './context.ts'

/** @param copies with the path whose content each keeps. @param linked those among them that this run made. */
export async function separateCopies({ ports, rules, work }: FolderContext, copies: ReadonlyMap<PathKey, PathKey>, linked: ReadonlySet<PathKey>): Promise<void> {
  if (copies.size === 0) return
  const { disk, index } = ports
  const pairs = [...copies]
  const rows = await index.rows(pairs.flat())
  const shared = pairs.flatMap(([path, from], i) => {
    const row = rows[2 * i] ?? null
    return linked.has(path) || isOneFile(row, rows[2 * i + 1] ?? null) ? [{ path, from, row }] : []
  })
  if (shared.length === 0) return
  const results = await disk.apply(shared.map(({ path, from, row }) => ({ kind: 'separate', path, from, expect: row?.seen ?? null })), rules.ignored)
  const batch = index.batch()
  for (const [i, { path, from, row }] of shared.entries()) {
    const result = results[i]
    // The other's ctime changed, and what was written to it before is found.
    work.markScan([path, from])
    if (result?.kind === 'done' && result.seen !== null && row?.entry.kind === 'file') batch.putRow(path, { ...row, seen: result.seen })
  }
  await batch.flush()
}

function isOneFile(copy: Row | null, base: Row | null): boolean {
  return copy?.entry.kind === 'file' && base?.entry.kind === 'file' && copy.seen !== null && copy.seen.ino === base.seen?.ino
}

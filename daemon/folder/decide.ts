/** What the user says to a held mass deletion (R28, R29): all of it goes, or all of it comes back. Runs in the folder's cycle. */
import { P2psyncError } from '../../base/errors.ts'
import type { RemoteRow, Row } from '../ports.ts'
import { restamp } from '../sync/diff.ts'
import type { PathKey } from '../sync/ids.ts'
import { commit, type Change } from './commit.ts'
import { newestPerDevice, type FolderContext } from './context.ts'
import { lookAnew } from './local.ts'

/** How many paths the answer was about. */
export interface Decided {
  readonly here: number
  readonly elsewhere: number
}

/** Exactly what waits is deleted: here missed files are published, flagged so that no receiver holds them again; elsewhere deleted ones are applied. */
export async function approve(context: FolderContext): Promise<Decided> {
  const { guard, work } = context
  expectHeld(context)
  const here = guard.approve('here')
  const elsewhere = guard.approve('elsewhere')
  await lookAnew(context, here)
  work.markDirty(elsewhere)
  return { here: here.length, elsewhere: elsewhere.length }
}

/** What is missing here comes back from the others under their versions; what others deleted is stated anew, so that it lives everywhere. */
export async function reject(context: FolderContext): Promise<Decided> {
  const { guard } = context
  expectHeld(context)
  const here = guard.held('here')
  const elsewhere = guard.held('elsewhere')
  await bringBack(context, here)
  await stateAnew(context, elsewhere)
  return { here: here.length, elsewhere: elsewhere.length }
}

function expectHeld({ guard }: FolderContext): void {
  if (!guard.deciding) throw new P2psyncError('NOTHING_HELD', 'no mass deletion waits for a decision in this folder; p2psync status shows what does')
}

/** Nobody else has some: nothing can bring those back, and their deletion concerns nobody. */
async function bringBack(context: FolderContext, paths: readonly PathKey[]): Promise<void> {
  const { guard, work, ports } = context
  const rows = await ports.index.remoteRows(paths)
  const stated = (i: number): boolean => newestPerDevice(rows[i] ?? []).some((row) => row.entry.kind !== 'tombstone')
  const back = paths.filter((_path, i) => stated(i))
  if (back.length < paths.length) guard.approve('here')
  guard.recall(back)
  await lookAnew(context, paths)
  work.markDirty(back)
}

async function stateAnew(context: FolderContext, paths: readonly PathKey[]): Promise<void> {
  const { index } = context.ports
  const [rows, remotes] = await Promise.all([index.rows(paths), index.remoteRows(paths)])
  const changes: Change[] = []
  for (const [i, path] of paths.entries()) {
    const change = await restated(context, path, rows[i] ?? null, remotes[i] ?? [])
    if (change !== null) changes.push(change)
    else context.guard.forget(path)
  }
  context.work.markScan(await commit(context, changes))
  context.work.markDirty(paths)
}

/** R29: it dominates the deletions that we know of. Null if the path is not as it was when it was held. */
async function restated(context: FolderContext, path: PathKey, before: Row | null, remotes: readonly RemoteRow[]): Promise<Change | null> {
  if (before === null || before.entry.kind === 'tombstone' || before.ignored === true) return null
  const content = before.entry.kind === 'file' ? await context.ports.index.content(before.entry.cid) : null
  if (before.entry.kind === 'file' && content === null) return null
  const deletions = newestPerDevice(remotes).filter((row) => row.entry.kind === 'tombstone')
  const entry = restamp(before.entry, deletions.map((row) => row.entry.vv), context.counter.take())
  return { path, before, entry, row: { entry, seen: before.seen }, list: content?.list ?? null, kept: null, from: 'local' }
}

/** What the checker rebuilds of single paths: statements from the index and the disk, index rows from the drive. Runs in the cycle. */
import type { Look, Row, Stated } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import { readerOf } from './commit.ts'
import type { FolderContext } from './context.ts'
import { lookAnew } from './local.ts'

/** The path is stated as the index knows it, with blocks of its own whatever is said of older ones. */
export async function stateAgain(context: FolderContext, path: PathKey, row: Row, look: Look | null): Promise<void> {
  const { own, index } = context.ports
  const list = look?.kind === 'file' ? look.content : null
  if (row.entry.kind === 'file' && list?.cid !== row.entry.cid) return await lookAnew(context, [path])
  const [result] = await own.publish([{ path, entry: row.entry, content: list === null ? null : { list, blob: null } }], readerOf(context))
  const batch = index.batch()
  if (list !== null && result?.kind === 'done') batch.putContent(list, { area: 'tree', path }, result.blob)
  batch.setOwn(context.counter.commit(own.length))
  await batch.flush()
  if (result?.kind !== 'done') await lookAnew(context, [path])
}

/** The index gets the row that our drive states, without a stat, so that the next scan holds it against the disk. */
export async function takeOver(context: FolderContext, path: PathKey, { entry, blob }: Stated, look: Look | null): Promise<void> {
  const { index } = context.ports
  const batch = index.batch()
  batch.putRow(path, { entry, seen: null })
  if (look?.kind === 'file' && entry.kind === 'file' && look.content.cid === entry.cid) batch.putContent(look.content, { area: 'tree', path }, blob)
  await batch.flush()
  context.work.markScan([path])
  context.work.markDirty([path])
}

/** R12: what only a lost row knew and the disk lacks was not deleted. Our drive says no more of it; others bring it back. */
export async function forgetStatement(context: FolderContext, path: PathKey): Promise<void> {
  const { own, index } = context.ports
  await own.publish([{ path, entry: null, content: null }], readerOf(context))
  const batch = index.batch()
  batch.setOwn(context.counter.commit(own.length))
  await batch.flush()
  context.work.markDirty([path])
}

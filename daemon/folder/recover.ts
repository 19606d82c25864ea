/** What a start puts right before anything else: staging left by a crash, and a drive that is longer than the index (R-order of writes). */
import type { OwnCheckpoint, Row } from '../ports.ts'
import type { FolderContext } from './context.ts'

export async function recoverIndex(context: FolderContext, checkpoint: OwnCheckpoint): Promise<void> {
  const { disk, index, own } = context.ports
  let epoch = checkpoint.epoch
  let counter = checkpoint.counter
  if (own.length > checkpoint.length || index.own === null) counter = await replay(context, checkpoint)
  const state = await disk.inspect()
  if (state.kind === 'ready') {
    context.work.markScan(await disk.recover())
    epoch = Math.max(epoch, state.epoch) + 1
  }
  const batch = index.batch()
  batch.setOwn({ ...checkpoint, drive: own.key, generation: own.generation, writer: own.writer, epoch, counter, length: own.length })
  await batch.flush()
  context.counter.restore({ ...checkpoint, drive: own.key, generation: own.generation, writer: own.writer, epoch, counter, length: own.length })
  if (state.kind === 'ready') await disk.setEpoch(epoch)
}

/** Our own statements that the index missed. Rows get no stat, so that the scan looks at each of them. */
async function replay(context: FolderContext, checkpoint: OwnCheckpoint): Promise<number> {
  const { index, own } = context.ports
  let { counter } = checkpoint
  for await (const statements of own.replay(index.own === null ? 0 : checkpoint.length)) {
    const known = await index.rows(statements.map((statement) => statement.path))
    const batch = index.batch()
    for (const [i, { path, entry, blob, list }] of statements.entries()) {
      const before = known[i] ?? null
      if (entry === null) {
        if (before !== null) batch.putRow(path, { ...before, ignored: true })
        continue
      }
      const row: Row = { entry, seen: null }
      batch.putRow(path, row)
      if (list !== null) batch.putContent(list, { area: 'tree', path }, blob)
      if (before?.entry.kind === 'file' && before.entry.cid !== list?.cid) batch.delPlace(before.entry.cid, { area: 'tree', path })
      counter = Math.max(counter, entry.vv[own.writer] ?? 0)
    }
    await batch.flush()
    context.work.markScan(statements.map((statement) => statement.path))
    context.work.markDirty(statements.map((statement) => statement.path))
  }
  return counter
}

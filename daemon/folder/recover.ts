/**
 * What a start puts right before anything else: staging left by a crash, a drive that is longer than the index, and a drive that
 * is a new one (a new generation, or a new life of this device), which then states all that the old one stated.
 */
import type { OwnCheckpoint, Row } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import { readerOf } from './commit.ts'
import type { FolderContext } from './context.ts'

export async function recoverIndex(context: FolderContext, checkpoint: OwnCheckpoint): Promise<void> {
  const { disk, index, own } = context.ports
  let epoch = checkpoint.epoch
  let counter = checkpoint.counter
  const moved = index.own !== null && index.own.drive !== own.key
  if (moved) counter = await moveToDrive(context, checkpoint)
  else if (own.length > checkpoint.length || index.own === null) counter = await replay(context, checkpoint)
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

/** R14: the new drive states every row with its version; only when all are there does the index name it. */
async function moveToDrive(context: FolderContext, checkpoint: OwnCheckpoint): Promise<number> {
  const { index, own, log } = context.ports
  log.info({ generation: own.generation }, 'a new drive takes over; everything is stated again')
  for await (const rows of index.all()) {
    const stated = rows.filter(({ row }) => row.ignored !== true)
    const changes = await Promise.all(stated.map(async ({ path, row }) => ({ path, row, list: await listOf(context, row) })))
    const results = await own.publish(
      changes.map(({ path, row, list }) => ({ path, entry: row.entry, content: list === null ? null : { list, blob: null } })),
      readerOf(context)
    )
    const batch = index.batch()
    const again: PathKey[] = []
    for (const [i, { path, list }] of changes.entries()) {
      const result = results[i]
      if (result?.kind !== 'done') again.push(path)
      else if (list !== null) batch.putContent(list, { area: 'tree', path }, result.blob)
    }
    await batch.flush()
    context.work.markScan(again)
  }
  return checkpoint.writer === own.writer ? checkpoint.counter : 0
}

async function listOf(context: FolderContext, row: Row) {
  return row.entry.kind === 'file' ? ((await context.ports.index.content(row.entry.cid))?.list ?? null) : null
}

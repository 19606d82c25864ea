/**
 * A new drive takes over (R14, R19): it states every row with its version; only when all are there does the index name it, so that
 * a crash in between begins again. Numbers of the old writer behind a fork are replaced by numbers of the new one.
 */
import type { Row } from '../ports.ts'
import type { Dot, Entry } from '../sync/entry.ts'
import type { PathKey } from '../sync/ids.ts'
import { recount, type Cut } from '../sync/recount.ts'
import { readerOf } from './commit.ts'
import type { FolderContext } from './context.ts'

/** Far more than one try takes: a number for each row and cut. */
const MAX_TAKEN = 2 ** 32

/**
 * @param counter the last one that the drive's writer is known to have taken.
 * @param keepsBlobs blocks lie where they lay in the drive that the index names. @returns the last counter now.
 */
export async function moveToDrive(context: FolderContext, cuts: readonly Cut[], counter: number, keepsBlobs = false): Promise<number> {
  const { index, own, log } = context.ports
  log.info({ generation: own.generation }, 'a new drive takes over; everything is stated again')
  const writer = { last: await highestOf(context, counter) }
  const take = (): Dot => [own.writer, ++writer.last]
  for await (const rows of index.all()) await state(context, rows, (entry) => cuts.reduce((known, cut) => recount(known, cut, take), entry), keepsBlobs)
  return writer.last
}

/** An earlier try that was cut short may have taken some. Numbers far beyond were made up by another device: there would be none after the last. */
async function highestOf({ ports: { index, own } }: FolderContext, counter: number): Promise<number> {
  let highest = counter
  for await (const rows of index.all()) {
    for (const { row } of rows) {
      const n = row.entry.vv[own.writer] ?? 0
      if (n > highest && n - counter < MAX_TAKEN) highest = n
    }
  }
  return highest
}

async function state(context: FolderContext, rows: readonly { path: PathKey; row: Row }[], renumber: (entry: Entry) => Entry, keepsBlobs: boolean): Promise<void> {
  const { index, own } = context.ports
  const stated = rows.filter(({ row }) => row.ignored !== true)
  const changes = await Promise.all(stated.map(async ({ path, row }) => ({ path, row: { ...row, entry: renumber(row.entry) }, before: row, content: await contentOf(context, row, keepsBlobs) })))
  const results = await own.publish(
    changes.map(({ path, row, content }) => ({ path, entry: row.entry, content })),
    readerOf(context)
  )
  const batch = index.batch()
  batch.blobsIn(own.generation)
  const again: PathKey[] = []
  for (const [i, { path, row, before, content }] of changes.entries()) {
    const result = results[i]
    const isStated = result?.kind === 'done'
    if (row.entry !== before.entry || !isStated) batch.putRow(path, isStated ? row : { ...row, seen: null })
    if (!isStated) again.push(path)
    else if (content !== null) batch.putContent(content.list, { area: 'tree', path }, result.blob)
  }
  await batch.flush()
  context.work.markScan(again)
}

async function contentOf({ ports: { index } }: FolderContext, row: Row, keepsBlobs: boolean) {
  const known = row.entry.kind === 'file' ? await index.content(row.entry.cid) : null
  return known === null ? null : { list: known.list, blob: keepsBlobs ? known.blob : null }
}

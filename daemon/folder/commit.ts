/**
 * Publishes statements in our own drive and writes what belongs to them into the index, in the order that a crash can bear: the
 * drive first, then the index with the drive's length; a drive that is longer than the checkpoint is replayed at the next start.
 */
import { BATCH_ENTRIES, FRESH_CHUNK_BYTES, FRESH_CHUNKS, NEW_ENTRIES } from '../../base/limits.ts'
import type { BlobRange, FreshFile, HistoryRow, IndexBatch, OpenContent, Publication, Published, ReadChunk, Row } from '../ports.ts'
import { chunkId, type ContentList } from '../sync/content.ts'
import type { Entry } from '../sync/entry.ts'
import type { ContentId, PathKey } from '../sync/ids.ts'
import { endProblem, newestPerDevice, type FolderContext, type PathChange } from './context.ts'
import { compareWithDevice } from './divergence.ts'
import type { Coming } from './foretelling.ts'

/** A path's new statement and row. */
export interface Change {
  readonly path: PathKey
  readonly before: Row | null
  /** Null: leave the drive without a tombstone, keep the row (R31). */
  readonly entry: Entry | null
  readonly row: Row
  /** For files. */
  readonly list: ContentList | null
  /** Where its blocks stand, if they do; absent: that is looked up. Of the moment before: nothing else was published since. */
  readonly blob?: BlobRange | null
  /** History name of what an apply displaced. */
  readonly kept: { readonly name: string; readonly reason: HistoryRow['reason'] } | null
  readonly from: PathChange['from']
}

/** @returns the paths whose bytes were not what their list says: nothing was published for them; look at them again. */
export async function commit(context: FolderContext, changes: readonly Change[]): Promise<readonly PathKey[]> {
  const unreadable: PathKey[] = []
  // What moved is stated together with its end at the old place.
  const entries = changes.every(({ before }) => before === null) ? NEW_ENTRIES : BATCH_ENTRIES
  for (let start = 0; start < changes.length; start += entries) {
    unreadable.push(...(await commitBatch(context, changes.slice(start, start + entries))))
  }
  return unreadable
}

async function commitBatch(context: FolderContext, changes: readonly Change[]): Promise<PathKey[]> {
  const blobs = await Promise.all(changes.map((change) => blobOf(context, change)))
  if (context.foretelling.begin(comingOf(context, changes, blobs))) context.tell()
  try {
    return await publishBatch(context, changes, blobs)
  } catch (error) {
    context.displaced.failed(changes.flatMap(({ kept }) => kept?.name ?? []))
    throw error
  } finally {
    context.foretelling.end()
  }
}

/** New here, and large. */
function comingOf(context: FolderContext, changes: readonly Change[], blobs: readonly (BlobRange | null)[]): readonly Coming[] {
  return changes.flatMap(({ from, list, path, row }, i) => (from === 'local' && list !== null && list.size > 0 && list.size >= context.foretoldBytes && (blobs[i] ?? null) === null ? [{ path, row, list }] : []))
}

async function publishBatch(context: FolderContext, changes: readonly Change[], blobs: readonly (BlobRange | null)[]): Promise<PathKey[]> {
  const { own, index, clock } = context.ports
  // All at once: a row at a time, each would be a read of its own.
  const displaced = await Promise.all(changes.map((change) => displacedList(context, change)))
  const bases = await Promise.all(changes.map((change, i) => baseOf(context, change, blobs[i] ?? null)))
  const fresh = freshFiles(context, changes, blobs)
  if (fresh.length > 0) context.ports.peers.ahead(own.key, fresh)
  const publications = changes.map((change, i) => publication(change, blobs[i] ?? null, bases[i] ?? null))
  const published = await own.publish(publications, readerOf(context), openerOf(context, changes))
  // The word of a small change first, what is written here of it after that.
  if (fresh.length > 0) await context.ports.peers.sent()
  const batch = index.batch()
  const done: Change[] = []
  const unreadable: PathKey[] = []
  for (const [i, change] of changes.entries()) {
    const result = published[i] as Published
    // What an apply displaced is in history, whatever becomes of what it put there.
    if (change.kept !== null) recordHistory(context, batch, change, change.kept, displaced[i] ?? null, clock.now())
    if (result.kind === 'unreadable') unreadable.push(change.path)
    else {
      done.push(change)
      record(batch, change, result.blob)
    }
  }
  await compareWithDevices(context, batch, done)
  batch.setOwn(context.counter.commit(own.length))
  await batch.flush()
  for (const change of done) settled(context, change)
  context.changed(done.map(pathChange))
  return unreadable
}

function publication(change: Change, blob: BlobRange | null, base: Publication['base']): Publication {
  return { path: change.path, entry: change.entry, content: change.list === null ? null : { list: change.list, blob }, base: base ?? null }
}

/** What the other devices will ask for next, if it is little: contents of one chunk that are new here, and not from one of them. */
function freshFiles(context: FolderContext, changes: readonly Change[], blobs: readonly (BlobRange | null)[]): readonly FreshFile[] {
  if (changes.length > FRESH_CHUNKS) return []
  return changes.flatMap(({ entry, from, list }, i) => {
    const chunk = from === 'local' && (blobs[i] ?? null) === null && list?.chunks.length === 1 ? list.chunks[0] : undefined
    const bytes = chunk === undefined || chunk.length > FRESH_CHUNK_BYTES ? null : context.recent.get(chunk.id)
    return bytes === null || entry?.kind !== 'file' ? [] : [{ bytes, mode: entry.mode, mtime: entry.mtime }]
  })
}

/** The content that stood here before, if the new one must be appended. */
async function baseOf(context: FolderContext, change: Change, blob: BlobRange | null): Promise<Publication['base']> {
  const old = cidOf(change.before)
  if (change.list === null || blob !== null || old === null || old === change.list.cid) return null
  const content = await context.ports.index.content(old)
  return content === null || content.blob === null ? null : { list: content.list, blob: content.blob }
}

/** What an apply put there was verified on its way in. */
function openerOf(context: FolderContext, changes: readonly Change[]): OpenContent {
  const byPath = new Map(changes.map((change) => [change.path, change]))
  return async (path) => {
    const change = byPath.get(path)
    const seen = change?.row.seen ?? null
    const file = seen === null ? null : await context.ports.disk.hold({ area: 'tree', path }, seen)
    return file === null ? null : { ...file, verified: change?.from === 'remote' }
  }
}

async function blobOf(context: FolderContext, { blob, entry, list }: Change): Promise<BlobRange | null> {
  if (entry === null) return null
  return blob === undefined ? await knownBlob(context, list) : blob
}

export async function knownBlob({ ports }: FolderContext, list: ContentList | null): Promise<BlobRange | null> {
  return list === null ? null : ((await ports.index.content(list.cid))?.blob ?? null)
}

/** The bytes of a chunk: just read or received, or as they are in the tree at this moment; null if they are other bytes. */
export function readerOf(context: FolderContext): ReadChunk {
  return async (path, chunk, offset) => {
    const recent = context.recent.get(chunk.id)
    if (recent !== null) return recent
    const data = await context.ports.disk.read({ area: 'tree', path }, offset, chunk.length)
    return data !== null && chunkId(data) === chunk.id ? data : null
  }
}

function record(batch: IndexBatch, change: Change, blob: BlobRange | null): void {
  batch.putRow(change.path, change.row)
  const old = cidOf(change.before)
  if (change.list !== null) batch.putContent(change.list, { area: 'tree', path: change.path }, blob)
  if (old !== null && old !== change.list?.cid) batch.delPlace(old, { area: 'tree', path: change.path })
}

function recordHistory(context: FolderContext, batch: IndexBatch, change: Change, kept: NonNullable<Change['kept']>, displaced: ContentList | null, now: number): void {
  const entry = change.before?.entry
  if (entry === undefined || entry.kind === 'tombstone') return
  batch.putHistory({ name: kept.name, path: change.path, entry, at: now, reason: kept.reason })
  if (entry.kind !== 'file') return
  context.displaced.note(kept.name, now)
  if (displaced !== null) batch.putContent(displaced, { area: 'history', path: kept.name }, null)
}

/** The content of what an apply displaced, as the index knows it. */
async function displacedList(context: FolderContext, change: Change): Promise<ContentList | null> {
  const cid = change.kept === null ? null : cidOf(change.before)
  return cid === null ? null : ((await context.ports.index.content(cid))?.list ?? null)
}

function pathChange(change: Change): PathChange {
  const was = change.before?.entry.kind ?? 'tombstone'
  return { path: change.path, kind: change.row.entry.kind, was: was === 'tombstone' ? null : was, from: change.from }
}

function cidOf(row: Row | null): ContentId | null {
  return row?.entry.kind === 'file' ? row.entry.cid : null
}

async function compareWithDevices(context: FolderContext, batch: IndexBatch, changes: readonly Change[]): Promise<void> {
  const drives = context.ports.remotes.list()
  if (drives.length === 0) return
  const rows = await context.ports.index.remoteRows(changes.map((change) => change.path))
  const devices = new Set(drives.map((drive) => drive.device))
  for (const [i, change] of changes.entries()) {
    const newest = newestPerDevice(rows[i] ?? [])
    for (const device of devices) {
      const theirs = newest.find((row) => row.device === device)?.entry ?? null
      compareWithDevice(context, batch, device, change.path, change.row, theirs)
    }
  }
}

function settled(context: FolderContext, change: Change): void {
  if (change.from === 'remote') context.tally.settle(change.path)
  endProblem(context, change.path, change.row.entry.kind === 'tombstone')
  context.guard.forget(change.path)
  release(context, change.path)
}

/** The path is as it should be: what was held back because of it is tried again. */
export function release(context: FolderContext, path: PathKey): void {
  // Told only because of that; what is wrong there besides, a scan tells again.
  if (context.blocked.delete(path) && context.problems.delete(path)) context.work.markScan([path])
  context.refusals.delete(path)
  const waiting = context.followers.get(path)
  if (waiting === undefined) return
  context.followers.delete(path)
  context.work.markDirty(waiting)
}

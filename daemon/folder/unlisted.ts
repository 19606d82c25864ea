/**
 * What stands in history without a row: a crash came between the move and its statement, or the index is new, or older. It gets the row
 * that it would have had, from what was written down before it moved, and, as long as the index knows the path as it was, with the
 * version that it had. Where nothing was written down (it is not from a sync, or the disk was full) it stays as it is: retention ends
 * it like the rest, and the checker tells of it. What somebody who had it open wrote to it meanwhile is no old version, and stands under
 * a name of its own (R35).
 */
import type { KeptNote, Row } from '../ports.ts'
import { RESCAN_MS } from '../../base/limits.ts'
import type { ContentList } from '../sync/content.ts'
import type { Entry, FileEntry, LiveEntry } from '../sync/entry.ts'
import { hasBytes, sameContent } from '../sync/entry-compare.ts'
import type { WriterId } from '../sync/ids.ts'
import type { FolderContext } from './context.ts'

/** Names of one look and of one batch of the index. */
const NAMES_AT_ONCE = 256
/** Of a version of which no statement is known here. */
const NOBODY = '0000000000000000' as WriterId

interface Found {
  readonly entry: LiveEntry
  readonly list: ContentList | null
}

/** In the cycle. `recent`: what a crash can have left, with a look at the newest hours alone. @returns how many were listed. */
export async function listUnlisted(context: FolderContext, which: 'recent' | 'all'): Promise<number> {
  const names = await context.ports.disk.recentHistory(which === 'all' ? Number.MAX_SAFE_INTEGER : RESCAN_MS)
  let listed = 0
  for (let start = 0; start < names.length && !context.signal.aborted; start += NAMES_AT_ONCE) {
    const unlisted = await unlistedOf(context, names.slice(start, start + NAMES_AT_ONCE))
    // An index that is lost or older does not say what was written since.
    listed += await listSome(context, which === 'all' ? unlisted : await withoutEdited(context, unlisted))
  }
  if (listed > 0) context.ports.log.info({ files: listed }, 'old versions that were in history and not listed are listed now')
  return listed
}

/** In the cycle, before a scan changes the rows that say best what it was: what was displaced, and whose statement failed. Throws while it fails still. */
export async function listFailed(context: FolderContext): Promise<void> {
  const { displaced, ports } = context
  const names = displaced.takeFailed()
  try {
    await listNames(context, names)
  } catch (error) {
    displaced.failed(names)
    throw error
  }
  for (const name of names) displaced.note(name, ports.clock.now())
}

/** In the cycle: those that are not listed. */
export async function listNames(context: FolderContext, names: readonly string[]): Promise<void> {
  for (let start = 0; start < names.length; start += NAMES_AT_ONCE) {
    await listSome(context, await withoutEdited(context, await unlistedOf(context, names.slice(start, start + NAMES_AT_ONCE))))
  }
}

/** Those that have no row. */
export async function unlistedOf({ ports: { index } }: FolderContext, names: readonly string[]): Promise<readonly string[]> {
  const rows = await Promise.all(names.map((name) => index.historyRow(name)))
  return names.filter((_name, i) => rows[i] === null)
}

/** @returns how many of them could be. */
export async function listSome(context: FolderContext, names: readonly string[]): Promise<number> {
  if (names.length === 0) return 0
  const { disk, index } = context.ports
  const notes = await disk.historyNotes(names)
  const batch = index.batch()
  let listed = 0
  for (const [i, name] of names.entries()) {
    const note = notes[i] ?? null
    const found = note === null ? null : await versionOf(context, name, note)
    if (note === null || found === null) continue
    batch.putHistory({ name, path: note.path, entry: found.entry, at: note.at, reason: note.reason })
    if (found.list !== null) batch.putContent(found.list, { area: 'history', path: name }, null)
    listed++
  }
  await batch.flush()
  return listed
}

/** Shows what was written to after the index had seen it. */
async function withoutEdited(context: FolderContext, names: readonly string[]): Promise<readonly string[]> {
  const notes = names.length === 0 ? [] : await context.ports.disk.historyNotes(names)
  const rest: string[] = []
  for (const [i, name] of names.entries()) {
    const note = notes[i] ?? null
    if (note === null || !(await isShown(context, name, note))) rest.push(name)
  }
  return rest
}

async function isShown({ ports: { disk, index, log }, work }: FolderContext, name: string, { path, seen }: KeptNote): Promise<boolean> {
  const row = await index.row(path)
  if (row?.entry.kind !== 'file' || row.seen === null || row.seen.ino !== seen.ino) return false
  const outcome = await disk.recheck(name, path, row.entry)
  if (outcome.kind !== 'stray') return false
  log.warn({ path, at: outcome.at }, 'somebody wrote to a file after a sync had taken it away; what was written stands under a name of its own')
  work.markScan(outcome.at === null ? [path] : [path, outcome.at])
  return true
}

async function versionOf(context: FolderContext, name: string, note: KeptNote): Promise<Found | null> {
  const { index } = context.ports
  const row = await index.row(note.path)
  const asIndexed = row === null ? null : await unread(context, row, note)
  if (asIndexed !== null) return asIndexed
  const read = await readVersion(context, name)
  if (read === null) return null
  const [statements] = await index.remoteRows([note.path])
  const stated = [row?.entry ?? null, ...(statements ?? []).map(({ entry }) => entry)].find((entry) => sameContent(entry, read.entry))
  return stated === undefined || stated === null ? read : { ...read, entry: withOrigin(read.entry, stated) }
}

/** It is the file that the index saw at the path, and knows as it was. */
async function unread({ ports: { index } }: FolderContext, { entry, seen }: Row, note: KeptNote): Promise<Found | null> {
  if (seen === null || !hasBytes(entry) || seen.ino !== note.seen.ino || seen.size !== note.seen.size || seen.mtimeNs !== note.seen.mtimeNs) return null
  if (entry.kind === 'symlink') return { entry, list: null }
  const list = (await index.content(entry.cid))?.list ?? null
  return list === null ? null : { entry, list }
}

async function readVersion({ ports: { disk } }: FolderContext, name: string): Promise<Found | null> {
  const look = await disk.look({ area: 'history', path: name })
  const origin = { vv: {}, dots: [] }
  if (look.kind === 'symlink') return { entry: { kind: 'symlink', target: look.target, mtime: toMicroseconds(look.seen.mtimeNs), ...origin }, list: null }
  if (look.kind !== 'file') return null
  const { cid, size, chunks } = look.content
  const [only] = chunks
  const entry: FileEntry = {
    kind: 'file',
    size,
    cid,
    mode: look.seen.mode & 0o777,
    mtime: toMicroseconds(look.seen.mtimeNs),
    mdot: [NOBODY, 0],
    ...origin,
    ...(only !== undefined && chunks.length === 1 ? { chunk: only.id } : {})
  }
  return { entry, list: look.content }
}

function withOrigin(entry: LiveEntry, { vv, dots }: Entry): LiveEntry {
  return { ...entry, vv, dots }
}

/** As entries have it. */
function toMicroseconds(ns: string): string {
  return String((BigInt(ns) / 1000n) * 1000n)
}

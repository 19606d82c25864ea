/** History ends here and nowhere else: by age, then by size, oldest first and never more than needed. */
import { messageOf } from '../../base/errors.ts'
import type { HistoryFile, HistoryRow } from '../ports.ts'
import type { Calendar } from './calendar.ts'
import type { FolderContext } from './context.ts'

export interface Retention {
  readonly maxAgeMs: number
  /** Null: a tenth of the file system; no number is right for a card and for a disk array. */
  readonly maxBytes: number | null
}

export const DEFAULT_RETENTION: Retention = { maxAgeMs: 30 * 24 * 3600 * 1000, maxBytes: null }

const DEFAULT_SHARE = 0.1
/** Rows of one batch of the index. */
const AT_ONCE = 500

interface Kept extends HistoryFile {
  /** Null: a file that the index does not know (it was lost, or a crash came between). */
  readonly row: HistoryRow | null
}

/** @returns how many files went. The file goes before its row: a crash in between leaves a row without a file, which goes next time. */
export async function expireHistory(context: FolderContext, retention: Retention, calendar: Calendar): Promise<number> {
  const { disk, index, clock, log } = context.ports
  const { files, fileSystemBytes } = await disk.history()
  const rows = new Map<string, HistoryRow>()
  for await (const batch of index.history(null)) for (const row of batch) rows.set(row.name, row)
  const kept = files.map((file): Kept => ({ ...file, at: rows.get(file.name)?.at ?? file.at, row: rows.get(file.name) ?? null }))
  calendar.look(clock.now(), kept.reduce<number | null>((newest, { at }) => Math.max(newest ?? at, at), null))
  const oldest = calendar.oldest(clock.now(), retention.maxAgeMs)
  const expired = expiredOf(kept, oldest, retention.maxBytes ?? Math.floor(fileSystemBytes * DEFAULT_SHARE))
  let removed = 0
  for (let start = 0; start < expired.length && !context.signal.aborted; start += AT_ONCE) {
    removed += await removeSome(context, expired.slice(start, start + AT_ONCE))
  }
  if (removed > 0) log.info({ files: removed }, 'history was shortened to what the settings allow')
  const there = new Set(files.map((file) => file.name))
  await forget(context, [...rows.values()].filter((row) => !there.has(row.name) && row.at < oldest))
  return removed
}

/** Pure: what must go, oldest first. */
export function expiredOf<T extends HistoryFile>(files: readonly T[], oldest: number, maxBytes: number): readonly T[] {
  const byAge = [...files].sort((a, b) => a.at - b.at || (a.name < b.name ? -1 : 1))
  let left = byAge.reduce((sum, file) => sum + file.size, 0)
  const expired: T[] = []
  for (const file of byAge) {
    if (file.at >= oldest && left <= maxBytes) break
    expired.push(file)
    left -= file.size
  }
  return expired
}

async function removeSome(context: FolderContext, files: readonly Kept[]): Promise<number> {
  const { disk, log } = context.ports
  const gone: Kept[] = []
  for (const file of files) {
    try {
      if (await disk.removeHistory(file.name)) gone.push(file)
    } catch (error) {
      log.warn({ name: file.name, error: messageOf(error) }, 'a file of the history could not be removed; it is tried again later')
    }
  }
  await forget(context, gone.flatMap(({ row }) => row ?? []))
  return gone.length
}

async function forget(context: FolderContext, rows: readonly HistoryRow[]): Promise<void> {
  if (rows.length === 0) return
  const batch = context.ports.index.batch()
  for (const { name, entry } of rows) {
    batch.delHistory(name)
    if (entry.kind === 'file') batch.delPlace(entry.cid, { area: 'history', path: name })
  }
  await batch.flush()
}

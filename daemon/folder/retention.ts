/**
 * History ends here and nowhere else: by age, then by size, never more than needed. By size first what stands close to a newer version of
 * its path: a log of which there is one for each minute would else drive out all that was ever deleted. Then the oldest.
 */
import { errnoOf, messageOf } from '../../base/errors.ts'
import type { HistoryClock, HistoryFile, HistoryRow } from '../ports.ts'
import * as calendar from './calendar.ts'
import type { FolderContext } from './context.ts'
import { isUntouched } from './displaced.ts'
import { listNames } from './unlisted.ts'

export interface Retention {
  readonly maxAgeMs: number
  /** Null: a tenth of the file system; no number is right for a card and for a disk array. */
  readonly maxBytes: number | null
}

export const DEFAULT_RETENTION: Retention = { maxAgeMs: 30 * 24 * 3600 * 1000, maxBytes: null }

const DEFAULT_SHARE = 0.1
/** A version that was replaced by another one within this share of the time that has passed since is close to it. */
const CLOSE_SHARE = 1 / 4
/** Rows of one batch of the index. */
const AT_ONCE = 500

interface Kept extends HistoryFile {
  /** Null: a file that the index does not know (it was lost, or a crash came between). */
  readonly row: HistoryRow | null
}

interface Aged extends HistoryFile {
  readonly row: Pick<HistoryRow, 'path' | 'reason'> | null
}

/** @returns how many files went. The file goes before its row: a crash in between leaves a row without a file, which goes next time. */
export async function expireHistory(context: FolderContext, retention: Retention): Promise<number> {
  const { disk, index, clock, log } = context.ports
  const { files, fileSystemBytes } = await disk.history()
  const rows = await rowsOf(context, files)
  await lookAtClock(context)
  const [times, now] = [index.historyClock as HistoryClock, clock.now()]
  const kept = files.map((file): Kept => ({ ...file, at: calendar.cameAt(times, now, rows.get(file.name)?.at ?? file.at), row: rows.get(file.name) ?? null }))
  const isOld = (at: number): boolean => calendar.ageOf(times, now, at) > retention.maxAgeMs
  const expired = expiredOf(kept, now, isOld, retention.maxBytes ?? shareOf(fileSystemBytes))
  let removed = 0
  for (let start = 0; start < expired.length && !context.signal.aborted; start += AT_ONCE) {
    removed += await removeSome(context, expired.slice(start, start + AT_ONCE))
  }
  if (removed > 0) log.info({ files: removed }, 'history was shortened to what the settings allow')
  const there = new Set(files.map((file) => file.name))
  await forget(context, [...rows.values()].filter((row) => !there.has(row.name) && isOld(calendar.cameAt(times, now, row.at))))
  return removed
}

/** Some file systems (FUSE) tell of no size: then age alone ends anything. */
function shareOf(fileSystemBytes: number): number {
  return fileSystemBytes > 0 ? Math.floor(fileSystemBytes * DEFAULT_SHARE) : Number.POSITIVE_INFINITY
}

/** Pure: what must go. Times in milliseconds since the epoch. */
export function expiredOf<T extends Aged>(files: readonly T[], now: number, isOld: (at: number) => boolean, maxBytes: number): readonly T[] {
  const byAge = [...files].sort((a, b) => a.at - b.at || (a.name < b.name ? -1 : 1))
  const expired = byAge.filter((file) => isOld(file.at))
  const young = byAge.filter((file) => !isOld(file.at))
  const close = closeOnes(young, now)
  let left = young.reduce((sum, file) => sum + file.size, 0)
  for (const file of [...young.filter((each) => close.has(each)), ...young.filter((each) => !close.has(each))]) {
    if (left <= maxBytes) break
    expired.push(file)
    left -= file.size
  }
  return expired
}

/** The last version of a path is none, and neither is one that somebody deleted. */
function closeOnes<T extends Aged>(byAge: readonly T[], now: number): ReadonlySet<T> {
  const newer = new Map<string, number>()
  const close = new Set<T>()
  for (const file of byAge.toReversed()) {
    const { row, at } = file
    if (row === null) continue
    const next = newer.get(row.path)
    if (next !== undefined && row.reason === 'replaced' && next - at < (now - at) * CLOSE_SHARE) close.add(file)
    else newer.set(row.path, at)
  }
  return close
}

/** Before anything comes into history, or goes: neither may be of a time of which nothing is known. */
export async function lookAtClock({ ports: { index, clock } }: FolderContext): Promise<void> {
  const looked = calendar.look(index.historyClock, clock.now())
  if (looked === null) return
  const batch = index.batch()
  batch.setHistoryClock(looked)
  await batch.flush()
}

/** What a crash left without one gets it: then it is known what it was, and whether somebody wrote to it since. */
async function rowsOf(context: FolderContext, files: readonly HistoryFile[]): Promise<ReadonlyMap<string, HistoryRow>> {
  const rows = await allRows(context)
  const unlisted = files.filter(({ name }) => !rows.has(name)).map(({ name }) => name)
  if (unlisted.length === 0) return rows
  await listNames(context, unlisted)
  return await allRows(context)
}

async function allRows({ ports: { index } }: FolderContext): Promise<ReadonlyMap<string, HistoryRow>> {
  const rows = new Map<string, HistoryRow>()
  for await (const batch of index.history(null)) for (const row of batch) rows.set(row.name, row)
  return rows
}

async function removeSome(context: FolderContext, files: readonly Kept[]): Promise<number> {
  const { disk, log } = context.ports
  const gone: Kept[] = []
  const waiting = context.displaced.waiting
  for (const file of files) {
    try {
      // R35: what was written to it since it came there is nobody's old version.
      if (waiting.has(file.name) || (file.row !== null && (await wasWrittenTo(context, file.row)))) continue
      if (await disk.removeHistory(file.name)) gone.push(file)
    } catch (error) {
      log.warn({ name: file.name, error: messageOf(error) }, 'a file of the history could not be removed; it is tried again later')
    }
  }
  await forget(context, gone.flatMap(({ row }) => row ?? []))
  return gone.length
}

/** What cannot be read is not kept for that. */
async function wasWrittenTo(context: FolderContext, row: HistoryRow): Promise<boolean> {
  try {
    return !(await isUntouched(context, row))
  } catch (error) {
    if (errnoOf(error) === null) throw error
    return false
  }
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

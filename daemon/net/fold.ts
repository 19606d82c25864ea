/**
 * Which records of a group are kept (R45): without this a device that states new drives for years would fill the group's log, and a
 * hostile one in a minute. Pure, and a function of the set alone: devices that know the same records keep the same ones, in whatever
 * order those arrived, so that what one has dropped is not passed round again.
 *
 * Two steps. What a later record of the same author replaces goes: nothing reads it any more. This is exact: fold(fold(A) ∪ B) =
 * fold(A ∪ B). Then the bounds, which only somebody hostile reaches: so many records of one author, and a share of the whole log for
 * each author, so that whoever floods it loses nobody's records but its own. Once it is removed for that, its records that do not
 * count, and those of devices that it brought along, have one share together.
 */
import { byHash, countedRecords, groupBy } from './derive.ts'
import { MAX_DRIVES_OF_GENERATION, MAX_FOLDERS_OF_AUTHOR, MAX_LOG_BYTES, MAX_RECORDS, MAX_RECORDS_OF_AUTHOR } from './limits.ts'
import type { GroupId, GroupRecord, RecordHash, VerifiedRecord } from './records.ts'

export interface RecordBounds {
  readonly ofAuthor: number
  readonly foldersOfAuthor: number
  readonly records: number
  readonly bytes: number
}

export const RECORD_BOUNDS: RecordBounds = { ofAuthor: MAX_RECORDS_OF_AUTHOR, foldersOfAuthor: MAX_FOLDERS_OF_AUTHOR, records: MAX_RECORDS, bytes: MAX_LOG_BYTES }

/** Of a device that has the folder the two newest drives count (R14). */
const GENERATIONS_KEPT = 2

export function foldRecords(group: GroupId, records: Iterable<VerifiedRecord>, bounds = RECORD_BOUNDS): VerifiedRecord[] {
  const standing = withoutReplaced(records)
  const listed = listedHashes(standing)
  const kept = [...groupBy(standing, authorOf).values()].flatMap((list) => {
    if (list.length <= Math.min(bounds.ofAuthor, bounds.foldersOfAuthor)) return list
    let folders = 0
    return inOrder(list, listed).filter(({ record }) => record.kind !== 'folder' || ++folders <= bounds.foldersOfAuthor).slice(0, bounds.ofAuthor)
  })
  return sum(kept.map((item) => costOf(item, bounds))) <= bounds.bytes ? kept : withinShares(group, kept, listed, bounds)
}

/** Without the records that later ones of the same author replace. */
export function withoutReplaced(records: Iterable<VerifiedRecord>): VerifiedRecord[] {
  const all = [...new Map([...records].map((item) => [item.hash, item])).values()]
  const listed = listedHashes(all)
  const left = lastLeft(all)
  return [...groupBy(all, subjectOf)].flatMap(([subject, items]) => {
    if (subject === '') return items
    if (items.every(isDrive)) return newestDrives(items, left)
    // A removal counts the records that it lists (R21): one of them that is replaced by one that it does not list still counts.
    return [...items].sort(newestFirst).filter((item, i) => i === 0 || listed.has(item.hash))
  })
}

/** What a record speaks of, with its author; empty for records of which each counts. */
function subjectOf({ record }: VerifiedRecord): string {
  const { author, kind } = record
  switch (kind) {
    case 'drive':
    case 'folder':
    case 'folder-left':
      return `${kind} ${author} ${record.folder}`
    case 'device-renamed':
    case 'device-address':
      return `${kind} ${author} ${record.device}`
    case 'founded':
    case 'device-added':
    case 'device-removed':
    case 'folder-key':
    case 'group-secret':
      return ''
  }
}

type Of<K extends GroupRecord['kind']> = VerifiedRecord & { readonly record: Extract<GroupRecord, { readonly kind: K }> }

function isDrive(item: VerifiedRecord): item is Of<'drive'> {
  return item.record.kind === 'drive'
}

/** Also of a removed device: its removal may turn out to be void (R21). */
function newestDrives(items: readonly Of<'drive'>[], left: ReadonlyMap<string, number>): Of<'drive'>[] {
  const generations = groupBy(
    items.filter(({ record }) => record.generation > (left.get(record.author + record.folder) ?? -1)),
    ({ record }) => record.generation,
  )
  const newest = [...generations].sort(([a], [b]) => b - a).slice(0, GENERATIONS_KEPT)
  return newest.flatMap(([, same]) => same.sort(byHash).slice(0, MAX_DRIVES_OF_GENERATION))
}

/** Author and folder → the generation up to which the author's drives have ended. */
function lastLeft(all: readonly VerifiedRecord[]): Map<string, number> {
  const left = new Map<string, number>()
  for (const { record } of all) {
    if (record.kind !== 'folder-left') continue
    const subject = record.author + record.folder
    left.set(subject, Math.max(left.get(subject) ?? -1, record.generation))
  }
  return left
}

/** The same order as that of derive.ts. */
function newestFirst(a: VerifiedRecord, b: VerifiedRecord): number {
  return generationOf(b) - generationOf(a) || byHash(b, a)
}

function generationOf({ record }: VerifiedRecord): number {
  return 'generation' in record ? record.generation : 0
}

/** What the removals of devices list of these devices' own records (R21). */
function listedHashes(records: readonly VerifiedRecord[]): Set<RecordHash> {
  const authors = new Map(records.map((item) => [item.hash, item.record.author]))
  const listed = new Set<RecordHash>()
  for (const { record } of records) {
    if (record.kind !== 'device-removed') continue
    for (const hash of record.accepted) if (authors.get(hash) === record.device) listed.add(hash)
  }
  return listed
}

// ------------------------------------------------------------------------------------------------ bounds

const RANKS: { readonly [K in GroupRecord['kind']]: number } = {
  founded: 0,
  'device-removed': 0,
  'device-added': 1,
  'group-secret': 2,
  'folder-key': 2,
  folder: 2,
  drive: 3,
  'folder-left': 3,
  'device-renamed': 3,
  'device-address': 3,
}

/** Of one author, what is given up last first: what others count on, who is in the group, and then what was said first. */
function inOrder(items: readonly VerifiedRecord[], listed: ReadonlySet<RecordHash>): VerifiedRecord[] {
  const place = (item: VerifiedRecord): number => (listed.has(item.hash) ? 0 : 1)
  return [...items].sort((a, b) => place(a) - place(b) || RANKS[a.record.kind] - RANKS[b.record.kind] || a.record.seq - b.record.seq || byHash(a, b))
}

/** Authors that ask for less than the others leave them have all of theirs; the others have equal shares of the rest. */
function withinShares(group: GroupId, records: readonly VerifiedRecord[], listed: ReadonlySet<RecordHash>, bounds: RecordBounds): VerifiedRecord[] {
  const counted = new Set(countedRecords(group, records))
  const lists = [...groupBy(records, (item) => (counted.has(item) ? authorOf(item) : 'void')).values()]
  const share = fairShare(lists.map((items) => sum(items.map((item) => costOf(item, bounds)))), bounds.bytes)
  return lists.flatMap((items) => {
    let cost = 0
    const ordered = inOrder(items, listed)
    const end = ordered.findIndex((item) => (cost += costOf(item, bounds)) > share)
    return end === -1 ? ordered : ordered.slice(0, end)
  })
}

/** What the largest demands are cut to, for all to fit. */
function fairShare(demands: readonly number[], whole: number): number {
  const sorted = [...demands].sort((a, b) => a - b)
  let rest = whole
  for (const [i, demand] of sorted.entries()) {
    const share = rest / (sorted.length - i)
    if (demand > share) return share
    rest -= demand
  }
  return Infinity
}

/** So that both the bytes and the number stay within their bounds. */
function costOf({ body }: VerifiedRecord, bounds: RecordBounds): number {
  return Math.max(body.length, bounds.bytes / bounds.records)
}

function authorOf({ record }: VerifiedRecord): string {
  return record.author
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}

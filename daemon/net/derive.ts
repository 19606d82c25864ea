/**
 * What a set of group records means (R20–R23). Pure: the same set gives the same state in whatever order and however often its
 * records arrived, on every device.
 *
 * Removals are weighed first, the senior author's before the junior's (R21): seniority is the length of the chain of additions
 * from the founder, then the smaller hash of the addition. A removal counts unless one weighed before voids it. Then membership is
 * what can be reached from the founder through additions that are not void, less the removed.
 */
import type { DeviceId, DriveKey, FolderId, WriterId } from '../sync/ids.ts'
import type { DriveOwner } from './drive-owner.ts'
import { groupIdOf } from './records.ts'
import type { GroupId, GroupRecord, KeyId, RecordBody, RecordHash, VerifiedRecord } from './records.ts'

export interface Member {
  readonly id: DeviceId
  readonly name: string
  /** Static addresses, `host:port`. */
  readonly addresses: readonly string[]
}

/** A secret all members share, by its id only. */
export interface KeyChoice {
  readonly generation: number
  readonly keyId: KeyId
  /** Who it was sealed to. */
  readonly receivers: ReadonlySet<DeviceId>
  /** Who sealed it: they know it too, or say so. */
  readonly authors: ReadonlySet<DeviceId>
}

export interface DriveRecord {
  readonly device: DeviceId
  readonly generation: number
  readonly driveKey: DriveKey
  readonly keyId: KeyId
  readonly writer: WriterId
  /** Of the device, before it made this drive (sync/starts.ts). */
  readonly starts: readonly string[]
  /** What shows that it is the device's. */
  readonly owner: DriveOwner
}

export interface FolderState {
  readonly id: FolderId
  readonly name: string
  readonly nameGeneration: number
  /** False if only removed devices ever named it: a member should say it again. */
  readonly namedByMember: boolean
  readonly key: KeyChoice | null
  readonly keys: readonly KeyChoice[]
  /** Of devices that have the folder, newest generation first. */
  readonly drives: readonly DriveRecord[]
  readonly devices: readonly DeviceId[]
}

export interface GroupState {
  readonly members: ReadonlyMap<DeviceId, Member>
  readonly removed: ReadonlySet<DeviceId>
  readonly secret: KeyChoice | null
  readonly secrets: readonly KeyChoice[]
  readonly folders: ReadonlyMap<FolderId, FolderState>
}

type Of<K extends RecordBody['kind']> = VerifiedRecord & { readonly record: Extract<GroupRecord, { kind: K }> }

export function deriveGroup(group: GroupId, records: Iterable<VerifiedRecord>): GroupState {
  const all = sortedByHash(records)
  const seniority = rankDevices(group, all)
  const removals = weighRemovals(group, all, seniority)
  const counted = all.filter((item) => counts(item, removals))
  const reached = rankDevices(group, counted)
  const valid = counted.filter((item) => reached.has(item.record.author))
  const isMember = (device: DeviceId): boolean => reached.has(device) && !removals.has(device)
  const secrets = keyChoices(ofKind(valid, 'group-secret'))
  return {
    members: memberMap(valid, reached, isMember),
    removed: new Set(removals.keys()),
    secret: currentKey(secrets, removals),
    secrets,
    folders: folderMap(valid, isMember, removals),
  }
}

/** The records that count as things stand: not void (R21), and of authors that a chain of additions leads to. */
export function countedRecords(group: GroupId, records: Iterable<VerifiedRecord>): VerifiedRecord[] {
  const all = sortedByHash(records)
  const removals = weighRemovals(group, all, rankDevices(group, all))
  const counted = all.filter((item) => counts(item, removals))
  const reached = rankDevices(group, counted)
  return counted.filter((item) => reached.has(item.record.author))
}

/** The greatest (generation, key id) that no removed device was given, or gave (R22). */
function currentKey(choices: readonly KeyChoice[], removed: ReadonlyMap<DeviceId, unknown>): KeyChoice | null {
  return choices.find((choice) => ![...choice.receivers, ...choice.authors].some((device) => removed.has(device))) ?? null
}

interface Rank {
  readonly depth: number
  readonly hash: RecordHash
  readonly name: string
}

/** Each device that a chain of additions leads to, with its shortest chain. */
function rankDevices(group: GroupId, all: readonly VerifiedRecord[]): Map<DeviceId, Rank> {
  const ranks = new Map<DeviceId, Rank>()
  for (const { record, hash } of ofKind(all, 'founded')) {
    if (groupIdOf(Buffer.from(record.author, 'hex'), Buffer.from(record.nonce, 'hex')) !== group) continue
    if (!ranks.has(record.author)) ranks.set(record.author, { depth: 0, hash, name: record.name })
  }
  const additions = groupBy(ofKind(all, 'device-added'), (item) => item.record.author)
  let layer = [...ranks.keys()]
  for (let depth = 1; layer.length > 0; depth++) {
    const next: Of<'device-added'>[] = layer.flatMap((author) => additions.get(author) ?? [])
    layer = []
    for (const { record, hash } of next.sort(byHash)) {
      if (ranks.has(record.device)) continue
      ranks.set(record.device, { depth, hash, name: record.name })
      layer.push(record.device)
    }
  }
  return ranks
}

/** Removed device → hashes of its records that stand. */
type Removals = Map<DeviceId, Set<RecordHash>>

function weighRemovals(group: GroupId, all: readonly VerifiedRecord[], seniority: ReadonlyMap<DeviceId, Rank>): Removals {
  const removals: Removals = new Map()
  const candidates = ofKind(all, 'device-removed').flatMap((item) => {
    const rank = seniority.get(item.record.author)
    return rank === undefined ? [] : [{ item, rank }]
  })
  candidates.sort((a, b) => bySeniority(a.rank, b.rank) || byHash(a.item, b.item))
  for (const { item } of candidates) {
    if (!counts(item, removals) || !isReached(group, all, removals, item.record.author)) continue
    const accepted = removals.get(item.record.device) ?? new Set()
    for (const hash of item.record.accepted) accepted.add(hash)
    if (item.record.author === item.record.device) accepted.add(item.hash)
    removals.set(item.record.device, accepted)
  }
  return removals
}

function isReached(group: GroupId, all: readonly VerifiedRecord[], removals: Removals, device: DeviceId): boolean {
  if (removals.size === 0) return true
  return rankDevices(group, all.filter((item) => counts(item, removals))).has(device)
}

/** A record of a removed device stands only if a removal lists it (R21). */
function counts(item: VerifiedRecord, removals: Removals): boolean {
  const accepted = removals.get(item.record.author)
  return accepted === undefined || accepted.has(item.hash)
}

type IsMember = (device: DeviceId) => boolean

function memberMap(valid: readonly VerifiedRecord[], reached: ReadonlyMap<DeviceId, Rank>, isMember: IsMember): ReadonlyMap<DeviceId, Member> {
  const names = newest(ofKind(valid, 'device-renamed'), (record) => record.device)
  const addresses = newest(ofKind(valid, 'device-address'), (record) => record.device)
  const members = new Map<DeviceId, Member>()
  for (const [id, rank] of [...reached].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!isMember(id)) continue
    const address = addresses.get(id)?.record
    const name = names.get(id)?.record.name ?? rank.name
    members.set(id, { id, name, addresses: address === undefined ? [] : addressText(address) })
  }
  return members
}

function addressText({ host, port }: { readonly host: string; readonly port: number }): string[] {
  if (host === '') return []
  return [host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`]
}

function folderMap(valid: readonly VerifiedRecord[], isMember: IsMember, removals: Removals): ReadonlyMap<FolderId, FolderState> {
  const named = ofKind(valid, 'folder')
  const names = newest(named, (record) => record.folder)
  const namedByMembers = new Set(named.filter((item) => isMember(item.record.author)).map((item) => item.record.folder))
  const keys = groupBy(ofKind(valid, 'folder-key'), (item) => item.record.folder)
  const left = newest(ofKind(valid, 'folder-left'), ({ folder, author }) => folder + author)
  const isCurrent = ({ record: { folder, author, generation } }: Of<'drive'>): boolean =>
    isMember(author) && generation > (left.get(folder + author)?.record.generation ?? -1)
  const drives = groupBy(ofKind(valid, 'drive').filter(isCurrent), (item) => item.record.folder)
  const folders = new Map<FolderId, FolderState>()
  for (const [id, { record }] of [...names].sort(([a], [b]) => (a < b ? -1 : 1)) as [FolderId, Of<'folder'>][]) {
    const choices = keyChoices(keys.get(id) ?? [])
    const rows = driveRows(drives.get(id) ?? [])
    folders.set(id, {
      id,
      name: record.name,
      nameGeneration: record.generation,
      namedByMember: namedByMembers.has(id),
      key: currentKey(choices, removals),
      keys: choices,
      drives: rows,
      devices: [...new Set(rows.map((row) => row.device))].sort(),
    })
  }
  return folders
}

function driveRows(items: readonly Of<'drive'>[]): DriveRecord[] {
  const rows = new Map<DriveKey, DriveRecord>()
  for (const { record } of [...items].sort((a, b) => b.record.generation - a.record.generation || byHash(a, b))) {
    const { author: device, generation, driveKey, keyId, writer, starts, owner } = record
    // INVARIANT: a proof was checked when its record was (records.ts), so all that speak of one key are of one device.
    if (owner !== null && !rows.has(driveKey)) rows.set(driveKey, { device, generation, driveKey, keyId, writer, starts, owner })
  }
  return [...rows.values()]
}

/** Records of the same key add up their receivers; greatest (generation, key id) first. */
function keyChoices(items: readonly (Of<'folder-key'> | Of<'group-secret'>)[]): KeyChoice[] {
  const choices = new Map<string, { generation: number; keyId: KeyId; receivers: Set<DeviceId>; authors: Set<DeviceId> }>()
  for (const { record } of items) {
    const { author, generation, keyId } = record
    const choice = choices.get(`${generation}:${keyId}`) ?? { generation, keyId, receivers: new Set(), authors: new Set() }
    choice.authors.add(author)
    for (const [device] of record.sealed) choice.receivers.add(device)
    choices.set(`${generation}:${keyId}`, choice)
  }
  return [...choices.values()].sort((a, b) => b.generation - a.generation || (a.keyId < b.keyId ? 1 : -1))
}

/** The last generation for each subject, the greater hash among equals. */
function newest<T extends Dated>(items: readonly T[], subject: (record: T['record']) => string): Map<string, T> {
  const best = new Map<string, T>()
  for (const item of items) {
    const other = best.get(subject(item.record))
    if (other === undefined || isNewer(item, other)) best.set(subject(item.record), item)
  }
  return best
}

type Dated = VerifiedRecord & { readonly record: { readonly generation: number } }

function isNewer(a: Dated, b: Dated): boolean {
  return a.record.generation === b.record.generation ? a.hash > b.hash : a.record.generation > b.record.generation
}

function ofKind<K extends RecordBody['kind']>(records: readonly VerifiedRecord[], kind: K): Of<K>[] {
  return records.filter((item): item is Of<K> => item.record.kind === kind)
}

export function groupBy<K, T>(items: readonly T[], key: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>()
  for (const item of items) {
    const list = groups.get(key(item))
    if (list === undefined) groups.set(key(item), [item])
    else list.push(item)
  }
  return groups
}

function sortedByHash(records: Iterable<VerifiedRecord>): VerifiedRecord[] {
  return [...new Map([...records].map((item) => [item.hash, item])).values()].sort(byHash)
}

export function byHash(a: { readonly hash: string }, b: { readonly hash: string }): number {
  return a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : 0
}

function bySeniority(a: Rank, b: Rank): number {
  return a.depth - b.depth || byHash(a, b)
}

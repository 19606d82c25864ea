/** Other devices' drives → index: their new statements are written down, and their paths marked for the cycle to reconcile. */
import type { FolderPeers, Place, RemoteBatch, RemoteDrive, RemoteRow, Row } from '../ports.ts'
import { isOpen, newestPerDevice, type FolderContext } from './context.ts'
import { compareWithDevice } from './divergence.ts'
import { stageFresh } from './foretold.ts'
import { flag } from './local.ts'
import { isIgnoreFile } from './rules.ts'
import { sameEntry } from '../sync/entry-compare.ts'
import { compareVersions } from '../sync/version.ts'
import type { Entry, FileEntry } from '../sync/entry.ts'
import type { DeviceId, PathKey } from '../sync/ids.ts'

/**
 * Reads every drive that grew, as far as its blocks can be had now, and until enough bytes are on their way (`pullRoom`): the one of which
 * least is to be read first.
 * @param breaksOff asked after statements that bring nothing to do, such as those of a new drive that says what the one before says: others
 *   may be left for later, since something else waits. So they are if a drive has grown of which less is to be read. Null: never.
 */
export async function pullAll(context: FolderContext, signal: AbortSignal, breaksOff: (() => boolean) | null = null): Promise<void> {
  const drives = context.ports.remotes.list().toSorted((a, b) => unread(context, a) - unread(context, b))
  const lengths = new Map(drives.map(({ key, length }) => [key, length]))
  for (const drive of drives) {
    if (signal.aborted || context.pullRoom.isFull()) return
    const isNearer = (other: RemoteDrive): boolean => other.length > (lengths.get(other.key) ?? 0) && isBehind(context, other) && unread(context, other) < unread(context, drive)
    const mayLeave = (): boolean => breaksOff !== null && (breaksOff() || context.ports.remotes.list().some(isNearer))
    if (!isBehind(context, drive) || !(await pullDrive(context, drive, signal, mayLeave))) continue
    context.work.markPull()
    return
  }
}

/** Blocks. */
function unread({ ports }: FolderContext, { key, length, fork }: RemoteDrive): number {
  const known = ports.index.remoteCheckpoint(key)
  return known === null || known.fork !== fork ? length : length - known.length
}

/** R27: deletions that came in are judged as a whole, before any of them is applied. */
export async function holdDeletions(context: FolderContext): Promise<void> {
  const { index, clock } = context.ports
  await flag(context, context.guard.judgeElsewhere(index.totals.files, clock.now()), 'elsewhere')
}

/** True if the drive states more than the index has. */
export function isBehind(context: FolderContext, drive: RemoteDrive): boolean {
  const known = context.ports.index.remoteCheckpoint(drive.key)
  return drive.length > 0 && (known === null || known.length < drive.length || known.fork !== drive.fork)
}

/** True unless all that the drive states is in the index. That it states nothing at all is known once its device says so. */
export function isAwaited(context: FolderContext, drive: RemoteDrive, peers: FolderPeers): boolean {
  if (drive.length > 0) return isBehind(context, drive)
  const report = peers.connected().find((peer) => peer.device === drive.device)?.report ?? null
  return report === null || report.drive !== drive.key || report.length > 0 || report.dirty
}

/** True: broken off. */
async function pullDrive(context: FolderContext, drive: RemoteDrive, signal: AbortSignal, breaksOff: () => boolean): Promise<boolean> {
  const { index, log } = context.ports
  const known = index.remoteCheckpoint(drive.key)
  // R27: they are judged together.
  let hasDeletions = false
  try {
    for await (const batch of drive.changes(known, signal)) {
      const { isNews, deletes } = await takeIn(context, drive, batch)
      hasDeletions ||= deletes
      if (signal.aborted || context.pullRoom.isFull()) return false
      if (!isNews && !hasDeletions && breaksOff()) return true
    }
  } catch (error) {
    if (signal.aborted) return false
    log.warn({ device: drive.device, error: String(error) }, 'a drive could not be read to its end; it is tried again when it grows or a device connects')
  }
  return false
}

/** @returns whether it brings anything to do, and a deletion. */
async function takeIn(context: FolderContext, drive: RemoteDrive, read: RemoteBatch): Promise<{ readonly isNews: boolean; readonly deletes: boolean }> {
  const { index } = context.ports
  const { device, key, generation } = drive
  const paths = read.changes.map((change) => change.path)
  const reading = Promise.all([index.rows(paths), index.remoteRows(paths)])
  stageFresh(context, device, read.changes)
  const [rows, remotes] = await reading
  const batch = index.batch()
  const dirty: PathKey[] = []
  const newcomers: Newcomer[] = []
  let deletes = false
  for (const [i, change] of read.changes.entries()) {
    if (change.entry === null) batch.delRemote(change.path, key)
    else batch.putRemote(change.path, { device, drive: key, generation, entry: change.entry })
    const others = (remotes[i] ?? []).filter((row) => row.drive !== key && row.device === device)
    const current = change.entry === null ? others : [...others, { device, drive: key, generation, entry: change.entry }]
    const stated = rows[i] ?? null
    const theirs = newestPerDevice(current)[0]?.entry ?? null
    compareWithDevice(context, batch, device, change.path, stated, theirs)
    const own = context.unstated.row(change.path) ?? stated
    deletes ||= own !== null && own.entry.kind !== 'tombstone' && theirs?.kind === 'tombstone'
    const newcomer = own === null && theirs !== null && (remotes[i] ?? []).length === 0 ? asNewcomer(context, change.path, theirs) : null
    if (newcomer !== null) newcomers.push(newcomer)
    else if (!isAgreement(context, change.path, own, theirs, remotes[i] ?? [], device)) dirty.push(change.path)
    if (own?.ignored === true || context.rules.ignored(change.path, change.entry?.kind === 'directory')) continue
    if (theirs !== null) context.guard.incoming(change.path, own, theirs)
    if (theirs !== null && isNews(own?.entry ?? null, theirs)) expect(context, change.path, own?.entry ?? null, theirs)
  }
  for (const hint of [context.moving, context.aside]) hint.heard(device, context.ports.clock.now())
  batch.setRemote(key, { device, generation, length: read.length, fork: read.fork })
  // What is written changes nothing of what stands where: one trip to the database less to wait for.
  const placing = Promise.all(newcomers.map(({ entry }) => index.places(entry.cid)))
  placing.catch(() => undefined)
  await batch.flush()
  context.misstated.add(drive, read.invalid)
  context.work.markDirty(dirty)
  await requestAll(context, device, newcomers, placing)
  return { isNews: dirty.length + newcomers.length > 0, deletes }
}

/** A file that one device states, and of whose path nobody has said anything so far. */
interface Newcomer {
  readonly path: PathKey
  readonly entry: FileEntry
}

/** Null: it must be reconciled to know what is to be done, because something else is under way or goes first: the rules (R32), a scan (R12). */
function asNewcomer({ aside, copyBases, followers, moving, rules, work }: FolderContext, path: PathKey, entry: Entry): Newcomer | null {
  if (entry.kind !== 'file' || entry.size === 0 || isIgnoreFile(path) || rules.ignored(path, false)) return null
  return copyBases.size > 0 || followers.has(path) || moving.current !== null || aside.at(path) !== null || work.isDoubted(path) ? null : { path, entry }
}

/**
 * To reconcile a newcomer would tell no more than that its bytes are needed. So they are asked for at once, and it is reconciled when they
 * are here, or anything else is heard of it. Where its content is here already it may be a move or a copy, which only the rules know.
 */
async function requestAll({ fetcher, work }: FolderContext, device: DeviceId, newcomers: readonly Newcomer[], placing: Promise<readonly (readonly Place[])[]>): Promise<void> {
  const left = new Set(newcomers.map(({ path }) => path))
  try {
    const places = await placing
    for (const [i, { path, entry }] of newcomers.entries()) {
      if ((places[i] ?? []).length > 0 || fetcher.listOf(entry.cid) !== null) continue
      fetcher.request({ path, entry, sources: [device] })
      left.delete(path)
    }
  } finally {
    work.markDirty(left)
  }
}

/**
 * The device has come to what we state, nobody else states anything that we do not cover, and nothing waits for the path: to reconcile it
 * would leave all as it is. So it is for each file that another device took from us.
 */
function isAgreement(context: FolderContext, path: PathKey, own: Row | null, theirs: Entry | null, remotes: readonly RemoteRow[], device: DeviceId): boolean {
  const { guard, followers, moving, refusals } = context
  if (own === null || theirs === null || own.ignored === true || own.shadow === true || own.entry.kind === 'directory' || !sameEntry(own.entry, theirs)) return false
  if (isOpen(context, path) || followers.has(path) || refusals.has(path) || guard.isRecalled(path) || moving.current !== null) return false
  return remotes.every((row) => row.device === device || sameEntry(own.entry, row.entry) || compareVersions(own.entry.vv, row.entry.vv) === 'dominates')
}

/** Counts it before it is reconciled, so that progress shows the whole from the start. */
function expect(context: FolderContext, path: PathKey, own: Entry | null, theirs: Entry): void {
  if (own === null && theirs.kind === 'tombstone') return
  context.tally.expect(path, theirs)
}

function isNews(own: Entry | null, theirs: Entry): boolean {
  return own === null || compareVersions(theirs.vv, own.vv) === 'dominates'
}

/**
 * A directory that moved whole on another device moves here by one rename(2), on that device's word, long before its drive has
 * stated each path (R46). From then on until the statements are here, the rows of the old place speak of what stands at the new one:
 * scans leave both alone, each statement that says what was foretold is adopted without a touch, and what says anything else waits
 * for the end, at which whatever was not stated is moved back. So the word of the other device decides nothing, and nothing is
 * stated here that is not stated there.
 */
import { MOVED_SILENCE_MS, MOVED_TOLD_MS } from '../../base/limits.ts'
import type { ApplyOp, ApplyResult, FolderReport, Problem, Row } from '../ports.ts'
import { messageOf } from '../../base/errors.ts'
import { isLive } from '../sync/entry-compare.ts'
import type { DeviceId, PathKey } from '../sync/ids.ts'
import { isBelow, parentOf, ROOT } from '../sync/path.ts'
import { isPossible, isWithin, sameMove, twinOf, type DirectoryMove, type Relocation } from '../sync/relocation.ts'
import { newestPerDevice, type FolderContext } from './context.ts'
import { contested, isPlain, livingBelow, rowsIn } from './settled-tree.ts'

/** Changes on disk in one go when things are moved back. */
const GIVE_BACK_OPS = 1000
/** Some minutes: a full disk has room again, a mount comes back. */
const MAX_TRIES = 60
/** Causes that may be gone in a moment. */
const PASSING: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'ESTALE', 'ETIMEDOUT', 'EBUSY', 'EMFILE', 'ENFILE', 'ENOMEM'])
/** Something stands there: that is no failure. */
const SPECIAL = 'special-file'

/** What the cycle knows of it. */
export class Moving {
  /** Found by our own scan, and not stated yet: the others are told. */
  told: DirectoryMove | null = null
  readonly waiting = new Set<PathKey>()
  /** Times in a row that it could not be given back. */
  failures = 0
  /** What was tried already, by device. */
  readonly tried = new Map<DeviceId, DirectoryMove>()
  #current: Relocation | null = null
  /** Paths of the old place that are not stated to have ended. */
  #left = 0
  #heardAt = 0

  get report(): Pick<FolderReport, 'moved'> {
    return this.told === null ? {} : { moved: this.told }
  }

  get current(): Relocation | null {
    return this.#current
  }

  get left(): number {
    return this.#left
  }

  begin(relocation: Relocation, paths: number, now: number): void {
    this.#current = relocation
    this.#left = paths
    this.#heardAt = now
  }

  /** What lived there has been stated to have ended. */
  ended(path: PathKey, now: number): void {
    if (this.#current === null || !isWithin(path, this.#current.from)) return
    this.#left--
    this.#heardAt = now
  }

  clear(): void {
    this.#current = null
    this.waiting.clear()
  }

  /** Rows and disk differ there for the moment. */
  concerns(path: PathKey): boolean {
    return this.twin(path) !== null
  }

  twin(path: PathKey): PathKey | null {
    return this.#current === null ? null : twinOf(this.#current, path)
  }

  isNew(path: PathKey): boolean {
    return this.#current !== null && isWithin(path, this.#current.to)
  }

  /** That a directory above is gone or replaced is told at the end, with what was in it. */
  isAbove(path: PathKey): boolean {
    return this.#current !== null && (isBelow(this.#current.from, path) || isBelow(this.#current.to, path))
  }

  /** Its device goes on. */
  heard(device: DeviceId, now: number): void {
    if (device === this.#current?.device) this.#heardAt = now
  }

  /** A clock that is set back begins the wait anew. */
  silentFor(now: number): number {
    this.#heardAt = Math.min(this.#heardAt, now)
    return now - this.#heardAt
  }
}

/** Whether there may be something to do. */
export function isMoveDue({ moving, ports }: FolderContext): boolean {
  return moving.current !== null || moving.tried.size > 0 || ports.peers.connected().some(({ report }) => report?.moved !== undefined)
}

/** Ends what is over, and follows a device that says that a directory moved. */
export async function tendMoves(context: FolderContext): Promise<void> {
  const { moving, ports } = context
  if (moving.current !== null && isOver(context)) await endMove(context)
  const peers = ports.peers.connected()
  for (const device of moving.tried.keys()) if (!peers.some((peer) => peer.device === device && peer.report?.moved !== undefined)) moving.tried.delete(device)
  for (const { device, report } of peers) {
    if (moving.current !== null) return
    const move = report?.moved
    if (move === undefined || sameMove(moving.tried.get(device), move)) continue
    moving.tried.set(device, move)
    await follow(context, device, move)
  }
}

// ------------------------------------------------------------------------------------------- the beginning

async function follow(context: FolderContext, device: DeviceId, move: DirectoryMove): Promise<void> {
  const { moving, ports } = context
  const { disk, index, log, clock, watcher } = ports
  const ino = await inodeOf(context, device, move)
  if (ino === null) return
  if ((await contested(context, device, [move.from])).size > 0) return
  const relocation: Relocation = { ...move, ino, device }
  // Durably, before the disk: after a crash the scan shall not take it for what the user did.
  await record(context, relocation)
  const moved = await disk.moveDirectory(relocation, index)
  if (moved === null) return await record(context, null)
  moving.begin(relocation, moved.paths, clock.now())
  await watcher.watch(moved.directories.map((path) => twinOf(move, path) ?? path), context.held)
  log.info({ device, paths: moved.paths }, 'a directory moved whole on another device moved here as well; what that device states of it follows')
}

/** Null: the move is none that can be followed. */
async function inodeOf(context: FolderContext, device: DeviceId, move: DirectoryMove): Promise<string | null> {
  const { aside, guard, rules, blocked, problems, ports } = context
  const { from, to } = move
  if (!isPossible(move) || guard.deciding || aside.active || rules.ignored(from, true) || rules.ignored(to, true)) return null
  for (const path of [...blocked.keys(), ...problems.keys()]) if (isWithin(path as PathKey, from) || isWithin(path as PathKey, to)) return null
  const above = [parentOf(from), parentOf(to)].filter((path) => path !== ROOT)
  const [row, taken, ...parents] = await ports.index.rows([from, to, ...above])
  if (!parents.every((parent) => isPlain(parent ?? null) && parent?.entry.kind === 'directory')) return null
  if (!isFree(taken ?? null)) return null
  const [statements] = await ports.index.remoteRows([to])
  if (newestPerDevice(statements ?? []).some((statement) => statement.device !== device && isLive(statement.entry))) return null
  return isPlain(row ?? null) && row?.entry.kind === 'directory' ? (row.seen?.ino ?? null) : null
}

function isFree(row: Row | null): boolean {
  return row === null || (row.entry.kind === 'tombstone' && row.shadow !== true && row.ignored !== true)
}

async function record({ ports, sync }: FolderContext, relocation: Relocation | null): Promise<void> {
  const batch = ports.index.batch()
  batch.setRelocation(relocation)
  await batch.flush()
  if (relocation !== null) await sync()
}

// ------------------------------------------------------------------------------------------- the end

function isOver(context: FolderContext): boolean {
  const { moving, guard, ports, work } = context
  const { current } = moving
  if (current === null || moving.left <= 0 || guard.deciding) return true
  const report = ports.peers.connected().find((peer) => peer.device === current.device)?.report ?? null
  const isTold = sameMove(report?.moved, current)
  if (moving.silentFor(ports.clock.now()) > (isTold ? MOVED_TOLD_MS : MOVED_SILENCE_MS)) return true
  return report !== null && !isTold && work.dirtyCount === 0 && isAllTold(context, report)
}

/** All that the device had to say is in the index. */
export function isAllTold({ ports }: FolderContext, report: FolderReport): boolean {
  if (report.dirty || report.drive === null) return false
  return (ports.index.remoteCheckpoint(report.drive)?.length ?? -1) >= report.length
}

/** What was not stated goes back; then a scan looks at all of it, and what the user did there meanwhile is found. */
export async function endMove(context: FolderContext): Promise<void> {
  const { moving, ports, work } = context
  const { current, waiting } = moving
  if (current === null) return
  const [old, next] = [await livingBelow(context, current.from), await livingBelow(context, current.to)]
  const left = Math.max(moving.left, old.count)
  if (left > 0) await orGiveUp(context, async () => await giveBack(context, current))
  ports.log.info({ left }, 'the move of a directory is over')
  await record(context, null)
  const dirty = [...waiting]
  moving.clear()
  work.markDirty(dirty)
  work.markScan([current.from, current.to, ...old.directories, ...next.directories])
}

/** What a crash left: nothing of it is known to be stated any more, so that it goes back before anything else looks at the tree. */
export async function endMoveOfBefore(context: FolderContext): Promise<void> {
  const { disk, index } = context.ports
  const { relocation } = index
  if (relocation === null) return
  await orGiveUp(context, async () => {
    const next = await disk.look({ area: 'tree', path: relocation.to })
    // Where it cannot be told nothing may be looked at: to a scan what stood at the old name would be deleted.
    if (next.kind === 'problem' && next.problem.code !== SPECIAL) throw failure(next.problem)
    // Whatever has the old name by now. Anything else at the new one is as if the user had moved it: the scan finds it so.
    if (next.kind === 'directory' && next.seen.ino === relocation.ino) await giveBack(context, relocation)
  })
  await record(context, null)
}

/** A cause that lasts must not hold up the folder for ever: then it is as if the user had moved it. */
async function orGiveUp(context: FolderContext, act: () => Promise<void>): Promise<void> {
  const { moving, ports } = context
  try {
    await act()
  } catch (error) {
    if (++moving.failures < MAX_TRIES) throw error
    ports.log.error({ error: messageOf(error) }, 'a directory that moved on the word of another device stays where it is')
  }
  moving.failures = 0
}

async function giveBack(context: FolderContext, { from, to, ino }: Relocation): Promise<void> {
  const { index, disk } = context.ports
  const [stated] = await index.rows([to])
  if (!isLive(stated?.entry ?? null) && (await disk.moveDirectory({ from: to, to: from, ino }, null)) !== null) return
  // Some of it is stated at its new place by now, or the old name is taken: path by path, and what cannot be moved is the user's.
  const emptied: ApplyOp[] = []
  for (let directories = [from]; directories.length > 0; ) {
    const below: PathKey[] = []
    for (const directory of directories) {
      const { directories: inside, left } = await giveBackDirectory(context, { from, to }, directory)
      for (const path of inside) below.push(path)
      if (left !== null) emptied.push(left)
    }
    directories = below
  }
  // The deepest first. In one that does not go, the user put something.
  for (const op of emptied.reverse()) await disk.apply([op], context.rules.ignored)
}

/** @returns the directories in it, and how to remove the empty one that it leaves, unless that is stated. */
async function giveBackDirectory(context: FolderContext, move: DirectoryMove, directory: PathKey): Promise<{ readonly directories: readonly PathKey[]; readonly left: ApplyOp | null }> {
  const { index, disk } = context.ports
  const twin = twinOf(move, directory) ?? directory
  const [own, next] = await index.rows([directory, twin])
  if (own?.entry.kind !== 'directory') return { directories: [], left: null }
  const rows = await rowsIn(context, directory)
  const apply = async (ops: readonly ApplyOp[]): Promise<void> => done(await disk.apply(ops, context.rules.ignored))
  await apply([{ kind: 'directory', path: directory, expect: null, mode: own.entry.mode, displace: { to: 'history' } }])
  const leaves = rows.flatMap(([path, row]) => moveBack(move, path, row))
  for (let start = 0; start < leaves.length; start += GIVE_BACK_OPS) await apply(leaves.slice(start, start + GIVE_BACK_OPS))
  const isStated = next !== undefined && next !== null && isLive(next.entry)
  const left: ApplyOp | null = isStated || own.seen === null ? null : { kind: 'remove', path: twin, expect: own.seen, displace: { to: 'history' } }
  return { directories: rows.filter(([, row]) => row.entry.kind === 'directory').map(([path]) => path), left }
}

/** What a disk refuses for now is tried again: a scan in between would find it deleted. What it refuses for good is as if the user had moved it. */
function done(results: readonly ApplyResult[]): void {
  for (const result of results) if (result.kind === 'problem' && PASSING.has(result.problem.code)) throw failure(result.problem)
}

function failure({ code, message }: Problem): Error {
  return Object.assign(new Error(`a directory that moved cannot go back to its name: ${message}`), { code })
}

function moveBack(move: DirectoryMove, path: PathKey, row: Row): ApplyOp[] {
  if (row.seen === null || row.entry.kind === 'directory' || row.entry.kind === 'tombstone') return []
  return [{ kind: 'move', path, expect: null, from: twinOf(move, path) ?? path, source: row.seen, mode: null, mtime: null, displace: { to: 'history' } }]
}

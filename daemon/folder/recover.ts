/**
 * What a start puts right before anything else: whether files and index are of one time, staging left by a crash, a drive that is
 * longer than the index, and a drive that is a new one (a new generation, or a new life of this device), which then states all that
 * the old one stated.
 */
import type { OwnCheckpoint, OwnDrive, Row } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import type { Cut } from '../sync/recount.ts'
import type { FolderContext } from './context.ts'
import { endAside } from './aside.ts'
import { examineFiles } from './doubt.ts'
import { judgeEpoch, nextEpoch, type EpochVerdict } from './epoch.ts'
import { moveToDrive } from './move.ts'
import { endMoveOfBefore } from './moving.ts'
import { lookAtClock } from './retention.ts'
import { listUnlisted } from './unlisted.ts'

/** What the index of another drive means for this one. */
export interface Recovery {
  /** doubted: the rows may speak of other files than those on disk (R18), or are of a former life (R20): what is missing was not deleted. */
  readonly files: 'trusted' | 'doubted'
  /** R19 */
  readonly cuts: readonly Cut[]
}

/** Evidence that files, index and drive are not of one time: a new drive must take over (R18). */
export type TimeTravel = Exclude<EpochVerdict, 'same'> | 'drive-shorter'

export interface RecoveryOptions {
  readonly recovery: Recovery
  /** The drive that the index still names, if it can be read here. */
  readonly former: OwnDrive | null
  /** Null: nobody can make a new drive; evidence is only logged. */
  readonly onTimeTravel: ((travel: TimeTravel) => void) | null
  /** Resolves when all that was written to the index is on disk. */
  readonly sync: () => Promise<void>
  /** Index and drive agree, durably. */
  readonly onReady: () => void
}

const NOTHING_TO_RECOVER: RecoveryOptions = { recovery: { files: 'trusted', cuts: [] }, former: null, onTimeTravel: null, sync: async () => undefined, onReady: () => undefined }

/** Why a folder halts for a moment. */
export const ROTATING = { code: 'rotating', message: 'files and state of this folder are not of one time (one was put back from a backup); they are compared, nothing is lost' }

/** halted: the root is not ours. rotate: a new drive must take over first, and whoever makes it was told. */
export type Recovered = 'ready' | 'halted' | 'rotate'

async function recoverIndex(context: FolderContext, options: RecoveryOptions): Promise<Recovered> {
  const { disk, index, own, log } = context.ports
  const checkpoint = index.own ?? firstCheckpoint(own)
  const state = await disk.inspect()
  if (state.kind === 'halted') return 'halted'
  const travel = evidence(context, checkpoint, state.epoch, options.recovery)
  if (travel !== null) {
    log.warn({ travel, indexEpoch: checkpoint.epoch, markerEpoch: state.epoch }, 'files and index of a folder are not of one time')
    options.onTimeTravel?.(travel)
    if (options.onTimeTravel !== null) return 'rotate'
  }
  await lookAtClock(context)
  await endMoveOfBefore(context)
  if (context.aside.active) await endAside(context)
  context.work.markScan(await disk.recover())
  // Before the rows of what was displaced are put right: they say best what it was.
  await listUnlisted(context, index.own === null || checkpoint.drive !== own.key ? 'all' : 'recent')
  const counter = await catchUp(context, checkpoint, options)
  await settle(context, { ...checkpoint, counter })
  await raiseEpoch(context, state.epoch, options.sync)
  options.onReady()
  return 'ready'
}

/** Watches over a running folder that files, index and drive stay of one time. */
export class Times {
  readonly #options: RecoveryOptions
  #recovered = false
  #raisedAt = 0

  constructor(options: RecoveryOptions = NOTHING_TO_RECOVER) {
    this.#options = options
  }

  get recovered(): boolean {
    return this.#recovered
  }

  /** At the beginning of each cycle: `marker` is the epoch that stands in the folder now. */
  async check(context: FolderContext, marker: number): Promise<Recovered> {
    const { own } = context.ports.index
    if (this.#recovered && (own === null || judgeEpoch(own.epoch, marker) === 'same')) return 'ready'
    const outcome = await recoverIndex(context, this.#options)
    this.#recovered = outcome === 'ready'
    this.#raisedAt = context.ports.own.length
    return outcome
  }

  /** Before a full scan: what is put back from before this moment is known by its epoch then. Idle folders are left alone. */
  async raise(context: FolderContext, marker: number): Promise<void> {
    const { length } = context.ports.own
    if (length === this.#raisedAt) return
    this.#raisedAt = length
    await raiseEpoch(context, marker, this.#options.sync)
  }
}

async function raiseEpoch(context: FolderContext, marker: number, sync: RecoveryOptions['sync']): Promise<void> {
  const checkpoint = context.counter.commit(context.ports.own.length)
  const { pending, next } = nextEpoch(checkpoint.epoch, marker)
  await settle(context, { ...checkpoint, epoch: pending })
  // The index first, durably: otherwise a power cut would look like an index of yesterday.
  await sync()
  await context.ports.disk.setEpoch(next)
  await settle(context, { ...checkpoint, epoch: next })
}

/** Of an index that is new. */
export function firstCheckpoint(own: OwnDrive): OwnCheckpoint {
  return { drive: own.key, generation: own.generation, writer: own.writer, counter: 0, length: 0, epoch: 0 }
}

function evidence({ ports: { index, own } }: FolderContext, checkpoint: OwnCheckpoint, marker: number, recovery: Recovery): TimeTravel | null {
  if (index.own === null) return null
  const moves = checkpoint.drive !== own.key
  if (!moves && own.length < checkpoint.length) return 'drive-shorter'
  const verdict = judgeEpoch(checkpoint.epoch, marker)
  if (verdict === 'same') return null
  // A new writer that heeds it is the answer already.
  const isHeeded = moves && own.writer !== checkpoint.writer && (verdict === 'rolled-back' || recovery.files === 'doubted')
  return isHeeded ? null : verdict
}

/** Makes index and drive agree; returns the last counter of our writer. */
async function catchUp(context: FolderContext, checkpoint: OwnCheckpoint, { recovery, former }: RecoveryOptions): Promise<number> {
  const { index, own } = context.ports
  if (checkpoint.drive === own.key) {
    const isBehind = own.length > checkpoint.length || index.own === null
    return isBehind ? await replay(context, own, checkpoint) : checkpoint.counter
  }
  const missed = former !== null && former.key === checkpoint.drive && former.length > checkpoint.length
  const counter = missed ? await replay(context, former, checkpoint) : checkpoint.counter
  if (recovery.files === 'doubted') await examineFiles(context, former)
  const keepsBlobs = former !== null && former.key === checkpoint.drive && former.blobsKey === own.blobsKey
  return await moveToDrive(context, recovery.cuts, checkpoint.writer === own.writer ? counter : 0, keepsBlobs)
}

/** Our own statements that the index missed. Rows get no stat, so that the scan looks at each of them. */
async function replay(context: FolderContext, drive: OwnDrive, checkpoint: OwnCheckpoint): Promise<number> {
  const { index } = context.ports
  let { counter } = checkpoint
  for await (const statements of drive.replay(index.own === null ? 0 : checkpoint.length)) {
    const paths = statements.map((statement) => statement.path)
    const known = await index.rows(paths)
    // One path can be stated several times in a batch: each statement follows the one before it.
    const latest = new Map<PathKey, Row | null>(paths.map((path, i) => [path, known[i] ?? null]))
    const put = (path: PathKey, row: Row): void => {
      batch.putRow(path, row)
      latest.set(path, row)
    }
    const batch = index.batch()
    for (const { path, entry, blob, list } of statements) {
      const before = latest.get(path) ?? null
      if (entry === null) {
        if (before !== null) put(path, { ...before, ignored: true })
        continue
      }
      put(path, { entry, seen: null })
      if (list !== null) batch.putContent(list, { area: 'tree', path }, blob)
      if (before?.entry.kind === 'file' && before.entry.cid !== list?.cid) batch.delPlace(before.entry.cid, { area: 'tree', path })
      counter = Math.max(counter, entry.vv[drive.writer] ?? 0)
    }
    await batch.flush()
    context.work.markScan(paths)
    context.work.markDirty(paths)
  }
  return counter
}

async function settle(context: FolderContext, known: OwnCheckpoint): Promise<void> {
  const { index, own } = context.ports
  const { blobsFrom, ...rest } = known
  // Of a drive that took over, all blobs were noted under its own generation.
  const noted = blobsFrom === undefined || known.drive !== own.key ? {} : { blobsFrom }
  const checkpoint: OwnCheckpoint = { ...rest, drive: own.key, generation: own.generation, writer: own.writer, length: own.length, ...noted }
  const batch = index.batch()
  batch.setOwn(checkpoint)
  await batch.flush()
  context.counter.restore(checkpoint)
}

/** What the steps of a folder's cycle share: the ports, the marked work, and what is kept in memory between cycles. */
import type { Clock, Disk, FolderIndex, FolderPeers, Log, OwnDrive, OwnCheckpoint, Problem, RemoteDrives, RemoteRow, Watcher } from '../ports.ts'
import type { Dot, Entry } from '../sync/entry.ts'
import type { ContentId, DeviceId, FolderId, PathKey } from '../sync/ids.ts'
import type { Aside } from './aside.ts'
import type { Displacements } from './displaced.ts'
import type { Fetcher } from './fetcher.ts'
import type { Foretelling } from './foretelling.ts'
import type { Guard } from './guard.ts'
import type { Misstated } from './misstated.ts'
import type { Moving } from './moving.ts'
import type { PullRoom } from './pull-room.ts'
import type { RecentChunks } from './recent-chunks.ts'
import type { Rules } from './rules.ts'
import type { Tally } from './tally.ts'
import type { Resting } from './resting.ts'
import type { Unstated } from './unstated.ts'
import type { Work } from './work.ts'

export interface FolderPorts {
  readonly id: FolderId
  /** What to type for it; default: the beginning of its id. */
  readonly name?: string
  readonly disk: Disk
  readonly watcher: Watcher
  readonly index: FolderIndex
  readonly own: OwnDrive
  readonly remotes: RemoteDrives
  readonly peers: FolderPeers
  readonly clock: Clock
  readonly log: Log
}

/** A path changed here: by a user, or by an apply. For event streams. */
export interface PathChange {
  readonly path: PathKey
  readonly kind: Entry['kind']
  /** What stood there before; null: nothing. */
  readonly was: 'file' | 'directory' | 'symlink' | null
  readonly from: 'local' | 'remote'
}

export interface FolderContext {
  readonly ports: FolderPorts
  /** Paused, halted or closing: nothing is fetched, and what takes long is broken off. */
  readonly held: () => boolean
  readonly work: Work
  readonly tally: Tally
  readonly rules: Rules
  readonly fetcher: Fetcher
  readonly pullRoom: PullRoom
  readonly guard: Guard
  readonly moving: Moving
  readonly aside: Aside
  readonly foretelling: Foretelling
  /** Contents from this size on are foretold. */
  readonly foretoldBytes: number
  /** So many files that moved are stated before the scan that found them is over. */
  readonly movedAtOnce: number
  /** So many paths must be gone at once for their directories to be told. */
  readonly goneMin: number
  readonly recent: RecentChunks
  readonly resting: Resting
  /** Contents staged for a user's request: not to be tidied away. */
  readonly asked: Set<ContentId>
  /** Last known problem by path; only for `status`. */
  readonly problems: Map<string, Problem>
  /** As `problems`: what other devices state and is not valid. */
  readonly misstated: Misstated
  /** Paths whose target cannot be applied for now (R39). */
  readonly blocked: Map<PathKey, Problem>
  /** What is gone from disk and stands in the index still. */
  readonly unstated: Unstated
  /** What was displaced and must be looked at again (R35). */
  readonly displaced: Displacements
  /** How often in a row the disk was not as the index says when a path was to be changed. */
  readonly refusals: Map<PathKey, number>
  /** Conflict copies not made yet → the path whose losing content they keep. */
  readonly copyBases: Map<PathKey, PathKey>
  /** Paths to reconcile again once the key's path is done. */
  readonly followers: Map<PathKey, Set<PathKey>>
  readonly signal: AbortSignal
  readonly counter: Counter
  wake(): void
  /** What the others are told has changed. */
  tell(): void
  /** Resolves when all that was written to the index is on disk. */
  sync(): Promise<void>
  /** Files that moved and are to be read again, soon and beside other work. */
  unread(paths: readonly PathKey[]): void
  changed(changes: readonly PathChange[]): void
}

/** What was told of the path is over. What stands in the place of something that ended still does: that ends when a scan meets it no more. */
export function endProblem({ problems }: Pick<FolderContext, 'problems'>, path: PathKey, isGone: boolean): void {
  if (!isGone || problems.get(path)?.code !== 'special-file') problems.delete(path)
}

/** The own writer's counter (R1): taken in memory, committed with the rows that use it. */
export class Counter {
  #checkpoint: OwnCheckpoint
  #next: number

  constructor(checkpoint: OwnCheckpoint) {
    this.#checkpoint = checkpoint
    this.#next = checkpoint.counter
  }

  /** R3: only for a change that a scan found, or a user's decision. */
  readonly take = (): Dot => {
    this.#next++
    return [this.#checkpoint.writer, this.#next]
  }

  /** After a replay of our own drive. */
  restore(checkpoint: OwnCheckpoint): void {
    this.#checkpoint = checkpoint
    this.#next = checkpoint.counter
  }

  /** The checkpoint to write with the next rows. */
  commit(length: number): OwnCheckpoint {
    this.#checkpoint = { ...this.#checkpoint, counter: this.#next, length }
    return this.#checkpoint
  }
}

/** Something was decided for the path, or because of it, that is not done yet. */
export function isOpen({ tally, blocked, copyBases }: FolderContext, path: PathKey): boolean {
  return copyBases.size > 0 || tally.expects(path) || blocked.has(path)
}

/** R14: of each device the statement of its newest generation that has one. */
export function newestPerDevice(rows: readonly RemoteRow[]): RemoteRow[] {
  if (rows.length < 2) return [...rows]
  const newest = new Map<DeviceId, RemoteRow>()
  for (const row of rows) {
    const known = newest.get(row.device)
    if (known === undefined || row.generation > known.generation) newest.set(row.device, row)
  }
  return [...newest.values()]
}

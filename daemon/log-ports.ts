/**
 * The logs of drives as the network sees them: where each stands, and many blocks of one at once. Part of the ports (ports.ts gives
 * these names on).
 */
import type { DriveKey } from './sync/ids.ts'

export interface DriveHead {
  readonly key: DriveKey
  readonly length: number
  readonly fork: number
  /** Tree hash at `length`, hex. */
  readonly treeHash: string
}

/** Where a drive's log stands here. */
export interface LogState {
  readonly length: number
  readonly fork: number
  /** Every block up to the length is here. */
  readonly whole: boolean
  /** It is known which key signs the log. */
  readonly signer: boolean
  /** The drive is ours. */
  readonly author: boolean
}

/** Which blocks are asked for: those from `start` on. */
export interface RunRequest {
  readonly fork: number
  readonly start: number
  /** The asker does not know the signer yet. */
  readonly signer: boolean
}

/** Consecutive blocks of a drive's log as they are stored (encrypted), with what proves them: the log's signature at their end. */
export interface BlockRun {
  readonly fork: number
  readonly start: number
  readonly blocks: readonly Buffer[]
  readonly signature: Buffer
  /** Who signs (a Hypercore manifest, which the drive's key is the hash of), if that was asked for. */
  readonly signer: Buffer | null
}

/** A tiny file that is about to be stated: its bytes, and what else the file will have. A hint, and no statement: it has no path. */
export interface FreshFile {
  readonly bytes: Buffer
  readonly mode: number
  /** Nanoseconds, decimal. */
  readonly mtime: string
}

/** Logs of drives, sent and taken in many blocks at once. */
export interface DriveRuns {
  /** Null: the drive is not open. */
  state(drive: DriveKey): LogState | null
  /** Null: these blocks, or a signature at their end, cannot be given. */
  read(drive: DriveKey, request: RunRequest): Promise<BlockRun | null>
  /** `moved`: the log here does not end where the run begins (any more). Rejects if the run is not what the drive's key signed. */
  take(drive: DriveKey, run: BlockRun): Promise<'taken' | 'moved'>
  /** Held: the log grows by runs only; otherwise by Hypercore's own replication too. */
  hold(drive: DriveKey, held: boolean): void
  /** Tells of drives whose log grew, ours and others'. One listener. */
  watch(listener: (drive: DriveKey) => void): void
}

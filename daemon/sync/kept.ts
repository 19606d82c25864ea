/** What a device tells others of the versions that its history holds. */
import type { FileEntry, SymlinkEntry } from './entry.ts'
import type { PathKey, WriterId } from './ids.ts'

/** Why something is in history. */
export type DisplacedReason = 'replaced' | 'deleted' | 'conflict' | 'recovered'

/** A version of a path that a device holds: enough to fetch its bytes by id and to put it back. */
export interface KeptVersion {
  readonly path: PathKey
  readonly content: KeptFile | KeptLink
  /** Whose change it was. */
  readonly writer: WriterId | null
  /** When that device displaced it, in milliseconds since the epoch, and why. */
  readonly at: number
  readonly reason: DisplacedReason
}

export type KeptFile = Pick<FileEntry, 'kind' | 'size' | 'mode' | 'mtime' | 'cid' | 'chunk'>
export type KeptLink = Pick<SymlinkEntry, 'kind' | 'mtime' | 'target'>

/** Which of a device's history is asked for. */
export interface HistoryQuery {
  /** Null: of every path. */
  readonly path: PathKey | null
  /** Only what was displaced after this, in milliseconds since the epoch. */
  readonly after: number
}

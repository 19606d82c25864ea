/** What a folder is opened with. */
import type { GuardLimits } from '../sync/safety.ts'
import type { FolderPorts, PathChange } from './context.ts'
import type { RecoveryOptions } from './recover.ts'
import type { Retention } from './retention.ts'
import type { FolderStatus } from './standing.ts'

export interface FolderOptions extends FolderPorts {
  readonly paused?: boolean
  readonly rescanMs?: number
  /** Other devices have this folder: the first scan waits a bounded time for their metadata (R12). */
  readonly expectOthers?: boolean
  /** What this start must put right besides what a crash left. */
  readonly recovery?: RecoveryOptions
  /** As `halt`, from the start. */
  readonly halted?: FolderStatus['reason']
  /** R27; default: more than half and at least a thousand. */
  readonly guard?: Partial<GuardLimits>
  /** Contents from this size on are foretold; default: where it is worth it. */
  readonly foretoldBytes?: number
  /** Files that moved which a scan holds until it is over. */
  readonly movedAtOnce?: number
  /** Contents that are asked for or wait to be applied: with more, no further statements are read. */
  readonly pullAhead?: number
  /** So many paths gone at once are told by their directories; default: where it is worth it. */
  readonly goneMin?: number
  /** Deletions of others that are decided in one go. */
  readonly sliceDeletions?: number
  /** How long history is kept; asked each time. */
  retention?(): Retention
  onState?(): void
  onChanges?(changes: readonly PathChange[]): void
}

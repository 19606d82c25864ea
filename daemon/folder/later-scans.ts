/** What a folder looks at again by itself, each for a reason and after a time of its own. */
import { READ_MOVED_MS, READ_MOVED_PATHS, UNSTABLE_RETRY_MS } from '../../base/limits.ts'
import type { Clock } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import type { Notices } from './notices.ts'
import { Resting } from './resting.ts'
import { Unread } from './unread.ts'

export interface LaterScans {
  /** Stated without being read, as they moved. */
  readonly moved: Unread
  /** Changed while they were read. */
  readonly unstable: Unread
  /** Large, and written to again and again. */
  readonly resting: Resting
}

export function laterScans(clock: Clock, notices: Notices, scan: (paths: readonly PathKey[]) => void): LaterScans {
  return {
    moved: new Unread(notices, { name: 'read-moved', ms: READ_MOVED_MS, atOnce: READ_MOVED_PATHS }, scan),
    unstable: new Unread(notices, { name: 'unstable', ms: UNSTABLE_RETRY_MS, atOnce: Infinity }, scan),
    resting: new Resting(clock, notices, scan)
  }
}

/**
 * The steps at which a fault is tried, and which faults. A step is a kind of call in a kind of place on one of two devices; its
 * match keeps the fault to the files of its own case where their names allow it.
 */
import type { Area, Call, Errno } from '../shim/shim.ts'

export type Fault = Errno | 'short'

export interface Step {
  readonly name: string
  /** Whose calls fail: the device where users act, or the one that follows. */
  readonly role: 'author' | 'follower'
  readonly call: Call
  readonly area: Area
  /** What must be in the path: the directory of the case, its new content's id, that it is or was set aside, or nothing. */
  readonly match: 'directory' | 'content' | 'aside' | 'none'
  readonly faults: readonly Fault[]
  /** Besides: a large directory is deleted, which the other device sets aside (R48); it is killed while it has it there, and starts with the fault. */
  readonly scene?: 'gone' | 'left'
  /** After one failure it is left out for a while: the daemon starts anew before the case. */
  readonly fresh?: true
  /** The store cannot go on: the folder halts with a reason instead of one path's problem, until a restart if it must. */
  readonly store?: true
}

const DISK: readonly Fault[] = ['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EACCES', 'ESTALE', 'EMFILE', 'EINTR']
const NAMES: readonly Fault[] = ['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EACCES', 'ESTALE', 'EINTR']
const LOOKS: readonly Fault[] = ['EIO', 'EACCES', 'ESTALE', 'EMFILE', 'EINTR']
const SYNCS: readonly Fault[] = ['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'ESTALE', 'EINTR']
const ASIDE: readonly Fault[] = ['EXDEV', 'ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EACCES', 'ESTALE', 'EINTR']
const WRITES: readonly Fault[] = ['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'ESTALE', 'EINTR', 'short']

export const STEPS: readonly Step[] = [
  { name: 'scan: read a directory', role: 'author', call: 'readdir', area: 'tree', match: 'directory', faults: LOOKS },
  { name: 'scan: stat', role: 'author', call: 'stat', area: 'tree', match: 'directory', faults: LOOKS },
  { name: 'scan: open', role: 'author', call: 'open', area: 'tree', match: 'directory', faults: LOOKS },
  { name: 'scan: read', role: 'author', call: 'read', area: 'tree', match: 'directory', faults: ['EIO', 'ESTALE', 'EINTR', 'short'] },
  { name: 'stage: open', role: 'follower', call: 'create', area: 'fetch', match: 'content', faults: DISK },
  { name: 'stage: write', role: 'follower', call: 'write', area: 'fetch', match: 'content', faults: WRITES },
  { name: 'stage: fsync', role: 'follower', call: 'fsync', area: 'fetch', match: 'content', faults: SYNCS },
  { name: 'stage: sync many', role: 'follower', call: 'syncfs', area: 'fetch', match: 'none', faults: ['ENOSPC', 'EDQUOT', 'EIO', 'EROFS'], fresh: true },
  { name: 'stage: mode', role: 'follower', call: 'chmod', area: 'fetch', match: 'content', faults: ['EIO', 'EROFS', 'EACCES', 'ESTALE', 'EINTR'] },
  { name: 'stage: times', role: 'follower', call: 'utimes', area: 'fetch', match: 'content', faults: ['EIO', 'EROFS', 'EACCES', 'ESTALE', 'EINTR'] },
  { name: 'apply: into swap', role: 'follower', call: 'rename', area: 'swap', match: 'content', faults: NAMES },
  { name: 'apply: a new name', role: 'follower', call: 'rename', area: 'tree', match: 'directory', faults: [...NAMES, 'EXDEV'] },
  { name: 'apply: link', role: 'follower', call: 'link', area: 'tree', match: 'directory', faults: NAMES },
  { name: 'apply: exchange', role: 'follower', call: 'exchange', area: 'tree', match: 'directory', faults: NAMES },
  { name: 'apply: make a directory', role: 'follower', call: 'mkdir', area: 'tree', match: 'directory', faults: NAMES },
  { name: 'apply: remove a directory', role: 'follower', call: 'rmdir', area: 'tree', match: 'directory', faults: ['EIO', 'EROFS', 'EACCES', 'ESTALE', 'EINTR'] },
  { name: 'apply: make a symlink', role: 'follower', call: 'symlink', area: 'swap', match: 'none', faults: NAMES },
  { name: 'apply: move to history', role: 'follower', call: 'rename', area: 'history', match: 'directory', faults: NAMES },
  { name: 'apply: mode', role: 'follower', call: 'chmod', area: 'tree', match: 'directory', faults: ['EIO', 'EROFS', 'EACCES', 'ESTALE', 'EINTR'] },
  { name: 'apply: fsync the directory', role: 'follower', call: 'fsync', area: 'tree', match: 'directory', faults: SYNCS },
  { name: 'apply: fsync swap', role: 'follower', call: 'fsync', area: 'swap', match: 'none', faults: SYNCS },
  { name: 'apply: fsync history', role: 'follower', call: 'fsync', area: 'history', match: 'none', faults: SYNCS },
  { name: 'set aside: make a place', role: 'follower', call: 'mkdir', area: 'staging', match: 'aside', faults: ['ENOSPC', 'EIO', 'EACCES', 'EROFS'], scene: 'gone' },
  { name: 'set aside: make the note', role: 'follower', call: 'create', area: 'staging', match: 'aside', faults: ['ENOSPC', 'EIO', 'EACCES', 'EMFILE'], scene: 'gone' },
  { name: 'set aside: write the note', role: 'follower', call: 'write', area: 'staging', match: 'aside', faults: ['ENOSPC', 'EIO', 'EINTR', 'short'], scene: 'gone' },
  { name: 'set aside: fsync the note', role: 'follower', call: 'fsync', area: 'staging', match: 'aside', faults: ['ENOSPC', 'EIO'], scene: 'gone' },
  { name: 'set aside: rename', role: 'follower', call: 'rename', area: 'staging', match: 'directory', faults: ASIDE, scene: 'gone' },
  { name: 'set aside: to history', role: 'follower', call: 'rename', area: 'history', match: 'aside', faults: ASIDE, scene: 'gone' },
  { name: 'set aside: remove a directory', role: 'follower', call: 'rmdir', area: 'staging', match: 'aside', faults: ['EIO', 'EROFS', 'EACCES', 'ESTALE', 'EINTR'], scene: 'gone' },
  { name: 'put back: rename', role: 'follower', call: 'rename', area: 'tree', match: 'aside', faults: ASIDE, scene: 'left' },
  { name: 'own directories: open', role: 'follower', call: 'open', area: 'marker', match: 'none', faults: LOOKS },
  { name: 'marker: write', role: 'follower', call: 'write', area: 'marker', match: 'none', faults: WRITES },
  { name: 'marker: rename', role: 'follower', call: 'rename', area: 'marker', match: 'none', faults: NAMES },
  { name: 'store: write the log', role: 'follower', call: 'write', area: 'log', match: 'none', faults: ['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EINTR', 'short'], store: true },
  { name: 'store: sync the log', role: 'follower', call: 'fdatasync', area: 'log', match: 'none', faults: ['ENOSPC', 'EDQUOT', 'EIO', 'EINTR'], store: true },
  { name: 'store: write the log (author)', role: 'author', call: 'write', area: 'log', match: 'none', faults: ['ENOSPC', 'EIO', 'short'], store: true },
  { name: 'store: sync the log (author)', role: 'author', call: 'fdatasync', area: 'log', match: 'none', faults: ['ENOSPC', 'EIO'], store: true }
]

export interface Case {
  readonly step: Step
  readonly fault: Fault
}

export const CASES: readonly Case[] = STEPS.flatMap((step) => step.faults.map((fault) => ({ step, fault })))

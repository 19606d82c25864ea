/** Sentences for operations that the system refused: what was attempted, on what, what to do. */
import { errnoOf, messageOf } from '../../base/errors.ts'
import type { ApplyOp, ApplyResult, Problem } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import { OWN_DIR } from './layout.ts'
import { isGone } from './sys.ts'
import { WalkError } from './roots.ts'

/** A directory that is gone or no directory any more calls for a look; everything else is a problem of this path. */
export function failure(op: ApplyOp, error: unknown): ApplyResult {
  const at = error instanceof WalkError ? error.at : op.path
  if (isGone(error) && !isOwn(at)) return { kind: 'changed', paths: [at], stray: null }
  return { kind: 'problem', problem: problemOf(op, error) }
}

export function problemOf(op: ApplyOp, error: unknown): Problem {
  const code = errnoOf(error) ?? 'failed'
  const reason = ADVICE[code] ?? `${messageOf(error)}; it is tried again later`
  return { path: pathOf(op), code, message: `cannot ${ATTEMPT[op.kind]} ${pathOf(op)} (${code}): ${reason}` }
}

/** Our own directory, where something else stands than we made: a look at the tree would change nothing. */
function isOwn(path: string): boolean {
  return path === OWN_DIR || path.startsWith(`${OWN_DIR}/`)
}

function pathOf(op: ApplyOp): PathKey {
  return op.kind === 'link' ? op.to : op.path
}

const ATTEMPT: Readonly<Record<ApplyOp['kind'], string>> = {
  file: 'write',
  symlink: 'make the symlink',
  directory: 'make the directory',
  remove: 'remove',
  attributes: 'set mode and time of',
  link: 'make the conflict copy',
  move: 'move a file to',
  separate: 'make a file of its own of'
}

const NO_ROOM = 'the disk is full; free space'
const NO_RIGHT = 'this user may not change the directory it is in; give the right to, or ignore the path'

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: NO_ROOM,
  EDQUOT: 'the quota is used up; free space',
  EACCES: NO_RIGHT,
  EPERM: NO_RIGHT,
  EROFS: 'the file system is read-only; mount it writable',
  EBUSY: 'it is in use or a mount point; unmount it',
  EXDEV: 'a mount point is on the way; unmount it or ignore the path',
  mount: 'a mount point is on the way; unmount it or ignore the path',
  ENAMETOOLONG: 'this file system does not take a name that long; rename it on another device',
  EINVAL: 'this file system does not take that name; rename it on another device',
  EILSEQ: 'this file system does not take that name; rename it on another device',
  ELOOP: 'a symlink stands on the way; remove it',
  EFBIG: 'this file system does not take a file that large',
  EIO: 'the disk reports an error; check it',
  EMFILE: 'too many open files; raise the limit (ulimit -n)'
}

/** What stands at one place now, for the checker: the same stable reading as a scan, held against nothing. */
import { errnoOf } from '../../base/errors.ts'
import type { Workers } from '../../base/workers.ts'
import type { Look } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import { joinPath } from '../sync/path.ts'
import { readProblem, specialProblem } from './problems.ts'
import { at, WalkError, type Roots } from './roots.ts'
import { kindOf, toSeen } from './seen.ts'
import { readStable } from './stable-read.ts'
import { isGone, lstatOrNull, readlink, type Stat } from './sys.ts'

export interface LookParts {
  readonly roots: Roots
  readonly workers: Workers | null
}

export interface LookTarget {
  /** Below the root. */
  readonly directory: string
  readonly file: string
}

/** `name`: of the place, for messages. Throws P2psyncError FOLDER_HALTED if the root is not ours. */
export async function look(parts: LookParts, target: LookTarget, name: string): Promise<Look> {
  try {
    return await lookAt(parts, target, name)
  } catch (error) {
    if (isGone(error) || (error instanceof WalkError && GONE.has(error.code))) return { kind: 'nothing' }
    if (!(error instanceof WalkError) && errnoOf(error) === null) throw error
    return { kind: 'problem', problem: readProblem(name, error) }
  }
}

/** On the way: it is not there, or a file or symlink has the name of a directory. */
const GONE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP'])

async function lookAt(parts: LookParts, { directory, file }: LookTarget, name: string): Promise<Look> {
  const found = await parts.roots.use(directory, async (parent) => {
    const stat = await lstatOrNull(at(parent, file))
    if (stat === null || kindOf(stat) !== 'symlink') return { stat, target: null }
    return { stat, target: await readlink(at(parent, file)) }
  })
  const { stat, target } = found
  if (stat === null) return { kind: 'nothing' }
  if (target !== null) return { kind: 'symlink', seen: toSeen(stat), target }
  switch (kindOf(stat)) {
    case 'directory':
      return { kind: 'directory', seen: toSeen(stat) }
    case 'file':
      return await readFile(parts, joinPath(directory as PathKey, file), stat, name)
    default:
      return { kind: 'problem', problem: specialProblem(name) }
  }
}

async function readFile({ roots, workers }: LookParts, path: PathKey, listed: Stat, name: string): Promise<Look> {
  const read = await readStable(roots, path, { listed, fine: false, workers, signal: new AbortController().signal })
  if (read.kind === 'read') return { kind: 'file', seen: toSeen(read.stat), content: read.content }
  return read.kind === 'unstable' ? { kind: 'unstable' } : { kind: 'problem', problem: readProblem(name, read.error) }
}

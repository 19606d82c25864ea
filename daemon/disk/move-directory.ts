/**
 * A directory gets another name by one rename(2), with all that is below it (R46). Nothing can be lost by it: what stands in the
 * directory moves along, whatever it is. The look before it is for the index, which is to know what moved.
 *
 * INVARIANT: the names end in a slash, so that the kernel takes neither anything but a directory to be moved nor anything but an
 * empty directory to be replaced, whatever a user puts at either name in the last instant.
 */
import { errnoOf } from '../../base/errors.ts'
import type { KnownTree } from '../ports.ts'
import { nameOf, parentOf } from '../sync/path.ts'
import type { MovedTree, Relocation } from '../sync/relocation.ts'
import { treeAsKnown, type AsKnownParts } from './as-known.ts'
import type { ApplyHooks } from './atomic.ts'
import type { Folding } from './folding.ts'
import { syncDirectory } from './marker.ts'
import { at, WalkError, type Directory } from './roots.ts'
import { inoOf, kindOf } from './seen.ts'
import { lstatOrNull, rename } from './sys.ts'

export interface MoveDirectoryParts extends AsKnownParts {
  readonly folding: Folding
  readonly hooks: ApplyHooks
}

export type DirectoryToMove = Pick<Relocation, 'from' | 'to' | 'ino'>

/** `known`: only if the whole tree is what these rows say, to the letter; null: as it is, and only the directory counts. @returns what moved, durably; null: nothing. */
export async function moveDirectory(parts: MoveDirectoryParts, move: DirectoryToMove, known: KnownTree | null): Promise<MovedTree | null> {
  const { roots, folding, hooks } = parts
  roots.refresh()
  try {
    // R40: where names fold, each has to be looked at.
    if ((await folding.fold()) !== null) return null
    return await roots.use(parentOf(move.from), async (source) => {
      return await roots.use(parentOf(move.to), async (target) => {
        const [old, next] = [at(source, nameOf(move.from)), at(target, nameOf(move.to))]
        const standing = await lstatOrNull(old)
        if (standing === null || inoOf(standing.ino) !== move.ino || kindOf(standing) !== 'directory' || standing.dev !== source.device) return null
        const tree = known === null ? { paths: 1, directories: [move.from] } : await treeAsKnown(parts, known, move.from)
        if (tree === null) return null
        await hooks.beforeMove?.(move.to)
        if ((await lstatOrNull(next)) !== null) return null
        await rename(`${old}/`, `${next}/`)
        roots.forget(move.from)
        if (await isSynced(source, target)) return tree
        // What may not survive a power cut is not done.
        await rename(`${next}/`, `${old}/`)
        return null
      })
    })
  } catch (error) {
    if (error instanceof WalkError || errnoOf(error) !== null) return null
    throw error
  }
}

async function isSynced(...parents: readonly Directory[]): Promise<boolean> {
  try {
    for (const parent of parents) await syncDirectory(parent.fd)
    return true
  } catch (error) {
    const code = errnoOf(error)
    // A directory that may not be read, or a file system that cannot do it at all.
    return code === 'EACCES' || code === 'EINVAL' || code === 'ENOTSUP'
  }
}

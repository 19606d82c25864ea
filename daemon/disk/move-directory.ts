/**
 * A directory gets another name by one rename(2), with all that is below it (R46). Nothing can be lost by it: what stands in the
 * directory moves along, whatever it is. The look before it is for the index, which is to know what moved.
 *
 * INVARIANT: the names end in a slash, so that the kernel takes neither anything but a directory to be moved nor anything but an
 * empty directory to be replaced, whatever a user puts at either name in the last instant.
 */
import { errnoOf } from '../../base/errors.ts'
import type { KnownTree, Row } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import { joinPath, nameOf, parentOf } from '../sync/path.ts'
import type { Relocation } from '../sync/relocation.ts'
import type { ApplyHooks } from './atomic.ts'
import type { Folding } from './folding.ts'
import { listDirectory, type Child } from './listing.ts'
import { syncDirectory } from './marker.ts'
import { at, WalkError, type Directory, type Roots } from './roots.ts'
import { inoOf, kindOf, sameSeen, toSeen } from './seen.ts'
import { lstatOrNull, rename } from './sys.ts'

export interface MoveDirectoryParts {
  readonly roots: Roots
  readonly folding: Folding
  readonly hooks: ApplyHooks
}

export type DirectoryToMove = Pick<Relocation, 'from' | 'to' | 'ino'>

/** `known`: only if the whole tree is what these rows say, to the letter; null: as it is. @returns whether it was done, durably. */
export async function moveDirectory({ roots, folding, hooks }: MoveDirectoryParts, move: DirectoryToMove, known: KnownTree | null): Promise<boolean> {
  roots.refresh()
  try {
    // R40: where names fold, each has to be looked at.
    if ((await folding.fold()) !== null) return false
    return await roots.use(parentOf(move.from), async (source) => {
      return await roots.use(parentOf(move.to), async (target) => {
        const [old, next] = [at(source, nameOf(move.from)), at(target, nameOf(move.to))]
        const standing = await lstatOrNull(old)
        if (standing === null || inoOf(standing.ino) !== move.ino || kindOf(standing) !== 'directory' || standing.dev !== source.device) return false
        if (known !== null && !(await isAsKnown(roots, known, move.from))) return false
        await hooks.beforeMove?.(move.to)
        if ((await lstatOrNull(next)) !== null) return false
        await rename(`${old}/`, `${next}/`)
        roots.forget(move.from)
        return (await isSynced(source, target)) || (await isTakenBack(old, next))
      })
    })
  } catch (error) {
    if (error instanceof WalkError || errnoOf(error) !== null) return false
    throw error
  }
}

/** Each row that lives stands there untouched, and nothing else does. */
export async function isAsKnown(roots: Roots, known: KnownTree, directory: PathKey): Promise<boolean> {
  const [rows, read] = await Promise.all([
    known.children(directory),
    roots.use(directory, async (opened) => ({ listing: await listDirectory(opened, directory), device: opened.device }))
  ])
  const { children, vanished, invalid, unreadable } = read.listing
  const living = [...rows.values()].filter(({ entry, shadow }) => entry.kind !== 'tombstone' || shadow === true)
  if (children.length !== living.length || vanished.length + invalid.length + unreadable.length > 0) return false
  for (const child of children) if (!stands(child, rows.get(child.name) ?? null, read.device)) return false
  for (const { name, stat } of children) if (kindOf(stat) === 'directory' && !(await isAsKnown(roots, known, joinPath(directory, name)))) return false
  return true
}

function stands({ stat }: Child, row: Row | null, device: bigint): boolean {
  if (row === null || row.seen === null || row.shadow === true || row.ignored === true || stat.dev !== device) return false
  return row.entry.kind === kindOf(stat) && sameSeen(row.seen, toSeen(stat))
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

/** What may not survive a power cut is not done. */
async function isTakenBack(old: string, next: string): Promise<false> {
  await rename(`${next}/`, `${old}/`)
  return false
}

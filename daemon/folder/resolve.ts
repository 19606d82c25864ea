/** `p2psync resolve`: what the user keeps of a path and its conflict copies. Each outcome is an ordinary change of the user (R3). */
import { assertNever, P2psyncError } from '../../base/errors.ts'
import type { Row } from '../ports.ts'
import { isConflictPath, stripConflict } from '../sync/conflict.ts'
import { hasBytes } from '../sync/entry-compare.ts'
import type { PathKey } from '../sync/ids.ts'
import { joinPath, nameOf, parentOf } from '../sync/path.ts'
import type { ContentList } from '../sync/content.ts'
import type { FolderContext } from './context.ts'
import { linkLeaf, putLeaf, removeLeaf, type Leaf } from './edit.ts'
import { leafOf } from './history.ts'

export type Keep = 'this' | 'other' | 'both'

export interface Resolved {
  readonly copy: PathKey
  /** Where the copy's bytes stand now; null: in history. */
  readonly at: PathKey | null
}

export interface Conflicted {
  readonly base: PathKey
  readonly copies: readonly { readonly path: PathKey; readonly row: Row }[]
}

const MAX_NAMES = 1000

/** Given the path or one of its copies. Throws CONFLICT_UNKNOWN. */
export async function conflictAt(context: FolderContext, path: PathKey, conflicts: ReadonlySet<PathKey>): Promise<Conflicted> {
  const base = isConflictPath(path) ? stripConflict(path) : path
  const paths = isConflictPath(path) ? [path] : [...conflicts].filter((copy) => stripConflict(copy) === base).sort()
  const rows = await context.ports.index.rows(paths)
  const copies = paths.flatMap((copy, i) => {
    const row = rows[i] ?? null
    return row !== null && hasBytes(row.entry) ? [{ path: copy, row }] : []
  })
  if (copies.length === 0) throw new P2psyncError('CONFLICT_UNKNOWN', `${path} has no conflict copy; p2psync conflicts shows those that have`)
  return { base, copies }
}

/** The only copy, for `other`. Throws USAGE if there are several. */
export function onlyCopy({ base, copies }: Conflicted): { readonly path: PathKey; readonly leaf: Leaf } {
  const [copy] = copies
  if (copy === undefined || copies.length > 1) throw new P2psyncError('USAGE', `${base} has ${copies.length} conflict copies; name the one to keep: ${copies.map(({ path }) => path).join(', ')}`)
  if (!hasBytes(copy.row.entry)) throw new Error('a conflict copy without bytes')
  return { path: copy.path, leaf: leafOf(copy.row.entry) }
}

/** In the cycle. `list`: of the copy's content, staged, for `other`. */
export async function resolveConflict(context: FolderContext, conflict: Conflicted, keep: Keep, list: ContentList | null): Promise<readonly Resolved[]> {
  switch (keep) {
    case 'this':
      return await keepThis(context, conflict)
    case 'other':
      return await keepOther(context, conflict, list)
    case 'both':
      return await keepBoth(context, conflict)
    default:
      return assertNever(keep)
  }
}

async function keepThis(context: FolderContext, { base, copies }: Conflicted): Promise<Resolved[]> {
  const row = await context.ports.index.row(base)
  if (row === null || !hasBytes(row.entry)) throw new P2psyncError('PATH_MISSING', `nothing stands at ${base} any more; keep the other, or delete the conflict copy`)
  for (const copy of copies) await removeLeaf(context, copy.path, copy.row.entry, 'conflict')
  return copies.map((copy) => ({ copy: copy.path, at: null }))
}

async function keepOther(context: FolderContext, conflict: Conflicted, list: ContentList | null): Promise<Resolved[]> {
  const { path, leaf } = onlyCopy(conflict)
  await putLeaf(context, conflict.base, leaf, list, { replace: true, reason: 'conflict' })
  for (const copy of conflict.copies) await removeLeaf(context, copy.path, copy.row.entry, 'conflict')
  return [{ copy: path, at: conflict.base }]
}

async function keepBoth(context: FolderContext, { copies }: Conflicted): Promise<Resolved[]> {
  const resolved: Resolved[] = []
  for (const copy of copies) {
    const at = await newName(context, copy.path)
    await removeLeaf(context, copy.path, copy.row.entry, 'conflict', at)
    resolved.push({ copy: copy.path, at })
  }
  return resolved
}

/** `doc (2).txt`, or the next number that is free. */
async function newName(context: FolderContext, copy: PathKey): Promise<PathKey> {
  const base = stripConflict(copy)
  const name = nameOf(base)
  const dot = name.lastIndexOf('.')
  const [stem, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, '']
  for (let n = 2; n < MAX_NAMES; n++) {
    const path = joinPath(parentOf(copy), `${stem} (${n})${extension}`)
    if (await linkLeaf(context, copy, path)) return path
  }
  throw new P2psyncError('PATH_EXISTS', `no name like ${stem} (2)${extension} is free; rename ${copy} yourself`)
}

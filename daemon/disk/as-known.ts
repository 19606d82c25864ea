/**
 * Whether a whole directory stands on disk as the index knows it: what is done to it by one rename(2) on another device's word begins
 * with this (R46, R48). A directory of which there is a digest is compared as a whole, in a thread (decisions/0032); any other row by row.
 */
import type { Workers } from '../../base/workers.ts'
import type { KnownRow, KnownTree, Row } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import { joinPath } from '../sync/path.ts'
import type { MovedTree } from '../sync/relocation.ts'
import { eachAtMost } from './each.ts'
import { listDirectory, type Child } from './listing.ts'
import type { Directory, Roots } from './roots.ts'
import { kindOf, sameSeen, toSeen } from './seen.ts'
import { canAsk, unchanged } from './unchanged.ts'

export interface AsKnownParts {
  readonly roots: Roots
  /** Null: all is compared row by row. */
  readonly workers: Workers | null
}

interface DirectoryAsKnown {
  readonly count: number
  readonly directories: readonly { readonly name: string }[]
}

/** The threads have enough to do, and few are open. */
const DIRECTORIES_AT_ONCE = 4

/** Null: some row that lives is not seen, shadowed, ignored or blocked, or does not stand there untouched; or something else does. */
export async function treeAsKnown(parts: AsKnownParts, known: KnownTree, top: PathKey): Promise<MovedTree | null> {
  const directories: PathKey[] = []
  const met = { paths: 1, differs: false }
  for (let level = [top]; level.length > 0; ) {
    const below: PathKey[] = []
    await eachAtMost(level, DIRECTORIES_AT_ONCE, async (path) => {
      const found = met.differs ? null : await directoryAsKnown(parts, known, path)
      if (found === null) return void (met.differs = true)
      directories.push(path)
      met.paths += found.count
      for (const { name } of found.directories) below.push(joinPath(path, name))
    })
    level = met.differs ? [] : below
  }
  return met.differs ? null : { paths: met.paths, directories }
}

async function directoryAsKnown({ roots, workers }: AsKnownParts, known: KnownTree, path: PathKey): Promise<DirectoryAsKnown | null> {
  return await roots.use(path, async (directory) => (await asAWhole(workers, known, directory, path)) ?? (await rowByRow(known, directory, path)))
}

/** Null: that cannot be told. */
async function asAWhole(workers: Workers | null, known: KnownTree, directory: Directory, path: PathKey): Promise<DirectoryAsKnown | null> {
  const digest = workers !== null && canAsk(workers) ? ((await known.digest?.(path)) ?? null) : null
  return workers === null || digest === null ? null : await unchanged(workers, directory, digest)
}

async function rowByRow(known: KnownTree, directory: Directory, path: PathKey): Promise<DirectoryAsKnown | null> {
  const [rows, listing] = await Promise.all([known.children(path), listDirectory(directory, path)])
  const { children, vanished, invalid, unreadable } = listing
  let living = 0
  for (const row of rows.values()) if (kindIn(row) !== 'tombstone' || row.shadow === true) living++
  if (children.length !== living || vanished.length + invalid.length + unreadable.length > 0) return null
  if (!children.every((child) => stands(child, rows.get(child.name) ?? null, directory.device))) return null
  return { count: children.length, directories: children.filter(({ stat }) => kindOf(stat) === 'directory') }
}

function stands({ stat }: Child, row: KnownRow | null, device: bigint): boolean {
  if (row === null || row.shadow === true || row.ignored === true || row.blocked !== undefined || stat.dev !== device) return false
  if (kindIn(row) !== kindOf(stat)) return false
  return row.isSeen?.(stat) === true || (row.seen !== null && sameSeen(row.seen, toSeen(stat)))
}

function kindIn(row: KnownRow): Row['entry']['kind'] {
  return row.kind ?? row.entry.kind
}

/** The rows of a whole directory, as those need them that change all of it on another device's word (R46, R48). */
import type { RemoteRow, Row } from '../ports.ts'
import { isLive, sameEntry } from '../sync/entry-compare.ts'
import type { DeviceId, PathKey } from '../sync/ids.ts'
import { ancestorsOf, joinPath } from '../sync/path.ts'
import { compareVersions } from '../sync/version.ts'
import { newestPerDevice, type FolderContext } from './context.ts'

export interface SettledTree {
  /** The first is that of the directory itself. */
  readonly rows: readonly (readonly [PathKey, Row])[]
  readonly directories: readonly PathKey[]
}

/** Every live row at and below a directory, if all of them are settled: seen on disk, and nobody states anything else but their end. */
export async function settledTree(context: FolderContext, device: DeviceId, top: PathKey): Promise<SettledTree | null> {
  const { index } = context.ports
  const differing = differingIn(context, device, new Set([top]))
  const settled: [PathKey, Row][] = []
  const directories: PathKey[] = []
  const [own] = await index.rows([top])
  // One directory's rows at a time: there may be very many.
  const left: PathKey[] = []
  const take = async (rows: readonly (readonly [PathKey, Row | null])[]): Promise<boolean> => {
    const doubtful = rows.filter(([path]) => differing.has(path))
    const remotes = await index.remoteRows(doubtful.map(([path]) => path))
    for (const [i, [, row]] of doubtful.entries()) if (!isSettled(row, newestPerDevice(remotes[i] ?? []), device)) return false
    for (const [path, row] of rows) {
      if (!isPlain(row)) return false
      settled.push([path, row])
      if (row.entry.kind === 'directory') left.push(path)
    }
    return true
  }
  if (!(await take([[top, own ?? null]]))) return null
  for (let directory = left.pop(); directory !== undefined; directory = left.pop()) {
    directories.push(directory)
    if (!(await take(await rowsIn(context, directory)))) return null
  }
  return { rows: settled, directories }
}

/**
 * Paths at and below these at which a device states anything else than we do, each with that of them which it is in. Of all others
 * every device states the same, and nothing has to be read.
 */
export function differingIn({ ports, tally }: FolderContext, device: DeviceId, tops: ReadonlySet<PathKey>): ReadonlyMap<PathKey, PathKey> {
  const differing = new Map<PathKey, PathKey>()
  for (const each of new Set([device, ...ports.remotes.list().map((drive) => drive.device)])) {
    for (const path of tally.divergentPaths(each)) {
      const top = [path, ...ancestorsOf(path)].find((above) => tops.has(above))
      if (top !== undefined) differing.set(path, top)
    }
  }
  return differing
}

/** Of what stands there by the rows. */
export async function rowsIn({ ports }: FolderContext, directory: PathKey): Promise<(readonly [PathKey, Row])[]> {
  const rows = await ports.index.children(directory)
  return [...rows].filter(([, row]) => isLive(row.entry) || row.shadow === true).map(([name, row]) => [joinPath(directory, name), row])
}

/** The device that speaks of the move holds what we hold. */
export function isSettled(row: Row | null, statements: readonly RemoteRow[], device: DeviceId): row is Row {
  if (!isPlain(row)) return false
  const { entry } = row
  const isForetold = (other: RemoteRow): boolean => sameEntry(entry, other.entry) || (other.entry.kind === 'tombstone' && compareVersions(other.entry.vv, entry.vv) === 'dominates')
  if (!statements.some((statement) => statement.device === device && isForetold(statement))) return false
  return statements.every((statement) => isForetold(statement) || compareVersions(entry.vv, statement.entry.vv) === 'dominates')
}

/** Stated, on disk, and nothing about it waits. */
export function isPlain(row: Row | null): row is Row {
  return row !== null && isLive(row.entry) && row.seen !== null && row.shadow !== true && row.ignored !== true && row.blocked === undefined
}

/** Those at and below a directory by the rows. */
export async function directoriesBelow(context: FolderContext, top: PathKey): Promise<readonly PathKey[]> {
  const found: PathKey[] = []
  for (let level = [top]; level.length > 0; ) {
    found.push(...level)
    const below: PathKey[] = []
    for (const directory of level) for (const [name, row] of await context.ports.index.children(directory)) if (row.entry.kind === 'directory') below.push(joinPath(directory, name))
    level = below
  }
  return found
}

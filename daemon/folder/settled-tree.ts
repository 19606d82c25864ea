/** The rows of a whole directory, as those need them that change all of it on another device's word (R46, R48). */
import type { RemoteRow, Row } from '../ports.ts'
import { isLive, sameEntry } from '../sync/entry-compare.ts'
import type { DeviceId, PathKey } from '../sync/ids.ts'
import { ancestorsOf, joinPath } from '../sync/path.ts'
import { compareVersions } from '../sync/version.ts'
import { newestPerDevice, type FolderContext } from './context.ts'

/** Paths; there may be very many. */
const READ_AT_ONCE = 5000

/**
 * Those in which a device holds anything else than we do, unless that is its end. Where none differs all hold the same, and no statement
 * has to be read.
 */
export async function contested(context: FolderContext, device: DeviceId, tops: readonly PathKey[]): Promise<ReadonlySet<PathKey>> {
  const { ports } = context
  const differing = differingIn(context, device, new Set(tops))
  const found = new Set<PathKey>()
  const doubtful = [...differing]
  for (let start = 0; start < doubtful.length; start += READ_AT_ONCE) {
    const some = doubtful.slice(start, start + READ_AT_ONCE)
    const paths = some.map(([path]) => path)
    const [rows, remotes] = await Promise.all([ports.index.rows(paths), ports.index.remoteRows(paths)])
    for (const [i, [, top]] of some.entries()) {
      const row = rows[i] ?? null
      if (row === null || row.entry.kind === 'tombstone') continue
      if (!isSettled(row, newestPerDevice(remotes[i] ?? []), device)) found.add(top)
    }
  }
  return found
}

/**
 * Paths at and below these at which a device states anything else than we do, each with that of them which it is in. Of all others
 * every device states the same, and nothing has to be read.
 */
function differingIn({ ports, tally }: FolderContext, device: DeviceId, tops: ReadonlySet<PathKey>): ReadonlyMap<PathKey, PathKey> {
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

/** The device that speaks of it holds what we hold. */
function isSettled(row: Row | null, statements: readonly RemoteRow[], device: DeviceId): row is Row {
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

/** What lives at and below a directory by the rows: how many below it, and the directories. */
export async function livingBelow({ ports }: FolderContext, top: PathKey): Promise<{ readonly count: number; readonly directories: readonly PathKey[] }> {
  const directories: PathKey[] = []
  let count = 0
  for (let level = [top]; level.length > 0; ) {
    directories.push(...level)
    const below: PathKey[] = []
    for (const directory of level) {
      for (const [name, row] of await ports.index.children(directory)) {
        const kind = row.kind ?? row.entry.kind
        if (kind !== 'tombstone') count++
        if (kind === 'directory') below.push(joinPath(directory, name))
      }
    }
    level = below
  }
  return { count, directories }
}

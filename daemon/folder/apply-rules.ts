/** What a change of the ignore rules means for the tree (R31): newly ignored paths leave the drive, others are looked at again. */
import type { Row } from '../ports.ts'
import { sameEntry } from '../sync/entry-compare.ts'
import type { Entry } from '../sync/entry.ts'
import type { PathKey } from '../sync/ids.ts'
import { commit, type Change } from './commit.ts'
import { newestPerDevice, type FolderContext } from './context.ts'
import { compareWithDevice, forgetIgnored } from './divergence.ts'
import { isIgnoreFile, NO_RULES } from './rules.ts'
import type { ScanWork } from './work.ts'

/**
 * Reads the rules and, if they are other than those last applied to all rows, applies them before any other path of the cycle (R32).
 * Which ones those were stands in the index once all is done: a crash in between begins again, and a start goes through nothing twice.
 */
export async function applyRules(context: FolderContext): Promise<void> {
  const { disk, index } = context.ports
  await context.rules.reload(disk)
  const { digest } = context.rules
  if (digest === (index.rules ?? NO_RULES)) return
  for await (const rows of index.all()) {
    const leaving: Change[] = []
    for (const { path, row } of rows) {
      const ignored = context.rules.ignored(path, row.entry.kind === 'directory')
      if (ignored && row.ignored !== true && row.entry.kind !== 'tombstone') leaving.push(leave(path, row))
    }
    await commit(context, leaving)
  }
  await forgetIgnored(context)
  for (const drive of context.ports.remotes.list()) {
    for await (const statements of index.allRemote(drive.key)) await markUnapplied(context, statements)
  }
  // What was ignored when it was made has no row that tells of it: only a scan finds it.
  context.work.markScan('all')
  const batch = index.batch()
  batch.setRules(digest)
  await batch.flush()
}

/**
 * What others state of paths that were ignored here until now has not been applied. It is a difference again, in the index as well: a
 * start finds these rules applied, and of a path that has no row nothing else tells it.
 */
async function markUnapplied(context: FolderContext, statements: readonly { readonly path: PathKey; readonly entry: Entry }[]): Promise<void> {
  const { index } = context.ports
  const rows = await index.rows(statements.map(({ path }) => path))
  const unapplied = statements.flatMap(({ path, entry }, i) => {
    const row = rows[i] ?? null
    return row?.ignored === true || !sameEntry(row?.entry ?? null, entry) ? [{ path, row }] : []
  })
  const paths = unapplied.map(({ path }) => path)
  const remotes = await index.remoteRows(paths)
  const batch = index.batch()
  for (const [i, { path, row }] of unapplied.entries()) {
    for (const { device, entry } of newestPerDevice(remotes[i] ?? [])) compareWithDevice(context, batch, device, path, row, entry)
  }
  await batch.flush()
  context.work.markDirty(paths)
}

/**
 * After a scan. The rules are read when something says that they changed, and at a start: before any scan. If their file was made and
 * went in between, or is again as it was, a scan finds no change that would have them read once more. A file that is being written
 * (`unstable`) is left to the scan that comes; while the user is asked about deletions, so are the rules that went with them.
 */
export async function doubtRules({ guard, ports, rules, work }: FolderContext, { paths }: ScanWork, unstable: readonly PathKey[]): Promise<void> {
  if (paths !== 'all' && !paths.some(isIgnoreFile)) return
  if (guard.deciding || unstable.some(isIgnoreFile)) return
  if (await rules.areStale(ports.disk)) work.markRules()
}

function leave(path: PathKey, row: Row): Change {
  return { path, before: row, entry: null, row: { ...row, ignored: true }, list: null, kept: null, from: 'local' }
}

/** What a change of the ignore rules means for the tree (R31): newly ignored paths leave the drive, others are looked at again. */
import type { Row } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import { IGNORE_FILE } from '../sync/path.ts'
import { commit, type Change } from './commit.ts'
import type { FolderContext } from './context.ts'
import { forgetIgnored } from './divergence.ts'

/** Reads the rules and, if they are other than before, applies them before any other path of the cycle (R32). */
export async function applyRules(context: FolderContext): Promise<void> {
  const { disk, index } = context.ports
  const first = !context.rules.loaded
  const changed = await context.rules.reload(disk)
  // A crash may have come between a change of the file and what it means: where there ever was one, a start goes through it again.
  if (!changed && !(first && (await index.row(IGNORE_FILE)) !== null)) return
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
    for await (const statements of index.allRemote(drive.key)) await markUnapplied(context, statements.map((statement) => statement.path))
  }
  // What was ignored when it was made has no row that tells of it: only a scan finds it.
  context.work.markScan('all')
}

/** What others state of paths that were ignored here until now has not been applied. */
async function markUnapplied(context: FolderContext, paths: readonly PathKey[]): Promise<void> {
  const rows = await context.ports.index.rows(paths)
  context.work.markDirty(paths.filter((_path, i) => rows[i] === null || rows[i]?.ignored === true))
}

function leave(path: PathKey, row: Row): Change {
  return { path, before: row, entry: null, row: { ...row, ignored: true }, list: null, kept: null, from: 'local' }
}

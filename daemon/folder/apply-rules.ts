/** What a change of the ignore rules means for the tree (R31): newly ignored paths leave the drive, others are looked at again. */
import type { Row } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import { commit, type Change } from './commit.ts'
import type { FolderContext } from './context.ts'

/** Reads the rules and, if they are other than before, applies them before any other path of the cycle (R32). */
export async function applyRules(context: FolderContext): Promise<void> {
  const { disk, index } = context.ports
  if (!(await context.rules.reload(disk))) return
  let lookAgain = false
  for await (const rows of index.all()) {
    const leaving: Change[] = []
    for (const { path, row } of rows) {
      const ignored = context.rules.ignored(path, row.entry.kind === 'directory')
      if (ignored && row.ignored !== true && row.entry.kind !== 'tombstone') leaving.push(leave(path, row))
      if (!ignored && row.ignored === true) lookAgain = true
    }
    await commit(context, leaving)
    for (const change of leaving) context.tally.forget(change.path)
  }
  for (const drive of context.ports.remotes.list()) {
    for await (const statements of index.allRemote(drive.key)) context.work.markDirty(statements.map((statement) => statement.path))
  }
  if (lookAgain || index.own !== null) context.work.markScan('all')
}

function leave(path: PathKey, row: Row): Change {
  return { path, before: row, entry: null, row: { ...row, ignored: true }, list: null, kept: null, from: 'local' }
}

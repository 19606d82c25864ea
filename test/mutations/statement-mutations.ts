/** Planted bugs (mutations.ts) in when and how something is stated. */
import { by, type Mutation } from './mutation.ts'

export const STATEMENT_MUTATIONS: readonly Mutation[] = [
  {
    bug: 'a new file that the user changed before it was stated is forgotten, so that his change is in conflict with it',
    file: 'daemon/folder/unstated.ts',
    find: 'batch.putRow(path, { entry: row.entry, seen: null })',
    replace: 'void row',
    caughtBy: [by('folder/unstated', 'R49: what the user makes of a new file before it is stated is its next version')]
  },
  {
    bug: 'what is there and not stated yet counts as missing',
    file: 'daemon/folder/view.ts',
    find: '(this.#context.unstated.row(path) ?? rows[i] ?? null)',
    replace: '(rows[i] ?? null)',
    caughtBy: [by('folder/unstated', 'new files and their directory are there before any of them is stated')]
  },
  {
    bug: 'files of many chunks are stated later too, and what they share is fetched twice',
    file: 'daemon/folder/unstated.ts',
    find: 'list.chunks.length <= 1',
    replace: 'true',
    caughtBy: [by('folder/pull', 'new files come to a device that has nothing at their paths')]
  },
  {
    bug: 'what an apply displaced is listed only where what it put there could be stated',
    file: 'daemon/folder/commit.ts',
    find: 'if (change.kept !== null)',
    replace: "if (change.kept !== null && result.kind !== 'unreadable')",
    caughtBy: [by('sim/regressions', 'what an apply displaced is listed though what it put there cannot be read, and so is not stated')]
  }
]

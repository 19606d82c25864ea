/** Planted bugs (mutations.ts) in when and how something is stated. */
import { by, type Mutation } from './mutation.ts'

export const STATEMENT_MUTATIONS: readonly Mutation[] = [
  {
    bug: 'what is new here waits until a long log that says nothing new is read',
    file: 'daemon/folder/pull.ts',
    find: '!isNews && !hasDeletions && breaksOff()',
    replace: 'false',
    caughtBy: [by('folder/pull', 'statements that bring nothing to do are read in parts while something else waits, and those that do at once')]
  },
  {
    bug: 'drives are read in the order in which they are known, however long they are',
    file: 'daemon/folder/pull.ts',
    find: 'unread(context, a) - unread(context, b)',
    replace: '0',
    caughtBy: [by('folder/pull', 'the drive of which least is to be read comes first, and one that grows meanwhile does not wait for a long log that says nothing new')]
  },
  {
    bug: 'what another device states waits until a long log that says nothing new is read',
    file: 'daemon/folder/pull.ts',
    find: '(breaksOff() || context.ports.remotes.list().some(isNearer))',
    replace: 'breaksOff()',
    caughtBy: [by('folder/pull', 'the drive of which least is to be read comes first, and one that grows meanwhile does not wait for a long log that says nothing new')]
  },
  {
    bug: 'deletions are judged without those that come after statements which bring nothing (R27)',
    file: 'daemon/folder/pull.ts',
    find: 'hasDeletions ||= deletes',
    replace: 'void deletes',
    caughtBy: [by('folder/pull', 'statements that bring nothing to do are read in parts while something else waits, and those that do at once')]
  },
  {
    bug: 'a mass of deletions that comes in is read, and judged, in parts (R27)',
    file: 'daemon/folder/pull.ts',
    find: '!isNews && !hasDeletions && breaksOff()',
    replace: 'breaksOff()',
    caughtBy: [by('folder/pull', 'statements that bring nothing to do are read in parts while something else waits, and those that do at once')]
  },
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
    caughtBy: [by('folder/unstated', 'a new file of one chunk is stated later, one of several at once: what it shares with others is looked for in what is stated')]
  },
  {
    bug: 'what an apply displaced is listed only where what it put there could be stated',
    file: 'daemon/folder/commit.ts',
    find: 'if (change.kept !== null)',
    replace: "if (change.kept !== null && result.kind !== 'unreadable')",
    caughtBy: [by('sim/regressions', 'what an apply displaced is listed though what it put there cannot be read, and so is not stated')]
  },
  {
    bug: 'a flood of new files is stated whenever nothing is on its way',
    file: 'daemon/folder/more.ts',
    find: 'pauses >= patience(context)',
    replace: 'pauses >= Math.min(patience(context), 0)',
    caughtBy: [by('folder/unstated', 'an author that makes a pause: the more wait to be stated, the longer is waited for what comes behind it')]
  },
  {
    bug: 'what was not stated yet counts as such after it was',
    file: 'daemon/folder/work.ts',
    find: 'this.#era !== known.era',
    replace: 'this.#era === null',
    caughtBy: [by('folder/work', 'doubt beyond what is known: a look costs what came in since, and another era begins anew')]
  },
  {
    bug: 'a conflict copy is made as a second name before the winner is here',
    file: 'daemon/folder/merge.ts',
    find: "return this.#mustStay(action.from) ? 'wait' :",
    replace: 'return',
    caughtBy: [by('folder/second-name', 'what is written into a losing file before the winner is here does not go into its conflict copy')]
  },
  {
    bug: 'a node of the tree is split beside its middle',
    file: 'daemon/drive/bee-writes.ts',
    find: 'const half = node.keys.length >> 1;',
    replace: 'const half = (node.keys.length >> 1) - 1;',
    caughtBy: [by('drive/bee-writes', 'any writes make the same blocks')]
  },
  {
    bug: 'a key that is there is not deleted',
    file: 'daemon/drive/bee-writes.ts',
    find: 'if (order === 0)\n            return null;',
    replace: 'if (name === null) return null;',
    caughtBy: [by('drive/bee-writes', 'any writes make the same blocks')]
  },
  {
    bug: 'a large file that changes all the time is read each time',
    file: 'daemon/folder/resting.ts',
    find: 'reads.count <= FREE_READS',
    replace: 'true',
    caughtBy: [by('folder/resting', 'one that is written to all the time is read a few times, then ever more seldom, and never less than it may be')]
  },
  {
    bug: 'what is written while a large file is read is taken for read',
    file: 'daemon/folder/resting.ts',
    find: 'before.seen <= now - ms',
    replace: 'true',
    caughtBy: [by('folder/resting', 'what was written while it was read waits still')]
  },
  {
    bug: 'in sync is said while a large file rests',
    file: 'daemon/folder.ts',
    find: 'this.#later.resting.any',
    replace: 'false',
    caughtBy: [by('folder/resting', 'what was written and rests is not in sync, and is once it was read')]
  },
  {
    bug: 'who syncs a large file that rests waits until it was read in its own time',
    file: 'daemon/folder/local.ts',
    find: "work.paths === 'all' ? {}",
    replace: 'false ? {}',
    caughtBy: [by('folder/resting', 'who asks for all, and what another device says of it, waits for no rest')]
  },
  {
    bug: 'sync forgets a device whose connection ends while it is waited for',
    file: 'daemon/folder/settle.ts',
    find: 'if (missing || !active',
    replace: 'if (!active',
    caughtBy: [by('folder/settle', 'R38: a device whose connection ends while it is waited for is waited for, and asked anew')]
  },
  {
    bug: 'sync waits for a device that has left the folder',
    file: 'daemon/folder/settle.ts',
    find: 'reporting.has(device) || !this.#peers.has(device)',
    replace: 'reporting.has(device)',
    caughtBy: [by('folder/settle', 'R38: who leaves the folder or the group meanwhile keeps nobody waiting')]
  },
  {
    bug: 'sync waits for a device that has gone for good until its time is out',
    file: 'daemon/folder/settle.ts',
    find: 'this.#waits.delete(device);\n        this.#onGivenUp();',
    replace: '',
    caughtBy: [by('folder/settle', 'R38: a device that has gone for good is waited for no longer than a connection takes to come back')]
  },
  {
    bug: 'a sync waits on for a folder that was paused meanwhile',
    file: 'daemon/folder/settle.ts',
    find: "activity === 'paused'",
    replace: 'false',
    caughtBy: [by('folder/settle', 'a folder that is paused while it is waited for ends the waiting')]
  },
  {
    bug: 'a device that was removed, and has no folder, says that it is in sync',
    file: 'daemon/handlers/sync.ts',
    find: "halt !== null ? 'halted'",
    replace: "false ? 'halted'",
    caughtBy: [by('daemon/sync-handler', 'a device that may not sync is in sync with nobody, with no folder as well')]
  },
  {
    bug: 'path and conflict copy stay one file where the winner cannot take the path',
    file: 'daemon/folder/separate-copies.ts',
    find: 'if (shared.length === 0)',
    replace: 'if (true)',
    caughtBy: [by('folder/second-name', 'where the winner cannot take the path, the conflict copy is a file of its own')]
  },
  {
    bug: 'the last name of bytes is dropped when a second name gets a file of its own',
    file: 'daemon/disk/separate.ts',
    find: '|| !(await displaced.isHeldAt(op.from, stat))',
    replace: '',
    caughtBy: [by('disk/separate', 'the last name of bytes is never dropped')]
  },
  {
    bug: 'what was displaced is not listed until a restart if its statement fails',
    file: 'daemon/folder.ts',
    find: 'await listFailed(context);',
    replace: '',
    caughtBy: [by('folder/unlisted', 'what was replaced is listed once its statement fails no more')]
  },
  {
    bug: 'a line that ignores nothing is told of another file than the one it stands in',
    file: 'daemon/folder/rules.ts',
    find: 'this.#files[file]?.path ?? IGNORE_FILE',
    replace: 'IGNORE_FILE',
    caughtBy: [by('folder/rules', 'a line that ignores nothing is told of the file in which it stands')]
  },
  {
    bug: 'rules that were read before a scan saw their file apply for as long as no scan finds it changed',
    file: 'daemon/folder/apply-rules.ts',
    find: 'if (await rules.areStale(ports.disk))',
    replace: 'if (false)',
    caughtBy: [by('folder/rules', 'R32: rules that were read and went before any scan saw their file apply no more')]
  },
  {
    bug: 'a name that an ignored directory has is said to keep changing',
    file: 'daemon/disk/batch.ts',
    find: "kindOf(stat) === 'directory' && this.#ignored(path, true)",
    replace: 'false && this.#ignored(path, true)',
    caughtBy: [by('contract/disk', 'real disk: a name that an ignored directory has says so, also where the index knows of nothing')]
  },
  {
    bug: 'what appeared elsewhere while the same content appeared at the very path answers for two deletions',
    file: 'daemon/sync/safety.ts',
    find: 'this.#before[after] = this.#before[place];',
    replace: '',
    caughtBy: [by('sync/safety', 'R27: each deletion finds its place as if one were looked for among all that appeared')]
  }
]

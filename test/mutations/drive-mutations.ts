/** Planted bugs of drives' logs: how they go over, give way to new ones, and are deleted. See mutations.ts. */
import { by, type Mutation } from './mutation.ts'

export const DRIVE_MUTATIONS: readonly Mutation[] = [
  {
    bug: 'what our drive states of a path is asked of the tree by its get, which gives things that have ended',
    file: 'daemon/drive/own.ts',
    find: 'db.peek({ gte: key, lte: key }, BINARY)',
    replace: 'db.get(key, BINARY)',
    caughtBy: [by('drive/own', 'what has ended is stated as that, where the get of the tree gives what it was before')]
  },
  {
    bug: 'a retired drive stays on its connections, and is not deleted for as long',
    file: 'daemon/drive/store.ts',
    find: 'core.hasSession()',
    replace: 'true',
    caughtBy: [by('drive/remote', 'a retired drive lets go of the connections that it is on, so that it can be deleted soon')]
  },
  {
    bug: 'who is not the author notes no ends, and cannot give a long log in parts',
    file: 'daemon/drive/run-ends.ts',
    find: 'core.setUserData(',
    replace: '(async () => undefined)(',
    caughtBy: [by('drive/runs', 'runs: who is not the author gives a long log in the parts that it came in, and so does the next')]
  },
  {
    bug: 'a device without runs brings block by block back where another one gives runs',
    file: 'daemon/net/runs.ts',
    find: '> offered)',
    replace: '>= offered)',
    caughtBy: [by('net/run-sources', 'runs: a device that cannot give what it holds is not needed where another one gives it')]
  },
  {
    bug: 'blocks in a new drive are taken for those of the old one, and stored again at the next change (R14)',
    file: 'daemon/folder/move.ts',
    find: 'batch.blobsIn(own.generation)',
    replace: 'void 0',
    caughtBy: [by('folder/new-drive', 'R14: where blocks lie in a new drive is known once it has taken over: a file that is renamed then is not read and stored again')]
  },
  {
    bug: 'a drive that follows the one before misses what is stated while it is made',
    file: 'daemon/drive/own.ts',
    find: 'from === 0 ? statementsOf(former.#drive.db) : changesOf(former.db, from, until)',
    replace: 'statementsOf(former.#drive.db)',
    caughtBy: [by('drive/shared-blobs', 'a drive that follows the one before while that is written to says what it says, and goes on when it is closed')]
  },
  {
    bug: 'a drive that takes over loses where the blobs of the one before lie, and stores all that changes its name again',
    file: 'daemon/folder/hand-over.ts',
    find: ', blobsFrom: known.blobsFrom ?? known.generation }',
    replace: ' }',
    caughtBy: [by('folder/new-drive', 'R14: a drive that was made beside the folder takes over only while the index agrees with the one before, and blocks lie where they lay')]
  },
  {
    bug: 'a drive takes over while the index has not heard of all that the one before states',
    file: 'daemon/folder/hand-over.ts',
    find: 'known.length !== own.length || ',
    replace: '',
    caughtBy: [by('folder/new-drive', 'R14: a drive that was made beside the folder takes over only while the index agrees with the one before, and blocks lie where they lay')]
  },
  {
    bug: 'who is put back to before a drive of his took over goes on with it, though it is longer elsewhere (R18)',
    file: 'daemon/own-drives.ts',
    find: 'known.key === key && known.prepared === undefined',
    replace: 'known.key === key',
    caughtBy: [by('daemon/own-drives', 'R18: a drive is prepared beside the one that is written, and the group hears of it when it takes over; who is put back to before that does not go on with it')]
  },
  {
    bug: 'a drive that was prepared for another folder key takes over (R22)',
    file: 'daemon/own-drives.ts',
    find: 'this.due(now, known) === null && ',
    replace: '',
    caughtBy: [by('daemon/own-drives', 'a drive that was prepared does not take over once the group has another key or another drive of ours')]
  },
  {
    bug: 'a drive takes over without what was stated in the last moment',
    file: 'daemon/rotations.ts',
    find: 'await next.follow(former, done)',
    replace: 'void former',
    caughtBy: [by('daemon/rotations', 'a new drive takes over at once where nobody works, with what was stated while it was made')]
  },
  {
    bug: 'where a drive of which the group has heard could not take over, the one before is written on',
    file: 'daemon/rotations.ts',
    find: 'if (isTold) {',
    replace: 'if (false) {',
    caughtBy: [by('daemon/rotations', 'one that cannot take over is closed; where the group had heard of it the folder is opened anew')]
  },
  {
    bug: 'a drive that could not follow the one before can never be closed',
    file: 'daemon/drive/own.ts',
    find: 'restated.catch(() => undefined)',
    replace: 'restated',
    caughtBy: [by('drive/shared-blobs', 'a drive that could not follow can be written to and closed')]
  },
  {
    bug: 'a drive that could not take over is closed under the folder that was opened anew with it',
    file: 'daemon/rotations.ts',
    find: 'host(id)?.driveKey !== drive',
    replace: 'true',
    caughtBy: [by('daemon/rotations', 'one that cannot take over is closed; where the group had heard of it the folder is opened anew')]
  },
  {
    bug: 'what other devices do keeps an outgrown drive from its new one, each of them longer',
    file: 'daemon/compaction.ts',
    find: 'if (watched.length !== length) {',
    replace: "if (watched.length !== length || host.folder.activity !== 'idle') {",
    caughtBy: [by('daemon/compaction', 'within a minute of the last edit every device has a new drive and has deleted the old ones, as late as can be')]
  },
  {
    bug: 'an outgrown drive that was disturbed in the last moment gets no new one',
    file: 'daemon/compaction.ts',
    find: 'watched.notBefore = 0',
    replace: 'void 0',
    caughtBy: [by('daemon/compaction', 'a drive that grows gets no new one before it has rested, and who is disturbed in the last moment comes to it later')]
  },
  {
    bug: 'of a retired drive only its name is deleted, and its data stays for ever',
    file: 'daemon/drive/blocks.ts',
    find: 'batch.tryDeleteRange(',
    replace: '(() => undefined)(',
    caughtBy: [by('drive/deletion', 'nothing of a deleted drive stays, and each row of another is as it was')]
  },
  {
    bug: 'a page of the bitfield is kept in memory though it was never written',
    file: 'daemon/drive/core-memory.ts',
    find: 'Buffer.from(page)',
    replace: 'page',
    caughtBy: [by('drive/core-memory', 'pages of a bitfield are given as they were written, each time anew, and few are kept')]
  },
  {
    bug: 'each append asks the database for what the one before has written',
    file: 'daemon/drive/blocks.ts',
    find: 'memory.page(index) ?? ',
    replace: '',
    caughtBy: [by('drive/core-memory', 'the bitfield of a core is what it would be without a memory: appended, cleared, truncated, and what failed')]
  },
  {
    bug: 'deleting a drive takes the one that was made after it along',
    file: 'daemon/drive/blocks.ts',
    find: 'core.dataPointer + 1',
    replace: 'core.dataPointer + 9',
    caughtBy: [by('drive/deletion', 'a deleted drive leaves no core behind; another one is as it was')]
  },
  {
    bug: 'the blobs of a drive that another one goes on with are deleted with it',
    file: 'daemon/drive/store.ts',
    find: '!kept.has(',
    replace: '!new Set().has(',
    caughtBy: [by('drive/shared-blobs', 'the drive before goes with its db core alone; the blobs go with the last drive that names them')]
  },
  {
    bug: 'a drive that goes on with the blobs of the one before reads and stores all content again',
    file: 'daemon/folder/move.ts',
    find: 'keepsBlobs ? known.blob : null',
    replace: 'null',
    caughtBy: [by('folder/new-drive', 'a new drive that goes on with the blobs of the one before states where they lie, and reads nothing')]
  },
  {
    bug: 'the blobs of a drive are kept for one that has gone itself',
    file: 'daemon/own-drives.ts',
    find: 'isRetired(known.key) ||',
    replace: '',
    caughtBy: [by('daemon/own-drives', 'a new drive goes on with the blobs of the one before only with its writer and folder key, and they are kept as long')]
  }
]

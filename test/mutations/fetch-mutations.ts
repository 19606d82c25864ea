/** Planted bugs of what a device fetches, before and after it is stated: see mutations.ts. */
import { by, type Mutation } from './mutation.ts'

export const FETCH_MUTATIONS: readonly Mutation[] = [
  {
    bug: 'each word of a device has the others asked for all that nobody can give',
    file: 'daemon/folder/ask-again.ts',
    find: 'refused <= FEW_UNAVAILABLE',
    replace: 'true',
    caughtBy: [by('folder/ask-again', 'many are asked for when a device comes, and else once for many words')]
  },
  {
    bug: 'a device is asked again for what it was asked for',
    file: 'daemon/folder/fetch-groups.ts',
    find: '!group.asked.has(device) && group.ids',
    replace: 'group.ids',
    caughtBy: [by('folder/fetch-groups', 'a device gets the first group that nobody owes, else one that the fewest owe, and none twice')]
  },
  {
    bug: 'what was foretold and never stated is kept for ever',
    file: 'daemon/folder/foretold.ts',
    find: 'for (const cid of overdue(context))',
    replace: 'for (const cid of [])',
    caughtBy: [by('folder/foretold', 'the device that foretold it goes before it has stated it: nothing is kept')]
  },
  {
    bug: 'what is foretold is bounded by nothing',
    file: 'daemon/folder/foretold.ts',
    find: 'Math.max(0, old.length - MAX_UNNAMED)',
    replace: '0',
    caughtBy: [by('folder/foretold', 'a device that foretells ever other contents, and is never read to the end of what it claims, keeps little here')]
  },
  {
    bug: 'what came ahead is tidied away before it can be stated',
    file: 'daemon/folder/foretold.ts',
    find: 'report.dirty || ',
    replace: '',
    caughtBy: [by('folder/foretold', 'R52: a tiny file is staged with all that it will have before it is stated, and is not asked for')]
  },
  {
    bug: 'a device may be ahead without end',
    file: 'daemon/folder/foretold.ts',
    find: ' || waiting++ >= MAX_UNNAMED',
    replace: '',
    caughtBy: [by('folder/foretold', 'a device that is ahead without end is not listened to')]
  },
  {
    bug: 'bytes go ahead to a device that lags behind',
    file: 'daemon/net/runs.ts',
    find: 'this.#isNear(link, drive, state.length)',
    replace: 'true',
    caughtBy: [by('net/runs', 'runs: R52: bytes go ahead to those alone who have the drive nearly whole, and of our own drive only')]
  },
  {
    bug: 'bytes go ahead of a drive that is not ours',
    file: 'daemon/net/runs.ts',
    find: ' || !state.author)',
    replace: ')',
    caughtBy: [by('net/runs', 'runs: R52: bytes go ahead to those alone who have the drive nearly whole, and of our own drive only')]
  },
  {
    bug: 'whatever is written to a blobs core is held for the next statement',
    file: 'daemon/drive/joint-write.ts',
    find: 'if (!appends)',
    replace: 'if (false)',
    caughtBy: [by('drive/own', 'what else is written to the blobs core meanwhile is not taken for the block of a tiny file')]
  },
  {
    bug: 'the block of a tiny file is written though its statement is not',
    file: 'daemon/drive/joint-write.ts',
    find: 'core === this.#first ?',
    replace: 'false ?',
    caughtBy: [by('drive/own', 'the block of a tiny file and its statement are written together, or neither is')]
  },
  {
    bug: 'blocks are stated that may never be written',
    file: 'daemon/drive/own.ts',
    find: 'await Promise.race([written, ...(joint === null ? [] : [joint.held])]);',
    replace: '',
    caughtBy: [by('drive/own', 'nothing is stated whose blocks could not be written')]
  },
  {
    bug: 'many small files count as staged before the file system is synced',
    file: 'daemon/disk/stage-many.ts',
    find: 'await begun.finish();',
    replace: ';',
    caughtBy: [by('disk/stage-many', 'invariant 2: many files are brought to the disk by one sync, and count as staged after it')]
  },
  {
    bug: 'bytes that a sync of the file system could not write are kept, and the next one says that they are written',
    file: 'daemon/disk/stage-many.ts',
    find: 'await unlinkIfThere(at(directory, list.cid));',
    replace: ';',
    caughtBy: [by('disk/stage-many', 'invariant 2: where the sync fails nothing is staged, all of it is written anew, and each file is synced by itself for a while')]
  }
]

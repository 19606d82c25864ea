/** Planted bugs of a store whose disk fails for a while. */
import { by, type Mutation } from './mutation.ts'

export const STORE_MUTATIONS: readonly Mutation[] = [
  {
    bug: 'a store whose disk was full waits as long as one that is sick in a way no probe shows',
    file: 'daemon/takes-writes.ts',
    find: 'else if (shown || left <= 0)',
    replace: 'else if (left <= 0)',
    caughtBy: [by('daemon/takes-writes', 'a disk that was full is gone on with within one look of there being room, however long the wait had grown')]
  },
  {
    bug: 'a wait for the store that has grown stays so though the store ran well since',
    file: 'daemon/takes-writes.ts',
    find: 'shown || ranMs >=',
    replace: 'shown || 0 >',
    caughtBy: [by('daemon/takes-writes', 'the wait doubles up to its limit while the store fails soon after each opening, and begins anew once it ran well or the cause was seen to go')]
  },
  {
    bug: 'a probe that cannot be removed ends the daemon',
    file: 'daemon/takes-writes.ts',
    find: 'return false; // whatever',
    replace: 'throw new Error(); // whatever',
    caughtBy: [by('daemon/takes-writes', 'the real probe tells a directory that takes writes from one that is not there')]
  }
]

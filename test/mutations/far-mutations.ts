/** Planted bugs of folders whose file system may not answer: see mutations.ts. */
import { by, type Mutation } from './mutation.ts'

export const FAR_MUTATIONS: readonly Mutation[] = [
  {
    bug: 'the process does not end while the thread that watches a folder is in a call that does not come back',
    file: 'daemon/last-resort.ts',
    find: 'runningThreads() > 0',
    replace: 'false',
    caughtBy: [by('daemon/last-resort', 'a thread that watches and does not come back keeps no process: closed')]
  },
  {
    bug: 'the process is cut off at its end although the thread that watches is about to end',
    file: 'daemon/last-resort.ts',
    find: 'while (isCalling() && performance.now() < deadline)',
    replace: 'while (false)',
    caughtBy: [by('daemon/last-resort', 'one that ends when it is told to has the time for it: the process ends in order')]
  }
]

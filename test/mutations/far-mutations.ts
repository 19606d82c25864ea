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
  },
  {
    bug: 'a thread that watches and cannot start is started for each directory',
    file: 'daemon/disk/watch.ts',
    find: '!answered || ',
    replace: '',
    caughtBy: [by('disk/far-watch', 'a thread that does not come up is not started again for each directory, and calls for no scan; some time later it is')]
  },
  {
    bug: 'a thread that could not start calls for a full scan, in which it cannot start',
    file: 'daemon/disk/watch.ts',
    find: 'if (answered)',
    replace: 'if (true)',
    caughtBy: [by('disk/far-watch', 'a thread that does not come up is not started again for each directory, and calls for no scan; some time later it is')]
  },
  {
    bug: 'a thread that ends at each scan is started for the next one, without end',
    file: 'daemon/disk/watch.ts',
    find: 'this.#ends.length >= MAX_ENDS',
    replace: 'false',
    caughtBy: [by('disk/far-watch', 'one that ends again and again is started three times')]
  },
  {
    bug: 'where the system gives no thread for the watches it is asked for one for each directory',
    file: 'daemon/disk/watch.ts',
    find: 'this.#farEnded(error, false)',
    replace: 'throw error',
    caughtBy: [by('disk/far-watch', 'where the system gives no thread, or does not let it be asked, a scan goes on, and it is told')]
  },
  {
    bug: 'a long list of watches is set to its end although the folder is paused',
    file: 'daemon/disk/watch.ts',
    find: 'if (isOver())',
    replace: 'if (false)',
    caughtBy: [by('disk/far-watch', 'a long list is asked for in parts, between which it can be broken off: by who asks, then all is looked at, and by closing')]
  },
  {
    bug: 'a watch that ended while it was asked for counts as one that stands',
    file: 'daemon/disk/watch.ts',
    find: 'return !this.#watched.has(directory)',
    replace: 'return false',
    caughtBy: [by('disk/far-watch', 'a directory that goes and comes back while it is asked for is watched')]
  },
  {
    bug: 'calls of a folder count as over while its thread is in one',
    file: 'daemon/disk/far-watch.ts',
    find: 'this.#worker.terminate()',
    replace: 'for (const done of this.#asked.values()) done(null); this.#worker.terminate()',
    caughtBy: [by('disk/far-watch', 'the calls of a folder are over once its thread is out of the last one, and not before')]
  },
  {
    bug: 'many directories of a slow disk count as silence',
    file: 'daemon/disk/watch.ts',
    find: 'sign: () => lane.sign()',
    replace: 'sign: () => undefined',
    caughtBy: [by('disk/far-watch', 'many slow directories in one list are no silence')]
  },
  {
    bug: 'events of a thread that watches are lost, and nobody doubts it',
    file: 'daemon/disk/far-watch-thread.ts',
    find: 'flood.count()',
    replace: 'undefined',
    caughtBy: [by('disk/far-watch', 'a flood of events of the queue of the thread calls for a full scan')]
  },
  {
    bug: 'watches of a file system that was unmounted count as those of the one below',
    file: 'daemon/disk/watch.ts',
    find: 'lane !== this.#lane)',
    replace: 'lane !== null && this.#lane === null)',
    caughtBy: [by('disk/far-watch', 'another file system in the same place: from a disk of this machine to another one, and back')]
  },
  {
    bug: 'a scan fails because of a watch',
    file: 'daemon/disk/watch.ts',
    find: 'if (lane.isCut)',
    replace: 'if (true)',
    caughtBy: [by('disk/far-watch', 'where the system gives no thread, or does not let it be asked, a scan goes on, and it is told')]
  },
  {
    bug: 'attributes of a file on a disk that may not answer are set although somebody wrote to it meanwhile',
    file: 'daemon/disk/attributes.ts',
    find: 'const now = await step(async () => await fstatInPool(fd, { bigint: true }));',
    replace: 'const now = await step(async () => await fstatInPool(fd, { bigint: true })); before = now;',
    caughtBy: [by('disk/attributes-race', 'what was written before the look at the open file keeps its attributes, in the pool')]
  },
  {
    bug: 'attributes of a folder that was given up are set when its disk answers',
    file: 'daemon/disk/far-lane.ts',
    find: 'async step(call) {',
    replace: 'async step(call) { return await call();',
    caughtBy: [by('disk/attributes-race', 'attributes of a folder that is given up meanwhile are not set')]
  },
  {
    bug: 'a command waits for a disk that does not answer, if its path is in no folder',
    file: 'daemon/disk/far.ts',
    find: 'if (mount === null)\n            return own',
    replace: 'return own',
    caughtBy: [by('disk/far', 'a look at any path of a disk that does not answer is given up, and nobody looks a second time before it has; paths of this machine, and those above, are looked at')]
  },
  {
    bug: 'what a command was refused is done when the disk answers',
    file: 'daemon/disk/far.ts',
    find: 'isGivenUp = answer === null',
    replace: 'isGivenUp = false',
    caughtBy: [by('disk/far', 'a look at any path of a disk that does not answer is given up, and nobody looks a second time before it has; paths of this machine, and those above, are looked at')]
  },
  {
    bug: 'a command fails at a path of this machine because of a mount below it',
    file: 'daemon/disk/far.ts',
    find: 'symlinkTarget, false)',
    replace: 'symlinkTarget, true)',
    caughtBy: [by('disk/far', 'a look at any path of a disk that does not answer is given up, and nobody looks a second time before it has; paths of this machine, and those above, are looked at')]
  }
]

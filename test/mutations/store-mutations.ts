/** Planted bugs of what a daemon finds after a trouble: a disk that failed for a while, a clock that was wrong, a daemon that came too late. */
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
  },
  {
    bug: 'hours of history from a clock that was ahead hide what a crash left',
    file: 'daemon/disk/history.ts',
    find: ', ...lastOf(buckets.filter(({ at }) => at <= now.getTime()), ms)',
    replace: '',
    caughtBy: [by('disk/recheck', 'hours that a clock ahead left in history do not hide the newest of what is past')]
  },
  {
    bug: 'a daemon that came too late comes up once the one that answered is stopped',
    file: 'cli/start-daemon.ts',
    find: 'child.kill();',
    replace: 'void child;',
    caughtBy: [by('cli/start', 'a daemon that came too late, because another one answered, does not come up once that is stopped')]
  },
  {
    bug: 'where history is too large a log drives out what was deleted long ago',
    file: 'daemon/folder/retention.ts',
    find: 'next - at < (now - at) * CLOSE_SHARE',
    replace: 'false',
    caughtBy: [by('folder/history', 'retention: a file that changes all the time drives out its own versions first, and what was deleted last')]
  },
  {
    bug: 'what somebody deleted goes from history because a newer file had its name',
    file: 'daemon/folder/retention.ts',
    find: "row.reason === 'replaced'",
    replace: 'true',
    caughtBy: [by('folder/history', 'retention: a file that changes all the time drives out its own versions first, and what was deleted last')]
  },
  {
    bug: 'a digest of a directory outlives the rows that it was made of',
    file: 'daemon/index/folder-index.ts',
    find: 'this.#digests.drop(rows.keys(), out)',
    replace: 'void 0',
    caughtBy: [by('index/digests', 'a row that changes takes the digest of its directory along, with its batch')]
  },
  {
    bug: 'a digest is made of a directory with something that is ignored',
    file: 'daemon/index/digests.ts',
    find: 'row.ignored === true ||',
    replace: '',
    caughtBy: [by('index/digests', 'there is none where a scan would have to look at each child')]
  },
  {
    bug: 'a directory that is known as a whole ends the walk',
    file: 'daemon/disk/scan.ts',
    find: 'for (const { name, ino } of directories)',
    replace: 'for (const { name, ino } of directories.slice(directories.length))',
    caughtBy: [by('disk/unchanged', 'told of a directory that is known as a whole: a file deeper down')]
  },
  {
    bug: 'what was written to a file under its other name is taken for what the conflict copy is to hold',
    file: 'daemon/disk/separate.ts',
    find: 'seen: isExpected ? seen : null',
    replace: 'seen: isExpected || seen !== null ? seen : null',
    caughtBy: [by('contract/disk', 'real disk: a second name that was written to before it gets a file of its own is not told as seen')]
  },
  {
    bug: 'a directory that is known as a whole moves with what was not looked at deeper down',
    file: 'daemon/disk/as-known.ts',
    find: 'for (const { name } of found.directories)',
    replace: 'for (const { name } of found.directories.slice(found.directories.length))',
    caughtBy: [by('disk/unchanged', 'R46: what is known as a whole stays for a file deeper down')]
  },
  {
    bug: 'a directory that moved is told once all that was in it is gone through',
    file: 'daemon/disk/scan.ts',
    find: 'this.#pool.add(async () => await this.#absent(path, row))',
    replace: 'await this.#absent(path, row)',
    caughtBy: [by('disk/scan', 'R46: that a directory moved is told before all that was in it is gone through')]
  },
  {
    bug: 'the digest of a directory says nothing of when its files were touched',
    file: 'daemon/sync/directory-digest.ts',
    find: 'add(ctimeNs)',
    replace: 'void ctimeNs',
    caughtBy: [by('disk/unchanged', 'told of a directory that is known as a whole: another content of the same size and time')]
  },
  {
    bug: 'a directory of the same file system that is mounted in a folder counts as a part of it',
    file: 'daemon/disk/roots.ts',
    find: ' || mount !== parent.mount',
    replace: '',
    caughtBy: [by('disk/bind-mount', 'what a mounted directory of the same file system covers is not gone, and what is in it is not new')]
  },
  {
    bug: 'what changed while a scan took the word of the early look is not looked at again',
    file: 'daemon/disk/scan.ts',
    find: "this.#addDirectory(this.#seenEarly.get(key) ?? ROOT, 'names', null)",
    replace: 'void key',
    caughtBy: [by('disk/early-look', 'changed after its directory was compared, by a writer that the scan does not hear')]
  },
  {
    bug: 'the word of the early look is taken after it was asked what has changed',
    file: 'daemon/disk/scan.ts',
    find: 'this.#early = null;',
    replace: '',
    caughtBy: [by('disk/early-look', 'a directory whose parent is another by now, changed before the scan: no word is taken that nobody would ask about')]
  },
  {
    bug: 'watches of the early look keep the daemon from watching, and the user is told to raise a limit',
    file: 'daemon/disk/watch.ts',
    find: 'this.#options.makeRoom?.() === true',
    replace: 'false',
    caughtBy: [by('disk/watch', 'where the limit of watches is reached, others may give up theirs, and all is looked at again; else it is told')]
  },
  {
    bug: 'the early look vouches for a file that is written to under another name',
    file: 'daemon/disk/early-look-thread.ts',
    find: '&& !isShared',
    replace: '',
    caughtBy: [by('disk/early-look', 'a file that has another name is not vouched for: what is written to it there is told there')]
  },
  {
    bug: 'the early look vouches for what it saw when its thread is gone',
    file: 'daemon/disk/early-look.ts',
    find: 'happened === null || happened.has(key)',
    replace: 'happened !== null && happened.has(key)',
    caughtBy: [by('disk/early-look', 'a thread that dies after its word was taken: all is looked at again')]
  },
  {
    bug: 'the word of the early look is of any directory with that number',
    file: 'daemon/disk/early-look.ts',
    find: '.ctimeNs === seen.ctimeNs',
    replace: '.ctimeNs >= 0n',
    caughtBy: [by('disk/early-look', 'its word is of a directory as it was, and of no other with its number')]
  },
  {
    bug: 'the early look enters what is ignored',
    file: 'daemon/disk/early-look-thread.ts',
    find: 'tree.rules.ignored(child, true) ? null :',
    replace: '',
    caughtBy: [by('disk/early-look', 'what is ignored, and what is no folder of ours, is not looked at')]
  },
  {
    bug: 'a directory that was removed while it was open has lost all that was in it',
    file: 'daemon/disk/scan.ts',
    find: '(await fstat(directory.fd)).nlink === 0n',
    replace: '(await fstat(directory.fd)).nlink < 0n',
    caughtBy: [by('disk/early-look', 'changed while the scan takes the word of the early look: another directory of the same names')]
  },
  {
    bug: 'a question that a dying daemon took with it is an error',
    file: 'cli/daemon-client.ts',
    find: '!questions.has(method) || !wentAway(error)',
    replace: 'true',
    caughtBy: [by('cli/start', 'a daemon that goes with a question unanswered: the next one is asked; what may have changed something is not repeated')]
  },
  {
    bug: 'what may have changed something is sent again to the next daemon',
    file: 'cli/daemon-client.ts',
    find: '!questions.has(method) || !wentAway(error)',
    replace: '!wentAway(error)',
    caughtBy: [by('cli/start', 'a daemon that goes with a question unanswered: the next one is asked; what may have changed something is not repeated')]
  }
]

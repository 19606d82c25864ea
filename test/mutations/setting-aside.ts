/** Planted bugs of directories that are set aside (R48). */
import { by, type Mutation } from './mutation.ts'

export const SETTING_ASIDE: readonly Mutation[] = [
  {
    bug: 'a directory is set aside on the word of another device without a look at what is in it',
    file: 'daemon/disk/set-aside.ts',
    find: 'if ((await treeAsKnown(parts, known, path)) === null)',
    replace: 'if (false)',
    caughtBy: [by('contract/disk', 'real disk: R48: a directory that holds anything else than what is known stays where it is')]
  },
  {
    bug: 'a place that was made to set directories aside stays though none stands there',
    file: 'daemon/disk/set-aside.ts',
    find: 'await dropBatch(roots, batch)',
    replace: 'undefined',
    caughtBy: [by('disk/aside', 'R48: a directory that cannot be looked through, or moved, stays, and no place that was made for it is left over')]
  },
  {
    bug: 'a write in the last instant to what is set aside goes to history if its name is taken there',
    file: 'daemon/disk/remove-aside.ts',
    find: 'op.path, parent)',
    replace: 'op.path)',
    caughtBy: [by('disk/aside', 'R48: what somebody writes in the last instant to a file whose name is taken where it is set aside comes back under a name of its own')]
  },
  {
    bug: 'a start leaves aside what a crash left there',
    file: 'daemon/disk/recover.ts',
    find: 'await putBack(parts)',
    replace: '{ paths: [] }',
    caughtBy: [by('contract/disk', 'real disk: R48: a start puts back what a crash left aside before anything is read')]
  },
  {
    bug: 'what goes back replaces what the user made under its name',
    file: 'daemon/disk/put-back.ts',
    find: "if (moved.kind !== 'placed')\n            return false",
    replace: 'if (false)\n            return false',
    caughtBy: [by('contract/disk', 'real disk: R48: what the user made under the old names meanwhile stays, and what has no name any more is in history')]
  },
  {
    bug: 'a directory is set aside in which somebody holds what the other device does not',
    file: 'daemon/folder/settled-tree.ts',
    find: 'found.add(top)',
    replace: 'found.size',
    caughtBy: [by('folder/aside', 'R48: what the other device does not hold, or no index knows of, keeps its directory in the tree')]
  },
  {
    bug: 'what moved below a directory that is looked at once more is forgotten until the next full scan',
    file: 'daemon/folder/gone.ts',
    find: 'look([...paths, ...again])',
    replace: 'look(paths)',
    caughtBy: [by('sim/regressions', 'what moved below a directory that is looked at once more before it is stated moves all the same')]
  },
  {
    bug: 'what is gone below a directory that is looked at between two batches is forgotten until the next full scan',
    file: 'daemon/folder/local.ts',
    find: 'context.work.markScan(going.filter((state) => !isLeft.has(state)).map(({ path }) => path));',
    replace: '',
    caughtBy: [by('folder/aside', 'what is gone below a directory that is looked at between two batches of statements is stated all the same')]
  },
  {
    bug: 'what has ended and is not stated yet keeps its directory in the tree',
    file: 'daemon/folder/aside-trees.ts',
    find: 'unstated.row(path) ?? row',
    replace: 'row',
    caughtBy: [by('folder/aside', 'R48: what is gone from a directory already, and not stated yet, does not keep it in the tree')]
  },
  {
    bug: 'the guard is not asked before a directory is set aside',
    file: 'daemon/folder/aside.ts',
    find: 'guard.wouldHold([...files, ...aside.files.values()], index.totals.files, clock.now())',
    replace: 'false',
    caughtBy: [by('folder/aside', 'R48: no hint takes what is no directory, is not there, or is all there is')]
  },
  {
    bug: 'the guard is asked about each hint as if nothing were set aside yet',
    file: 'daemon/folder/aside.ts',
    find: '[...files, ...aside.files.values()]',
    replace: 'files',
    caughtBy: [by('folder/aside', 'R48: nor one after the other what the guard would not let go at once (R27)')]
  },
  {
    bug: 'what is set aside and never stated stays there',
    file: 'daemon/folder/aside.ts',
    find: 'if (!aside.isDone)',
    replace: 'if (false)',
    caughtBy: [by('folder/aside', 'R48: the directories are gone before a path of them is stated; what is never stated comes back, and nothing is stated here')]
  },
  {
    bug: 'a scan takes what is set aside for what the user deleted',
    file: 'daemon/folder/local.ts',
    find: 'aside.at(path) !== null || ',
    replace: '',
    caughtBy: [by('folder/aside', 'R48: the directories are gone before a path of them is stated; what is never stated comes back, and nothing is stated here')]
  },
  {
    bug: 'what waits for the user is told to be gone',
    file: 'daemon/folder/gone.ts',
    find: 'directories.delete(path)',
    replace: 'directories.has(path)',
    caughtBy: [by('folder/gone', 'a directory of which something waits, or stands elsewhere now, is not told, nor are those above it')]
  },
  {
    bug: 'the guard is not asked before directories are told while more goes',
    file: 'daemon/folder/gone.ts',
    find: 'guard.mightHold(absent.size, files, ports.clock.now())',
    replace: 'false',
    caughtBy: [by('folder/aside', 'R51: what left while the deletion went on comes back when all of it has to wait for the user (R27, R28)')]
  },
  {
    bug: 'what was told of a directory stands though it is there again',
    file: 'daemon/folder/gone.ts',
    find: ".filter((path) => absent.get(path)?.kind === 'absent')",
    replace: '',
    caughtBy: [by('folder/aside', 'R51: a directory that is there again before it is judged is told no more')]
  },
  {
    bug: 'what is gone below a directory is forgotten when that is looked at once more',
    file: 'daemon/folder/gone.ts',
    find: 'context.work.markScan(doubted.filter',
    replace: 'void (doubted.filter',
    caughtBy: [by('folder/aside', 'what is gone below a directory that is looked at once more for a reason of its own is stated all the same')]
  },
  {
    bug: 'names that wait for the end of their directory are forgotten',
    file: 'daemon/folder/shrinking.ts',
    find: 'new Set(this.#waiting)',
    replace: 'new Set()',
    caughtBy: [by('folder/shrinking', 'names of a directory that is hinted itself wait for a look at it, and need none if it is gone')]
  },
  {
    bug: 'what other devices hold in a directory is not asked before it moves or is set aside',
    file: 'daemon/folder/settled-tree.ts',
    find: 'tally.divergentPaths(each)',
    replace: '[]',
    caughtBy: [by('folder/moving', 'R46: a directory with something that the other device does not hold stays where it is'), by('folder/aside', 'R48: what the other device does not hold, or no index knows of, keeps its directory in the tree')]
  },
  {
    bug: 'names wait for as long as more come',
    file: 'daemon/folder/shrinking.ts',
    find: 'this.#rounds < MAX_ROUNDS',
    replace: 'true',
    caughtBy: [by('folder/shrinking', 'many names wait while as many more come, for five rounds at most; few do not')]
  },
  {
    bug: 'the rows of all that is gone are kept until it is judged',
    file: 'daemon/folder/gone.ts',
    find: 'absent.size >= KEPT_ROWS',
    replace: 'false',
    caughtBy: [by('folder/gone', 'of very many that are gone not every row is kept')]
  },
  {
    bug: 'a directory goes back before the one that it stood in',
    file: 'daemon/disk/put-back.ts',
    find: "(x.path ?? '').length - (y.path ?? '').length",
    replace: "(y.path ?? '').length - (x.path ?? '').length",
    caughtBy: [by('contract/disk', 'real disk: R48: one that stood in another which was set aside after it goes back into that one')]
  },
  {
    bug: 'the checker does not put back what is set aside before it looks',
    file: 'daemon/folder.ts',
    find: 'await this.act(endAside)',
    replace: 'undefined',
    caughtBy: [by('folder/aside', 'R48: the checker looks at a tree that is as the rows say, and so at none of which a part is set aside')]
  },
  {
    bug: 'what somebody wrote into a directory that is set aside is an old version where its name is taken',
    file: 'daemon/folder/unlisted.ts',
    find: '!(await isShown(context, name, note))',
    replace: 'true',
    caughtBy: [by('folder/aside', 'R48: what somebody writes to a file that is set aside, and whose name the user takes, stands under a name of its own')]
  },
  {
    bug: 'what is gone where it was set aside waits because the place cannot be removed',
    file: 'daemon/disk/set-aside.ts',
    find: 'if (!isOrdinary(error))\n            throw error;\n        return isGone',
    replace: 'throw error;\n        return isGone',
    caughtBy: [by('disk/aside', 'R48: what is gone is gone, also where the place that it was set aside in cannot be removed at once')]
  }
]

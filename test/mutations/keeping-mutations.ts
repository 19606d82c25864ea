/** Planted bugs of what keeps old versions, and of what goes back where it was. */
import { by, type Mutation } from './mutation.ts'

export const KEEPING_MUTATIONS: readonly Mutation[] = [
  {
    bug: 'what came while a clock was ten years ahead is kept for ten years',
    file: 'daemon/folder/calendar.ts',
    find: 'at - now > LEAP_MS',
    replace: 'false',
    caughtBy: [by('folder/history', 'the age of an old version: what a clock skips is none, until the new time has lasted as long; what comes then ages as ever')]
  },
  {
    bug: 'a clock that is set twice is taken for right the second time',
    file: 'daemon/folder/calendar.ts',
    find: 'known.set.skipped + ms',
    replace: 'ms',
    caughtBy: [by('folder/history', 'invariant 5: whatever clocks and absences there are, nothing ends before its time, and once the clock is right all does in time')]
  },
  {
    bug: 'a start goes on with a directory that moved only if nothing has its old name',
    file: 'daemon/folder/moving.ts',
    find: "next.kind === 'directory' && next.seen.ino === relocation.ino",
    replace: "next.kind === 'directory' && (await disk.look({ area: 'tree', path: relocation.from })).kind === 'nothing'",
    caughtBy: [by('folder/moving', 'R46: a start goes on with what could not go back, whatever has the old name by then')]
  },
  {
    bug: 'what came of a history that cannot be had in full is thrown away',
    file: 'daemon/folder/history.ts',
    find: 'error instanceof PartialError',
    replace: 'false',
    caughtBy: [by('folder/history', 'what came of a history that cannot be had in full is there, and the device is named')]
  },
  {
    bug: 'a start forgets when history was looked at last, and takes a wrong clock for the right one',
    file: 'daemon/folder/retention.ts',
    find: 'calendar.look(index.historyClock,',
    replace: 'calendar.look(null,',
    caughtBy: [by('folder/history', 'invariant 5: a device that starts with its clock ten years ahead, gets something, and starts again, keeps its history')]
  },
  {
    bug: 'history ends what somebody wrote into it after it came there',
    file: 'daemon/folder/retention.ts',
    find: 'file.row !== null && (await wasWrittenTo(context, file.row))',
    replace: 'false',
    caughtBy: [by('folder/history', 'R35: what was written to in history is no old version, and retention does not end it')]
  },
  {
    bug: 'history gets a copy of a file whose other name is gone by then, and who has it open writes to nothing',
    file: 'daemon/disk/displaced.ts',
    find: '(await lstat(at(bucket, file))).nlink > 1n',
    replace: 'true',
    caughtBy: [by('disk/recheck', 'R35: a file of two names goes, and the user removes the other one meanwhile: whoever has it open writes into history yet')]
  },
  {
    bug: 'a start that cannot look at where a directory moved to states its deletion',
    file: 'daemon/folder/moving.ts',
    find: 'throw failure(next.problem)',
    replace: 'void next',
    caughtBy: [by('folder/moving', 'R46: a start that cannot look at the new place states nothing, and moves it back once it can')]
  },
  {
    bug: 'a directory that moved and cannot go back is taken for one that the user moved',
    file: 'daemon/folder/moving.ts',
    find: 'throw failure(result.problem)',
    replace: 'void result',
    caughtBy: [by('folder/moving', 'R46: while the disk refuses d its old name nothing is stated, and it is tried again')]
  },
  {
    bug: 'what comes out for a directory whose name is taken meanwhile stays in staging',
    file: 'daemon/disk/place.ts',
    find: "moved.kind === 'gone' || moved.out === null",
    replace: "moved.kind !== 'placed' || moved.out === null",
    caughtBy: [by('disk/taken-name', 'invariant 1: where names cannot be exchanged, a file that is taken back is in history though its name was taken in that instant')]
  }
]

/**
 * Planted bugs, as data. Each breaks one promise of docs/semantics.md or ARCHITECTURE.md in a way that somebody could write by
 * mistake, and names the tests that must fail of it. `find` is a text of the *built* file that occurs in it (the first occurrence
 * is replaced); one that is not found any more is a failure of the check, so that it moves along with the code.
 */
import { DRIVE_MUTATIONS } from './drive-mutations.ts'
import { FAR_MUTATIONS } from './far-mutations.ts'
import { FETCH_MUTATIONS } from './fetch-mutations.ts'
import { KEEPING_MUTATIONS } from './keeping-mutations.ts'
import { MEMBER_MUTATIONS } from './member-mutations.ts'
import { by, type Mutation } from './mutation.ts'
import { OUTSIDE_MUTATIONS } from './outside-mutations.ts'
import { SETTING_ASIDE } from './setting-aside.ts'
import { STATEMENT_MUTATIONS } from './statement-mutations.ts'
import { STORE_MUTATIONS } from './store-mutations.ts'

export const MUTATIONS: readonly Mutation[] = [
  // ------------------------------------------------------------------------------------------- disk
  {
    bug: 'a file born after the scan is taken for one that is gone, by inode, size and mtime',
    file: 'daemon/disk/departed.ts',
    find: 'born > 0n && born <= BigInt(seen.ctimeNs)',
    replace: 'born > 0n',
    caughtBy: [by('disk/departed', 'what was born later is another file')]
  },
  {
    bug: 'a renamed file is never read again',
    file: 'daemon/disk/departed.ts',
    find: '{ ...seen, ctimeNs: before.ctimeNs }',
    replace: 'seen',
    caughtBy: [by('contract/disk', 'real disk: an edit before the rename whose size and mtime betray nothing is found by the next scan')]
  },
  {
    bug: 'the old name of a moved file is unlinked without a look',
    file: 'daemon/disk/move.ts',
    find: 'await displaced.isHeldAt(op.path, stat)',
    replace: 'true',
    caughtBy: [by('disk/apply', 'a move: an atomic save over the old name once the new one is there comes back')]
  },
  {
    bug: 'what ended at both places of a directory that moved is taken for gone while it stands',
    file: 'daemon/folder/merge.ts',
    find: '(isStated && this.#living.has(twin))',
    replace: 'isStated',
    caughtBy: [by('folder/moving', 'R46: what the other device deletes at the new place right after it moved, before it was heard of here, stays deleted')]
  },
  {
    bug: 'a directory moves on the word of another device without a look at what is in it',
    file: 'daemon/disk/move-directory.ts',
    find: 'known === null ?',
    replace: 'true ?',
    caughtBy: [by('contract/disk', 'real disk: R46: a directory that holds anything else than what is known stays')]
  },
  {
    bug: 'a directory moves on the word of another device without a note for the next start',
    file: 'daemon/folder/moving.ts',
    find: 'await record(context, relocation);',
    replace: '',
    caughtBy: [by('folder/moving', 'R46: a kill once it has moved: the start moves it back, and takes nothing for the doing of the user')]
  },
  {
    bug: 'a directory moves on the word of a device that does not hold what is here',
    file: 'daemon/folder/settled-tree.ts',
    find: 'if (!statements.some((statement) => statement.device === device && isForetold(statement)))',
    replace: 'if (false)',
    caughtBy: [by('folder/moving', 'R46: a directory with something that the other device does not hold stays where it is')]
  },
  {
    bug: 'a directory that moved and was never stated stays where it is',
    file: 'daemon/folder/moving.ts',
    find: 'if (left > 0)',
    replace: 'if (false)',
    caughtBy: [by('folder/moving', 'R46: the directory has its new name before a path of it is stated; what is never stated goes back, and nothing is stated here')]
  },
  {
    bug: 'a scan takes a directory that moves on the word of another device for what the user did',
    file: 'daemon/folder/local.ts',
    find: 'moving.concerns(path) || aside',
    replace: 'aside',
    caughtBy: [by('folder/moving', 'R46: the directory has its new name before a path of it is stated; what is never stated goes back, and nothing is stated here')]
  },
  ...SETTING_ASIDE,
  {
    bug: 'staged data gets its name without an fsync',
    file: 'daemon/disk/prepare-node.ts',
    find: 'await fsync(fd);',
    replace: '',
    caughtBy: [by('disk/durability', 'invariant 2: a new file is synced before it gets its name, its directory after')]
  },
  {
    bug: 'what was synced when it was sealed counts as synced, whatever has become of it since',
    file: 'daemon/disk/prepare-node.ts',
    find: '&& sameSeen(seen, toSeen(stat))',
    replace: '',
    caughtBy: [by('disk/durability', 'invariant 2: it is synced anew where it gets other attributes, or something has happened to it since')]
  },
  {
    bug: 'a staged file loses the right to be read before it has been copied for all who want it',
    file: 'daemon/disk/stage.ts',
    find: 'likely !== null && (likely.mode & OWNER_MODE) === OWNER_MODE',
    replace: 'likely !== null',
    caughtBy: [by('disk/durability', 'what is staged can be read and written as long as it may be copied, whatever it will have')]
  },
  {
    bug: 'the directory of a changed name is not fsynced',
    file: 'daemon/disk/apply.ts',
    find: 'await syncDirectory(directory.fd)',
    replace: 'undefined',
    caughtBy: [by('disk/durability', 'invariant 2: the name of a new directory is synced'), by('disk/durability', 'invariant 2: what is removed is in a synced history by the end')]
  },
  {
    bug: 'what came out of an exchange is not looked at',
    file: 'daemon/disk/place.ts',
    find: 'if (!batch.isExpected(stat, op.expect, op.path))',
    replace: 'if (false)',
    caughtBy: [by('disk/apply', 'all that Linux has: a save in the instant before a file is replaced survives under a conflict name')]
  },
  {
    bug: 'what is removed is not looked at once it is out of the tree',
    file: 'daemon/disk/remove-leaf.ts',
    find: 'if (!batch.isExpected(stat, op.expect, op.path))',
    replace: 'if (false)',
    caughtBy: [by('disk/apply', 'R33: all that Linux has: a save in the instant before a file is removed stays')]
  },
  {
    bug: 'a file is changed though it is not what the index saw',
    file: 'daemon/disk/batch.ts',
    find: 'return sameSeen(seen, this.#openedExpect(path, expect))',
    replace: 'return true || sameSeen(seen, this.#openedExpect(path, expect))',
    caughtBy: [by('contract/disk', 'real disk: nothing is done to what changed since it was seen')]
  },
  {
    bug: 'a new file is renamed over whatever has its name by then',
    file: 'daemon/disk/atomic.ts',
    find: 'await link(at(area, prepared.name), at(parent, name))',
    replace: 'await rename(at(area, prepared.name), at(parent, name)); return { kind: "placed", out: null }',
    caughtBy: [by('disk/apply', 'links and exchange: a file made in the instant before a new one gets the name stays')]
  },
  {
    bug: 'what an apply displaces is deleted in place of moved to history',
    file: 'daemon/disk/displaced.ts',
    find: 'await moveToHistory(roots, swap, name, slot);',
    replace: 'await unlink(at(swap, name));',
    caughtBy: [by('contract/disk', 'real disk: a replaced file is kept in history with its bytes')]
  },
  {
    bug: 'an unreadable directory counts as empty',
    file: 'daemon/disk/listing.ts',
    find: 'await readNames(self(directory))',
    replace: 'await readNames(self(directory)).catch(() => [])',
    caughtBy: [by('disk/scan', 'a path that nobody may read is a problem, nothing below it is absent, and it heals')]
  },
  {
    bug: 'a root without its marker is taken as it is',
    file: 'daemon/disk/marker.ts',
    find: 'const wrong = judge(claim, marker);',
    replace: "if (marker === null) return { kind: 'ready', fd, stat: await fstat(fd), epoch: 0 }; const wrong = judge(claim, marker);",
    caughtBy: [by('contract/disk', 'real disk: a missing marker halts, and nothing is reported absent'), by('disk/open', "a root is ready, missing, a file, without marker, or another's")]
  },
  {
    bug: 'the walk to a path follows symlinks',
    file: 'daemon/disk/sys.ts',
    find: 'O_PATH | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW',
    replace: 'O_PATH | fs.constants.O_DIRECTORY',
    caughtBy: [by('contract/disk', 'real disk: nothing is done through a symbolic link')]
  },
  {
    bug: 'a file that is a symlink is read through',
    file: 'daemon/disk/sys.ts',
    find: 'fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW |',
    replace: 'fs.constants.O_RDONLY |',
    caughtBy: [by('contract/disk', 'real disk: no symbolic link is followed')]
  },
  {
    bug: 'ignored paths that are not there are reported as deleted',
    file: 'daemon/disk/scan.ts',
    find: 'if (row === null || this.#request.ignored(path, isDirectory))',
    replace: 'if (row === null)',
    caughtBy: [by('contract/disk', 'real disk: what is ignored is neither present nor absent')]
  },
  {
    bug: 'staging writes into a file that has a name in the tree as well',
    file: 'daemon/disk/stage.ts',
    find: 'stat.nlink === 1n &&',
    replace: '',
    caughtBy: [by('disk/apply', 'a staged file that also has a name in the tree is never written to')]
  },
  {
    bug: 'a file that changes while it is read is published as it was read',
    file: 'daemon/disk/stable-read.ts',
    find: 'sameStat(before, after) &&',
    replace: '',
    caughtBy: [by('disk/scan', 'a write behind the place that is being read is not taken for read')]
  },
  {
    bug: 'keys, records and used invites are renamed into place without an fsync (R42, R44)',
    file: 'base/durable-file.ts',
    find: 'fsyncSync(fd);',
    replace: '',
    caughtBy: [by('disk/durability', 'R42, R44: secrets are synced before they get their name, the directory after')]
  },
  {
    bug: 'an edit right after a file got its name is taken for what was applied',
    file: 'daemon/disk/batch.ts',
    find: 'ctimeNs: before.ctimeNs }, before) ? seen : before',
    replace: 'ctimeNs: before.ctimeNs }, before) ? seen : seen',
    caughtBy: [by('disk/apply', 'an edit right after a file got its name is seen by the next scan')]
  },
  // ------------------------------------------------------------------------------------------- merging
  {
    bug: 'the clock decides whether a content survives: one that is much older loses without a copy',
    file: 'daemon/sync/merge.ts',
    find: 'losers: losers.map(ownMerge)',
    replace: "losers: losers.filter(({ top }) => !('mtime' in top) || !('mtime' in merged) || BigInt(merged.mtime) - BigInt(top.mtime) < 10n ** 17n).map(ownMerge)",
    caughtBy: [by('sync/recount', 'clock: ten years off in either direction decide who keeps the name, never what survives')]
  },
  {
    bug: 'who knows one of two changes that made a content supersedes both',
    file: 'daemon/sync/merge.ts',
    find: 'coversAll(by.vv, rival.dots)',
    replace: 'rival.dots.some((dot) => covers(by.vv, dot))',
    caughtBy: [by('sync/merge', 'R4: equal content made twice and edited by one who knew only one of them is a conflict')]
  },
  {
    bug: 'the union of dots keeps those of the first version only',
    file: 'daemon/sync/version.ts',
    find: 'const sorted = sets.flat()',
    replace: 'const sorted = [...(sets[0] ?? [])]',
    caughtBy: [by('sync/merge', 'R2: dots keep of each writer the greatest, sorted')]
  },
  {
    bug: 'a clock goes into the name of a conflict copy',
    file: 'daemon/sync/conflict.ts',
    find: '[base, loser.kind, contentOf(loser)]',
    replace: '[base, loser.kind, contentOf(loser), loser.mtime]',
    caughtBy: [by('sync/conflict', 'R7: neither version, mode nor mtime goes in; path, kind and content do')]
  },
  {
    bug: 'a conflict copy claims to know what its writer did at the conflict path',
    file: 'daemon/sync/conflict.ts',
    find: 'return [copyWriter(writer), n]',
    replace: 'return [writer, n]',
    caughtBy: [by('sync/conflict', 'R6: a copy states the changes that made it under copy writers, and nothing else')]
  },
  {
    bug: 'the winner takes its place before the loser has its copy (R8)',
    file: 'daemon/sync/plan.ts',
    find: 'if (resolutions.has(copy))',
    replace: 'if (false)',
    caughtBy: [by('sync/plan', 'R8: our losing version is given the conflict name before the winner takes its place')]
  },
  {
    bug: 'a deletion of a directory takes along what lives below (R9)',
    file: 'daemon/sync/closure.ts',
    find: 'if (isLive(considered.merged))',
    replace: 'if (false)',
    caughtBy: [by('sync/reconcile', 'R9: what is live keeps the directories above it, with the vector of their deletion')]
  },
  {
    bug: 'after a rollback the old writer goes on with numbers that stand for other changes (R19)',
    file: 'daemon/sync/recount.ts',
    find: '<= cut.counter)',
    replace: '<= Infinity)',
    caughtBy: [by('sync/recount', 'R19: a change behind the common length gains a number of the new writer')]
  },
  {
    bug: 'a first file adopts a version that somebody has replaced since (R12)',
    file: 'daemon/sync/diff.ts',
    find: 'openVersions(remotes).filter(',
    replace: 'remotes.filter(',
    caughtBy: [by('sync/diff', 'R12: a version that somebody has replaced since is not adopted')]
  },
  {
    bug: 'the guard never holds a mass deletion',
    file: 'daemon/sync/safety.ts',
    find: 'lost >= minimum &&',
    replace: 'false &&',
    caughtBy: [by('sync/safety', 'R27: more than half and at least a thousand is held as a whole'), by('folder/guard', 'R27: more than the share is held at the source, the rest of the folder goes on')]
  },
  {
    bug: 'names that lead out of the folder are paths',
    file: 'daemon/sync/path.ts',
    find: "name === '..'",
    replace: 'false',
    caughtBy: [by('sync/path', 'whatever could leave the folder, alias or break is none')]
  },
  // ------------------------------------------------------------------------------------------- the cycle
  {
    bug: 'the index is written before the drive',
    file: 'daemon/folder/commit.ts',
    find: 'const published = await own.publish(',
    replace: 'const early = index.batch(); for (const change of changes) early.putRow(change.path, change.row); await early.flush(); const published = await own.publish(',
    caughtBy: [by('sim/kills', 'a kill at each of 220 steps of A restarts into the same result')]
  },
  {
    bug: 'a chunk that is not what was asked for is written to staging',
    file: 'daemon/folder/fetch-small.ts',
    find: 'chunkId(data) !== job.chunk?.id ||',
    replace: '',
    caughtBy: [by('sim/regressions', 'a device that answers with other bytes harms nobody')]
  },
  {
    bug: 'history expires though neither its age nor its size asks for it',
    file: 'daemon/folder/retention.ts',
    find: 'left <= maxBytes',
    replace: 'left <= maxBytes / 2',
    caughtBy: [by('folder/history', 'retention: what must go')]
  },
  {
    bug: 'a clock that leaps ends all history at once',
    file: 'daemon/folder/calendar.ts',
    find: 'at >= leap.at',
    replace: 'true',
    caughtBy: [by('folder/history', 'the age of an old version: what a clock skips is none, until the new time has lasted as long; what comes then ages as ever')]
  },
  {
    bug: 'index and files of two times are taken for one (R18)',
    file: 'daemon/folder/epoch.ts',
    find: 'marker > index ?',
    replace: 'marker < index ?',
    caughtBy: [by('folder/epoch', 'R18: a folder from before any raise is older, an index from before it too')]
  },
  {
    bug: 'an index or files that were put back are not noticed (R18)',
    file: 'daemon/folder/recover.ts',
    find: "if (verdict === 'same')",
    replace: 'if (true)',
    caughtBy: [by('sim/travel', 'R17, R18, R19: files put back, edits on both sides, then they meet')]
  },
  {
    bug: 'a device that was put back behind two new drives goes on with numbers that stand for other changes (R19)',
    file: 'daemon/sync/starts.ts',
    find: 'starts.slice(common + 1)',
    replace: 'starts.slice(starts.length)',
    caughtBy: [by('sim/travel', 'R19: a machine put back behind 2 new drives, its log held by nobody; running on: what it went on with is no older version of what the others have')]
  },
  {
    bug: 'what was learned from the records of drives that are not known is forgotten by a crash (R19)',
    file: 'daemon/own-drives.ts',
    find: '...this.#cuts(folder)',
    replace: '',
    caughtBy: [by('daemon/own-drives', 'R19: a device that was put back behind two new drives learns from their records what of its own to renumber')]
  },
  {
    bug: 'after a fork changes keep the numbers that stand for others elsewhere (R19)',
    file: 'daemon/folder/move.ts',
    find: 'cuts.reduce((known, cut) => recount(known, cut, take), entry)',
    replace: 'entry',
    caughtBy: [by('sim/travel', 'R19: a machine put back behind 0 new drives, its log held by nobody; running on: what it went on with is no older version of what the others have')]
  },
  {
    bug: 'files that are missing after a backup was put back count as deleted (R18)',
    file: 'daemon/folder/doubt.ts',
    find: 'batch.delRow(path);',
    replace: "batch.putRow(path, { entry: { kind: 'tombstone', vv: { ...row.entry.vv, [context.ports.own.writer]: 1 }, dots: [[context.ports.own.writer, 1]] }, seen: null });",
    caughtBy: [by('sim/restored', 'R18: a kill at any moment after files were put back from a backup: what is missing comes back')]
  },
  {
    bug: 'after a crash nothing tells of a path whose row was given up',
    file: 'daemon/folder/doubt.ts',
    find: 'batch.setDivergent(device, path, true);',
    replace: '',
    caughtBy: [by('sim/restored', 'R18: a kill at any moment after files were put back from a backup: what is missing comes back')]
  },
  {
    bug: 'a newly ignored path is published as deleted (R31)',
    file: 'daemon/folder/apply-rules.ts',
    find: 'entry: null,',
    replace: "entry: { kind: 'tombstone', vv: row.entry.vv, dots: row.entry.dots },",
    caughtBy: [by('folder/rules', 'R31: what becomes ignored leaves the drive without a tombstone, and stays on every disk')]
  },
  {
    bug: 'a clock that is set back keeps changes from being seen',
    file: 'daemon/folder.ts',
    find: 'Math.min(this.#notBefore - this.#options.clock.now(),',
    replace: 'Math.max(this.#notBefore - this.#options.clock.now(),',
    caughtBy: [by('sim/regressions', 'a clock that is set back does not keep a change from being seen')]
  },
  {
    bug: 'what the user approved is published as any deletion, and held again elsewhere (R28)',
    file: 'daemon/folder/local.ts',
    find: '{ ...decided, approved: true }',
    replace: 'decided',
    caughtBy: [by('folder/guard', 'R28: approve publishes what waits, flagged so that a receiver does not hold it')]
  },
  {
    bug: 'a start does not replay what the drive states beyond the index',
    file: 'daemon/folder/recover.ts',
    find: 'own.length > checkpoint.length ||',
    replace: '',
    caughtBy: [by('sim/kills', 'a kill at each of 220 steps of A restarts into the same result')]
  },
  {
    bug: 'a drive whose reading has stopped is not read on',
    file: 'daemon/folder/pull-room.ts',
    find: 'this.#waits > this.#limit / 2',
    replace: 'true',
    caughtBy: [by('folder/pull', 'no more statements are read while many bytes are on their way, and all of them in the end')]
  },
  {
    bug: 'all files that moved are held until a scan is over',
    file: 'daemon/folder/local.ts',
    find: 'gone.moved.length >= context.movedAtOnce',
    replace: 'false',
    caughtBy: [by('folder/guard', 'R27: files that moved are stated before a scan is over, in pairs')]
  },
  {
    bug: 'new files of which a scan keeps only the paths are not looked at again',
    file: 'daemon/disk/scan.ts',
    find: 'of newcomers.more()',
    replace: 'of []',
    caughtBy: [by('disk/scan', 'new files of which a scan keeps only the paths, or nothing, are told like any other')]
  },
  {
    bug: 'a row that speaks of another file by now tells where a file came from',
    file: 'daemon/disk/departed.ts',
    find: 'before.ino !== ino ||',
    replace: '',
    caughtBy: [by('disk/departed', 'of many files that are gone only the paths are kept, and each is found all the same')]
  },
  // ------------------------------------------------------------------------------------------- drive, index
  {
    bug: 'a row that is ignored is one that was just seen, to a scan',
    file: 'daemon/index/codec.ts',
    find: 'bytes[1] !== 1 || bytes[2] !== 0',
    replace: 'bytes[2] !== 0',
    caughtBy: [by('index/codec', 'a row as a scan reads it says the same as the whole row')]
  },
  {
    bug: 'peers are told of an append before it is on disk (R16)',
    file: 'daemon/drive/store.ts',
    find: 'if (appends && flushed &&',
    replace: 'if (false &&',
    caughtBy: [by('drive/store', 'R16: an append is on disk before it is told')]
  },
  {
    bug: 'tombstones are not written to the drive',
    file: 'daemon/drive/own.ts',
    find: 'await put(batch, encodeKey(keyspace, path), value);',
    replace: "if (entry.kind !== 'tombstone') await put(batch, encodeKey(keyspace, path), value);",
    caughtBy: [by('contract/drives', 'real drives: a reader sees every statement as it was made')]
  },
  {
    bug: 'names are not validated when they are read from a drive',
    file: 'daemon/drive/drive-path.ts',
    find: 'const path = parsePath(name.slice(1)',
    replace: 'const path = ((text) => text)(name.slice(1)',
    caughtBy: [by('drive/remote', 'names and entries that must not be are problems, all others come')]
  },
  // ------------------------------------------------------------------------------------------- group, network
  {
    bug: 'a device that is no member is heard',
    file: 'daemon/net/group.ts',
    find: 'return this.#ledger.state.members.has(device)',
    replace: 'return true',
    caughtBy: [by('net/hostile', 'invariant 7: a stranger gets no connection, not one byte, and no ban grows from it')]
  },
  {
    bug: 'a removed key is a member again as soon as somebody adds it (R20)',
    file: 'daemon/net/derive.ts',
    find: 'reached.has(device) && !removals.has(device)',
    replace: 'reached.has(device)',
    caughtBy: [by('net/records', 'R20: a removed key is dead for ever')]
  },
  {
    bug: 'an invite works twice',
    file: 'daemon/net/pairing.ts',
    find: 'this.#invites.markUsed(hex, newcomer.device);',
    replace: '',
    caughtBy: [by('net/pairing', 'pairing: a code works once')]
  },
  // ------------------------------------------------------------------------------------------- found by attacking real daemons
  {
    bug: 'a root that cannot be listed is a problem of one path',
    file: 'daemon/disk/scan.ts',
    find: 'else if (path === ROOT)',
    replace: 'else if (false)',
    caughtBy: [by('disk/scan', 'a root whose names cannot be read halts the folder until they can be, though its marker is there')]
  },
  {
    bug: 'what nobody could give is asked for again only if something else happens',
    file: 'daemon/folder/retries.ts',
    find: 'const due = failing + context.fetcher.open',
    replace: 'const due = failing + context.fetcher.unavailable',
    caughtBy: [by('folder/retries', 'a content that nobody could give for a while is asked for again, though nothing else happens')]
  },
  {
    bug: 'a directory that is made is not synced where it has its name (R42)',
    file: 'base/durable-file.ts',
    find: 'syncIfReadable(above);',
    replace: '',
    caughtBy: [by('disk/durability', 'R42, R44: secrets are synced before they get their name, the directory after')]
  },
  {
    bug: 'what a crash left in history and unlisted stays so',
    file: 'daemon/folder/recover.ts',
    find: 'await listUnlisted(context,',
    replace: 'await (async () => 0)(context,',
    caughtBy: [by('folder/unstated', 'a kill between the deletions and their statements: what is in history is listed, by its path and as what it was')]
  },
  {
    bug: 'the checker does not look for what is in history and not listed',
    file: 'daemon/folder/check-places.ts',
    find: 'for (const [i, name] of unlisted.entries())',
    replace: 'for (const [i, name] of [].entries())',
    caughtBy: [by('folder/check', 'check: what is in history and not listed is listed; what nobody knows stays and is told')]
  },
  {
    bug: 'where it stood is written down of no file that a sync displaces',
    file: 'daemon/disk/apply.ts',
    find: 'await batch.reserve(ops);',
    replace: '',
    caughtBy: [by('contract/disk', 'real disk: of what was displaced it is known where it stood, when it left and why, until it is gone'), by('disk/durability', 'invariant 2: what is removed is in a synced history by the end')]
  },
  {
    bug: 'what is deleted in one moment is never stated',
    file: 'daemon/folder/unstated.ts',
    find: 'await keepRows(context, changes, new Set(await commit(context, changes)))',
    replace: '',
    caughtBy: [by('folder/unstated', 'a kill between the deletions and their statements: what is in history is listed, by its path and as what it was')]
  },
  {
    bug: 'what is deleted on disk and not stated yet counts once more as a deletion that comes in',
    file: 'daemon/folder/pull.ts',
    find: 'context.unstated.row(change.path) ?? stated',
    replace: 'stated',
    caughtBy: [by('folder/unstated', 'R27: what is deleted here already and not stated yet is no deletion that comes in')]
  },
  {
    bug: 'sync calls all equal before a device that came to the folder a moment ago is heard',
    file: 'daemon/folder/settle.ts',
    find: "silentPeers(peers).some((device) => asked.get(device)?.state !== 'absent')",
    replace: 'false',
    caughtBy: [by('folder/settle', 'R38: a connected device that has not spoken of the folder is asked before all are called equal')]
  },
  {
    bug: 'half a copy of ours is kept as if it were bytes of the user',
    file: 'daemon/disk/recover.ts',
    find: "swapped?.kind === 'draft'",
    replace: 'false',
    caughtBy: [by('disk/recover', 'a copy of ours that was cut short is no history')]
  },
  {
    bug: 'notes of history that are made at once are written over each other',
    file: 'daemon/disk/history-notes.ts',
    find: 'fs.constants.O_APPEND | ',
    replace: '',
    caughtBy: [by('disk/history-notes', 'notes that are asked for at once are all written down')]
  },
  {
    bug: 'what a thread could not look at is taken for something of all zeros',
    file: 'daemon/disk/listing.ts',
    find: 'if (error === undefined)',
    replace: 'if (true)',
    caughtBy: [by('disk/listing', 'what the thread cannot look at is a problem, and never absent')]
  },
  {
    bug: 'a file that was written and given its old mtime counts as what was seen',
    file: 'daemon/index/codec.ts',
    find: 'bytes.readBigInt64LE(timesAt + 8) === ctimeNs',
    replace: 'true',
    caughtBy: [by('index/codec', 'a row says whether a file is what was seen, by each of its numbers')]
  },
  {
    bug: 'the guard counts only the last of what is gone little by little',
    file: 'daemon/folder/guard.ts',
    find: 'this.#incoming.size + deletions',
    replace: 'deletions',
    caughtBy: [by('folder/guard', 'R27: where to count is enough, nothing would have to wait')]
  },
  {
    bug: 'a priority that the user chose is replaced by that of a daemon',
    file: 'daemon/low-priority.ts',
    find: 'getPriority() !== USUAL',
    replace: 'false',
    caughtBy: [by('daemon/low-priority', 'a priority that its user chose is left')]
  },
  {
    bug: 'what moved is stated apart from its end at the old place',
    file: 'daemon/folder/commit.ts',
    find: 'changes.every(({ before }) => before === null)',
    replace: 'true',
    caughtBy: [by('folder/commit', 'new files are stated some hundred at once, what moved all together')]
  },
  {
    bug: 'what is not ignored any more is due only until the next start',
    file: 'daemon/folder/apply-rules.ts',
    find: 'compareWithDevice(context, batch,',
    replace: 'compareWithDevice(context, null,',
    caughtBy: [by('sim/regressions', 'what was ignored when it was stated comes after a crash behind the change of the rules')]
  },
  ...DRIVE_MUTATIONS,
  ...FAR_MUTATIONS,
  ...FETCH_MUTATIONS,
  ...KEEPING_MUTATIONS,
  ...MEMBER_MUTATIONS,
  ...OUTSIDE_MUTATIONS,
  ...STATEMENT_MUTATIONS,
  ...STORE_MUTATIONS
]

/** Planted bugs in what meets the outside: file systems that are not like ours, and devices that mean harm. */
import { by, type Mutation } from './mutation.ts'

export const OUTSIDE_MUTATIONS: readonly Mutation[] = [
  {
    bug: 'what a start could not put right waits for the next',
    file: 'daemon/disk/recover.ts',
    find: 'if (!(await recoverSwap(parts, half)))',
    replace: 'await recoverSwap(parts, half); if (false)',
    caughtBy: [by('disk/history-directory', 'a directory that a start cannot bring from staging into the tree is tried again while it runs')]
  },
  {
    bug: 'p2psync ignore reads what a symlink of another device leads to',
    file: 'daemon/handlers/paths.ts',
    find: 'constants.O_RDONLY | constants.O_NOFOLLOW',
    replace: 'constants.O_RDONLY',
    caughtBy: [by('e2e/bad-input', 'a symlink in the place of .p2psyncignore, which another device may have put there, leads nowhere')]
  },
  {
    bug: 'a member says goodbye for ever',
    file: 'daemon/net/control.ts',
    find: 'if (this.#hasParted)',
    replace: 'if (false)',
    caughtBy: [by('net/evil-memory', 'goodbye is said once, and of little')]
  },
  {
    bug: 'messages of a member that wait are as large as it likes',
    file: 'daemon/net/control.ts',
    find: '|| this.#queuedBytes > MAX_QUEUED_BYTES',
    replace: '',
    caughtBy: [by('net/evil-memory', 'messages that come faster than they are handled are few, in bytes too')]
  },
  {
    bug: 'a record without a signature is taken in',
    file: 'daemon/net/protocol.ts',
    find: 'if (given.length !== SIGNATURE_BYTES)',
    replace: 'if (false)',
    caughtBy: [by('net/evil-memory', 'a record without a whole signature ends the connection')]
  },
  {
    bug: 'each change is told to the others before it is looked at',
    file: 'daemon/folder/reporter.ts',
    find: 'report.dirty && plain(atRest(report)) === this.#sentPlain',
    replace: 'false',
    caughtBy: [by('folder/reporter', 'a change that is looked at and stated within a moment is told once it is stated')]
  },
  {
    bug: 'a file system that leaves out the flags of an exchange is believed to have one',
    file: 'daemon/disk/atomic.ts',
    find: '&& (await lstatOrNull(a)) !== null',
    replace: '',
    caughtBy: [by('disk/capabilities', 'invariant 1: where the flag of an exchange is left out nothing is overwritten')]
  },
  {
    bug: 'a name is believed to be free that another program may have given meanwhile',
    file: 'daemon/disk/atomic.ts',
    find: 'HERE.has((await statfs(self(swap))).type)',
    replace: 'true',
    caughtBy: [by('disk/capabilities', 'invariant 1: where another program gives the names nothing is overwritten')]
  },
  {
    bug: 'a directory that a failing disk left in history stays there until the next start',
    file: 'daemon/disk/recover.ts',
    find: "await recoverDirectories(parts, half, 'all')",
    replace: 'true',
    caughtBy: [by('disk/history-directory', 'invariant 1: a directory that took the place of a file in the last instant goes back, and where that fails too, later')]
  },
  {
    bug: 'a directory in history that has no place keeps the others there',
    file: 'daemon/disk/return-directories.ts',
    find: 'all = false;',
    replace: 'throw error;',
    caughtBy: [by('disk/history-directory', 'a directory in history that has no place yet keeps none of the others')]
  },
  {
    bug: 'more calls are made at once than koffi has room for',
    file: 'base/native.ts',
    find: 'await room.enter();',
    replace: '',
    caughtBy: [by('base/native', 'of a system call hundreds are made at once, and each tells its own error')]
  },
  {
    bug: 'an empty file of the user is taken for one of ours after a crash',
    file: 'daemon/disk/recover.ts',
    find: '&& !noted.isOf(there)',
    replace: '',
    caughtBy: [by('disk/taken-name', 'a file that is empty itself keeps its name, known by its time, where a crash came right after the exchange for one of ours')]
  },
  {
    bug: 'a directory that a crash left in history stays there',
    file: 'daemon/disk/recover.ts',
    find: 'await recoverDirectories(parts, half, hours);',
    replace: '',
    caughtBy: [by('disk/history-directory', 'invariant 1: such a directory is back after a crash')]
  },
  {
    bug: 'nobody hears of a directory that an earlier hour of history has',
    file: 'daemon/disk/disk.ts',
    find: 'if (hasDirectories)',
    replace: 'if (false)',
    caughtBy: [by('disk/history-directory', 'a directory in history that an older daemon left is found by retention and by doctor')]
  },
  {
    bug: 'what somebody wrote into a file that is taken back is taken for the content that was staged',
    file: 'daemon/disk/place.ts',
    find: '|| !sameButCtime(toSeen(taken), toSeen(prepared.stat))',
    replace: '',
    caughtBy: [by('disk/taken-name', 'invariant 3: what somebody writes into a new file that is taken back stands beside it')]
  },
  {
    bug: 'a file that had a name in the tree is verified content again',
    file: 'daemon/disk/place.ts',
    find: "if (prepared.kind === 'file')\n        await batch.retire",
    replace: 'if (false)\n        await batch.retire',
    caughtBy: [by('disk/taken-name', 'invariant 1: a new file that is taken back is in history, where what somebody writes who has it open is found')]
  },
  {
    bug: 'an empty file of ours keeps what was set aside from its name',
    file: 'daemon/disk/recover.ts',
    find: 'await recoverHolds(parts, half);',
    replace: '',
    caughtBy: [by('disk/taken-name', 'R48: an empty file of ours that held a name when a crash came makes way for what was set aside')]
  },
  {
    bug: 'nobody hears of an empty file of ours that holds a name',
    file: 'daemon/disk/atomic.ts',
    find: 'this.#onFailure();\n                throw error',
    replace: 'throw error',
    caughtBy: [by('disk/taken-name', 'an empty file of ours that holds a name after a failed exchange is told, and goes once it is put right')]
  },
  {
    bug: 'what somebody saved while a name was held is left beside the tree',
    file: 'daemon/disk/put-back.ts',
    find: 'if (moved.out !== null)',
    replace: 'if (false)',
    caughtBy: [by('disk/taken-name', 'R48: what somebody saves at a name while an empty file of ours holds it stands beside what goes back')]
  },
  {
    bug: 'a file system that tells of no size keeps no history',
    file: 'daemon/folder/retention.ts',
    find: 'fileSystemBytes > 0 ?',
    replace: 'true ?',
    caughtBy: [by('folder/history', 'retention: a file system that tells of no size ends nothing by size')]
  },
  {
    bug: 'keys that a newer version wrote are called damaged',
    file: 'daemon/net/secrets.ts',
    find: 'format > FORMAT',
    replace: 'false && format > FORMAT',
    caughtBy: [by('net/group', 'a group file that a newer version wrote says so: nobody is sent to move a good key away')]
  },
  {
    bug: 'a log is read by the number of its blocks, however large they are',
    file: 'daemon/drive/history.ts',
    find: 'await endWithin(core, start, Math.min(to, start + READ_BLOCKS))',
    replace: 'Math.min(to, start + READ_BLOCKS)',
    caughtBy: [by('drive/history', 'blocks as large as they can be are read a few at once')]
  },
  {
    bug: 'a device that holds back what it offers is asked anew on each connection',
    file: 'daemon/net/runs.ts',
    find: 'new Map(this.#late.get(link.device)), late: new Map()',
    replace: 'new Map(), late: new Map()',
    caughtBy: [by('net/run-sources', 'runs: a device that was late with what it offered is not asked for that again on its next connection')]
  },
  {
    bug: 'a drive is whose record says so, whoever signed for it',
    file: 'daemon/net/records.ts',
    find: 'record.owner !== null && !isOwner(',
    replace: 'record.owner !== null && false && !isOwner(',
    caughtBy: [by('net/evil-group', 'R23: a member that says the drive of another device is its own, with the proof of the device whose it is, changes nothing')]
  },
  {
    bug: 'a drive is whose record says so, though nothing was signed for it',
    file: 'daemon/net/derive.ts',
    find: 'owner !== null && !rows.has(driveKey)',
    replace: '!rows.has(driveKey)',
    caughtBy: [by('net/evil-group', 'R23: a member that says the drive of another device is its own, without a proof, changes nothing')]
  },
  {
    bug: 'what a reading of a directory left out is taken for gone',
    file: 'daemon/disk/scan.ts',
    find: 'listing: await withUnlisted(directory, path, listing, rows, this.#fold)',
    replace: 'listing',
    caughtBy: [by('disk/unlisted', 'a name that a reading of its directory did not show, and that stands there, is not absent')]
  },
  {
    bug: 'what was read within a second of coarse times is sure at once',
    file: 'daemon/disk/scan.ts',
    find: 'const isSure = !mayHideEdit(read.stat, Date.now());',
    replace: 'const isSure = true || mayHideEdit(read.stat, Date.now());',
    caughtBy: [by('disk/coarse-times', 'an edit of the same size within the second in which the file was read')]
  },
  {
    bug: 'a path that changed while it was read waits for no timer if one runs already',
    file: 'daemon/folder/unread.ts',
    find: 'this.#paths.add(path)',
    replace: '(this.#notices.isPlanned(this.#later.name) || this.#paths.add(path))',
    caughtBy: [by('folder/unstable', 'a file that changed while it was read is looked at again, also while another one is waited for')]
  },
  {
    bug: 'inode numbers are believed on every file system',
    file: 'daemon/disk/scan.ts',
    find: 'isNew && this.#lasting ?',
    replace: 'isNew ?',
    caughtBy: [by('disk/departed', 'where the numbers of files do not last none is taken for another of its size and time')]
  },
  {
    bug: 'a scan that the root left, and came back to, is over',
    file: 'daemon/folder.ts',
    find: 'await scanAndPublish(context, scan, this.#reading.signal);',
    replace: 'await scanAndPublish(context, scan, this.#reading.signal).catch((error) => { if (error.code !== "FOLDER_HALTED") throw error; return { unstable: [] }; });',
    caughtBy: [by('folder/broken-scan', 'an edit is found though the root was not there while it was looked at, and is back before anybody asks')]
  },
  {
    bug: 'what is written while attributes are set counts as seen',
    file: 'daemon/disk/attributes.ts',
    find: 'return isWritten ?',
    replace: 'return isWritten && false ?',
    caughtBy: [by('disk/attributes-race', 'an edit of another size, a new mode, within the setting of attributes is found by the next scan')]
  },
  {
    bug: 'times of any size are kept',
    file: 'daemon/disk/seen.ts',
    find: 'if (timeNs > LAST_TIME)\n        return LAST_TIME;',
    replace: '',
    caughtBy: [by('disk/far-stat', 'a row of a file with a far time and a high inode number can be written, read, and is the file that was seen')]
  },
  {
    bug: 'a rule may be tried in any number of ways',
    file: 'daemon/sync/ignore.ts',
    find: 'return starsFault(pattern) ??',
    replace: 'return null ??',
    caughtBy: [by('sync/evil-ignore', 'a rule with two ** and a name with four * are held against paths; one with more ignores nothing, and the next line counts')]
  },
  {
    bug: 'a stranger on the TCP port says how much memory it gets',
    file: 'daemon/net/bulk.ts',
    find: 'first.readUIntLE(0, 3) > MAX_FIRST_FRAME_BYTES',
    replace: 'false',
    caughtBy: [by('net/evil-memory', 'a stranger that sends a long first frame over TCP is not given memory for it')]
  },
  {
    bug: 'a key that a removed device made stays in use',
    file: 'daemon/net/derive.ts',
    find: '[...choice.receivers, ...choice.authors]',
    replace: '[...choice.receivers]',
    caughtBy: [by('net/evil-group', 'R22: a key that nobody can open, sealed by the removed device to everybody but itself, does not keep the old key in use')]
  },
  {
    bug: 'a new key has a number that nobody takes',
    file: 'daemon/net/keyring.ts',
    find: 'Math.min((all[0]?.generation ?? 0) + 1, MAX_COUNTER)',
    replace: '(all[0]?.generation ?? 0) + 1',
    caughtBy: [by('net/evil-group', 'a member that took the last generation of a group secret is removed, and the others start again and agree')]
  },
  {
    bug: 'a new drive goes on from a number that another device made up',
    file: 'daemon/folder/move.ts',
    find: 'n > highest && n - counter < MAX_TAKEN',
    replace: 'n > highest',
    caughtBy: [by('folder/evil', 'a number of our own writer that another device made up is none that we go on from in a new drive')]
  },
  {
    bug: 'a member halts a device by the bare word that its key lives twice',
    file: 'daemon/net/swarm.ts',
    find: 'if (!isDoubted)',
    replace: 'this.#clonedListeners.tell(this.group.self.id); if (!isDoubted)',
    caughtBy: [by('net/evil-sessions', 'R30: a member that only says that this device is cloned halts nobody, and goes on')]
  },
  {
    bug: 'whoever sends a first message of this device again halts it as a clone',
    file: 'daemon/net/swarm.ts',
    find: 'return !this.#hears(key) || ofSwarm(key, payload, address)',
    replace: 'if (key.equals(this.group.self.keyPair.publicKey)) this.#clonedListeners.tell(this.group.self.id); return !this.#hears(key) || ofSwarm(key, payload, address)',
    caughtBy: [by('net/hostile', 'R30: a first message with our own key, which may be one that was sent before, halts nobody')]
  },
  {
    bug: 'what a device signed of its own session counts as the word of another one',
    file: 'daemon/net/sessions.ts',
    find: 'session !== other && verify(',
    replace: 'verify(',
    caughtBy: [by('net/evil-sessions', 'R30: what a member signed itself, or what this device said of its own session, shows nothing and ends the connection')]
  },
  {
    bug: 'what was signed for a session counts for any',
    file: 'daemon/net/sessions.ts',
    find: "Buffer.from(session, 'hex'), Buffer.from(other, 'hex')]",
    replace: "Buffer.from(session, 'hex')]",
    caughtBy: [by('net/evil-sessions', 'R30: what a member signed itself, or what this device said of its own session, shows nothing and ends the connection')]
  },
  {
    bug: 'a run that comes by drops holds its drive for two minutes',
    file: 'daemon/net/run-lane.ts',
    find: 'pending.bytes - before < RUN_PACE_BYTES',
    replace: 'pending.bytes < before',
    caughtBy: [by('net/run-pace', 'runs: a run of which 100 bytes come in each message, just in time, is late within 10000 ms')]
  },
  {
    bug: 'a member stops a device for seconds with one set of records',
    file: 'daemon/net/verify-many.ts',
    find: 'if (start > 0)',
    replace: 'if (start < 0)',
    caughtBy: [by('net/evil-group', 'a member that states records without end stops nothing else: they are verified a few at a time')]
  },
  {
    bug: 'what stands in the query of a POST is ignored',
    file: 'rpc/rest.ts',
    find: "if (route.verb !== 'get')\n        refuseUnknown(",
    replace: "if (route.verb !== 'get' && false)\n        refuseUnknown(",
    caughtBy: [by('rpc/server', 'REST refuses with the status of the code and a sentence')]
  },
  {
    bug: 'a version of one letter is looked for',
    file: 'rpc/schema.ts',
    find: '/^.{4,64}$/',
    replace: '/^.{1,64}$/',
    caughtBy: [by('rpc/server', 'wrong parameters get 4xx and a sentence: folders.restore {"path":"/x","version":"a"}')]
  },
  {
    bug: 'an escaped star counts as one',
    file: 'daemon/sync/ignore.ts',
    find: ".replace(/\\\\./gs, '_')",
    replace: '',
    caughtBy: [by('sync/evil-ignore', 'why a line ignores nothing is told; what is escaped is no star')]
  },
  {
    bug: 'a start that takes long is given up though the daemon is at work',
    file: 'cli/start-daemon.ts',
    find: 'awaited = awaited === null ? atWork(context, start, ended !== null) : null;',
    replace: 'awaited = null;',
    caughtBy: [by('cli/start', 'a start that takes long is waited for, and that is said once; a second command waits with it')]
  },
  {
    bug: 'sync waits for a folder that is paused here',
    file: 'daemon/handlers/sync.ts',
    find: 'isPaused(host) ? PAUSED : await',
    replace: 'await',
    caughtBy: [by('daemon/sync-handler', 'a folder that is paused here is not waited for; who is connected is not absent')]
  },
  {
    bug: 'an add that is refused leaves the directory that it made',
    file: 'daemon/handlers/folders.ts',
    find: 'await refuseBeforeMaking(daemon, params);',
    replace: '',
    caughtBy: [by('e2e/bad-input', 'a folder inside another, or around one, is refused')]
  },
  {
    bug: 'what a special file, or an ignored thing, took the place of is kept by the other devices',
    file: 'daemon/disk/scan.ts',
    find: 'isOnDisk(row) ? this.#absent(path, row) : undefined',
    replace: 'undefined',
    caughtBy: [by('contract/disk', 'real disk: what a special file took the place of is gone'), by('contract/disk', 'real disk: what an ignored thing of another kind took the place of is gone')]
  },
  {
    bug: 'what is told of a special file ends with what it took the place of',
    file: 'daemon/folder/context.ts',
    find: "if (!isGone || problems.get(path)?.code !== 'special-file')",
    replace: '',
    caughtBy: [by('folder/special', 'what a FIFO took the place of ends on the other devices, and is in their history')]
  },
  {
    bug: 'a device of another version is connected, and nothing says why it has nothing',
    file: 'daemon/net/control.ts',
    find: 'this.#options.events.onOtherVersion()',
    replace: 'undefined',
    caughtBy: [by('net/hostile', 'a member that breaks the protocol loses its connection, and the daemon lives')]
  },
  {
    bug: 'a disk that does not answer is asked again and again, a thread of the pool each time',
    file: 'daemon/disk/far-lane.ts',
    find: 'if (this.#isSilent)',
    replace: 'if (false)',
    caughtBy: [by('disk/far', 'no answer: it is told, nobody asks again until that one has come, and what came too late is given back')]
  },
  {
    bug: 'calls of a folder on a network take all threads of the pool',
    file: 'daemon/disk/far-lane.ts',
    find: 'this.#running >= AT_ONCE',
    replace: 'false',
    caughtBy: [by('disk/far', 'four calls at once, and those that wait come in turn')]
  },
  {
    bug: 'a mode is taken for a descriptor of a folder on a network, behind whose calls it then waits',
    file: 'daemon/disk/far.ts',
    find: "typeof path !== 'string'",
    replace: "typeof path !== 'string' && typeof path !== 'number'",
    caughtBy: [by('disk/far', 'calls find their lane by path and by descriptor, until it is closed; a mode is no descriptor')]
  },
  {
    bug: 'a path through a symlink to a network counts as one of this machine',
    file: 'daemon/disk/far.ts',
    find: 'mounts.some(({ point }) => point === next) ? null : target(next)',
    replace: 'null',
    caughtBy: [by('disk/far', 'a path that leads to a file system which is no disk of this machine, also by symlinks; nothing is asked of that one')]
  },
  {
    bug: 'of a folder on a network the watch of a directory that is gone stays',
    file: 'daemon/disk/watch.ts',
    find: 'this.#far?.forget(this.#absolute(directory))',
    replace: 'undefined',
    caughtBy: [by('disk/far-watch', 'a directory that left the folder is not watched any more')]
  },
  {
    bug: 'attributes of a file are set although somebody wrote to it meanwhile',
    file: 'daemon/disk/attributes.ts',
    find: 'const now = fs.fstatSync(fd, { bigint: true });',
    replace: 'const now = fs.fstatSync(fd, { bigint: true }); before = now;',
    caughtBy: [by('disk/attributes-race', 'what was written before the look at the open file keeps its attributes, at once')]
  },
  {
    bug: 'status waits for the history of a disk that does not answer, each time anew',
    file: 'daemon/handlers/sizes.ts',
    find: 'size.walking === null || size.isLate',
    replace: 'size.walking === null',
    caughtBy: [by('daemon/sizes', 'what was last known is told while a walk does not come back; it is not begun twice, and what it finds is told')]
  },
  {
    bug: 'a network file system that is slow, with many calls before ours, counts as one that does not answer',
    file: 'daemon/disk/far-lane.ts',
    find: 'Math.max(begun, this.#sign)',
    replace: 'begun',
    caughtBy: [by('disk/far', 'calls that are slow, and one that waits behind them, are no silence')]
  },
  {
    bug: 'another mount waits for the calls of the one that hung in its place',
    file: 'daemon/disk/far.ts',
    find: 'known.mount === mount?.id',
    replace: 'true',
    caughtBy: [by('disk/far', 'another mount in the place of one that hangs has its own calls')]
  },
  {
    bug: 'a folder is opened again on a disk on which calls of before are still under way',
    file: 'daemon/disk/far-lane.ts',
    find: 'return this.#isCut && !this.isBusy',
    replace: 'return this.#isCut',
    caughtBy: [by('disk/far', 'calls that are given up fail, and nothing is asked before all of them have come back')]
  },
  {
    bug: 'what failed half-way is left beside the tree until the next start',
    file: 'daemon/disk/apply.ts',
    find: 'batch.parts.onFailure?.(leavingOf(op))',
    replace: 'undefined',
    caughtBy: [by('disk/recover', 'what an operation that failed half-way left is put right while it runs, by its path')]
  },
  {
    bug: 'what could not be put right is forgotten',
    file: 'daemon/disk/disk.ts',
    find: 'if (result.all)',
    replace: 'if (true)',
    caughtBy: [by('disk/recover', 'what an operation that failed half-way left is put right while it runs, by its path')]
  },
  {
    bug: 'a folder on a disk of this machine fails with the one above it, whose disk did not answer',
    file: 'daemon/disk/far.ts',
    find: ', ...this.#near]',
    replace: ']',
    caughtBy: [by('disk/far', 'a folder on a disk of this machine below one that was given up is asked, and another mount in its place is not, as long as calls of before may come')]
  },
  {
    bug: 'a new mount is used while a call that was given up may still come by the old one',
    file: 'daemon/disk/far.ts',
    find: '|| known.lane.isCut',
    replace: '',
    caughtBy: [by('disk/far', 'a folder on a disk of this machine below one that was given up is asked, and another mount in its place is not, as long as calls of before may come')]
  },
  {
    bug: 'descriptors of a disk that was silent are closed all at once, on all threads of the pool',
    file: 'daemon/disk/far-lane.ts',
    find: 'this.#closing = this.#closing.then(call).catch',
    replace: 'call().catch',
    caughtBy: [by('disk/far', 'descriptors of what was given up are closed one at a time')]
  },
  {
    bug: 'each try to put something right writes another line to the notes of history',
    file: 'daemon/disk/recover.ts',
    find: 'parts.half.slots.set(key, slots[0])',
    replace: 'undefined',
    caughtBy: [by('disk/recover', 'what an operation that failed half-way left is put right while it runs, by its path')]
  },
  {
    bug: 'what cannot be put right is tried every few seconds for ever',
    file: 'daemon/folder/tidy.ts',
    find: 'Math.min(2 * wait, LAST_MS)',
    replace: 'wait',
    caughtBy: [by('folder/tidy', 'it is tried again ever more seldom, and at once for what fails anew')]
  },
  {
    bug: 'what was put right and could not be listed at once stays unlisted',
    file: 'daemon/folder/tidy.ts',
    find: 'await listNames(context, this.#unlisted);',
    replace: 'const names = this.#unlisted; this.#unlisted = []; await listNames(context, names);',
    caughtBy: [by('folder/tidy', 'what it put right is looked at and listed, in the end also where listing fails first')]
  },
  {
    bug: 'a machine that slept keeps its dead connections until they time out',
    file: 'daemon/net/swarm.ts',
    find: 'link.since <= woken',
    replace: 'false',
    caughtBy: [by('net/link', 'a machine that slept: connections from before are given up at once and made anew, younger ones stay')]
  },
  {
    bug: 'a machine that slept gives up a connection that was made since',
    file: 'daemon/net/swarm.ts',
    find: 'link.since <= woken',
    replace: 'true',
    caughtBy: [by('net/link', 'a machine that slept: connections from before are given up at once and made anew, younger ones stay')]
  },
  {
    bug: 'a change of the network ends connections that live',
    file: 'daemon/net/swarm.ts',
    find: 'await link.answers()',
    replace: 'false',
    caughtBy: [by('net/link', 'after a change of the network a connection that gives no sign is made anew, and one that does stays')]
  }
]

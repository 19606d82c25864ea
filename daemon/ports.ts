/**
 * Everything a folder's cycle (folder.ts) sees of the world, as interfaces. disk/, index/, drive/ and net/ implement them; the
 * simulator implements them with fakes; test/contract/ has one suite per port that both must pass. A port knows no other port.
 */
import type { BlobRange, OpenFile } from './drive-ports.ts'
import type { FreshFile } from './log-ports.ts'
import type { DirectoryDigests, SeenStat, StatNumbers } from './stat-ports.ts'
import type { Chunk, ContentList } from './sync/content.ts'
import type { Entry, FileEntry, LiveEntry } from './sync/entry.ts'
import type { IgnoreText } from './sync/ignore.ts'
import type { ChunkId, ContentId, DeviceId, DriveKey, FolderId, ObjectId, PathKey, WriterId } from './sync/ids.ts'
import type { DisplacedReason, HistoryQuery, KeptFile, KeptLink, KeptVersion } from './sync/kept.ts'
import type { AsidePlace, DirectoryMove, MovedTree, PutBack, Relocation } from './sync/relocation.ts'

// ------------------------------------------------------------------------------------------------ shared rows

/** One bad path; the rest goes on. `code` is an errno or one of: special-file, invalid-name, invalid-entry, name-clash, mount, too-large. */
export interface Problem {
  readonly path: string
  readonly code: string
  readonly message: string
}

/** The index's row of one path: the entry that our own drive states, and what was seen on disk. */
export interface Row {
  readonly entry: Entry
  /** Null where nothing of ours is on disk (tombstones). */
  readonly seen: SeenStat | null
  /** A directory that stands on disk but is published as a tombstone, because only ignored or special children keep it (R10). */
  readonly shadow?: true
  /** Left our drive when it became ignored; remote changes are not applied (R31). */
  readonly ignored?: true
  /** Why the merged entry could not be applied here (R39). */
  readonly blocked?: { readonly code: string; readonly message: string }
}

/** What one drive of another device says of a path. */
export interface RemoteRow {
  readonly device: DeviceId
  readonly drive: DriveKey
  readonly generation: number
  readonly entry: Entry
}

/** Where bytes of a content can be read on this device. */
export interface Place {
  /** `tree`: a path below the root. `history`: a name below `.p2psync/history/`. */
  readonly area: 'tree' | 'history'
  readonly path: string
}

// ------------------------------------------------------------------------------------------------ disk

/** The folder's root as it stands; anything but `ready` halts the folder and writes no tombstone (invariant 4). */
export type RootState =
  | { readonly kind: 'ready'; readonly epoch: number }
  | { readonly kind: 'halted'; readonly code: HaltCode; readonly message: string }

export type HaltCode = 'root-missing' | 'root-unreadable' | 'root-not-directory' | 'marker-missing' | 'marker-foreign' | 'root-replaced'

/** What a scan found on disk at one path, against the index rows it was given. Unchanged paths are not reported. */
export type Finding =
  /** `moved`: the file was not read: it is the one that the row of `from` speaks of. */
  | { readonly kind: 'present'; readonly path: PathKey; readonly node: DiskNode; readonly seen: SeenStat; readonly moved?: Moved }
  /** The parent was read successfully and this known live path was not in it. Descendants of a directory come as well, deepest first. `row`: by which it is known. */
  | { readonly kind: 'absent'; readonly path: PathKey; readonly row: KnownRow }
  /** Changed while it was read: look again later. */
  | { readonly kind: 'unstable'; readonly path: PathKey }
  | { readonly kind: 'problem'; readonly path: PathKey; readonly problem: Problem }
  /** The problem last reported for this path is gone. */
  | { readonly kind: 'healed'; readonly path: PathKey }

export interface Moved {
  readonly from: PathKey
  /** It was touched since it was last read (by the rename, at least). `seen` has the ctime of that reading, so that each scan which meets it reads it. */
  readonly unread: boolean
}

export type DiskNode =
  | { readonly kind: 'file'; readonly mode: number; readonly size: number; readonly mtime: string; readonly content: ContentList }
  | { readonly kind: 'directory'; readonly mode: number }
  | { readonly kind: 'symlink'; readonly mtime: string; readonly target: string }

/**
 * A row whose entry may be read only when somebody asks for it (so it is not to be spread): a scan compares what was seen of each file, and
 * to read all else as well was a third of its garbage. `kind`: of the entry, where that is known without it.
 */
export interface KnownRow extends Row {
  readonly kind?: Entry['kind']
  /** Whether that is what was seen, to the letter; where it can be told without `seen`. */
  isSeen?(stat: StatNumbers): boolean
}

/** The index as a scan needs it. */
export interface KnownTree extends Partial<Pick<DirectoryDigests, 'digest'>> {
  row(path: PathKey): Promise<Row | null>
  /** Rows directly below a directory by name (tombstones included). */
  children(directory: PathKey): Promise<ReadonlyMap<string, KnownRow>>
  /** The list of a content held here, or null. */
  content(cid: ContentId): Promise<{ readonly list: ContentList } | null>
}

export interface ScanRequest {
  /** `all`: the whole tree. Otherwise paths that may have changed: each is looked at; a directory among them with its direct children; a new directory with everything below. */
  readonly paths: 'all' | readonly PathKey[]
  /** Read files again even where the stat is unchanged. */
  readonly rehash?: boolean
  /** True for a path that the ignore rules exclude: it is neither read nor reported. */
  ignored(path: PathKey, isDirectory: boolean): boolean
  /** Called with each directory that this scan is about to read (unchanged ones too, the root as ''), so that it can be watched first. */
  onDirectory?(directory: PathKey): Promise<void> | null
  /** Called as soon as a known directory is met at a new path while nothing stands at its old one: before anything below it is told. */
  onMovedDirectory?(move: DirectoryMove): void
  /** May be called with the bytes of a file of one chunk that was read; they stay as they are. */
  onChunk?(chunk: ChunkId, data: Buffer): void
  /** Asked before a file of a MiB or more is read. True: it is left as if it had not been met. */
  rests?(path: PathKey): boolean
  /** A file of a MiB or more was read, in so many milliseconds, or some of it in vain. */
  onLongRead?(path: PathKey, bytes: number, ms: number): void
}

/** What happens to what an apply displaces. Bytes never just vanish (invariant 1). */
export type Displace =
  | { readonly to: 'history' }
  /** The same bytes are already held at this tree path (a conflict copy made by hard link): drop the second link if it is that inode, else history. */
  | { readonly to: 'linked'; readonly at: PathKey }

/**
 * One atomic change on disk. `expect` is what the index saw at the path (null: nothing there); if the disk differs, nothing is
 * done and the result is `changed`.
 */
export type ApplyOp =
  /** The staged content `cid` takes the name, with mode and mtime; a displaced file or symlink goes to `displace`. */
  | { readonly kind: 'file'; readonly path: PathKey; readonly expect: SeenStat | null; readonly cid: ContentId; readonly size: number; readonly mode: number; readonly mtime: string; readonly displace: Displace }
  | { readonly kind: 'symlink'; readonly path: PathKey; readonly expect: SeenStat | null; readonly target: string; readonly mtime: string; readonly displace: Displace }
  /** If a file or symlink stands there (`expect`), it is displaced. */
  | { readonly kind: 'directory'; readonly path: PathKey; readonly expect: SeenStat | null; readonly mode: number; readonly displace: Displace }
  /** File or symlink to `displace`; a directory is removed only if empty. `aside`: it stands there, as part of what was set aside; what is not as expected stays. */
  | { readonly kind: 'remove'; readonly path: PathKey; readonly expect: SeenStat; readonly displace: Displace; readonly aside?: AsidePlace }
  /** Sets mode and (files, symlinks) mtime of what is there; null leaves it. */
  | { readonly kind: 'attributes'; readonly path: PathKey; readonly expect: SeenStat; readonly mode: number | null; readonly mtime: string | null }
  /** A file or symlink at `path` also gets the free name `to` (hard link; else verified copy), with nothing displaced. */
  | { readonly kind: 'link'; readonly path: PathKey; readonly expect: SeenStat; readonly to: PathKey }
  /** What is one file with `from`, which `link` made of it, becomes a copy of its own; else `changed`. What has the file open stays with `from`. `seen`: null if it was not, to the letter, as `expect`. */
  | { readonly kind: 'separate'; readonly path: PathKey; readonly from: PathKey; readonly expect: SeenStat | null }
  /**
   * The file or symlink at `from` (which is as `source`) takes the name `path`, its bytes untouched, and gets mode and mtime (null
   * leaves them); nothing stands at `from` then. What stood at `path` goes to `displace`. `not-staged`: it cannot be moved there.
   */
  | { readonly kind: 'move'; readonly path: PathKey; readonly expect: SeenStat | null; readonly from: PathKey; readonly source: SeenStat; readonly mode: number | null; readonly mtime: string | null; readonly displace: Displace }

export type ApplyResult =
  /** `seen`: lstat of the path afterwards (of `to` for link), null after remove. `kept`: the history name of what was displaced. */
  | { readonly kind: 'done'; readonly seen: SeenStat | null; readonly kept: string | null }
  /** The disk is not what `expect` says, before or at the exchange; look at these paths again. Bytes that came out unexpectedly stand at `stray`, an ordinary new tree path. */
  | { readonly kind: 'changed'; readonly paths: readonly PathKey[]; readonly stray: PathKey | null }
  /** `remove` of a directory that only ignored, special or mounted children keep (R10). */
  | { readonly kind: 'kept-by-ignored' }
  /** The staged content is not there (any more): fetch it again. */
  | { readonly kind: 'not-staged' }
  | { readonly kind: 'problem'; readonly problem: Problem }

/** A content being put together beside the tree, on the same file system. */
export type FileAttributes = Pick<FileEntry, 'mode' | 'mtime'>

export interface StagedFile {
  readonly cid: ContentId
  /** Chunks not there yet, with their byte offsets; after a restart what was already there is found by hashing. */
  missing(): readonly { readonly chunk: Chunk; readonly offset: number }[]
  /** `data` must be the verified bytes of the chunk at `offset`. */
  write(offset: number, data: Uint8Array): Promise<void>
  /**
   * Copies what is missing and may stand in that place; `chunks` says where in it. Each chunk is verified; what is not there is
   * missing still.
   */
  copy?(place: Place, chunks: ReadonlyMap<ChunkId, number>): Promise<void>
  /**
   * All chunks are there: make it ready for `apply` (the fsync may be grouped with others until then). With what the file is likely to
   * have when it gets its name, all of it is on the disk by the end, so that the apply need not wait for that.
   */
  seal(likely?: FileAttributes): Promise<void>
  /** Close the descriptor; keeps what is there for a later `stage`. */
  release(): Promise<void>
}

/** A content of at most one chunk: all its bytes, verified, and what its file is likely to have. */
export interface WholeFile {
  readonly list: ContentList
  readonly data: Uint8Array
  readonly likely: FileAttributes
}

export interface PutRight {
  /** In the tree, to be looked at. */
  readonly paths: readonly PathKey[]
  /** Names in history that something got. */
  readonly kept: readonly string[]
  /** Nothing is left. */
  readonly all: boolean
}

/** The only code that touches a watched folder. Never follows a symlink below the root. */
export interface Disk {
  inspect(): Promise<RootState>
  /** Raises the marker's epoch. */
  setEpoch(epoch: number): Promise<void>
  scan(request: ScanRequest, known: KnownTree, signal: AbortSignal): AsyncIterable<readonly Finding[]>
  /** Exactly `length` bytes at `offset`, unverified, or null if they cannot be had there now, or are not those of `seen` to the letter. */
  read(place: Place, offset: number, length: number, seen?: SeenStat): Promise<Buffer | null>
  /** Null where a place is not, to the letter, what `seen` says, or cannot be held open: then it must be read piece by piece. */
  hold(place: Place, seen: SeenStat): Promise<Omit<OpenFile, 'verified'> | null>
  /** Throws P2psyncError-free system errors (ENOSPC …) as they are. */
  stage(list: ContentList): Promise<StagedFile>
  /** Bytes of all chunks but the last, where contents are cut by another rule than that of the format. */
  readonly minChunk?: number
  /** Throws as `stage` of a content of that size would, if it has no room for it; what of it is here already may be less. */
  foresee(cid: ContentId, size: number): Promise<void>
  /** As `stage`, `write`, `seal` and `release` of each. Never rejects: of each the error with which it failed, or null. */
  stageAll(files: readonly WholeFile[]): Promise<readonly unknown[]>
  /** True if the content stands sealed in staging. */
  isStaged(cid: ContentId): boolean
  /** Drops staged contents not in the set. */
  keepStaged(wanted: ReadonlySet<ContentId>): Promise<void>
  /** Carries out the changes in order (independent ones may overlap); directories are fsynced before it returns. Never rejects. */
  apply(ops: readonly ApplyOp[], ignored: ScanRequest['ignored']): Promise<readonly ApplyResult[]>
  /**
   * One rename(2): the directory of that inode leaves `from` and takes the free name `to`, with all below it. With `known` only if the
   * tree below `from` is to the letter what it says and nothing else stands there; without it only the directory counts. Durable; null: nothing was done.
   */
  moveDirectory(move: Pick<Relocation, 'from' | 'to' | 'ino'>, known: KnownTree | null): Promise<MovedTree | null>
  /**
   * By one rename(2) each, the directories of these inodes leave the tree with all below them, as far as that is to the letter what
   * `known` says and nothing else (R48). What moved is put back by `recover`, so a crash loses nothing. @returns those that moved.
   */
  setAside(directories: readonly { readonly path: PathKey; readonly ino: string }[], known: KnownTree): Promise<readonly AsidePlace[]>
  /** All that is still set aside goes back, or where its name was taken to history. Throws what keeps it from going; it stands there still. */
  putBack(): Promise<PutBack>
  /** After a crash: what stands between staging and a name is put right; displaced user bytes go to history. Returns tree paths to look at. */
  recover(): Promise<readonly PathKey[]>
  /** The same for operations of `apply` that failed half-way since; null: none did. Unless it is all, the next time may do better. */
  putRight(): Promise<PutRight | null>
  /** All that stands in history, and the size of the file system below it, in bytes. */
  history(): Promise<{ readonly files: readonly HistoryFile[]; readonly fileSystemBytes: number }>
  /** For retention only: the bytes are gone then. True if nothing has that name (any more). */
  removeHistory(name: string): Promise<boolean>
  /** R35: if what stands in history under `name` is not the content of `entry` any more, it becomes an ordinary file with a conflict name near `path`. */
  recheck(name: string, path: PathKey, entry: FileEntry): Promise<Recheck>
  /** Names in the newest hours of history: at least those of the last `ms` before its newest file, and before the newest of what is past. */
  recentHistory(ms: number): Promise<readonly string[]>
  /** Of names in history; null where nothing was written down of it, or nothing has that name (any more). */
  historyNotes(names: readonly string[]): Promise<readonly (KeptNote | null)[]>
  /** What stands at a place at this moment; a file is read to its end. Never rejects for what is wrong with one place. */
  look(place: Place): Promise<Look>
  /**
   * What stands in our own directory though nothing is under way, and modes there that let others in. `clear`: it is put right (what
   * may be a user's bytes goes to history).
   */
  strays(clear: boolean): Promise<readonly Stray[]>
  /** `.p2psyncignore` at the root and conflict copies of it (R32), by path. */
  readIgnoreFiles(): Promise<readonly IgnoreText[]>
  close(): Promise<void>
}

export type Look =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'file'; readonly seen: SeenStat; readonly content: ContentList }
  | { readonly kind: 'directory'; readonly seen: SeenStat }
  | { readonly kind: 'symlink'; readonly seen: SeenStat; readonly target: string }
  /** Changed while it was read. */
  | { readonly kind: 'unstable' }
  /** Not one of these, or it cannot be read. */
  | { readonly kind: 'problem'; readonly problem: Problem }

export type Recheck =
  | { readonly kind: 'same' }
  | { readonly kind: 'gone' }
  /** `at`: an ordinary new tree path; null: there was no room for one, and it is in history under another name. */
  | { readonly kind: 'stray'; readonly at: PathKey | null }

export interface Stray {
  /** Below the root, as text for people. */
  readonly path: string
  /** left-over: something between staging and a name. open-mode: others may enter. */
  readonly code: 'left-over' | 'open-mode'
}

/** What is known of a name in history without the index: it was written down before anything moved there. */
export interface KeptNote {
  /** Where it stood. */
  readonly path: PathKey
  /** When it left, in milliseconds since the epoch. */
  readonly at: number
  readonly reason: DisplacedReason
  /** As it is there now. */
  readonly seen: SeenStat
}

export interface HistoryFile {
  /** Below `.p2psync/history/`; what `Place.path` and `HistoryRow.name` say. */
  readonly name: string
  readonly size: number
  /** Milliseconds since the epoch, to the hour. */
  readonly at: number
}

/** Hints, never truth. */
export interface Watcher {
  /**
   * The scanner met these directories: watch them. The watches stand when it returns (null), or once it resolves. Idempotent.
   * @param isOver asked between some and the next ones: then the rest is left to a full scan.
   */
  watch(directories: readonly PathKey[], isOver?: () => boolean): Promise<void> | null
  close(): Promise<void>
}

// ------------------------------------------------------------------------------------------------ index

export interface OwnCheckpoint {
  readonly drive: DriveKey
  readonly generation: number
  readonly writer: WriterId
  /** The last counter taken by this writer. */
  readonly counter: number
  /** Length of the db core up to which the index agrees with the drive. */
  readonly length: number
  readonly epoch: number
  /** The generation under which blobs of this drive are noted: of the first one that had its blobs core. Absent: its own. */
  readonly blobsFrom?: number
}

export interface RemoteCheckpoint {
  readonly device: DeviceId
  readonly generation: number
  readonly length: number
  readonly fork: number
}

export interface Totals {
  readonly files: number
  readonly directories: number
  readonly bytes: number
}

/** What an object id stands for on this device. */
export type FoundObject =
  | { readonly kind: 'bytes'; readonly data: Buffer }
  | { readonly kind: 'chunk'; readonly length: number; readonly at: readonly { readonly place: Place; readonly offset: number; readonly cid: ContentId }[] }

export interface HistoryRow {
  /** Name below `.p2psync/history/`. */
  readonly name: string
  readonly path: PathKey
  readonly entry: LiveEntry
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly reason: DisplacedReason
}

/** Times in milliseconds, by the clock of then. */
export interface ClockLeap {
  /** The new time. */
  readonly at: number
  /** How much it is later than the one before; of several leaps in all. */
  readonly skipped: number
}

/** What is known of the clock by which things come into history. */
export interface HistoryClock {
  /** To the day. */
  readonly lookedAt: number
  /** The last time it was set, as it seems. */
  readonly set: ClockLeap
  /** The last time that the device was off, as it seems. */
  readonly away: ClockLeap
}

/** One folder's part of the index; all methods are safe to call at once. */
export interface FolderIndex extends Omit<KnownTree, 'digest'>, DirectoryDigests {
  readonly own: OwnCheckpoint | null
  readonly totals: Totals
  remoteCheckpoint(drive: DriveKey): RemoteCheckpoint | null
  /** Drives of other devices of which it has rows or a checkpoint. */
  remoteDrives(): readonly { readonly drive: DriveKey; readonly device: DeviceId; readonly generation: number }[]
  rows(paths: readonly PathKey[]): Promise<readonly (Row | null)[]>
  remoteRows(paths: readonly PathKey[]): Promise<readonly (readonly RemoteRow[])[]>
  /** Names directly below a directory of which any remote drive speaks (tombstones included). */
  remoteChildren(directory: PathKey): Promise<ReadonlySet<string>>
  /** All paths marked divergent, for a start: these must be reconciled again. */
  divergent(): AsyncIterable<readonly { readonly device: DeviceId; readonly path: PathKey }[]>
  /** Every own row, in no stated order, in batches. */
  all(): AsyncIterable<readonly { readonly path: PathKey; readonly row: Row }[]>
  /** Paths of the live rows whose names are those of conflict copies, in batches, without a walk over all rows. */
  copies(): AsyncIterable<readonly PathKey[]>
  /** Digest of the ignore rules that were last applied to all rows; null: never any. */
  readonly rules: string | null
  /** R46: what the rows say of `from` and below stands on disk at `to`. */
  readonly relocation: Relocation | null
  /** Null: history was never looked at. */
  readonly historyClock: HistoryClock | null
  /** Every row of one remote drive, in batches. */
  allRemote(drive: DriveKey): AsyncIterable<readonly { readonly path: PathKey; readonly entry: Entry }[]>
  /** The list of a content held here (tree or history), or null. */
  content(cid: ContentId): Promise<{ readonly list: ContentList; readonly blob: BlobRange | null } | null>
  places(cid: ContentId): Promise<readonly Place[]>
  /** `only`: nothing but a chunk is looked for. */
  find(id: ObjectId, only?: 'chunk'): Promise<FoundObject | null>
  history(path: PathKey | null): AsyncIterable<readonly HistoryRow[]>
  /** By its name below `.p2psync/history/`. */
  historyRow(name: string): Promise<HistoryRow | null>
  /** Every content with its first places, in batches; for the checker. */
  contents(): AsyncIterable<readonly { readonly cid: ContentId; readonly places: readonly Place[] }[]>
  /** Counts all rows anew and keeps that as the totals; for the checker, while nothing else writes. */
  recount(): Promise<void>
  batch(): IndexBatch
  close(): Promise<void>
}

/** Gathers changes; nothing is visible before `flush`, which writes all of them in one atomic batch. */
export interface IndexBatch {
  /** Adjusts totals. */
  putRow(path: PathKey, row: Row): void
  delRow(path: PathKey): void
  putRemote(path: PathKey, row: RemoteRow): void
  delRemote(path: PathKey, drive: DriveKey): void
  /** Forgets all rows and the checkpoint of a drive that is gone. */
  dropRemote(drive: DriveKey): void
  setDivergent(device: DeviceId, path: PathKey, divergent: boolean): void
  /** The blobs of this batch lie in our drive of this generation, which the index does not name yet. */
  blobsIn(generation: number): void
  /** Records a content and one place of it. Idempotent. `blob` null keeps what is known. */
  putContent(list: ContentList, place: Place, blob: BlobRange | null): void
  /** Removes one place; with the last one the content goes too. */
  delPlace(cid: ContentId, place: Place): void
  putHistory(row: HistoryRow): void
  delHistory(name: string): void
  setOwn(checkpoint: OwnCheckpoint): void
  /** 64 hex digits. */
  setRules(digest: string): void
  setRelocation(relocation: Relocation | null): void
  setHistoryClock(clock: HistoryClock): void
  setRemote(drive: DriveKey, checkpoint: RemoteCheckpoint): void
  readonly size: number
  flush(): Promise<void>
}

// ------------------------------------------------------------------------------------------------ drives (our own: drive-ports.ts)

export interface RemoteBatch {
  /** `entry` null: the path left the drive: no opinion (R12). */
  readonly changes: readonly { readonly path: PathKey; readonly entry: Entry | null }[]
  /** Names and entries that are not valid; never applied. */
  readonly invalid: readonly Problem[]
  /** The drive is read up to here. */
  readonly length: number
  readonly fork: number
}

/** Another device's drive, replicated as far as peers offer it. */
export interface RemoteDrive {
  readonly device: DeviceId
  readonly key: DriveKey
  readonly generation: number
  /** Length known to be signed by its writer; its blocks may still be on the way. */
  readonly length: number
  readonly fork: number
  /** What changed after `since`, in batches of at most a few thousand; each path's last statement wins. `restart`: read all from 0 (fork changed). */
  changes(since: { readonly length: number; readonly fork: number } | null, signal: AbortSignal): AsyncIterable<RemoteBatch>
  close(): Promise<void>
}

/** The drives of the other devices for one folder; the set changes as group records arrive. */
export interface RemoteDrives {
  list(): readonly RemoteDrive[]
  /** Nothing of this drive counts any more or will again (R14): it leaves the list, and its data may go. */
  retire(drive: DriveKey, device: DeviceId): void
}

// ------------------------------------------------------------------------------------------------ peers

export type FolderActivity = 'scanning' | 'syncing' | 'idle' | 'paused' | 'halted' | 'decision'

/** What a device last told of a folder. */
export interface FolderReport {
  readonly state: FolderActivity
  /** Local changes are known or suspected that the drive does not state yet. */
  readonly dirty: boolean
  /** Length of the device's own drive when it reported. */
  readonly drive: DriveKey | null
  readonly length: number
  /** Paths it cannot apply (R39); at most a few hundred. */
  readonly blocked: readonly string[]
  /** A directory moved whole there, and the drive does not state all of it yet. A hint, never a statement (R46). */
  readonly moved?: DirectoryMove
  /** Directories that are gone there with all that was in them, which the drive does not state yet. A hint, never a statement (R48). */
  readonly gone?: readonly PathKey[]
  /** Contents that the drive is about to state; their chunks can be had already. A hint, never a statement. */
  readonly foretold?: readonly Foretold[]
}

export interface Foretold {
  readonly cid: ContentId
  readonly size: number
}

export interface FolderPeer {
  readonly device: DeviceId
  /** Null until it has reported this folder: it may not have it. */
  readonly report: FolderReport | null
}

/** Connected members, seen from one folder. */
export interface FolderPeers {
  connected(): readonly FolderPeer[]
  /** False if it has left the folder or the group, as far as is known here. */
  has(device: DeviceId): boolean
  /** Tells all connected members. Cheap; the latest wins. */
  report(report: FolderReport): void
  /** Sends the others what our drive is about to state: few and small (base/limits.ts). It may not arrive. */
  ahead(drive: DriveKey, files: readonly FreshFile[]): void
  /** Resolves once what they were told so far is on its way: it leaves when this process has given way once. */
  sent(): Promise<void>
  /**
   * Asks one device for objects. `onObject` is called once per id as answers come, with null for a nack; bytes are NOT verified.
   * Resolves when all are answered; rejects when the connection ends or the signal aborts.
   */
  want(device: DeviceId, ids: readonly ObjectId[], onObject: (id: ObjectId, data: Buffer | null) => void, signal: AbortSignal): Promise<void>
  /** Asks a device to scan and settle now; resolves with its report once it is idle, or rejects. */
  settle(device: DeviceId, signal: AbortSignal): Promise<FolderReport>
  /** What a device's history holds; rejects if it does not answer. At most a few hundred thousand. */
  history(device: DeviceId, query: HistoryQuery, signal: AbortSignal): Promise<readonly KeptVersion[]>
}

/** What the daemon's adapters call; each only marks work and wakes the cycle. */
export interface FolderInbox {
  /** `all`: events were lost or a rescan is due. */
  localChanged(paths: 'all' | readonly PathKey[]): void
  remoteChanged(drive: DriveKey | null): void
  peersChanged(): void
}

// ------------------------------------------------------------------------------------------------ environment

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Runs once after `ms`; returns a canceller. */
  after(ms: number, run: () => void): () => void
}

export interface Log {
  child(fields: Readonly<Record<string, unknown>>): Log
  error(fields: Readonly<Record<string, unknown>>, message: string): void
  warn(fields: Readonly<Record<string, unknown>>, message: string): void
  info(fields: Readonly<Record<string, unknown>>, message: string): void
  debug(fields: Readonly<Record<string, unknown>>, message: string): void
}

export type { Audit, BlobRange, OpenContent, OpenFile, OwnDrive, Publication, Published, ReadChunk, Stated, Threads, Verified } from './drive-ports.ts'
export type { BlockRun, DriveHead, DriveRuns, FreshFile, LogState, RunRequest } from './log-ports.ts'
export type { SeenStat, StatNumbers } from './stat-ports.ts'
export type { Chunk, ChunkId, ContentId, ContentList, FolderId, HistoryQuery, KeptFile, KeptLink, KeptVersion }
export type { AsidePlace, PutBack }

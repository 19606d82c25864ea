/** Every bound and interval, with its unit in the name and its reason. */

/** A path of a tree in UTF-8; PATH_MAX of Linux less room for a root. */
export const MAX_PATH_BYTES = 4096
/** A path component; NAME_MAX. */
export const MAX_NAME_BYTES = 255
/** Hyperbee batches and index batches: larger ones cost memory and gain nothing (measured 2 to 5 thousand). */
export const BATCH_ENTRIES = 2000
/** Of new files with their contents: with 2,000 a peak of 297 to 301 MB where it is 273 to 274, and nothing sooner (10,000 files, Node 24). */
export const NEW_ENTRIES = 500
/** A first event acts at once; those that follow within this time are gathered. */
export const GATHER_MS = 30
/** A directory that moved on a device's word goes back when that device and its drive say nothing for so long: it does not state it any more. */
export const MOVED_SILENCE_MS = 10_000
/** Fewer paths that are gone at once are stated as soon as anything could be told of them. */
export const GONE_MIN_PATHS = 200
/** Directories told in one report: of more the rest is stated the usual way, as a report is sent anew with each change of it. */
export const MAX_GONE = 256
/** While many files are being deleted a scan looks again after this: a watcher brings events within some milliseconds. */
export const GONE_GATHER_MS = 20
/** So long at most, and for as long as there is more of it each time. */
export const MAX_GONE_GATHERED_MS = 10_000
/** As long as it says that it still states it: a scan of a million files takes minutes. */
export const MOVED_TOLD_MS = 10 * 60_000
/** Full rescan against lost events. */
export const RESCAN_MS = 60 * 60 * 1000
/** A file that changed while it was read is looked at again after this. */
export const UNSTABLE_RETRY_MS = 500
/** A large file that is written to all the time is read this often. */
export const MAX_REST_MS = 10 * 60_000
/** A renamed file is stated without being read; it is read after this, when the rename itself is through on the other devices. */
export const READ_MOVED_MS = 5000
/** So many of them at once: what others change waits for no more than these. */
export const READ_MOVED_PATHS = 100
/** Something that came out of an exchange is looked at again after this (R35). */
export const DISPLACED_RECHECK_MS = 2000
/** Orderly stop. */
export const CLOSE_TIMEOUT_MS = 5000
/** One `want` asks for at most this many bytes. */
export const MAX_WANT_BYTES = 4 * 1024 * 1024
/** One `want` names at most this many objects. */
export const MAX_WANT_OBJECTS = 4096
/**
 * Of one content; a list is held in memory by who fetches it, some hundred bytes a chunk, and costs its author one page of 36 KB. At the least
 * length of a chunk it is 1 TiB, at the average that the cutter makes some 4 TiB of a file.
 */
export const MAX_CONTENT_CHUNKS = 4 * 1024 * 1024
/** A larger file would have more chunks than that, and is not read to find out. */
export const MAX_CONTENT_BYTES = 4 * 1024 ** 4
/** Columns of a version vector; one per writer of a folder over its life. */
export const MAX_WRITERS = 1024
/** Dots of an entry. */
export const MAX_DOTS = 256
/** A symlink's text. */
export const MAX_TARGET_BYTES = 4095
/** One entry's value in a drive: 1,024 writers, 256 dots and an escaped symlink text fit. */
export const MAX_ENTRY_BYTES = 64 * 1024
/** Files that moved are stated when a scan has found so many, two kilobytes each, or at its end: what fits into some ten batches is told as a whole. */
export const MOVED_AT_ONCE = 20_000
/** Contents that are asked for, or here and not applied yet: while there are more, no further statements are read. Some ten wants of small files, a kilobyte of memory each. */
export const PULL_AHEAD_CONTENTS = 20_000
/** Chunks of new files that go out with the word of them, in number and size each: what one message holds without delaying others. */
export const FRESH_CHUNKS = 8
export const FRESH_CHUNK_BYTES = 8 * 1024
/** A content of so many bytes is foretold: its blocks take longer to be sealed, before it is stated, than a word to the others does. */
export const FORETOLD_BYTES = 8 * 1024 * 1024
/** Contents that one device foretells at once: each is a file that is fetched on its mere word. */
export const MAX_FORETOLD = 4
/** Blocks and bytes of a run of a drive's log: taken in at once, which holds up the receiver for some 8 µs a block … */
export const RUN_BLOCKS = 4096
export const RUN_BYTES = 4 * 1024 * 1024
/** … and of one from a device that is not the author, and so cannot end it before the log ends: memory of the receiver. */
export const MAX_RUN_BLOCKS = 32_768
export const MAX_RUN_BYTES = 16 * 1024 * 1024
/** One block of a run: an entry with its share of the tree is a tenth of that. */
export const MAX_RUN_BLOCK_BYTES = 512 * 1024
/** Statements in one `publish`: one Hyperbee batch, held in memory until it is flushed. */
export const MAX_PUBLISH_ENTRIES = 5000
/** A reader of another device's drive waits this long for a block on its way; then it goes on with other work. */
export const DRIVE_STALL_MS = 500
/** Blocks of another device's drive that are here wait at most this long for those behind them, to be taken in together. */
export const DRIVE_GATHER_MS = 200
/** A store that could not be written is tried again after this: soon enough to be no matter, seldom enough for a sick disk. */
export const STORE_RETRY_MS = 2000
/** One that fails again soon after it was opened, of a cause that no probe shows, waits twice as long each time, up to this. */
export const STORE_RETRY_LAST_MS = 60_000
/** What must fit on the disk before a store that failed is opened again: what its first tables and log take. */
export const STORE_PROBE_BYTES = 4 * 1024 * 1024
/** What a path's problem keeps from being done is tried again after this, then after twice as long each time … */
export const RETRY_FIRST_MS = 1000
/** … up to this: a cause that lasts for hours costs one look in it. */
export const RETRY_LAST_MS = 30_000
/** The same for contents that only other devices could give: what changes there is told at once, except a disk that can be read again. */
export const ASK_LAST_MS = 10 * 60_000
/** More contents that nobody can give are not asked for at each word of another device, … */
export const FEW_UNAVAILABLE = 200
/** … but after so long for each, which keeps what that costs below a hundredth or so of a core, … */
export const ASK_GATHER_MS = 10
/** … up to this. */
export const ASK_GATHER_LAST_MS = 60_000
/** Nothing is staged that would leave less than this free on the folder's disk, for the store, logs and other programs … */
export const FREE_RESERVE_BYTES = 128 * 1024 * 1024
/** … or less than this share, on a disk so small that the other would be most of it. */
export const FREE_RESERVE_SHARE = 0.01
/** `status` tells of a restored backup for so long: whoever restored one looks within a week. */
export const NOTICE_MS = 7 * 24 * 3600 * 1000
/** Of all folders together; the oldest go. */
export const MAX_NOTICES = 100

/** Of `.p2psyncignore`. Rules beyond this are not read: they would be asked for every path. */
export const MAX_IGNORE_BYTES = 1024 * 1024

/** Our own drive, as a folder's cycle sees it: part of ports.ts. */
import type { DriveHead } from './log-ports.ts'
import type { Chunk, ContentList } from './sync/content.ts'
import type { Entry } from './sync/entry.ts'
import type { BlobsKey, DriveKey, PathKey, WriterId } from './sync/ids.ts'

/** Where the blocks of a content lie in our own drive's blobs core. */
export interface BlobRange {
  readonly blockOffset: number
  readonly blockLength: number
  readonly byteOffset: number
  readonly byteLength: number
  /** The range is that of a block map, which names the blocks of the content. */
  readonly blockMap?: true
}

/** One path's new statement. `entry` null: leave the drive without a tombstone (R31). */
export interface Publication {
  readonly path: PathKey
  readonly entry: Entry | null
  /** For files: the list, and where the blocks already are in this drive, if anywhere. */
  readonly content: { readonly list: ContentList; readonly blob: BlobRange | null } | null
  /** What the drive stated at this path before: a large file that changed shares most of its blocks with it. */
  readonly base?: { readonly list: ContentList; readonly blob: BlobRange } | null
}

export type Published =
  | { readonly kind: 'done'; readonly blob: BlobRange | null }
  /** The bytes could not be read as the list says: the file changed or went. Nothing was published for this path. */
  | { readonly kind: 'unreadable' }

/** Reads the bytes of one chunk of a path that is being published; null if they are not what the list says. */
export type ReadChunk = (path: PathKey, chunk: Chunk, offset: number) => Promise<Buffer | null>

/** As base/workers.ts has them. */
export interface Threads {
  run<Output>(module: URL, input: unknown, options?: { readonly background?: boolean }): Promise<Output>
}

/** A file that is held open as what the index knows it as. */
export interface OpenFile {
  /** For reading; the worker threads of this process may use it too. */
  readonly fd: number
  /** Its bytes were verified when they were written, and its stat says that nothing touched them since. */
  readonly verified: boolean
  /** The threads that may wait for its disk; absent: all. */
  readonly threads?: Threads | null
  /** Nothing wrote to it since it was opened, and it has its name still. */
  isUnchanged(): Promise<boolean>
  close(): Promise<void>
}

/** Holds a path that is being published open; null if it cannot be, or is not what was seen of it. */
export type OpenContent = (path: PathKey) => Promise<OpenFile | null>

/** Our own drive of one folder: single writer. */
export interface OwnDrive {
  readonly key: DriveKey
  readonly generation: number
  readonly writer: WriterId
  /** Of the blobs core. Drives that have one in common name the same blocks. */
  readonly blobsKey: BlobsKey
  /** Length of the db core. */
  readonly length: number
  /** Blobs are appended first, then all entries in one Hyperbee batch. Results in the order given. At most 5,000 at once. */
  publish(changes: readonly Publication[], read: ReadChunk, open?: OpenContent): Promise<readonly Published[]>
  /** Own statements from a length on, in order (crash between publish and index). */
  replay(from: number): AsyncIterable<readonly { readonly path: PathKey; readonly entry: Entry | null; readonly blob: BlobRange | null; readonly list: ContentList | null }[]>
  head(): Promise<DriveHead>
  /** What the drive states of these paths now; null: nothing. */
  stated(paths: readonly PathKey[]): Promise<readonly (Stated | null)[]>
  /** Every path of which the drive states anything, in batches. */
  paths(): AsyncIterable<readonly PathKey[]>
  /** Reads the blocks of a stated file, the pages of its list too, and holds them against what it states. */
  verify(stated: Stated): Promise<Verified>
  /** Holds all tree nodes of both cores against each other, the blocks of the db core against them, and the signatures. Changes nothing. */
  audit(signal: AbortSignal): Promise<Audit>
  close(): Promise<void>
}

export interface Stated {
  readonly entry: Entry
  /** Of a file that is not empty. */
  readonly blob: BlobRange | null
}

export interface Verified {
  readonly blocks: number
  /** What is wrong with the first bad block; null: nothing. */
  readonly fault: string | null
}

export interface Audit {
  readonly nodes: number
  /** What is wrong, in words; empty: nothing. At most a few. */
  readonly faults: readonly string[]
}

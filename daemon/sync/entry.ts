/**
 * What a drive says of one path (R2). Pure data: no disk, no drive. The encoding for a drive stands in drive/entry-codec.ts.
 */
import type { ChunkId, ContentId, WriterId } from './ids.ts'

/** One local change: the n-th of a writer over the whole folder. */
export type Dot = readonly [writer: WriterId, n: number]

/** Writer id → highest counter seen of it. Never holds a zero. Columns are writers, never devices (R1). */
export type VersionVector = Readonly<Record<string, number>>

interface Versioned {
  readonly vv: VersionVector
  /** The changes that created this kind and content; sorted by writer, then n; never empty. */
  readonly dots: readonly Dot[]
}

export interface FileEntry extends Versioned {
  readonly kind: 'file'
  /** The change that set the mode. */
  readonly mdot: Dot
  /** Permission bits, 0 to 0o777; setuid, setgid and sticky are not synced. */
  readonly mode: number
  /** Bytes. */
  readonly size: number
  /** Nanoseconds since the epoch as a decimal string, at microsecond precision (it exceeds 2^53). */
  readonly mtime: string
  readonly cid: ContentId
  /** The only chunk of a content that has exactly one; `cid` derives from it and `size`. */
  readonly chunk?: ChunkId
}

export interface DirectoryEntry extends Versioned {
  readonly kind: 'directory'
  readonly mdot: Dot
  readonly mode: number
}

export interface SymlinkEntry extends Versioned {
  readonly kind: 'symlink'
  /** As `FileEntry.mtime`. */
  readonly mtime: string
  /** The link's text, never resolved; it stands in the place of a content id. */
  readonly target: string
}

export interface Tombstone extends Versioned {
  readonly kind: 'tombstone'
  /** The user approved this deletion as part of a held mass deletion; receivers do not hold it (R28). */
  readonly approved?: true
}

export type LiveEntry = FileEntry | DirectoryEntry | SymlinkEntry
export type Entry = LiveEntry | Tombstone

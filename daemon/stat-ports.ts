/** What is known of a node on disk by its lstat. Part of the ports (ports.ts gives these names on). */
import type { PathKey } from './sync/ids.ts'

/** What lstat said after the last scan or apply; a scan compares with this and never with the entry (R36). */
export interface SeenStat {
  readonly ino: string
  readonly size: number
  /** Nanoseconds, decimal, as lstat gave them. */
  readonly mtimeNs: string
  readonly ctimeNs: string
  /** Permission bits with file type, st_mode. */
  readonly mode: number
}

/** The same as lstat gives it. */
export type StatNumbers = Readonly<Record<keyof SeenStat, bigint>>

/** What the index says of the direct children of a directory as a whole (sync/directory-digest.ts). */
export interface DirectoryDigests {
  /** Null where it is not known, may be untrue, or says less than the rows: something ignored or in the way stands there, or there are few children. */
  digest(directory: PathKey): Promise<Buffer | null>
  /** Makes those that were asked for in vain, or whose rows changed. Read and written is only the index. Rejects once that is closed. */
  writeDigests(): Promise<void>
}

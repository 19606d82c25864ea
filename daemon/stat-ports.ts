/** What is known of a node on disk by its lstat. Part of the ports (ports.ts gives these names on). */

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

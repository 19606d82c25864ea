/** Stats as the index keeps them (R36), and when two of them mean that nothing happened. */
import type { SeenStat } from '../ports.ts'
import type { NodeStat } from './sys.ts'

export type NodeKind = 'file' | 'directory' | 'symlink' | 'special'

const TYPE_MASK = 0o170000
const DIRECTORY = 0o040000
const FILE = 0o100000
const SYMLINK = 0o120000
/** The bits that are synced; setuid, setgid and sticky are not. */
export const MODE_BITS = 0o777

/** Nanoseconds of more than 64 bits: before 1677 and after 2262. Some file systems hold such times, and archives and cameras bring them. */
const LAST_TIME = 2n ** 63n - 1n

export function toSeen(stat: NodeStat): SeenStat {
  return { ino: inoOf(stat.ino), size: Number(stat.size), mtimeNs: String(bounded(stat.mtimeNs)), ctimeNs: String(bounded(stat.ctimeNs)), mode: Number(stat.mode) }
}

/** Node gives numbers of 64 bits with a sign; some file systems (mergerfs, overlays of several) use the highest bit. */
export function inoOf(ino: bigint): string {
  return String(BigInt.asUintN(64, ino))
}

/** The nearest time that can be kept. */
export function bounded(timeNs: bigint): bigint {
  if (timeNs > LAST_TIME) return LAST_TIME
  return timeNs < -LAST_TIME ? -LAST_TIME : timeNs
}

export function kindOfMode(mode: number): NodeKind {
  const type = mode & TYPE_MASK
  if (type === FILE) return 'file'
  if (type === DIRECTORY) return 'directory'
  return type === SYMLINK ? 'symlink' : 'special'
}

export function kindOf(stat: NodeStat): NodeKind {
  return kindOfMode(Number(stat.mode))
}

/** The same node, untouched. A directory's times and size change with its children and say nothing of itself. */
export function sameSeen(a: SeenStat, b: SeenStat): boolean {
  if (!sameButCtime(a, b)) return false
  return kindOfMode(a.mode) === 'directory' || a.ctimeNs === b.ctimeNs
}

/** As `sameSeen` across our own rename or link, which changes the ctime. */
export function sameButCtime(a: SeenStat, b: SeenStat): boolean {
  if (a.ino !== b.ino || a.mode !== b.mode) return false
  return kindOfMode(a.mode) === 'directory' || (a.size === b.size && a.mtimeNs === b.mtimeNs)
}

/** Nothing was written, renamed or linked between the two. */
export function sameStat(a: NodeStat, b: NodeStat): boolean {
  return a.ino === b.ino && a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs && a.mode === b.mode
}

/** An mtime as entries carry it: nanoseconds at microsecond precision. */
export function entryTime(mtimeNs: bigint): string {
  return String((bounded(mtimeNs) / 1000n) * 1000n)
}

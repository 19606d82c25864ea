/**
 * R19: after a fork of our own log, the numbers that our writer took behind the common length may stand for other changes elsewhere.
 * A statement that names one of them gets a number of the new writer instead, so that no number means two things. Pure.
 */
import type { Dot, Entry } from './entry.ts'
import type { WriterId } from './ids.ts'
import { bump, compareDots } from './version.ts'

/** Up to `counter` the numbers of this writer are good. */
export interface Cut {
  readonly writer: WriterId
  readonly counter: number
}

/** One for each writer: where they differ, the number that is good by all of them. */
export function lowestCuts(cuts: readonly Cut[]): readonly Cut[] {
  const lowest = new Map<WriterId, number>()
  for (const { writer, counter } of cuts) lowest.set(writer, Math.min(counter, lowest.get(writer) ?? counter))
  return [...lowest].map(([writer, counter]) => ({ writer, counter }))
}

/** The same statement under a number of the new writer, or itself if it names no number behind the cut. `take` is called at most once. */
export function recount(entry: Entry, cut: Cut, take: () => Dot): Entry {
  if ((entry.vv[cut.writer] ?? 0) <= cut.counter) return entry
  const dot = take()
  const { [cut.writer]: _, ...others } = entry.vv
  const vv = bump(cut.counter > 0 ? bump(others, cut.writer, cut.counter) : others, dot[0], dot[1])
  const isBad = ([writer, n]: Dot): boolean => writer === cut.writer && n > cut.counter
  const good = entry.dots.filter((known) => !isBad(known))
  const dots = good.length === entry.dots.length ? entry.dots : [...good, dot].sort(compareDots)
  if (entry.kind === 'symlink' || entry.kind === 'tombstone') return { ...entry, vv, dots }
  return { ...entry, vv, dots, mdot: isBad(entry.mdot) ? dot : entry.mdot }
}

/**
 * Version vectors and dots (R1, R2). A vector at a path says: all changes of writer w up to n *at this path* are known. A dot is
 * one change. Results are canonical (keys and dots sorted), so that equal knowledge is equal data.
 */
import { MAX_DOTS } from '../../base/limits.ts'
import type { Dot, VersionVector } from './entry.ts'
import type { WriterId } from './ids.ts'

export type VersionOrder = 'equal' | 'dominates' | 'dominated' | 'concurrent'

/** How p stands to q. */
export function compareVersions(p: VersionVector, q: VersionVector): VersionOrder {
  const ahead = exceeds(p, q)
  const behind = exceeds(q, p)
  if (ahead) return behind ? 'concurrent' : 'dominates'
  return behind ? 'dominated' : 'equal'
}

/** The least vector that dominates or equals all of them. */
export function maxima(vectors: readonly VersionVector[]): VersionVector {
  const highest = new Map<string, number>()
  for (const vector of vectors) {
    for (const writer of Object.keys(vector)) {
      const n = countOf(vector, writer)
      if (n > (highest.get(writer) ?? 0)) highest.set(writer, n)
    }
  }
  return sortedVector(highest)
}

export function covers(vector: VersionVector, dot: Dot): boolean {
  return countOf(vector, dot[0]) >= dot[1]
}

export function coversAny(vector: VersionVector, dots: readonly Dot[]): boolean {
  return dots.some((dot) => covers(vector, dot))
}

export function coversAll(vector: VersionVector, dots: readonly Dot[]): boolean {
  return dots.every((dot) => covers(vector, dot))
}

/** The vector with `writer` at `n`; a counter never goes back. */
export function bump(vector: VersionVector, writer: WriterId, n: number): VersionVector {
  const known = countOf(vector, writer)
  // Mostly nothing has to be sorted: its column is there already.
  if (known > 0 && isCanonical(vector)) return { ...vector, [writer]: Math.max(known, n) }
  return maxima([vector, { [writer]: n }])
}

/** The vector that knows exactly these dots and what their writers did before. */
export function vectorOf(dots: readonly Dot[]): VersionVector {
  return maxima(dots.map(([writer, n]) => ({ [writer]: n })))
}

/** Sorted, of each writer the greatest: who knows that one knows the others. Of more than MAX_DOTS the greatest stay. */
export function unionDots(sets: readonly (readonly Dot[])[]): readonly Dot[] {
  const [first] = sets
  if (first !== undefined && sets.length === 1) return first
  const sorted = sets.flat().sort(compareDots)
  return sorted.filter(([writer], i) => sorted[i + 1]?.[0] !== writer).slice(-MAX_DOTS)
}

/** By writer, then n. */
export function compareDots(a: Dot, b: Dot): number {
  if (a[0] !== b[0]) return a[0] < b[0] ? -1 : 1
  return a[1] - b[1]
}

export function sameDots(a: readonly Dot[], b: readonly Dot[]): boolean {
  return a.length === b.length && a.every((dot, i) => compareDots(dot, b[i] as Dot) === 0)
}

function exceeds(p: VersionVector, q: VersionVector): boolean {
  for (const writer of Object.keys(p)) if (countOf(p, writer) > countOf(q, writer)) return true
  return false
}

/** Vectors may be parsed JSON: only own columns count. */
function countOf(vector: VersionVector, writer: string): number {
  return Object.hasOwn(vector, writer) ? (vector[writer] ?? 0) : 0
}

function isCanonical(vector: VersionVector): boolean {
  let last = ''
  for (const writer of Object.keys(vector)) {
    if (writer < last || countOf(vector, writer) <= 0) return false
    last = writer
  }
  return true
}

function sortedVector(columns: ReadonlyMap<string, number>): VersionVector {
  const sorted: Record<string, number> = {}
  for (const writer of [...columns.keys()].sort()) sorted[writer] = columns.get(writer) as number
  return sorted
}

/**
 * Epochs (R18): a number in the folder's marker and one in the index, raised together at each start and each full rescan. Where they
 * part, one of the two was put back from a backup. Pure.
 *
 *     index := next − 1 (odd: the marker may or may not have been raised)  →  marker := next  →  index := next (even)
 */

/** rolled-back: the index is older than the files. restored: the files are older than the index. */
export type EpochVerdict = 'same' | 'rolled-back' | 'restored'

/** A crash between any two of the three writes is no evidence. */
export function judgeEpoch(index: number, marker: number): EpochVerdict {
  const isPending = index % 2 === 1
  if (marker === index || (isPending && Math.abs(marker - index) === 1)) return 'same'
  return marker > index ? 'rolled-back' : 'restored'
}

/** What to write to raise both above all that was ever written. */
export function nextEpoch(index: number, marker: number): { readonly pending: number; readonly next: number } {
  const highest = Math.max(index, marker)
  const next = highest + 2 - (highest % 2)
  return { pending: next - 1, next }
}

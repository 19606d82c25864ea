/** R40: on a file system that folds names, which of the live names of one directory can stand there. */
import { comparePaths } from './path.ts'

export interface Clash {
  readonly name: string
  /** The name that stands in its place. */
  readonly with: string
}

/**
 * Of the names that fold to the same, the one already applied stays, else the bytewise smallest; the others are clashes.
 * @param fold what the file system compares names by (probed at add and at start).
 * @param applied true for a name that stands on disk now.
 */
export function nameClashes(names: Iterable<string>, fold: (name: string) => string, applied: (name: string) => boolean): readonly Clash[] {
  const standing = new Map<string, string>()
  const clashes: Clash[] = []
  const order = [...new Set(names)].sort((a, b) => Number(applied(b)) - Number(applied(a)) || comparePaths(a, b))
  for (const name of order) {
    const folded = fold(name)
    const first = standing.get(folded)
    if (first === undefined) standing.set(folded, name)
    else clashes.push({ name, with: first })
  }
  return clashes
}

/**
 * Which paths of a plan get a content that another path gives up by ending: what was one rename elsewhere is one rename here. Any
 * pairing of equal contents is right; one that follows what the user did is sought first, so that trees of equal files move in order.
 */
import { contentKey, hasBytes, sameAttributes, sameContent } from './entry-compare.ts'
import type { Entry, FileEntry, SymlinkEntry } from './entry.ts'
import type { PathKey } from './ids.ts'
import { nameOf } from './path.ts'
import type { Resolution } from './reconcile.ts'

interface Offer {
  readonly path: PathKey
  readonly own: FileEntry | SymlinkEntry
}

/** How alike the two are: the closest first. */
const KEYS: readonly ((path: PathKey, entry: FileEntry | SymlinkEntry) => string)[] = [
  (path, entry) => `${contentKey(entry)}\0${attributeKey(entry)}\0${nameOf(path)}`,
  (path, entry) => `${contentKey(entry)}\0${nameOf(path)}`,
  (_path, entry) => `${contentKey(entry)}\0${attributeKey(entry)}`,
  (_path, entry) => contentKey(entry)
]

/** @param twin where a path's bytes are known to come from. @returns path → the path whose bytes it gets; each is given once. */
export function movesOf(resolutions: Iterable<Resolution>, twin: (path: PathKey) => PathKey | null = () => null): ReadonlyMap<PathKey, PathKey> {
  const offers: Offer[] = []
  const wanted: Resolution[] = []
  for (const resolution of resolutions) {
    const { path, own, target, copies, copyOf } = resolution
    if (target.kind === 'tombstone' && hasBytes(own) && copies.length === 0 && resolution.toHistory.length === 0) offers.push({ path, own })
    else if (hasBytes(target) && !sameContent(own, target) && copyOf === null) wanted.push(resolution)
  }
  const moves = new Map<PathKey, PathKey>()
  if (offers.length === 0) return moves
  const taken = new Set<PathKey>()
  matchTwins(offers, wanted, twin, taken, moves)
  for (const keyOf of KEYS) match(offers, wanted, keyOf, taken, moves)
  return moves
}

function matchTwins(offers: readonly Offer[], wanted: readonly Resolution[], twin: (path: PathKey) => PathKey | null, taken: Set<PathKey>, moves: Map<PathKey, PathKey>): void {
  const byPath = new Map(offers.map(({ path, own }) => [path, own]))
  for (const { path, target } of wanted) {
    const from = twin(path)
    if (from === null || !sameContent(byPath.get(from) ?? null, target)) continue
    moves.set(path, from)
    taken.add(from)
  }
}

function match(offers: readonly Offer[], wanted: readonly Resolution[], keyOf: (typeof KEYS)[number], taken: Set<PathKey>, moves: Map<PathKey, PathKey>): void {
  const byKey = new Map<string, PathKey[]>()
  for (const { path, own } of offers) {
    if (taken.has(path)) continue
    const key = keyOf(path, own)
    const paths = byKey.get(key)
    if (paths === undefined) byKey.set(key, [path])
    else paths.push(path)
  }
  if (byKey.size === 0) return
  for (const { path, target } of wanted) {
    if (moves.has(path)) continue
    const paths = byKey.get(keyOf(path, target as FileEntry | SymlinkEntry))
    const from = paths?.at(-1)
    // What lies below a path must be gone before the path can be a file.
    if (from === undefined || from.startsWith(`${path}/`)) continue
    paths?.pop()
    moves.set(path, from)
    taken.add(from)
  }
}

function attributeKey(entry: Entry): string {
  return entry.kind === 'file' ? `${entry.mode} ${entry.mtime}` : entry.kind === 'symlink' ? entry.mtime : ''
}

/** What the moved file must be given. */
export function attributesAfterMove(own: Entry, target: Entry): { readonly mode: number | null; readonly mtime: string | null } {
  if (sameAttributes(own, target)) return { mode: null, mtime: null }
  return { mode: target.kind === 'file' ? target.mode : null, mtime: target.kind === 'file' || target.kind === 'symlink' ? target.mtime : null }
}

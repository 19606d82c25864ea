/**
 * Paths of a tree: the one parser of names that come from a peer, a disk or a caller, and the little that is done with them.
 * A PathKey is relative to the folder root, its components joined by '/'; the root itself is ROOT and is never an entry.
 */
import { MAX_NAME_BYTES, MAX_PATH_BYTES } from '../../base/limits.ts'
import type { PathKey } from './ids.ts'

export const ROOT = '' as PathKey

/** Our own directory at the root; no case variant of it is ever synced (it would alias on a folding file system). */
export const RESERVED_NAME = '.p2psync'

/** The one file whose rules decide what is synced (R32). */
export const IGNORE_FILE = '.p2psyncignore' as PathKey

/** A folding file system (ext4 casefold, APFS) leaves these out when it compares names. */
const UNSEEN = /\p{Default_Ignorable_Code_Point}/gu
const LONE_SURROGATE = /\p{Surrogate}/u
/** Nearly all names: a byte a character, and nothing that Unicode could fold to something else than its lower case. */
const PLAIN = /^[ -~]*$/

/** Characters: too few for more than MAX_PATH_BYTES of UTF-8. */
const SHORT_PATH = MAX_PATH_BYTES / 3

/**
 * @returns null for anything but a relative path of 1 to 4,096 bytes of valid UTF-8 whose components are names (non-empty, not
 * '.' or '..', no NUL, at most 255 bytes) and which does not lie in our own directory.
 */
export function parsePath(value: unknown): PathKey | null {
  if (typeof value !== 'string' || value.length === 0 || value.length > MAX_PATH_BYTES) return null
  if (!PLAIN.test(value) && (LONE_SURROGATE.test(value) || Buffer.byteLength(value) > MAX_PATH_BYTES)) return null
  const names = value.split('/')
  if (!names.every(isName) || isReserved(names[0] ?? '')) return null
  return value as PathKey
}

/** `name` in a directory whose path is one: null if it is no name, or both together are none. Most need no look at the whole. */
export function parseChild(directory: PathKey, name: string): PathKey | null {
  if (!isName(name)) return null
  const path = joinPath(directory, name)
  return directory === ROOT || path.length > SHORT_PATH ? parsePath(path) : path
}

/** True if it can be the name of something in a directory other than the root (there the reserved name is excluded too). */
export function isName(name: string): boolean {
  if (name === '' || name === '.' || name === '..' || name.includes('\0') || name.includes('/')) return false
  if (name.length > MAX_NAME_BYTES) return false
  if (PLAIN.test(name)) return true
  if (LONE_SURROGATE.test(name)) return false
  return Buffer.byteLength(name) <= MAX_NAME_BYTES
}

/** True for our own directory's name and for every name that a folding file system may take for it. */
export function isReserved(name: string): boolean {
  if (PLAIN.test(name)) return name.length === RESERVED_NAME.length && name.toLowerCase() === RESERVED_NAME
  return name.normalize('NFKC').replace(UNSEEN, '').toUpperCase().toLowerCase() === RESERVED_NAME
}

/** The directory that holds it; ROOT for a name at the top. */
export function parentOf(path: PathKey): PathKey {
  const slash = path.lastIndexOf('/')
  return (slash === -1 ? '' : path.slice(0, slash)) as PathKey
}

export function nameOf(path: PathKey): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** `name` is one that was parsed before. */
export function joinPath(directory: PathKey, name: string): PathKey {
  return (directory === ROOT ? name : `${directory}/${name}`) as PathKey
}

/** From the parent up to the top; the root is left out. */
export function ancestorsOf(path: PathKey): PathKey[] {
  const ancestors: PathKey[] = []
  for (let at = parentOf(path); at !== ROOT; at = parentOf(at)) ancestors.push(at)
  return ancestors
}

/** True if `path` lies strictly below `directory`. */
export function isBelow(path: PathKey, directory: PathKey): boolean {
  if (directory === ROOT) return path !== ROOT
  return path.length > directory.length && path.startsWith(directory) && path[directory.length] === '/'
}

/** Order of the UTF-8 bytes; a directory comes before what lies below it. */
export function comparePaths(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const p = a.charCodeAt(i)
    const q = b.charCodeAt(i)
    if (p !== q) return byteRank(p) - byteRank(q)
  }
  return a.length - b.length
}

/** UTF-16 puts surrogates (code points from 0x10000) below U+E000 to U+FFFF; UTF-8 puts them above. */
function byteRank(unit: number): number {
  if (unit >= 0xe000) return unit - 0x800
  return unit >= 0xd800 ? unit + 0x2000 : unit
}

/**
 * Paths as keys of a drive, so that a stock Hyperdrive can `get()` every name it lists.
 *
 *     key of the Hyperbee = sub-keyspace · NUL · '/' · escaped path
 *
 * The sub-keyspace is `files` (Hyperdrive's own: files and symlinks) or `p2psync` (directories and tombstones, which a stock
 * reader shall not see). Hyperdrive resolves a name before it looks it up: `\` counts as `/`, empty and `.` components vanish,
 * `..` goes up. A PathKey has none of the latter three, so only the backslash needs an escape, chosen so that nearly all names
 * stay as they are, the percent-encoded ones included:
 *
 *     `\`                              → `%5C`
 *     `%` where `5C` or `25` follows   → `%25`
 *
 * Reading undoes exactly these two, and refuses a key that writing would not have made: two keys never mean one path.
 */
import SubEncoder from 'sub-encoder'
import { MAX_PATH_BYTES } from '../../base/limits.ts'
import type { PathKey } from '../sync/ids.ts'
import { parsePath } from '../sync/path.ts'

export type Keyspace = 'files' | 'p2psync'

const ENCODERS: Readonly<Record<Keyspace, SubEncoder>> = {
  files: new SubEncoder('files', 'utf-8'),
  p2psync: new SubEncoder('p2psync', 'utf-8')
}
const PREFIXES: readonly { readonly keyspace: Keyspace; readonly bytes: Buffer }[] = [
  { keyspace: 'files', bytes: Buffer.from('files\0') },
  { keyspace: 'p2psync', bytes: Buffer.from('p2psync\0') }
]
/** An escape makes three bytes of one. */
const MAX_KEY_BYTES = 3 * MAX_PATH_BYTES + 16

/** `drive.get()` of a stock reader takes this name. */
export function drivePath(path: PathKey): string {
  return `/${path.replace(/\\|%(?=5C|25)/g, (found) => (found === '\\' ? '%5C' : '%25'))}`
}

export function encodeKey(keyspace: Keyspace, path: PathKey): Buffer {
  return ENCODERS[keyspace].encode(drivePath(path))
}

/** `other`: a keyspace that is not ours to read. `invalid`: a name that must not be used; `name` is printable, for a message. */
export type DecodedKey =
  | { readonly kind: 'path'; readonly keyspace: Keyspace; readonly path: PathKey }
  | { readonly kind: 'other' }
  | { readonly kind: 'invalid'; readonly name: string }

/** Bytes from another device: everything is checked here. */
export function decodeKey(key: Buffer): DecodedKey {
  const prefix = PREFIXES.find(({ bytes }) => key.length >= bytes.length && key.compare(bytes, 0, bytes.length, 0, bytes.length) === 0)
  if (prefix === undefined) return { kind: 'other' }
  const rest = key.subarray(prefix.bytes.length)
  const path = key.length > MAX_KEY_BYTES ? null : decodeName(rest)
  if (path === null) return { kind: 'invalid', name: printable(rest) }
  return { kind: 'path', keyspace: prefix.keyspace, path }
}

function decodeName(bytes: Buffer): PathKey | null {
  const name = bytes.toString('utf8')
  if (!name.startsWith('/')) return null
  const path = parsePath(name.slice(1).replace(/%(5C|25)/g, (found) => (found === '%5C' ? '\\' : '%')))
  if (path === null || path === '') return null
  // Bytes that are not UTF-8 and escapes that writing does not make come out different here.
  return Buffer.from(drivePath(path)).equals(bytes) ? path : null
}

const PRINTABLE_CHARACTERS = 120

/** A name from a peer as it may stand in a log or on a terminal. */
export function printable(bytes: Buffer): string {
  const text = bytes.subarray(0, 4 * PRINTABLE_CHARACTERS).toString('utf8')
  const safe = text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\u{fffd}')
  return safe.length > PRINTABLE_CHARACTERS ? `${safe.slice(0, PRINTABLE_CHARACTERS)}…` : safe
}

/**
 * Conflict copies: their name (R7) and their statement (R6). The same on every device: neither a clock nor a device goes in.
 *
 *     stem.sync-conflict-H.ext     H = first 10 characters of base32(SHA-256(tuple)), RFC 4648, lower case
 *     tuple = base path, kind, content id or target; each as length (u32 LE) · UTF-8 bytes
 *
 * The extension is what follows the last dot that is not the name's first character, if it is 1 to 16 bytes. The base path is
 * the path where the content lost, without the suffix of an earlier conflict; further down the chain (below) it is the path
 * before.
 */
import { sha256 } from '../../base/sha256.ts'
import { MAX_NAME_BYTES, MAX_PATH_BYTES } from '../../base/limits.ts'
import { contentOf } from './entry-compare.ts'
import type { Dot, Entry, FileEntry, SymlinkEntry } from './entry.ts'
import type { PathKey, WriterId } from './ids.ts'
import { joinPath, nameOf, parentOf, parsePath, ROOT } from './path.ts'
import { compareDots, vectorOf } from './version.ts'

const MARK = '.sync-conflict-'
const HASH_CHARACTERS = 10
const MAX_EXTENSION_BYTES = 16
const MAX_CHAIN = 4
const SUFFIX = /^(.+)\.sync-conflict-[a-z2-7]{10}(\.[^.]+)?$/s
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'
const COPY_DOMAIN = Buffer.from('p2psync/copy/1\0')

/** Only saves hashing: a function of its key. */
const copyWriters = new Map<WriterId, WriterId>()
const MAX_REMEMBERED = 4096

/**
 * Where the losing content of `base` is kept (R7). A content that lost at its own conflict path goes on to the next of a short
 * chain, each hashed over the path before; at the end of it the result is `base` itself: history is the only place left.
 */
export function conflictPath(base: PathKey, loser: FileEntry | SymlinkEntry): PathKey {
  const stripped = stripConflict(base)
  const first = copyPath(stripped, stripped, loser)
  if (stripped === base) return first
  let at = first
  for (let i = 1; i < MAX_CHAIN; i++) {
    const next = copyPath(stripped, at, loser)
    if (at === base) return next
    at = next
  }
  return at === base ? base : first
}

/** The name comes from `stripped`, the hash from `hashed`. */
function copyPath(stripped: PathKey, hashed: PathKey, loser: FileEntry | SymlinkEntry): PathKey {
  const { stem, extension } = splitName(nameOf(stripped))
  const suffix = `${MARK}${hashOf(hashed, loser)}${extension}`
  const directory = roomyDirectory(parentOf(stripped), Buffer.byteLength(suffix))
  const room = Math.min(MAX_NAME_BYTES, roomIn(directory)) - Buffer.byteLength(suffix)
  return joinPath(directory, `${cutBytes(stem, room)}${suffix}`)
}

/** The path without the suffix of a conflict copy; any other path as it is. A name that had to be cut stays cut. */
export function stripConflict(path: PathKey): PathKey {
  const match = SUFFIX.exec(nameOf(path))
  if (match === null || Buffer.byteLength(match[2] ?? '') > MAX_EXTENSION_BYTES + 1) return path
  return parsePath(joinPath(parentOf(path), `${match[1]}${match[2] ?? ''}`)) ?? path
}

export function isConflictPath(path: PathKey): boolean {
  return stripConflict(path) !== path
}

/**
 * The virtual entry of a losing content (R6), which takes part in the merge at its conflict path like a received one. Its dots
 * are those of the content under the *copy writers* of their writers: a dot speaks of one path, and vectors at the conflict path
 * must not pretend to know what the same writer did there.
 */
export function copyEntry(loser: FileEntry | SymlinkEntry): FileEntry | SymlinkEntry {
  const dots = copyDots(loser.dots)
  if (loser.kind === 'symlink') return { ...loser, vv: vectorOf(dots), dots }
  return { ...loser, vv: vectorOf(dots), dots, mdot: copyDot(loser.mdot) }
}

/** The same changes as told of another path; sorted. */
export function copyDots(dots: Entry['dots']): readonly Dot[] {
  return dots.map(copyDot).sort(compareDots)
}

/** The column in which changes of `writer` stand at conflict paths: first 8 bytes of SHA-256('p2psync/copy/1\0' · writer id). */
export function copyWriter(writer: WriterId): WriterId {
  const known = copyWriters.get(writer)
  if (known !== undefined) return known
  const digest = sha256(COPY_DOMAIN, Buffer.from(writer))
  const made = Buffer.from(digest).toString('hex').slice(0, 16) as WriterId
  if (copyWriters.size < MAX_REMEMBERED) copyWriters.set(writer, made)
  return made
}

function copyDot([writer, n]: Dot): Dot {
  return [copyWriter(writer), n]
}

function splitName(name: string): { readonly stem: string; readonly extension: string } {
  const dot = name.lastIndexOf('.')
  const extension = name.slice(dot)
  const counts = dot > 0 && extension.length > 1 && Buffer.byteLength(extension) <= MAX_EXTENSION_BYTES + 1
  return counts ? { stem: name.slice(0, dot), extension } : { stem: name, extension: '' }
}

function hashOf(base: PathKey, loser: FileEntry | SymlinkEntry): string {
  const digest = sha256(...[base, loser.kind, contentOf(loser)].flatMap(prefixed))
  let bits = 0n
  for (const byte of digest.slice(0, 7)) bits = (bits << 8n) | BigInt(byte)
  let text = ''
  for (let i = 0; i < HASH_CHARACTERS; i++) text += BASE32[Number((bits >> BigInt(51 - i * 5)) & 31n)]
  return text
}

function prefixed(text: string): Uint8Array[] {
  const bytes = Buffer.from(text)
  const length = Buffer.allocUnsafe(4)
  length.writeUInt32LE(bytes.length)
  return [length, bytes]
}

/** The nearest directory in which a name of one character and the suffix still makes a path of allowed length. */
function roomyDirectory(directory: PathKey, suffixBytes: number): PathKey {
  let at = directory
  while (at !== ROOT && roomIn(at) < suffixBytes + 4) at = parentOf(at)
  return at
}

function roomIn(directory: PathKey): number {
  return directory === ROOT ? MAX_PATH_BYTES : MAX_PATH_BYTES - Buffer.byteLength(directory) - 1
}

/** The longest beginning of whole characters (code points) within `bytes`. */
function cutBytes(text: string, bytes: number): string {
  let kept = ''
  let used = 0
  for (const character of text) {
    used += Buffer.byteLength(character)
    if (used > bytes) break
    kept += character
  }
  return kept
}

/**
 * One digest of all that stands in a directory: names, inodes, sizes, times and modes. The index makes it of its rows and a thread of the disk of
 * what it finds, so that a directory in which nothing changed is compared as a whole and not file by file (decisions/0032).
 *
 *     SHA-256 of, by name: name in UTF-8 · NUL · mode u64 · ino u64 · but for a directory: size u64 · mtime i64 · ctime i64
 */
import { sha256 } from '../../base/sha256.ts'

/** As lstat gives it; nanoseconds within 64 bits. */
export interface Standing {
  readonly name: string
  readonly ino: bigint
  readonly size: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  readonly mode: bigint
}

const TYPE_MASK = 0o170000n
const DIRECTORY = 0o040000n
const NUMBERS_BYTES = 1 + 5 * 8
/** Of a name of that many UTF-16 units. */
const BYTES_OF_UNIT = 3

/** In any order; each name once. A directory's times and size change with its children and are left out. @returns 32 bytes. */
export function directoryDigest(standing: Standing[]): Buffer {
  standing.sort((a, b) => (a.name < b.name ? -1 : 1))
  let room = 0
  for (const { name } of standing) room += BYTES_OF_UNIT * name.length + NUMBERS_BYTES
  const bytes = Buffer.allocUnsafe(room)
  // A Buffer writes such numbers byte by byte.
  const numbers = new DataView(bytes.buffer, bytes.byteOffset, room)
  let at = 0
  const add = (number: bigint): void => {
    numbers.setBigInt64(at, number, true)
    at += 8
  }
  for (const { name, ino, size, mtimeNs, ctimeNs, mode } of standing) {
    at += bytes.write(name, at)
    bytes[at++] = 0
    add(mode)
    add(ino)
    if ((mode & TYPE_MASK) === DIRECTORY) continue
    add(size)
    add(mtimeNs)
    add(ctimeNs)
  }
  return sha256(bytes.subarray(0, at))
}

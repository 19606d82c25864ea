/** What a daemon did to its files, as shim.c wrote it down: one record a call that succeeded, little-endian. */
import { CALLS, type Call } from './shim.ts'

export interface Op {
  readonly call: Call
  /** One order over all daemons that share it. */
  readonly seq: number
  /** Of the file, after the call. */
  readonly inode: bigint
  readonly offset: number
  /** Of mkdir and chmod: the mode. */
  readonly result: number
  /** Of create: 1 the file is new, 2 it is emptied. */
  readonly flags: number
  readonly path: string
  readonly other: string
  readonly data: Buffer
}

const HEAD_BYTES = 56
/** Of O_TMPFILE: it never has a name, and its inode may have been that of a file which a power cut brings back. */
const NAMELESS = /\/#\d+ \(deleted\)$/

export function readJournal(bytes: Buffer): Op[] {
  const ops: Op[] = []
  for (let at = 0; at < bytes.length; at += bytes.readUInt32LE(at)) {
    const text = (from: number, size: number): string => bytes.toString('utf8', from, from + size)
    const [path, other, data] = [44, 48, 52].map((field) => bytes.readUInt32LE(at + field)) as [number, number, number]
    const start = at + HEAD_BYTES
    ops.push({
      call: CALLS[bytes.readUInt32LE(at + 4)] as Call,
      seq: Number(bytes.readBigUInt64LE(at + 8)),
      inode: bytes.readBigUInt64LE(at + 16),
      offset: Number(bytes.readBigUInt64LE(at + 24)),
      result: Number(bytes.readBigInt64LE(at + 32)),
      flags: bytes.readUInt32LE(at + 40),
      path: text(start, path),
      other: text(start + path, other),
      data: bytes.subarray(start + path + other, start + path + other + data)
    })
  }
  return ops.filter(({ path }) => !NAMELESS.test(path))
}

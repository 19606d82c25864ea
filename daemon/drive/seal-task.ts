/**
 * The hashes of blocks as a core's Merkle tree has them (encrypted, BLAKE2b), of chunks in an open file; in a thread of its own
 * (base/workers.ts). It does to a block what Hypercore's append does; test/drive/blocks.test.ts pins that.
 */
import { data as leafHash } from 'hypercore-crypto'
import DefaultEncryption from 'hypercore/lib/default-encryption.js'
import { sha256 } from '../../base/sha256.ts'
import { keptBuffer, readAll } from '../../base/thread-buffer.ts'

export const ROW_BYTES = 36
export const LEAF_BYTES = 32
const PADDING_BYTES = 8
/** Our own cores never truncate. */
const FORK = 0

export interface SealInput {
  readonly fd: number
  /** Where the first chunk begins. */
  readonly offset: number
  /** Chunks as the pages of a list have them: id · length (u32 LE). */
  readonly rows: Uint8Array
  /** Block number of the first chunk. */
  readonly index: number
  readonly blockKey: Uint8Array
  readonly blindingKey: Uint8Array
  /** The bytes are hashed against the ids of their chunks as well. */
  readonly verify: boolean
}

/** Leaf hashes, 32 bytes each; null: these are not the bytes of the chunks. */
export type SealOutput = Uint8Array | null

export function run({ fd, offset, rows, index, blockKey, blindingKey, verify }: SealInput): SealOutput {
  const table = Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength)
  const count = table.length / ROW_BYTES
  const leaves = new Uint8Array(count * LEAF_BYTES)
  let position = offset
  for (let i = 0; i < count; i++) {
    const length = table.readUInt32LE(i * ROW_BYTES + 32)
    const block = keptBuffer(PADDING_BYTES + length)
    const data = block.subarray(PADDING_BYTES)
    if (!readAll(fd, data, position)) return null
    if (verify && !sha256(data).equals(table.subarray(i * ROW_BYTES, i * ROW_BYTES + 32))) return null
    block.fill(0, 0, PADDING_BYTES)
    DefaultEncryption.encrypt(index + i, block, FORK, blockKey, blindingKey)
    leaves.set(leafHash(block), i * LEAF_BYTES)
    position += length
  }
  return leaves
}

/** Copies chunks from one open file to another, in a thread of its own (base/workers.ts); what is written is what was hashed. */
import { writeSync } from 'node:fs'
import { sha256 } from '../../base/sha256.ts'
import { keptBuffer, readAll } from '../../base/thread-buffer.ts'

export interface CopyInput {
  readonly from: number
  readonly to: number
  /** Triples: where from, where to, how many bytes. */
  readonly ranges: Float64Array
  /** Of each the chunk id, 32 bytes. */
  readonly ids: Uint8Array
}

/** For each range 1 if it was copied, 0 if other bytes, or too few, stand there. */
export type CopyOutput = Uint8Array

export function run({ from, to, ranges, ids }: CopyInput): CopyOutput {
  const copied = new Uint8Array(ranges.length / 3)
  for (let i = 0; i < copied.length; i++) {
    const [source, target, length] = ranges.subarray(3 * i, 3 * i + 3) as unknown as [number, number, number]
    const data = keptBuffer(length)
    if (!readAll(from, data, source) || !sha256(data).equals(ids.subarray(32 * i, 32 * i + 32))) continue
    for (let written = 0; written < length; ) written += writeSync(to, data, written, length - written, target + written)
    copied[i] = 1
  }
  return copied
}

/** Copies ranges from one open file to another, in a thread of its own (base/workers.ts), with one kept buffer. */
import { readSync, writeSync } from 'node:fs'

export interface CopyInput {
  readonly from: number
  readonly to: number
  /** Triples: where from, where to, how many bytes. */
  readonly ranges: Float64Array
}

const BUFFER_BYTES = 1024 * 1024

/** False if the source is shorter. */
export function run({ from, to, ranges }: CopyInput): boolean {
  const buffer = keptBuffer()
  for (let i = 0; i < ranges.length; i += 3) {
    const [source, target, length] = ranges.subarray(i, i + 3) as unknown as [number, number, number]
    for (let done = 0; done < length; ) {
      const count = readSync(from, buffer, 0, Math.min(buffer.length, length - done), source + done)
      if (count === 0) return false
      for (let written = 0; written < count; ) written += writeSync(to, buffer, written, count - written, target + done + written)
      done += count
    }
  }
  return true
}

let kept: Buffer | null = null

/** The same for each task of a thread: `run` never waits. */
function keptBuffer(): Buffer {
  return (kept ??= Buffer.allocUnsafeSlow(BUFFER_BYTES))
}

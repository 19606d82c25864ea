/** What a staged content shares with a file of the tree is copied range by range, on worker threads. */
import type { Workers } from '../../base/workers.ts'
import type { Chunk } from '../sync/content.ts'
import type { ChunkId } from '../sync/ids.ts'
import { run, type CopyInput } from './copy-task.ts'

/** For one thread at a time; without threads, for one turn of the event loop. */
const PART_BYTES = 16 * 1024 * 1024
const COPY_TASK = new URL('./copy-task.js', import.meta.url)

export interface Missing {
  readonly offset: number
  readonly chunk: Chunk
}

/** `done` is told of chunks as they are copied. False if the source is shorter than it should be. */
export async function copyRanges(workers: Workers | null, from: number, to: number, missing: readonly Missing[], source: ReadonlyMap<ChunkId, number>, done: (bytes: number) => void): Promise<boolean> {
  const parts = partsOf(missing, source)
  let next = 0
  let complete = true
  const lane = async (): Promise<void> => {
    while (next < parts.length && complete) {
      const { ranges, bytes } = parts[next++] as Part
      const input: CopyInput = { from, to, ranges: Float64Array.from(ranges) }
      if (!(workers === null ? await inTurn(input) : await workers.run<boolean>(COPY_TASK, input))) complete = false
      done(bytes)
    }
  }
  const results = await Promise.allSettled(Array.from({ length: workers?.size ?? 1 }, lane))
  const failure = results.find((result) => result.status === 'rejected')
  if (failure !== undefined) throw failure.reason
  return complete
}

async function inTurn(input: CopyInput): Promise<boolean> {
  await new Promise((resolve) => setImmediate(resolve))
  return run(input)
}

interface Part {
  readonly ranges: number[]
  bytes: number
}

/** Neighbours in both files are one range. */
function partsOf(missing: readonly Missing[], source: ReadonlyMap<ChunkId, number>): Part[] {
  const parts: Part[] = []
  for (const { offset, chunk } of missing) {
    const at = source.get(chunk.id)
    if (at === undefined) continue
    let part = parts[parts.length - 1]
    if (part === undefined || part.bytes >= PART_BYTES) parts.push((part = { ranges: [], bytes: 0 }))
    const last = part.ranges.length - 3
    const follows = last >= 0 && (part.ranges[last] as number) + (part.ranges[last + 2] as number) === at && (part.ranges[last + 1] as number) + (part.ranges[last + 2] as number) === offset
    if (follows) part.ranges[last + 2] = (part.ranges[last + 2] as number) + chunk.length
    else part.ranges.push(at, offset, chunk.length)
    part.bytes += chunk.length
  }
  return parts
}

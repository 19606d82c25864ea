/** What a staged content shares with another file here is copied on worker threads, each chunk verified. */
import type { Workers } from '../../base/workers.ts'
import type { Chunk } from '../sync/content.ts'
import type { ChunkId } from '../sync/ids.ts'
import { run, type CopyInput, type CopyOutput } from './copy-task.ts'

/** For one thread at a time; without threads, for one turn of the event loop. */
const PART_BYTES = 8 * 1024 * 1024
const COPY_TASK = new URL('./copy-task.js', import.meta.url)

export interface Missing {
  readonly offset: number
  readonly chunk: Chunk
}

/** `copied` is told of each chunk that was found and written. Rejects with what a write met. */
export async function copyChunks(workers: Workers | null, from: number, to: number, missing: readonly Missing[], source: ReadonlyMap<ChunkId, number>, copied: (missing: Missing) => void): Promise<void> {
  const parts = partsOf(missing.filter(({ chunk }) => source.has(chunk.id)))
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < parts.length) {
      const part = parts[next++] as Missing[]
      const input = inputOf(from, to, part, source)
      const results = workers === null ? await inTurn(input) : await workers.run<CopyOutput>(COPY_TASK, input)
      for (const [i, item] of part.entries()) if (results[i] === 1) copied(item)
    }
  }
  const results = await Promise.allSettled(Array.from({ length: workers?.size ?? 1 }, lane))
  const failure = results.find((result) => result.status === 'rejected')
  if (failure !== undefined) throw failure.reason
}

async function inTurn(input: CopyInput): Promise<CopyOutput> {
  await new Promise((resolve) => setImmediate(resolve))
  return run(input)
}

function inputOf(from: number, to: number, part: readonly Missing[], source: ReadonlyMap<ChunkId, number>): CopyInput {
  const ranges = Float64Array.from(part.flatMap(({ offset, chunk }) => [source.get(chunk.id) as number, offset, chunk.length]))
  return { from, to, ranges, ids: Buffer.concat(part.map(({ chunk }) => Buffer.from(chunk.id, 'base64url'))) }
}

function partsOf(missing: readonly Missing[]): Missing[][] {
  const parts: Missing[][] = []
  let bytes = Infinity
  for (const item of missing) {
    if (bytes >= PART_BYTES) {
      parts.push([])
      bytes = 0
    }
    ;(parts[parts.length - 1] as Missing[]).push(item)
    bytes += item.chunk.length
  }
  return parts
}

/**
 * The blocks of a large content, hashed on worker threads before any of them is appended: so that encrypting and hashing do not
 * hold up everything else, and nothing of a content is appended that turns out to have changed meanwhile.
 */
import type Hypercore from 'hypercore'
import type { Workers } from '../../base/workers.ts'
import type { OpenContent, Threads } from '../ports.ts'
import { encodePages, type Chunk } from '../sync/content.ts'
import type { PathKey } from '../sync/ids.ts'
import { SealedBlock } from './blocks.ts'
import { LEAF_BYTES, type SealInput, type SealOutput } from './seal-task.ts'

/** Below, a thread is not worth asking. */
export const SEAL_BYTES = 2 * 1024 * 1024
/** For one thread at a time. */
const PART_BYTES = 16 * 1024 * 1024
/** What Hypercore's default encryption puts before each block. */
const PADDING_BYTES = 8
const SEAL_TASK = new URL('./seal-task.js', import.meta.url)

export interface Sealer {
  readonly workers: Workers
  readonly open: OpenContent
}

export interface ChunkAt extends Chunk {
  readonly offset: number
}

/**
 * The blocks that these chunks of a file become from number `index` on. Null: the file cannot be held open as what it is known as,
 * so that its chunks must be read one by one. 'changed': it is something else by now.
 */
export async function seal(core: Hypercore, { workers, open }: Sealer, path: PathKey, chunks: readonly ChunkAt[], index: number): Promise<SealedBlock[] | 'changed' | null> {
  const { encryption } = core
  if (encryption === null) return null
  const file = await open(path)
  if (file === null) return null
  try {
    const leaves = await sealAll(file.threads ?? workers, chunks, (part, first) => ({
      fd: file.fd,
      offset: (part[0] as ChunkAt).offset,
      rows: Buffer.concat(encodePages(part)),
      index: index + first,
      blockKey: encryption.blockKey,
      blindingKey: encryption.blindingKey,
      verify: !file.verified,
    }))
    if (leaves === null || !(await file.isUnchanged())) return 'changed'
    return chunks.map(({ length }, i) => new SealedBlock(length + PADDING_BYTES, leaves.subarray(i * LEAF_BYTES, (i + 1) * LEAF_BYTES)))
  } finally {
    await file.close()
  }
}

/** Waits for every part, so that no thread reads when the file is closed. */
async function sealAll(threads: Threads, chunks: readonly ChunkAt[], input: (part: readonly ChunkAt[], first: number) => SealInput): Promise<Buffer | null> {
  const tasks: Promise<SealOutput>[] = []
  let first = 0
  for (const part of parts(chunks)) {
    // Other devices get the bytes meanwhile, and need the blocks only once they have them.
    tasks.push(threads.run<SealOutput>(SEAL_TASK, input(part, first), { background: true }))
    first += part.length
  }
  const results = await Promise.allSettled(tasks)
  const leaves: Uint8Array[] = []
  for (const result of results) {
    if (result.status === 'rejected' || result.value === null) return null
    leaves.push(result.value)
  }
  return Buffer.concat(leaves)
}

/** Runs of chunks that lie one behind the other. */
function parts(chunks: readonly ChunkAt[]): ChunkAt[][] {
  const runs: ChunkAt[][] = []
  let bytes = 0
  let end = -1
  for (const chunk of chunks) {
    if (chunk.offset !== end || bytes >= PART_BYTES) {
      runs.push([])
      bytes = 0
    }
    ;(runs[runs.length - 1] as ChunkAt[]).push(chunk)
    bytes += chunk.length
    end = chunk.offset + chunk.length
  }
  return runs
}

/**
 * Appends a large content to a drive's blobs core: its blocks are sealed first (seal.ts) and then appended by their hashes. Of a
 * content that shares most of its chunks with one that this core holds already, only the new chunks are appended, and after them a
 * block map of hyperblobs, which names all blocks in their order: an edit of a large file costs what is new and a few bytes for each
 * chunk, and a stock reader finds its way.
 */
import type Hypercore from 'hypercore'
import blockMaps from 'hyperblobs/lib/block-map.js'
import type { BlobRange } from '../ports.ts'
import { encodePages, type Chunk, type ContentList } from '../sync/content.ts'
import type { ChunkId } from '../sync/ids.ts'
import { pageCount, type BlobJob, type References } from './blob-job.ts'
import { appendSealed, type SealedBlock } from './blocks.ts'
import { seal, type ChunkAt, type Sealer } from './seal.ts'

/** From here on a map is smaller than what it saves. */
const MAP_BYTES = 16 * 1024 * 1024
/** Hyperblobs reads maps of at most 64 blocks of 8,192 rows. */
const MAP_ROWS = 8192
const MAX_MAP_CHUNKS = 64 * MAP_ROWS
/** In one append: enough that its cost is that of its blocks. */
const APPEND_BLOCKS = 1024

/** Null and 'changed' as `seal`. */
export async function appendLarge(core: Hypercore, references: References, { path, list, base }: BlobJob, sealer: Sealer): Promise<BlobRange | 'changed' | null> {
  const held = await heldBlocks(core, list, base ?? null)
  const fresh = held === null ? withOffsets(list.chunks) : newChunks(list.chunks, held)
  const start = { block: core.length, byte: core.byteLength }
  const blocks = fresh.length === 0 ? [] : await seal(core, sealer, path, fresh, start.block)
  if (blocks === null || blocks === 'changed') return blocks
  await append(core, references, fresh, blocks)
  const range = held === null ? { blockOffset: start.block, blockLength: fresh.length, byteOffset: start.byte, byteLength: list.size } : await appendMap(core, list.chunks, held, fresh, start.block)
  if (pageCount(list.chunks.length) > 0) await core.append(encodePages(list.chunks))
  return range
}

/** How many blocks a block map of so many chunks has. */
export function mapLength(chunks: number): number {
  return Math.ceil(chunks / MAP_ROWS)
}

/** The block numbers in a blob of that list, in its order; null if it is not there as it should be. */
export async function blocksOf(core: Hypercore, list: ContentList, blob: BlobRange): Promise<readonly number[] | null> {
  if (blob.blockMap !== true) return blob.blockLength === list.chunks.length ? list.chunks.map((_, i) => blob.blockOffset + i) : null
  const rows = await readMap(core, blob)
  const fits = rows !== null && rows.length === list.chunks.length && rows.every((row, i) => row.byteLength === list.chunks[i]?.length && row.index < core.length)
  return fits ? rows.map((row) => row.index) : null
}

export async function readMap(core: Hypercore, blob: BlobRange): Promise<readonly { readonly index: number; readonly byteLength: number }[] | null> {
  const buffers: Buffer[] = []
  for (let i = 0; i < blob.blockLength; i++) {
    const block = await core.get(blob.blockOffset + i, { wait: false })
    if (block === null) return null
    buffers.push(block)
  }
  return blockMaps.decode(buffers)?.blocks ?? null
}

/** The blocks of the other content, if a map of them pays. */
async function heldBlocks(core: Hypercore, list: ContentList, base: BlobJob['base'] | null): Promise<Map<ChunkId, number> | null> {
  if (base === null || base === undefined || list.size < MAP_BYTES || list.chunks.length > MAX_MAP_CHUNKS) return null
  const indexes = await blocksOf(core, base.list, base.blob)
  if (indexes === null) return null
  const held = new Map(base.list.chunks.map(({ id }, i) => [id, indexes[i] as number]))
  const shared = list.chunks.filter(({ id }) => held.has(id)).length
  return shared * 2 >= list.chunks.length ? held : null
}

function withOffsets(chunks: readonly Chunk[]): ChunkAt[] {
  let offset = 0
  return chunks.map((chunk) => ({ ...chunk, offset: (offset += chunk.length) - chunk.length }))
}

/** Each once. */
function newChunks(chunks: readonly Chunk[], held: ReadonlyMap<ChunkId, number>): ChunkAt[] {
  const seen = new Set<ChunkId>()
  return withOffsets(chunks).filter(({ id }) => !held.has(id) && seen.size < seen.add(id).size)
}

async function append(core: Hypercore, references: References, chunks: readonly Chunk[], blocks: readonly SealedBlock[]): Promise<void> {
  for (let at = 0; at < blocks.length; at += APPEND_BLOCKS) {
    references.clear()
    const end = Math.min(blocks.length, at + APPEND_BLOCKS)
    for (let i = at; i < end; i++) references.set(core.length + i - at, (chunks[i] as Chunk).id)
    await appendSealed(core, blocks.slice(at, end))
  }
  references.clear()
}

async function appendMap(core: Hypercore, chunks: readonly Chunk[], held: ReadonlyMap<ChunkId, number>, fresh: readonly Chunk[], firstFresh: number): Promise<BlobRange> {
  const at = new Map(fresh.map(({ id }, i) => [id, firstFresh + i]))
  const rows = chunks.map(({ id, length }) => ({ index: held.get(id) ?? (at.get(id) as number), byteLength: length }))
  const buffers = blockMaps.encode({ blocks: rows })
  const range = { blockOffset: core.length, blockLength: buffers.length, byteOffset: core.byteLength, byteLength: buffers.reduce((sum, buffer) => sum + buffer.length, 0), blockMap: true as const }
  await core.append(buffers)
  return range
}

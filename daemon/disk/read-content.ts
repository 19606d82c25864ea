/**
 * A file's bytes → its content list, in one pass with fixed buffers: while one buffer is cut and hashed the next is read. The
 * event loop runs between buffers. Knows descriptors, not names; who calls sees to it that the file was stable.
 */
import { chunkId, contentList, sizeClassOf, type Chunk, type ContentList } from '../sync/content.ts'
import { cutLength, CUT_RULES, ONE_CHUNK_BYTES, type CutRule } from './chunk.ts'
import { readFully } from './sys.ts'

/** New bytes per buffer: large enough for few calls, small enough that cutting and hashing hold the event loop for 3 ms. */
const READ_BYTES = 2 * 1024 * 1024

/** @returns null if there were fewer than `size` bytes, or the signal aborted. */
export async function readContent(fd: number, size: number, signal?: AbortSignal): Promise<ContentList | null> {
  const sizeClass = sizeClassOf(size)
  if (size === 0) return contentList(sizeClass, [])
  if (size <= ONE_CHUNK_BYTES) return await readOneChunk(fd, size)
  const chunks = size <= READ_BYTES ? await cutWhole(fd, size, CUT_RULES[sizeClass]) : await cutStream(fd, size, CUT_RULES[sizeClass], signal)
  return chunks === null ? null : contentList(sizeClass, chunks)
}

async function readOneChunk(fd: number, size: number): Promise<ContentList | null> {
  const data = Buffer.allocUnsafe(size)
  if ((await readFully(fd, data, 0, size, 0)) < size) return null
  return contentList(0, [{ id: chunkId(data), length: size }])
}

async function cutWhole(fd: number, size: number, rule: CutRule): Promise<Chunk[] | null> {
  const data = Buffer.allocUnsafe(size)
  if ((await readFully(fd, data, 0, size, 0)) < size) return null
  const chunks: Chunk[] = []
  cutInto(chunks, data, 0, size, true, rule)
  return chunks
}

/** Each buffer is [room for what the last one left uncut, less than a maximum chunk | new bytes]. */
async function cutStream(fd: number, size: number, rule: CutRule, signal?: AbortSignal): Promise<Chunk[] | null> {
  const chunks: Chunk[] = []
  let buffer = Buffer.allocUnsafe(rule.max + READ_BYTES)
  let spare = Buffer.allocUnsafe(rule.max + READ_BYTES)
  let left = 0
  let position = 0
  let reading = readFully(fd, buffer, rule.max, Math.min(READ_BYTES, size), 0)
  for (;;) {
    const count = await reading
    if (count < Math.min(READ_BYTES, size - position) || signal?.aborted === true) return null
    position += count
    const last = position === size
    if (!last) reading = readFully(fd, spare, rule.max, Math.min(READ_BYTES, size - position), position)
    const end = rule.max + count
    const cut = cutInto(chunks, buffer, rule.max - left, end, last, rule)
    if (last) return chunks
    left = end - cut
    buffer.copy(spare, rule.max - left, cut, end)
    ;[buffer, spare] = [spare, buffer]
  }
}

/** Cuts as long as a whole chunk is sure to lie there; returns where it stopped. */
function cutInto(chunks: Chunk[], data: Buffer, start: number, end: number, last: boolean, rule: CutRule): number {
  let from = start
  const stop = last ? end : end - rule.max + 1
  while (from < stop) {
    const length = cutLength(data, from, end, rule)
    chunks.push({ id: chunkId(data.subarray(from, from + length)), length })
    from += length
  }
  return from
}

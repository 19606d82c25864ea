/**
 * Chunks of small files that were just read or received, verified: what is published next and what other devices ask for next needs
 * the same bytes, and reading a small file again costs as much as all else that is done for it. Empty when the folder is at rest.
 */
import { keptView } from '../../base/kept-view.ts'
import { chunkId } from '../sync/content.ts'
import type { ChunkId } from '../sync/ids.ts'

/** A few batches of small files; what is dropped is read from the disk again. */
const MAX_BYTES = 8 * 1024 * 1024
/** Reading larger ones costs little beside their bytes. */
const MAX_CHUNK_BYTES = 64 * 1024

export class RecentChunks {
  readonly #chunks = new Map<ChunkId, Buffer>()
  #bytes = 0

  /** `data` hashes to `id`, and stays as it is. */
  put(id: ChunkId, data: Buffer): void {
    if (data.length > MAX_CHUNK_BYTES || this.#chunks.has(id)) return
    this.#chunks.set(id, keptView(data))
    this.#bytes += data.length
    for (const oldest of this.#chunks.keys()) {
      if (this.#bytes <= MAX_BYTES) break
      this.delete(oldest)
    }
  }

  /** Bytes of which nothing is known but their hash, which names them. */
  take(data: Buffer): ChunkId {
    const id = chunkId(data)
    this.put(id, data)
    return id
  }

  get empty(): boolean {
    return this.#chunks.size === 0
  }

  get(id: ChunkId): Buffer | null {
    return this.#chunks.get(id) ?? null
  }

  delete(id: ChunkId): void {
    const data = this.#chunks.get(id)
    if (data === undefined) return
    this.#chunks.delete(id)
    this.#bytes -= data.length
  }

  clear(): void {
    this.#chunks.clear()
    this.#bytes = 0
  }
}

/** What is appended to a blobs core, as the parts that append it see it. */
import type { BlobRange } from '../ports.ts'
import { PAGE_CHUNKS, type ContentList } from '../sync/content.ts'
import type { ChunkId, PathKey } from '../sync/ids.ts'

/** Which chunk each block that is about to be appended is made of, by index (drive/blocks.ts). */
export type References = Map<number, ChunkId>

export interface BlobJob {
  readonly path: PathKey
  readonly list: ContentList
  /** A content of this core that may share many chunks with it: the version before. */
  readonly base?: { readonly list: ContentList; readonly blob: BlobRange } | null
}

/** How many blocks hold the list of a content of `chunks` chunks. */
export function pageCount(chunks: number): number {
  return chunks < 2 ? 0 : Math.ceil(chunks / PAGE_CHUNKS)
}

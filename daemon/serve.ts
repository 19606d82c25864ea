/** Answers what other devices ask for by id: list headers and pages from the index, chunks from the files themselves. */
import type { Disk, FolderIndex } from './ports.ts'
import { chunkId } from './sync/content.ts'
import type { ObjectId } from './sync/ids.ts'

/**
 * @returns the bytes that `id` names, or null (a nack) if they cannot be had here now. Chunks are read and hashed at this moment:
 * a file that changed since it was published is never sent under its old name.
 */
export async function serveObject(disk: Pick<Disk, 'read'>, index: Pick<FolderIndex, 'find'>, id: ObjectId): Promise<Buffer | null> {
  const found = await index.find(id)
  if (found === null) return null
  if (found.kind === 'bytes') return found.data
  for (const { place, offset } of found.at) {
    const data = await disk.read(place, offset, found.length)
    if (data !== null && (chunkId(data) as string) === id) return data
  }
  return null
}

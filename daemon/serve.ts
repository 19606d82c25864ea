/** Answers what other devices ask for by id: list headers and pages from the index, chunks from the files themselves. */
import type { Disk, FolderIndex, Place, SeenStat } from './ports.ts'
import { chunkId } from './sync/content.ts'
import type { ContentId, ObjectId } from './sync/ids.ts'
import { parsePath } from './sync/path.ts'

/** Below, hashing costs no more than a look at the row of the file. */
const HASH_BYTES = 16 * 1024

export type ServeIndex = Pick<FolderIndex, 'find' | 'row'>

/**
 * @returns the bytes that `id` names, or null (a nack) if they cannot be had here now. Chunks are read and hashed at this moment: a
 * file that changed since it was published is never sent under its old name. `askerHashes`: whoever asked hashes what it gets in any
 * case, so that it is enough if the file is, before and after the reading, what the index saw when it knew its content.
 */
export async function serveObject(disk: Pick<Disk, 'read'>, index: ServeIndex, id: ObjectId, askerHashes = false): Promise<Buffer | null> {
  const found = await index.find(id)
  if (found === null) return null
  if (found.kind === 'bytes') return found.data
  const { length } = found
  for (const { place, offset, cid } of found.at) {
    const seen = !askerHashes || length < HASH_BYTES ? null : await seenOf(index, place, cid)
    const known = seen === null ? null : await disk.read(place, offset, length, seen)
    if (known !== null) return known
    const data = await disk.read(place, offset, length)
    if (data !== null && (chunkId(data) as string) === id) return data
  }
  return null
}

/** As what the index saw that content at that place; null if it is not a path of the tree, or holds another by now. */
async function seenOf(index: ServeIndex, place: Place, cid: ContentId): Promise<SeenStat | null> {
  const path = place.area === 'tree' ? parsePath(place.path) : null
  const row = path === null ? null : await index.row(path)
  return row?.entry.kind === 'file' && row.entry.cid === cid ? row.seen : null
}

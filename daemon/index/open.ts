/** Opens the index of a folder in the store's column family, and removes it. */
import type RocksDB from 'rocksdb-native'
import { P2psyncError } from '../../base/errors.ts'
import type { FolderIndex } from '../ports.ts'
import type { FolderId } from '../sync/ids.ts'
import { INDEX_FORMAT } from './codec.ts'
import { RocksFolderIndex } from './folder-index.ts'
import { Keys, META, folderRange } from './keys.ts'

/** What has the column family: drive/store.ts. */
export interface IndexHome {
  readonly index: RocksDB
}

const locks = new WeakMap<RocksDB, Promise<unknown>>()

/** One open index per folder at a time. Errors: STORE_DAMAGED (then the index is built again from drives and disk). */
export async function openIndex(home: IndexHome, folder: FolderId): Promise<FolderIndex> {
  const db = home.index
  return RocksFolderIndex.open(db, new Keys(await exclusive(db, () => folderNumber(db, folder))))
}

/** Forgets everything of a folder. Its index must be closed. */
export function dropIndex(home: IndexHome, folder: FolderId): Promise<void> {
  const db = home.index
  return exclusive(db, async () => {
    const known = await db.get(META.folder(folder))
    if (known === null) return
    const { gte, lt } = folderRange(known.readUInt32BE(0))
    const out = db.write({ autoDestroy: true })
    out.tryDeleteRange(gte, lt)
    out.tryDelete(META.folder(folder))
    await out.flush()
  })
}

/** A number is never given twice, so that nothing of a folder that was dropped can be taken for another's. */
async function folderNumber(db: RocksDB, folder: FolderId): Promise<number> {
  const [format, last, known] = await Promise.all([db.get(META.format), db.get(META.last), db.get(META.folder(folder))])
  if (format !== null && format[0] !== INDEX_FORMAT) {
    throw new P2psyncError('STORE_DAMAGED', `cannot use the index: its format ${format[0]} is not ${INDEX_FORMAT}; use the p2psync version that made it`)
  }
  if (known !== null) return known.readUInt32BE(0)
  const number = (last?.readUInt32BE(0) ?? 0) + 1
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(number)
  const out = db.write({ autoDestroy: true })
  out.tryPut(META.format, Buffer.from([INDEX_FORMAT]))
  out.tryPut(META.last, bytes)
  out.tryPut(META.folder(folder), bytes)
  await out.flush()
  return number
}

function exclusive<T>(db: RocksDB, run: () => Promise<T>): Promise<T> {
  const result = (locks.get(db) ?? Promise.resolve()).then(run)
  locks.set(
    db,
    result.catch(() => undefined)
  )
  return result
}

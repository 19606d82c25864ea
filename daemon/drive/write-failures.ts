/**
 * Tells when RocksDB could not write: after that it takes no further write until it is opened again, and what asked for the write
 * (replication of a core, for example) mostly calls it a fault of its own. The seam is `write` of RocksDB's prototype, because
 * hypercore-storage makes sessions of its own; it leans on rocksdb-native 3.18.1, and test/drive/write-failures.test.ts pins it.
 */
import RocksDB, { type WriteBatch } from 'rocksdb-native'

type Told = (error: unknown) => void

/** By the database's directory. */
const watched = new Map<string, Told>()
/** Batches are used again. */
const wrapped = new WeakSet<WriteBatch>()
let patched = false

/** `told` is called with each failed write of the database there. @returns what ends it. */
export function watchWrites(path: string, told: Told): () => void {
  patch()
  watched.set(path, told)
  return () => void (watched.get(path) === told && watched.delete(path))
}

function patch(): void {
  if (patched) return
  patched = true
  const write = RocksDB.prototype.write
  RocksDB.prototype.write = function (options) {
    const { path } = this
    const batch = write.call(this, options)
    if (wrapped.has(batch)) return batch
    wrapped.add(batch)
    const flush = batch.flush.bind(batch)
    batch.flush = async () => {
      try {
        await flush()
      } catch (error) {
        if (error instanceof Error && error.message === 'Batch was not applied') watched.get(path)?.(error)
        throw error
      }
    }
    return batch
  }
}

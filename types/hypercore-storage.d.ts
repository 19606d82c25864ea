declare module 'hypercore-storage' {
  import type RocksDB from 'rocksdb-native'

  /** The transaction of one core; `flush` is false if it went into an atom. */
  export interface CoreWriter {
    flush(): Promise<boolean>
    setHead(head: unknown): void
  }

  export interface CoreStorage {
    write(): CoreWriter
  }

  export default class HypercoreStorage {
    constructor(path: string, options?: { id?: string; allowBackup?: boolean })
    /** The database; `db` is its column family for cores. */
    readonly rocks: RocksDB
    readonly db: RocksDB
    close(): Promise<void>
  }
}

declare module 'rocksdb-native' {
  export interface RangeOptions {
    gt?: Buffer
    gte?: Buffer
    lt?: Buffer
    lte?: Buffer
    reverse?: boolean
    values?: boolean
    limit?: number
    capacity?: number
  }

  export interface Iterator extends AsyncIterable<{ key: Buffer; value: Buffer }> {
    destroy(error?: Error): void
    on(event: 'data', run: (row: { key: Buffer; value: Buffer }) => void): this
    once(event: 'end' | 'close', run: () => void): this
    once(event: 'error', run: (error: Error) => void): this
  }

  export interface ReadBatch {
    get(key: Buffer): Promise<Buffer | null>
    tryFlush(): void
  }

  export interface WriteBatch {
    tryPut(key: Buffer, value: Buffer): void
    tryDelete(key: Buffer): void
    tryDeleteRange(start: Buffer, end: Buffer): void
    flush(): Promise<void>
    destroy(): void
  }

  export interface BatchOptions {
    /** Without it a batch keeps a handle and close waits for ever. */
    autoDestroy: true
    capacity?: number
  }

  export default class RocksDB {
    static readonly prototype: RocksDB
    static ColumnFamily: new (name: string, options?: { enableBlobFiles?: boolean; blockCache?: boolean; tableCacheIndexAndFilterBlocks?: boolean; writeBufferSize?: number }) => ColumnFamily
    readonly closed: boolean
    readonly path: string
    columnFamily(family: ColumnFamily): RocksDB
    ready(): Promise<void>
    close(): Promise<void>
    flush(): Promise<void>
    compactRange(): Promise<void>
    /** A property of this column family as text; null if there is none of that name. */
    getProperty(name: string): Promise<string | null>
    /** Of the whole database: requests under way, and what was asked so far. */
    readonly _state: { readonly io: { isIdle(): boolean }; readonly stats: { readonly writeBatches: number } }
    get(key: Buffer): Promise<Buffer | null>
    read(options: BatchOptions): ReadBatch
    write(options: BatchOptions): WriteBatch
    iterator(range: RangeOptions): Iterator
  }

  export interface ColumnFamily {
    readonly name: string
  }
}

declare module 'hypercore-storage' {
  import type RocksDB from 'rocksdb-native'

  /** The transaction of one core; `flush` is false if it went into an atom. */
  export interface CoreWriter {
    flush(): Promise<boolean>
    /** What `flush` writes: from a key, a value or none, up to a key. */
    changes: readonly (readonly [Buffer, Buffer | null, Buffer | null])[] | null
    setHead(head: unknown): void
    setHints(hints: { readonly contiguousLength: number; readonly recovering?: unknown }): void
    putBlock(index: number, data: Buffer): void
    putTreeNode(node: TreeNode): void
    putBitfieldPage(index: number, page: Buffer): void
    deleteBitfieldPage(...values: unknown[]): void
    deleteBitfieldPageRange(...values: unknown[]): void
    deleteBlock(...values: unknown[]): void
    deleteBlockRange(...values: unknown[]): void
    deleteTreeNode(...values: unknown[]): void
    deleteTreeNodeRange(...values: unknown[]): void
  }

  export interface TreeNode {
    readonly index: number
    readonly size: number
    readonly hash: Buffer
  }

  export interface CoreReader {
    getBlock(index: number): Promise<Buffer | null>
    getBitfieldPage(index: number): Promise<Buffer | null>
    getTreeNode(index: number): Promise<TreeNode | null>
    getUserData(key: string): Promise<Buffer | null>
    hasTreeNode(index: number): Promise<boolean>
    getHead(): Promise<{ readonly length: number } | null>
    /** RocksDB's read batch; what it was asked so far. */
    readonly read: { readonly _operations: readonly unknown[] }
    tryFlush(): void
    destroy(): void
  }

  /** The storage of one core, or of an atom, snapshot or named session of it. */
  export interface CoreStorage {
    readonly store: HypercoreStorage
    readonly core: { readonly corePointer: number; readonly dataPointer: number; readonly dependencies: readonly unknown[] }
    readonly atom: object | null
    readonly db: RocksDB
    readonly snapshotted: boolean
    read(fork?: number): CoreReader
    write(): CoreWriter
    close(): Promise<void>
  }

  export default class HypercoreStorage {
    constructor(path: string, options?: { id?: string; allowBackup?: boolean; blockCache?: boolean; tableCacheIndexAndFilterBlocks?: boolean; writeBufferSize?: number; maxBackgroundJobs?: number; bytesPerSync?: number })
    /** The database; `db` is its column family for cores. */
    readonly rocks: RocksDB
    readonly db: RocksDB
    createAtom(): { flush(): Promise<void> }
    resumeCore(discoveryKey: Buffer): Promise<CoreStorage | null>
    createCore(data: { discoveryKey: Buffer }): Promise<CoreStorage | null>
    close(): Promise<void>
    getAuth(discoveryKey: Buffer): Promise<{ readonly key: Buffer; readonly manifest: object | null } | null>
    createCoreStream(): AsyncIterable<unknown>
    hasCore(discoveryKey: Buffer): Promise<boolean>
    /** Tables and bitfields of a core that is open nowhere. */
    deleteCore(pointers: CoreStorage['core']): Promise<void>
  }
}

declare module 'hypercore-storage/lib/keys.js' {
  const keys: {
    /** Names of cores lie between these. */
    readonly store: { coreByAliasStart(): Buffer; coreByAliasEnd(): Buffer }
    /** The beginning of what is kept of a core under these pointers. All are slices of one buffer. */
    readonly core: { data(dataPointer: number): Buffer; block(dataPointer: number, index: number): Buffer }
  }
  export default keys
}

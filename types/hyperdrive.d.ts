declare module 'hyperdrive' {
  import type { Duplex, Readable } from 'node:stream'
  import type Corestore from 'corestore'
  import type Hyperbee from 'hyperbee'
  import type Hyperblobs from 'hyperblobs'
  import type { BlobId } from 'hyperblobs'
  import type Hypercore from 'hypercore'

  export interface StockEntry {
    seq: number
    key: string
    value: { executable: boolean; linkname: string | null; blob: BlobId | null; metadata: unknown }
  }

  export interface DriveBatch {
    put(path: string, content: Uint8Array): Promise<void>
    flush(): Promise<void>
  }

  export default class Hyperdrive {
    constructor(store: Corestore, options: { encryptionKey: Buffer })
    constructor(store: Corestore, key: Buffer | string, options: { encryptionKey: Buffer })
    /** Of the blobs core that belongs to a db core with this manifest. */
    static getContentKey(manifest: object, key: Buffer): Buffer | null
    readonly key: Buffer
    readonly core: Hypercore
    readonly db: Hyperbee
    readonly version: number
    ready(): Promise<void>
    close(): Promise<void>
    update(options?: { wait?: boolean }): Promise<boolean>
    getBlobs(): Promise<Hyperblobs>
    get(path: string): Promise<Buffer | null>
    entry(path: string): Promise<StockEntry | null>
    list(folder?: string): AsyncIterable<StockEntry>
    batch(): DriveBatch
    createReadStream(path: string, options?: { start?: number; end?: number }): Readable
    replicate(isInitiator: boolean | object): Duplex
  }
}

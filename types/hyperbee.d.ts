declare module 'hyperbee' {
  import type Hypercore from 'hypercore'

  export interface BinaryOptions {
    keyEncoding: 'binary'
    valueEncoding: 'binary'
  }

  export interface Batch {
    put(key: Buffer, value: Buffer): Promise<void>
    del(key: Buffer): Promise<void>
    get(key: Buffer): Promise<{ seq: number; key: Buffer; value: Buffer } | null>
    flush(): Promise<void>
    /** Gives up what was gathered and frees the lock. */
    close(): Promise<void>
  }

  export default class Hyperbee {
    readonly core: Hypercore
    readonly version: number
    batch(options: BinaryOptions): Batch
    get(key: Buffer, options: BinaryOptions): Promise<{ seq: number; key: Buffer; value: Buffer } | null>
    /** Of the tree as it is now, in the order of the keys. */
    createReadStream(range: { readonly gte: Buffer; readonly lt: Buffer }, options: BinaryOptions): AsyncIterable<{ seq: number; key: Buffer; value: Buffer }>
  }
}

declare module 'hyperbee/lib/messages.js' {
  /** One block of a Hyperbee after its header; `value` is null for a deletion. */
  export interface BeeNode {
    readonly key: Buffer
    readonly value: Buffer | null
    readonly index: Buffer
  }

  const messages: { readonly Node: { decode(block: Buffer): BeeNode } }
  export default messages
}

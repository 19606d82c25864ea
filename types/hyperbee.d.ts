declare module 'hyperbee' {
  import type Hypercore from 'hypercore'

  export interface BinaryOptions {
    keyEncoding: 'binary'
    valueEncoding: 'binary'
  }

  export interface BatchOptions extends BinaryOptions {
    /** Blocks that the batch keeps of those it reads; default: 128. */
    maxBlocksCached?: number
  }

  /** Of a node: the block that states it, and the key once it was read. */
  export interface Key {
    readonly seq: number
    value: Buffer | null
  }

  /** Of a node: the block and the place in it where the child stands, and the child once it was read. */
  export interface Child {
    readonly seq: number
    readonly offset: number
    value: TreeNode | null
  }

  /** A node of the B-tree as a batch sees it. */
  export interface TreeNode {
    /** Null: of none so far. */
    readonly block: Block | null
    readonly keys: Key[]
    /** None: a leaf. */
    readonly children: Child[]
    /** It is part of the block that is appended next. */
    changed: boolean
    getKey(index: number): Promise<Buffer>
    getChildNode(index: number): Promise<TreeNode>
  }

  /** One that a batch has read, or is about to append. */
  export interface Block {
    readonly seq: number
    readonly key: Buffer
    getTreeNode(offset: number): TreeNode
  }

  export interface Batch {
    readonly core: Hypercore
    /** Blocks that it is about to append. */
    readonly length: number
    /** Of the tree with them; null: as long as there are none. */
    readonly root: TreeNode | null
    readonly blocks: ReadonlyMap<number, Block>
    /** Each write is appended by itself. */
    readonly autoFlush: boolean
    put(key: Buffer, value: Buffer): Promise<void>
    del(key: Buffer): Promise<void>
    get(key: Buffer): Promise<{ seq: number; key: Buffer; value: Buffer } | null>
    flush(): Promise<void>
    /** Null: the tree is empty. */
    getRoot(ensureHeader: boolean): Promise<TreeNode | null>
    /** Gives up what was gathered and frees the lock. */
    close(): Promise<void>
    /** Takes what `root` has become by a write of this key as the block `seq`. */
    _append(root: TreeNode, seq: number, key: Buffer, value: Buffer): void
  }

  export default class Hyperbee {
    readonly core: Hypercore
    readonly version: number
    constructor(core: Hypercore, options: BinaryOptions)
    batch(options: BatchOptions): Batch
    /** 2.27.3: of a key that was deleted at times what it had before, where a node on the way stands in the block of that. `peek` does not. */
    get(key: Buffer, options: BinaryOptions): Promise<{ seq: number; key: Buffer; value: Buffer } | null>
    /** The first of the range. */
    peek(range: { readonly gte: Buffer; readonly lte: Buffer }, options: BinaryOptions): Promise<{ seq: number; key: Buffer; value: Buffer } | null>
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

  const messages: {
    readonly Node: { decode(block: Buffer): BeeNode }
    /** The first block. */
    readonly Header: { encode(header: { readonly protocol: 'hyperbee'; readonly metadata: { readonly contentFeed: Buffer | null } }): Buffer }
  }
  export default messages
}

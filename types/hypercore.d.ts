declare module 'hypercore' {
  import type { Duplex } from 'node:stream'
  import type { CoreStorage, TreeNode } from 'hypercore-storage'

  export interface KeyPair {
    publicKey: Buffer
    secretKey: Buffer
  }

  export interface GetOptions {
    wait?: boolean
    timeout?: number
  }

  export interface Download {
    destroy(): void
    done(): Promise<unknown>
  }

  export interface Replicator {
    attached(mux: object): boolean
    attachTo(mux: object): void
    detachFrom(mux: object): void
    setInflightRange(min: number, max: number): void
    /** Ask for what a peer has more as soon as it says so. */
    eagerUpgrade: boolean
    readonly stats: { readonly wireData: { readonly rx: number; readonly tx: number } }
    readonly peers: readonly { readonly protomux: object; readonly channel: { close(): void } }[]
  }

  /** The roots of a core as they were when it was made. */
  export interface TreeBatch {
    readonly length: number
    readonly roots: readonly TreeNode[]
    /** Makes it that of an earlier length. */
    restore(length: number): Promise<unknown>
  }

  /** Who signs a core; its key is the hash of this. */
  export interface Manifest {
    readonly version: number
  }

  export default class Hypercore {
    static discoveryKey(key: Buffer): Buffer
    /** Of the core that this public key alone signs. */
    static key(publicKey: Buffer, options: { version: number }): Buffer
    /** Of the roots at a length as they stand in the storage; rejects if they are not there. */
    static treeHashFromStorage(core: Hypercore, length?: number): Promise<Buffer>
    static createProtocolStream(isInitiator: boolean | object, options?: { keepAlive?: boolean; stream?: object }): Duplex & {
      readonly noiseStream: { readonly userData: object }
    }

    readonly key: Buffer
    readonly discoveryKey: Buffer
    readonly length: number
    readonly byteLength: number
    readonly fork: number
    readonly contiguousLength: number
    readonly writable: boolean
    readonly opened: boolean
    readonly closing: Promise<void> | null
    readonly closed: boolean
    readonly peers: readonly unknown[]
    readonly core: {
      readonly replicator: Replicator
      readonly header: { readonly hints: { readonly contiguousLength: number; readonly remoteContiguousLength: number; readonly recovering?: unknown } }
      /** What `flushHints` would write differs from what it wrote last. */
      hintsChanged: boolean
      flushHints(): Promise<void>
      readonly verifier: { verify(batch: TreeBatch, signature: Buffer | null): boolean; sign(batch: TreeBatch, keyPair: KeyPair): Buffer }
      /** Kept if none is known yet; rejects if the key is not its hash. */
      setManifest(manifest: Manifest): Promise<void>
    }
    /** Of the blocks of an encrypted core: in place, over 8 bytes of padding and the data. */
    readonly encryption: {
      encrypt(index: number, block: Buffer, fork: number, core: object): void
      readonly blockKey: Buffer
      readonly blindingKey: Buffer
    } | null
    readonly keyPair: KeyPair | null
    /** Null until a peer has shown it. */
    readonly manifest: Manifest | null
    readonly state: {
      readonly storage: CoreStorage
      /** Of the roots of this moment. */
      readonly signature: Buffer | null
      createTreeBatch(): TreeBatch
      /** Blocks as they are stored; of those that are stored elsewhere only their length is needed. */
      append(
        blocks: readonly { readonly byteLength: number }[],
        /** `signature` at the end of these blocks, instead of a key pair; nothing is appended if the core would be longer than `maxLength`. */
        options: { keyPair: KeyPair | null; signature?: Buffer; maxLength?: number },
      ): Promise<{ readonly length: number }>
    }
    setUserData(key: string, value: Buffer): Promise<void>
    ready(): Promise<void>
    close(): Promise<void>
    append(blocks: Buffer | readonly Buffer[]): Promise<{ length: number; byteLength: number }>
    get(index: number, options?: GetOptions): Promise<Buffer | null>
    clear(start: number, end: number): Promise<unknown>
    session(options: { atom: object } | { name: string }): Hypercore
    snapshot(): Hypercore
    has(start: number, end?: number): Promise<boolean>
    update(options?: { wait?: boolean }): Promise<boolean>
    truncate(newLength: number): Promise<void>
    download(range: { start: number; end: number; linear?: boolean }): Download
    replicate(stream: object | boolean): Duplex
    on(event: 'conflict', run: () => void): this
    on(event: 'append' | 'close' | 'download' | 'truncate' | 'peer-add' | 'peer-remove', run: () => void): this
    off(event: 'append' | 'close' | 'download' | 'truncate' | 'peer-add' | 'peer-remove', run: () => void): this
  }
}

declare module 'hypercore/lib/messages.js' {
  import type { Encoding } from 'compact-encoding'
  import type { Manifest } from 'hypercore'

  const messages: { readonly manifest: Encoding<Manifest> }
  export default messages
}

declare module 'hypercore/lib/default-encryption.js' {
  const DefaultEncryption: {
    /** In place: 8 bytes of padding, then the data. */
    encrypt(index: number, block: Buffer, fork: number, blockKey: Uint8Array, blindingKey: Uint8Array): void
  }
  export default DefaultEncryption
}

declare module 'corestore' {
  import type { Duplex } from 'node:stream'
  import type Hypercore from 'hypercore'
  import type { KeyPair, Replicator } from 'hypercore'
  import type HypercoreStorage from 'hypercore-storage'
  import type Rache from 'rache'

  export interface CorestoreOptions {
    /** Allowed only together with `unsafe`. */
    primaryKey?: Buffer
    unsafe?: boolean
    globalCache?: Rache<number, unknown>
  }

  export interface CoreOptions {
    key?: Buffer | string
    name?: string
    keyPair?: KeyPair
    encryptionKey?: Buffer
    exclusive?: boolean
    active?: boolean
  }

  export interface OpenCore {
    hasSession(): boolean
    readonly replicator: Replicator
  }

  export default class Corestore {
    constructor(storage: HypercoreStorage | string, options?: CorestoreOptions)
    readonly storage: HypercoreStorage
    /** Open ones, and those that were closed seconds ago, by discovery key in hex. */
    readonly cores: { readonly map: ReadonlyMap<string, OpenCore> }
    ready(): Promise<void>
    close(): Promise<void>
    namespace(name: Buffer | string): Corestore
    session(): Corestore
    get(options: CoreOptions): Hypercore
    createKeyPair(name: Buffer | string): Promise<KeyPair>
    replicate(isInitiator: boolean | object): Duplex
  }
}

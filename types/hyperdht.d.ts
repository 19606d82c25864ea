declare module 'hyperdht' {
  import type { EventEmitter } from 'node:events'
  import type NoiseSecretStream from '@hyperswarm/secret-stream'

  export interface KeyPair {
    publicKey: Buffer
    secretKey: Buffer
  }

  export interface NodeAddress {
    host: string
    port: number
  }

  export interface ConnectOptions {
    keyPair?: KeyPair
    relayAddresses?: readonly NodeAddress[] | null
    localConnection?: boolean
    [other: string]: unknown
  }

  export interface DhtServer extends EventEmitter {
    firewall: (remotePublicKey: Buffer, payload: unknown, address: NodeAddress) => boolean | Promise<boolean>
    readonly relayAddresses: readonly NodeAddress[]
    listen(keyPair?: KeyPair): Promise<DhtServer>
    close(): Promise<void>
    /** Internal; after `listen`. */
    readonly _announcer?: { readonly _sleeper?: { pause(ms: number): Promise<void> } } | null
  }

  /** With internals of dht-rpc. */
  export interface DhtIo {
    readonly serverSocket: { address(): NodeAddress } | null
    _drainInterval: NodeJS.Timeout | null
    _drain(): void
    readonly congestion?: { _total: number; send(): void }
  }

  class HyperDHT extends EventEmitter {
    constructor(options?: {
      bootstrap?: readonly NodeAddress[]
      nodes?: readonly NodeAddress[]
      port?: number
      host?: string
      keyPair?: KeyPair
      ephemeral?: boolean
      [other: string]: unknown
    })

    static keyPair(seed?: Buffer): KeyPair
    readonly destroyed: boolean
    readonly firewalled: boolean
    /** Each peer sees another port of this node. */
    readonly randomized: boolean
    readonly online: boolean
    readonly io: DhtIo
    connect(remotePublicKey: Buffer, options?: ConnectOptions): NoiseSecretStream
    createServer(options?: Record<string, unknown>, onConnection?: (stream: NoiseSecretStream) => void): DhtServer
    ping(address: NodeAddress, options?: { retry?: boolean }): Promise<unknown>
    /** Opens the sockets. */
    bind(): Promise<void>
    fullyBootstrapped(): Promise<void>
    remoteAddress(): NodeAddress | null
    destroy(options?: { force?: boolean }): Promise<void>
  }

  export default HyperDHT
}

/** DHT nodes on 127.0.0.1, for tests. */
declare module 'hyperdht/testnet.js' {
  import type { NodeAddress } from 'hyperdht'

  interface Testnet {
    readonly bootstrap: readonly NodeAddress[]
    destroy(): Promise<void>
  }

  export default function createTestnet(size?: number): Promise<Testnet>
}

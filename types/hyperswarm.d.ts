declare module 'hyperswarm' {
  import type { EventEmitter } from 'node:events'
  import type HyperDHT from 'hyperdht'
  import type { DhtServer, KeyPair } from 'hyperdht'
  import type NoiseSecretStream from '@hyperswarm/secret-stream'

  export interface PeerInfo {
    readonly publicKey: Buffer
    readonly banned: boolean
    ban(banned: boolean): void
  }

  export interface PeerDiscoverySession {
    flushed(): Promise<boolean>
    destroy(): Promise<void>
  }

  class Hyperswarm extends EventEmitter {
    constructor(options: { dht: HyperDHT; keyPair: KeyPair; firewall?: (remotePublicKey: Buffer) => boolean })

    readonly dht: HyperDHT
    readonly server: DhtServer
    readonly peers: Map<string, PeerInfo>
    readonly connections: Set<NoiseSecretStream>
    readonly destroyed: boolean
    listen(): Promise<unknown>
    join(topic: Buffer, options?: { server?: boolean; client?: boolean }): PeerDiscoverySession
    leave(topic: Buffer): Promise<void>
    joinPeer(publicKey: Buffer): void
    leavePeer(publicKey: Buffer): void
    flush(): Promise<boolean>
    destroy(options?: { force?: boolean }): Promise<void>
    on(event: 'connection', listener: (stream: NoiseSecretStream, info: PeerInfo) => void): this
    on(event: string, listener: (...args: never[]) => void): this
  }

  export default Hyperswarm
}

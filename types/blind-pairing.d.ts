declare module 'blind-pairing' {
  import type { EventEmitter } from 'node:events'
  import type HyperDHT from 'hyperdht'

  export interface PairingInvite {
    readonly id: Buffer
    readonly invite: Buffer
    readonly publicKey: Buffer
    readonly discoveryKey: Buffer
    readonly additional: { readonly data: Buffer; readonly signature: Buffer } | null
  }

  export interface MemberRequest {
    readonly inviteId: Buffer
    /** Returns the candidate's user data; throws if the request was not made with that invite. */
    open(invitePublicKey: Buffer): Buffer
    confirm(reply: { key: Buffer; encryptionKey?: Buffer | null; additional?: PairingInvite['additional'] }): void
    /** 1 rejected, 2 invite used, 3 invite expired. */
    deny(options?: { status?: 1 | 2 | 3 }): void
  }

  export interface PairedReply {
    readonly key: Buffer
    readonly encryptionKey: Buffer | null
    readonly data: Buffer | null
  }

  export interface CandidateRequest extends EventEmitter {
    readonly discoveryKey: Buffer
  }

  export interface PairingSession {
    ready(): Promise<void>
    close(): Promise<void>
  }

  export interface Candidate extends PairingSession {
    readonly request: CandidateRequest
  }

  /** What the library uses of a Hyperswarm. */
  export interface SwarmLike extends EventEmitter {
    readonly dht: HyperDHT
    readonly connections: ReadonlySet<unknown>
    join(topic: Buffer, options: { server: boolean; client: boolean }): {
      readonly isServer: boolean
      readonly isClient: boolean
      flushed(): Promise<boolean>
      destroy(): Promise<void>
    }
    flush(): Promise<boolean>
  }

  class BlindPairing {
    constructor(swarm: SwarmLike, options?: { poll?: number })

    static createInvite(key: Buffer, options?: { seed?: Buffer; discoveryKey?: Buffer; expires?: number; data?: Buffer }): PairingInvite
    addMember(options: { discoveryKey: Buffer; onadd: (request: MemberRequest) => Promise<void> }): PairingSession
    /** Also takes a request first, by its source; what it takes for options is any object, so that never works. */
    addCandidate(options: { invite: Buffer; userData: Buffer; onadd: (reply: PairedReply) => Promise<void> }): Candidate
    ready(): Promise<void>
    close(): Promise<void>
  }

  export default BlindPairing
}

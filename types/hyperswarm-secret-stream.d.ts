declare module '@hyperswarm/secret-stream' {
  import type { Duplex } from 'node:stream'

  /** A streamx Duplex that carries an authenticated, encrypted byte stream; one write arrives as one read. */
  class NoiseSecretStream extends Duplex {
    constructor(isInitiator: boolean, rawStream?: unknown, options?: Record<string, unknown>)

    readonly isInitiator: boolean
    readonly connected: boolean
    readonly destroying: boolean
    readonly publicKey: Buffer
    readonly remotePublicKey: Buffer
    readonly handshakeHash: Buffer
    readonly opened: Promise<boolean>
    readonly rawBytesRead: number
    readonly rawBytesWritten: number
    readonly rawStream: { readonly remoteHost?: string | null; readonly remotePort?: number; readonly packetsReceived?: number } | null
    userData: unknown
    setKeepAlive(ms: number): void
    sendKeepAlive(): void
    setTimeout(ms: number): void
  }

  export default NoiseSecretStream
}

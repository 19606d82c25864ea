/**
 * The connections that blind-pairing talks over. It expects a Hyperswarm; this is the part of one that it uses, because both sides
 * know from the code which key to dial: no topic has to be found, and with an address no DHT is needed. The keys here are never
 * device keys. Connections are few and short-lived.
 */
import { EventEmitter } from 'node:events'
import type { SwarmLike } from 'blind-pairing'
import type { DhtServer, NodeAddress } from 'hyperdht'
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import type { Clock } from '../ports.ts'
import { keyPairOf, random32 } from './crypto.ts'
import type { KeyPair } from './crypto.ts'
import { DIAL_TIMEOUT_MS, MAX_PAIRING_CONNECTIONS, PAIRING_CONNECTION_MS, PAIRING_REDIAL_MS } from './limits.ts'
import type { Node } from './node.ts'

export class PairingSwarm extends EventEmitter implements SwarmLike {
  readonly dht: Node
  readonly connections = new Set<NoiseSecretStream>()
  readonly #clock: Clock
  readonly #dials = new Set<NoiseSecretStream>()
  #server: DhtServer | null = null
  #closed = false
  #stopTimer: () => void = () => undefined

  constructor(node: Node, clock: Clock) {
    super()
    this.dht = node
    this.#clock = clock
  }

  /** The inviter's side. Resolves when direct dials are answered; the DHT is told in the background. */
  async listen(keyPair: KeyPair, onError: (error: unknown) => void): Promise<void> {
    await this.dht.bind()
    if (this.#closed) return
    const firewall = (): boolean => this.#closed || this.connections.size >= MAX_PAIRING_CONNECTIONS
    const server = this.dht.createServer({ firewall }, (stream) => this.#add(stream))
    this.#server = server
    server.listen({ ...keyPair }).catch(onError)
  }

  /** The newcomer's side: dials until one connection stands, again when it breaks, until closed. */
  dial(inviter: Buffer, addresses: readonly NodeAddress[]): void {
    if (this.#closed) return
    const stream = this.dht.connect(inviter, { keyPair: keyPairOf(random32()), relayAddresses: addresses })
    const stopWaiting = this.#clock.after(DIAL_TIMEOUT_MS, () => {
      if (!stream.connected) stream.destroy()
    })
    stream.on('open', () => this.#add(stream))
    stream.on('error', () => undefined)
    this.#dials.add(stream)
    stream.on('close', () => {
      stopWaiting()
      this.#dials.delete(stream)
      if (!this.#closed) this.#stopTimer = this.#clock.after(PAIRING_REDIAL_MS, () => this.dial(inviter, addresses))
    })
  }

  /** blind-pairing's topic: not needed here. */
  join(_topic: Buffer, { server, client }: { server: boolean; client: boolean }): ReturnType<SwarmLike['join']> {
    return { isServer: server, isClient: client, flushed: async () => true, destroy: async () => undefined }
  }

  async flush(): Promise<boolean> {
    return true
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#stopTimer()
    for (const stream of [...this.#dials, ...this.connections]) stream.destroy()
    await this.#server?.close()
  }

  #add(stream: NoiseSecretStream): void {
    stream.on('error', () => undefined)
    if (this.#closed) {
      stream.destroy()
      return
    }
    this.connections.add(stream)
    const stop = this.#clock.after(PAIRING_CONNECTION_MS, () => stream.destroy())
    stream.on('close', () => {
      stop()
      this.connections.delete(stream)
    })
    this.emit('connection', stream)
  }
}

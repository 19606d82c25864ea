/**
 * The DHT node: where it binds, which nodes it asks, and which addresses a dial tries first. With no DHT at all it asks nobody and
 * still answers direct dials (hyperdht relays a handshake to itself when the address given is the peer's own).
 */
import { networkInterfaces } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import HyperDHT from 'hyperdht'
import type { ConnectOptions, DhtServer, NodeAddress } from 'hyperdht'
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import { P2psyncError } from '../../base/errors.ts'
import { calmAnnouncer, calmRequests } from './calm.ts'
import { KEEP_ALIVE_MS, MAX_DIALLED_ADDRESSES, PING_MS } from './limits.ts'

/** `none`: no DHT. Null: the public one. */
export type Bootstrap = 'none' | readonly NodeAddress[] | null

export interface NodeOptions {
  readonly bootstrap: Bootstrap
  /** 0: any. */
  readonly port: number
  readonly loopback: boolean
  /** Addresses to try for a device before asking the DHT. */
  addresses(remotePublicKey: Buffer): readonly NodeAddress[]
}

export class Node extends HyperDHT {
  readonly #addresses: NodeOptions['addresses']
  readonly #loopback: boolean
  #isCalm = false
  /** False: nobody is asked, only addresses count. */
  readonly hasDht: boolean

  constructor(options: NodeOptions) {
    const { bootstrap, port, loopback } = options
    if (bootstrap === null && process.env['P2PSYNC_TEST'] === '1') {
      throw new P2psyncError('UNSAFE_TEST', 'a test must not reach the public DHT; set P2PSYNC_BOOTSTRAP')
    }
    super({
      ...(bootstrap === null ? {} : { bootstrap: bootstrap === 'none' ? [] : bootstrap, nodes: [] }),
      ...(loopback ? { host: '127.0.0.1' } : {}),
      port: port === 0 ? anyPort() : port,
      connectionKeepAlive: KEEP_ALIVE_MS,
    })
    // One per invite; the library's own bound warns at ten.
    this.setMaxListeners(0)
    this.#addresses = options.addresses
    this.#loopback = loopback
    this.hasDht = bootstrap !== 'none'
  }

  override async bind(): Promise<void> {
    await super.bind()
    if (this.#isCalm) return
    this.#isCalm = true
    calmRequests(this.io)
  }

  override createServer(options?: Record<string, unknown>, onConnection?: (stream: NoiseSecretStream) => void): DhtServer {
    const server = super.createServer(options, onConnection)
    const listen = server.listen.bind(server)
    server.listen = async (...args) => {
      const listening = await listen(...args)
      calmAnnouncer(server)
      return listening
    }
    return server
  }

  override connect(remotePublicKey: Buffer, options: ConnectOptions = {}): NoiseSecretStream {
    const known = [...(options.relayAddresses ?? []), ...this.#addresses(remotePublicKey)].slice(0, MAX_DIALLED_ADDRESSES)
    return super.connect(remotePublicKey, { ...options, relayAddresses: known })
  }

  /**
   * Those of the addresses where a node answers a ping soon. With a DHT only these should be dialled: hyperdht asks a dead address
   * for four seconds before it turns to the DHT. Without one all are worth a try.
   */
  async reachable(addresses: readonly NodeAddress[]): Promise<readonly NodeAddress[]> {
    if (!this.hasDht) return addresses
    const tried = addresses.slice(0, MAX_DIALLED_ADDRESSES)
    const answers = await Promise.all(tried.map((address) => this.#answers(address)))
    return tried.filter((_, i) => answers[i])
  }

  async #answers(address: NodeAddress): Promise<boolean> {
    const stop = new AbortController()
    const late = setTimeout(PING_MS, false, { signal: stop.signal, ref: false }).catch(() => false)
    const answer = this.ping(address, { retry: false }).then(
      () => true,
      () => false,
    )
    const reached = await Promise.race([answer, late])
    stop.abort()
    return reached
  }

  /** The UDP port others can dial; 0 before `bind`. */
  get listenPort(): number {
    return this.io.serverSocket?.address().port ?? 0
  }

  /** This machine has an address that others could know. */
  get hasNetwork(): boolean {
    return this.#loopback || localHosts().length > 0
  }

  /** Where this node may be reached: a public address if known, then those of the local networks. */
  ownAddresses(): NodeAddress[] {
    const port = this.listenPort
    if (port === 0) return []
    if (this.#loopback) return [{ host: '127.0.0.1', port }]
    const remote = this.remoteAddress()
    const local = localHosts().map((host) => ({ host, port }))
    return remote === null ? local : [...local, remote]
  }
}

function localHosts(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter((address) => address.family === 'IPv4' && !address.internal && !address.address.startsWith('169.254.'))
    .map((address) => address.address)
}

/** All traffic must stay on this machine: a test, or a private DHT on it. */
export function isLoopback(bootstrap: Bootstrap): boolean {
  if (process.env['P2PSYNC_TEST'] === '1') return true
  if (bootstrap === null || bootstrap === 'none' || bootstrap.length === 0) return false
  return bootstrap.every(({ host }) => host === 'localhost' || host.startsWith('127.'))
}

/** The library takes 0 for its default port; a port of the dynamic range, and the next ones if it is taken. */
function anyPort(): number {
  return 49_152 + Math.floor(Math.random() * 16_000)
}

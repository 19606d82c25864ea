/**
 * The fast path for bytes: a TCP connection beside the link, with the same Noise secret stream and the same device keys, wherever
 * the two devices can reach each other so (a LAN, mostly). Only the chunk channel runs on it; everything else stays on the link,
 * so that a small edit never waits behind bulk. Where it cannot be had, bytes go over the link as well.
 */
import { connect, createServer, type Server, type Socket } from 'node:net'
import NoiseSecretStream from '@hyperswarm/secret-stream'
import { messageOf } from '../../base/errors.ts'
import type { Clock, Log } from '../ports.ts'
import { parseDeviceId, type DeviceId } from '../sync/ids.ts'
import type { KeyPair } from './crypto.ts'
import { BULK_CONNECT_MS, BULK_KEEP_ALIVE_MS, BULK_SILENCE_MS, MAX_BULK_CONNECTIONS, MAX_FIRST_FRAME_BYTES } from './limits.ts'

export interface BulkOptions {
  keyPair(): KeyPair
  readonly loopback: boolean
  readonly clock: Clock
  readonly log: Log
  /** A device proved its key on an incoming connection. False: it has no live link here. */
  accept(device: DeviceId, stream: NoiseSecretStream): boolean
}

export class Bulk {
  readonly #options: BulkOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  constructor(options: BulkOptions) {
    this.#options = options
    this.#server = createServer((socket) => this.#knock(socket))
    this.#server.maxConnections = MAX_BULK_CONNECTIONS
    this.#server.on('error', (error) => options.log.info({ reason: messageOf(error) }, 'no TCP here; bytes go over UDP'))
  }

  /** On the TCP port of the same number as the UDP port, so that peers know it. A port that is taken is no fault. */
  listen(port: number): void {
    this.#server.listen({ port, ...(this.#options.loopback ? { host: '127.0.0.1' } : {}) })
    this.#server.unref()
  }

  /** Resolves with the stream once the device at that address has proved to be the one; null if it cannot be reached so. */
  async dial(device: DeviceId, host: string, port: number): Promise<NoiseSecretStream | null> {
    const socket = connect({ host, port })
    const stream = this.#secure(socket, device)
    const proved = await this.#handshake(stream)
    if (proved === device) return stream
    stream.destroy()
    return null
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  /** INVARIANT: nothing is kept for who has not proved a key. The length of the first frame is looked at before the stack takes it in. */
  #knock(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    socket.on('error', (error) => this.#options.log.debug({ reason: messageOf(error) }, 'TCP connection error'))
    const stop = this.#options.clock.after(BULK_CONNECT_MS, () => socket.destroy())
    socket.once('close', stop)
    socket.once('data', (first) => {
      stop()
      socket.pause()
      if (first.length < 3 || first.readUIntLE(0, 3) > MAX_FIRST_FRAME_BYTES) return void socket.destroy()
      socket.unshift(first)
      this.#incoming(socket)
      // The stack listens from the next tick on; resumed before, the first frame would be lost.
      setImmediate(() => socket.resume())
    })
  }

  #incoming(socket: Socket): void {
    const stream = this.#secure(socket, null)
    const judge = async (): Promise<void> => {
      const device = await this.#handshake(stream)
      if (device === null || !this.#options.accept(device, stream)) stream.destroy()
    }
    judge().catch((error: unknown) => this.#options.log.debug({ reason: messageOf(error) }, 'a TCP connection was refused'))
  }

  /** Noise IK: who dials knows the key already, and who is dialled shows nothing to anybody who does not. */
  #secure(socket: Socket, dialled: DeviceId | null): NoiseSecretStream {
    socket.setNoDelay(true)
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    const peer = dialled === null ? {} : { remotePublicKey: Buffer.from(dialled, 'hex') }
    const stream = new NoiseSecretStream(dialled !== null, socket, { pattern: 'IK', keyPair: { ...this.#options.keyPair() }, ...peer })
    stream.on('error', (error) => this.#options.log.debug({ reason: messageOf(error) }, 'TCP connection error'))
    // A connection that a firewall has forgotten says nothing, and whoever asks over it waits in vain.
    stream.setKeepAlive(BULK_KEEP_ALIVE_MS)
    stream.setTimeout(BULK_SILENCE_MS)
    return stream
  }

  /** The device at the other end, or null if it does not prove one in time. */
  async #handshake(stream: NoiseSecretStream): Promise<DeviceId | null> {
    let stop = (): void => undefined
    const late = new Promise<boolean>((resolve) => {
      stop = this.#options.clock.after(BULK_CONNECT_MS, () => resolve(false))
    })
    const opened = await Promise.race([stream.opened.catch(() => false), late])
    stop()
    if (!opened || stream.destroying) return null
    return parseDeviceId(stream.remotePublicKey.toString('hex'))
  }
}

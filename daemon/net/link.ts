/**
 * A live connection to one member. The stream is Hyperswarm's Noise stream: authenticated, encrypted, and of that device alone.
 * Cores replicate on it beside the two channels here. A fault of the peer ends the connection, never the process.
 */
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import { messageOf } from '../../base/errors.ts'
import type { Clock, DriveHead, FolderReport, HistoryQuery, KeptVersion, Log } from '../ports.ts'
import type { DeviceId, DriveKey, FolderId, ObjectId } from '../sync/ids.ts'
import { Channel } from './channel.ts'
import { ChunkClient } from './chunk-client.ts'
import type { OnObject } from './chunk-client.ts'
import { ChunkServer } from './chunk-server.ts'
import { Control } from './control.ts'
import type { Group } from './group.ts'
import { DISMISS_MS, HELLO_TIMEOUT_MS, MAX_FOLDERS } from './limits.ts'
import { Listeners } from './listeners.ts'
import { CHUNK_PROTOCOL } from './protocol.ts'
import * as wire from './protocol.ts'
import type { SignedRecord } from './records.ts'

/** What a connection needs of the daemon. */
export interface LinkContext {
  readonly group: Group
  /** Of this start, 16 bytes in hex. */
  readonly session: string
  readonly clock: Clock
  readonly log: Log
  listenPort(): number
  serve(device: DeviceId, folder: FolderId, id: ObjectId): Promise<Buffer | null>
  settle(folder: FolderId, signal: AbortSignal): Promise<FolderReport>
  history(device: DeviceId, folder: FolderId, query: HistoryQuery): Promise<readonly KeptVersion[]>
  /** Hello was exchanged. */
  onReady(link: PeerLink): void
  onHeads(link: PeerLink, folder: FolderId): Promise<void>
  onReport(link: PeerLink, folder: FolderId): void
}

export type Transport = 'udx' | 'tcp' | 'relay'

export class PeerLink {
  readonly device: DeviceId
  readonly stream: NoiseSecretStream
  readonly transport: Transport = 'udx'
  /** Drives whose core was handed to `attach` on this connection. */
  readonly attached = new Set<DriveKey>()
  /** What the peer said of its copies, by folder; absent: nothing yet. */
  readonly heads = new Map<FolderId, readonly DriveHead[]>()
  readonly #context: LinkContext
  readonly #log: Log
  readonly #reports = new Map<FolderId, FolderReport>()
  readonly #closeListeners: Listeners<[]>
  readonly #control: Control
  readonly #chunks: Channel
  readonly #client: ChunkClient
  readonly #server: ChunkServer
  readonly #stopWaiting: () => void
  #session = ''
  #dialPort = 0
  #closed = false

  constructor(device: DeviceId, stream: NoiseSecretStream, context: LinkContext) {
    this.device = device
    this.stream = stream
    this.#context = context
    this.#log = context.log.child({ peer: device.slice(0, 8) })
    this.#closeListeners = new Listeners(this.#log, 'close')
    stream.on('error', (error) => this.#log.debug({ reason: messageOf(error) }, 'connection error'))
    stream.on('close', () => this.#ended())
    this.#control = this.#openControl()
    const chunks = this.#openChunks()
    this.#chunks = chunks.channel
    this.#client = chunks.client
    this.#server = chunks.server
    this.#stopWaiting = context.clock.after(HELLO_TIMEOUT_MS, () => {
      if (!this.ready) this.close()
    })
  }

  /** Hello was exchanged and the connection lives. */
  get ready(): boolean {
    return !this.#closed && this.#control.ready
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Of the peer's start, hex; empty before the hello. */
  get session(): string {
    return this.#session
  }

  /** Where the bytes come from, `host:port`. */
  get address(): string {
    const raw = this.stream.rawStream
    return raw?.remoteHost ? `${raw.remoteHost}:${raw.remotePort ?? 0}` : ''
  }

  /** Where the device can be dialled again, if its port can be reached from here. */
  get dialAddress(): { readonly host: string; readonly port: number } | null {
    const host = this.stream.rawStream?.remoteHost
    return host && this.#dialPort > 0 ? { host, port: this.#dialPort } : null
  }

  get rxBytes(): number {
    return this.stream.rawBytesRead
  }

  get txBytes(): number {
    return this.stream.rawBytesWritten
  }

  /** What the device last told of a folder. */
  report(folder: FolderId): FolderReport | null {
    return this.#reports.get(folder) ?? null
  }

  sendReport(folder: FolderId, report: FolderReport): void {
    if (!this.#closed) this.#control.sendReport(folder, report)
  }

  sendHeads(folder: FolderId, heads: readonly DriveHead[]): void {
    if (!this.#closed) this.#control.sendHeads(folder, heads)
  }

  tell(records: readonly SignedRecord[]): void {
    if (!this.#closed) this.#control.tell(records)
  }

  /** As `FolderPeers.want`. */
  async want(folder: FolderId, ids: readonly ObjectId[], onObject: OnObject, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#closed || !this.#chunks.isOpen) throw new Error('the device is not connected')
    await this.#client.want(folder, ids, onObject, signal)
  }

  /** As `FolderPeers.settle`. */
  settle(folder: FolderId, signal: AbortSignal): Promise<FolderReport> {
    return this.#control.settle(folder, signal)
  }

  /** As `FolderPeers.history`. */
  history(folder: FolderId, query: HistoryQuery, signal: AbortSignal): Promise<readonly KeptVersion[]> {
    return this.#control.history(folder, query, signal)
  }

  /** Called once; at once if it is closed already. */
  onClose(listener: () => void): void {
    if (this.#closed) listener()
    else this.#closeListeners.add(listener)
  }

  /** Ends the connection now. */
  close(): void {
    this.#ended()
    this.stream.destroy()
  }

  /** The device is no member any more: it is shown why (records about nothing but itself) and gets nothing else. */
  dismiss(records: readonly SignedRecord[]): void {
    if (this.#closed) return
    this.#control.goodbye(records)
    this.#ended()
    // What was written before still leaves; whatever a core would write after this is dropped.
    this.stream.end()
    this.#context.clock.after(DISMISS_MS, () => this.stream.destroy())
  }

  #openControl(): Control {
    const { group, clock } = this.#context
    return new Control({
      stream: this.stream,
      group,
      clock,
      log: this.#log,
      hello: () => ({ session: this.#context.session, port: this.#context.listenPort() }),
      events: {
        onHello: (hello) => {
          this.#session = hello.session
          this.#dialPort = hello.port
          this.#context.onReady(this)
        },
        onHeads: async (folder, heads) => {
          if (this.heads.size >= MAX_FOLDERS && !this.heads.has(folder)) throw new Error('heads of too many folders')
          this.heads.set(folder, heads)
          await this.#context.onHeads(this, folder)
        },
        onReport: (folder, report) => {
          if (this.#reports.size >= MAX_FOLDERS && !this.#reports.has(folder)) throw new Error('reports of too many folders')
          this.#reports.set(folder, report)
          this.#context.onReport(this, folder)
        },
        settle: (folder, signal) => this.#context.settle(folder, signal),
        history: async (folder, query) => (!this.#closed && group.isMember(this.device) ? await this.#context.history(this.device, folder, query) : []),
        onClose: (opened) => this.#channelClosed(opened),
        onFault: (error) => this.#fault(error),
      },
    })
  }

  #openChunks(): { channel: Channel; client: ChunkClient; server: ChunkServer } {
    const { group, clock, serve } = this.#context
    const channel: Channel = new Channel(this.stream, {
      protocol: CHUNK_PROTOCOL,
      onOpen: () => undefined,
      onClose: (opened) => this.#channelClosed(opened),
      onFault: (error) => this.#fault(error),
    })
    const want = channel.message(wire.want, (message) => server.onWant(message))
    const data = channel.message(wire.data, (message) => client.onData(message))
    const nack = channel.message(wire.nack, (message) => client.onNack(message))
    const cancel = channel.message(wire.cancel, (message) => server.onCancel(message))
    // INVARIANT: nothing for who is no member, at the moment of each answer.
    const allowed = (): boolean => !this.#closed && group.isMember(this.device)
    const client = new ChunkClient({ want, cancel }, clock)
    const server = new ChunkServer(
      { data: (message) => allowed() && data(message), nack, drained: () => channel.drained() },
      async (folder, id) => (allowed() ? serve(this.device, folder, id) : null),
      this.#log,
    )
    channel.start()
    return { channel, client, server }
  }

  /** A newcomer that only asks for the group opens none of these. */
  #channelClosed(opened: boolean): void {
    if (opened && !this.#closed) this.close()
  }

  #fault(error: unknown): void {
    if (this.#closed) return
    this.#log.warn({ reason: messageOf(error) }, 'connection ended: the peer broke the protocol')
    this.close()
  }

  #ended(): void {
    if (this.#closed) return
    this.#closed = true
    this.#stopWaiting()
    this.#client.end(new Error('the connection to the device ended'))
    this.#server.end()
    this.#control.close()
    this.#chunks.close()
    this.#closeListeners.tell()
    this.#closeListeners.clear()
  }
}

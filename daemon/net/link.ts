/**
 * A live connection to one member. The stream is Hyperswarm's Noise stream: authenticated, encrypted, and of that device alone.
 * Cores replicate on it beside the two channels here. A fault of the peer ends the connection, never the process.
 */
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import { messageOf } from '../../base/errors.ts'
import type { BlockRun, Clock, DriveHead, FolderReport, HistoryQuery, KeptVersion, Log, RunRequest } from '../ports.ts'
import type { DeviceId, DriveKey, FolderId, ObjectId } from '../sync/ids.ts'
import { UnreadError, waitingIn } from './channel.ts'
import type { OnObject } from './chunk-client.ts'
import { ChunkLane } from './chunk-lane.ts'
import { Control } from './control.ts'
import type { Group } from './group.ts'
import { DISMISS_MS, HELLO_TIMEOUT_MS, MAX_WAITING_PUSHES_BYTES, SIGNS_LOOKED_FOR, SIGN_LOOK_MS } from './limits.ts'
import { Listeners } from './listeners.ts'
import type { HashAt } from './probes.ts'
import type { SignedRecord } from './records.ts'
import { RunLane } from './run-lane.ts'
import { signLife } from './sessions.ts'
import { Spoken } from './spoken.ts'
import type { Life } from './sessions.ts'
import type { Ahead, Offer, Push } from './run-protocol.ts'
import type { Runs } from './runs.ts'

/** What a connection needs of the daemon. */
export interface LinkContext {
  readonly group: Group
  /** Of this start, 16 bytes in hex. */
  readonly session: string
  readonly clock: Clock
  readonly log: Log
  listenPort(): number
  serve(device: DeviceId, folder: FolderId, id: ObjectId): Promise<Buffer | null>
  /** So many bytes of objects came, or went. */
  streamed(bytes: number): void
  settle(folder: FolderId, signal: AbortSignal): Promise<FolderReport>
  treeHash: HashAt
  /** The peer sees two living daemons with our key; null: it shows nothing for it. Throws if what it shows is false. */
  onCloned(life: Life | null): void
  /** It was asked to sign that it lives. Throws if the signature is false. */
  onLiving(link: PeerLink, other: string, signature: Buffer): void
  history(device: DeviceId, folder: FolderId, query: HistoryQuery): Promise<readonly KeptVersion[]>
  /** Hello was exchanged. */
  onReady(link: PeerLink): void
  /** It is of another version of the protocol. */
  onOtherVersion(device: DeviceId): void
  onHeads(link: PeerLink, folder: FolderId): Promise<void>
  onReport(link: PeerLink, folder: FolderId): void
  /** Null: drives do not travel in runs here. */
  readonly runs: Runs | null
}

export type Transport = 'udx' | 'tcp' | 'relay'

export class PeerLink {
  readonly device: DeviceId
  readonly stream: NoiseSecretStream
  /** By the clock, which may be set. */
  readonly since: number
  /** Drives whose core was handed to `attach` on this connection. */
  readonly attached = new Set<DriveKey>()
  readonly #context: LinkContext
  readonly #log: Log
  readonly #spoken: Spoken
  readonly #closeListeners: Listeners<[]>
  readonly #control: Control
  readonly #chunks: ChunkLane
  readonly #runs: RunLane | null
  #bulk: { readonly stream: NoiseSecretStream; readonly lane: ChunkLane } | null = null
  /** Of bulk streams that ended. */
  #bulkBytes = { rx: 0, tx: 0 }
  readonly #stopWaiting: () => void
  #session = ''
  #dialPort = 0
  #closed = false

  constructor(device: DeviceId, stream: NoiseSecretStream, context: LinkContext) {
    this.device = device
    this.stream = stream
    this.since = context.clock.now()
    this.#context = context
    this.#log = context.log.child({ peer: device.slice(0, 8) })
    this.#spoken = new Spoken((folder) => context.group.folder(folder) !== null)
    this.#closeListeners = new Listeners(this.#log, 'close')
    stream.on('error', (error) => this.#log.debug({ reason: messageOf(error) }, 'connection error'))
    stream.on('close', () => this.#ended())
    this.#control = this.#openControl()
    this.#chunks = this.#openLane(stream, (opened) => this.#channelClosed(opened))
    // Before the hello, so that by then it is known whether the peer has it too.
    this.#runs = context.runs === null ? null : this.#openRuns(context.runs)
    this.#stopWaiting = context.clock.after(HELLO_TIMEOUT_MS, () => {
      if (!this.ready) this.close()
    })
  }

  /** What carries the bytes of files now. */
  get transport(): Transport {
    return this.#bulk?.lane.isOpen === true ? 'tcp' : 'udx'
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
    return this.stream.rawBytesRead + this.#bulkBytes.rx + (this.#bulk?.stream.rawBytesRead ?? 0)
  }

  get txBytes(): number {
    return this.stream.rawBytesWritten + this.#bulkBytes.tx + (this.#bulk?.stream.rawBytesWritten ?? 0)
  }

  /** What the device last told of a folder. */
  report(folder: FolderId): FolderReport | null {
    return this.#spoken.report(folder)
  }

  /** What it said of its copies of a folder; null: nothing yet. */
  heads(folder: FolderId): readonly DriveHead[] | null {
    return this.#spoken.heads(folder)
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
    const left = this.#bulk?.lane.isOpen === true ? await this.#wantFast(this.#bulk.lane, folder, ids, onObject, signal) : ids
    if (left.length > 0) await this.#chunks.want(folder, left, onObject, signal)
  }

  /** @returns the ids that were not answered because the fast path ended. */
  async #wantFast(lane: ChunkLane, folder: FolderId, ids: readonly ObjectId[], onObject: OnObject, signal: AbortSignal): Promise<readonly ObjectId[]> {
    const answered = new Set<ObjectId>()
    try {
      const note: OnObject = (id, data) => {
        answered.add(id)
        onObject(id, data)
      }
      await lane.want(folder, ids, note, signal)
      return []
    } catch (error) {
      if (signal.aborted || this.#closed || lane.isOpen) throw error
      return ids.filter((id) => !answered.has(id))
    }
  }

  /** As `FolderPeers.settle`. */
  settle(folder: FolderId, signal: AbortSignal): Promise<FolderReport> {
    return this.#control.settle(folder, signal)
  }

  /** The peer's tree hash of a drive at a length; rejects if it does not say. */
  treeHash(drive: DriveKey, length: number): Promise<string | null> {
    return this.#control.treeHash(drive, length)
  }

  /** It has not read what it was sent, and gets no more than it must. */
  get isBehind(): boolean {
    return waitingIn(this.stream) > MAX_WAITING_PUSHES_BYTES
  }

  offerRun(offer: Offer): void {
    if (!this.#closed) this.#runs?.offer(offer)
  }

  /** What an offer would be answered with, unasked. */
  pushRun(push: Push): void {
    if (!this.#closed) this.#runs?.push(push)
  }

  /** Bytes before the statements that name them. */
  sendAhead(ahead: Ahead): void {
    if (!this.#closed) this.#runs?.ahead(ahead)
  }

  /** Blocks of a drive's log, not proved yet; null if the device has none. Rejects if it does not answer. */
  async askRun(drive: DriveKey, request: RunRequest): Promise<BlockRun | null> {
    if (this.#closed || this.#runs === null) throw new Error('the device is not connected')
    return await this.#runs.ask(drive, request)
  }

  /** Shows it that its key is in use twice (R30). */
  sendCloned(life: Life): void {
    if (!this.#closed) this.#control.sendCloned(life)
  }

  /** Asks it to sign that it lives beside another session of its key. */
  askLiving(other: string): void {
    if (!this.#closed) this.#control.askLiving(other)
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

  /** Asks for a sign of life, twice. @returns false if nothing at all came from the device within `SIGNS_LOOKED_FOR` looks. */
  async answers(): Promise<boolean> {
    const received = (): number | undefined => this.stream.rawStream?.packetsReceived
    const before = received()
    for (let look = 0; look < SIGNS_LOOKED_FOR; look++) {
      if (look === 0 || look === SIGNS_LOOKED_FOR / 2) this.stream.sendKeepAlive()
      await new Promise<void>((resolve) => this.#context.clock.after(SIGN_LOOK_MS, resolve))
      // What came while this process stood still is read first.
      await new Promise<void>((resolve) => void setImmediate(resolve))
      if (this.#closed || before === undefined || received() !== before) return true
    }
    return false
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
        onOtherVersion: () => this.#context.onOtherVersion(this.device),
        onHeads: async (folder, heads, bytes) => {
          this.#spoken.setHeads(folder, heads, bytes)
          await this.#context.onHeads(this, folder)
        },
        onReport: (folder, report, bytes) => {
          this.#spoken.setReport(folder, report, bytes)
          this.#context.onReport(this, folder)
        },
        settle: (folder, signal) => this.#context.settle(folder, signal),
        treeHash: async (drive, length) => (!this.#closed && group.isMember(this.device) ? await this.#context.treeHash(drive, length) : null),
        onCloned: (life) => this.#context.onCloned(life),
        onLiving: (other, signature) => this.#context.onLiving(this, other, signature),
        signLife: (other) => signLife(group.groupId, group.self.keyPair, this.#context.session, other).signature,
        history: async (folder, query) => (!this.#closed && group.isMember(this.device) ? await this.#context.history(this.device, folder, query) : []),
        onClose: (opened) => this.#channelClosed(opened),
        onFault: (error) => this.#fault(error),
      },
    })
  }

  #openLane(stream: NoiseSecretStream, onClose: (opened: boolean) => void): ChunkLane {
    const { group, clock, serve, streamed } = this.#context
    return new ChunkLane({
      stream,
      clock,
      log: this.#log,
      // INVARIANT: nothing for who is no member, at the moment of each answer.
      allowed: () => !this.#closed && group.isMember(this.device),
      serve: (folder, id) => serve(this.device, folder, id),
      heard: () => stream.rawBytesRead,
      streamed,
      onClose,
      onFault: (error) => this.#fault(error),
    })
  }

  #openRuns(runs: Runs): RunLane {
    const { group, clock } = this.#context
    return new RunLane({
      stream: this.stream,
      clock,
      log: this.#log,
      allowed: (drive) => !this.#closed && this.attached.has(drive) && group.isMember(this.device),
      read: (drive, request) => runs.drives.read(drive, request),
      onOpen: () => runs.opened(this),
      onClose: () => runs.closed(this),
      onOffer: (offer) => runs.onOffer(this, offer),
      onPush: (push) => runs.onPush(this, push),
      onAhead: (ahead) => runs.onAhead(this, ahead),
      onGiven: (drive, end) => runs.onGiven(this, drive, end),
      onFault: (error) => this.#fault(error),
    })
  }

  /** Bytes go over this stream from now on, in both directions, as long as it lives. */
  setBulk(stream: NoiseSecretStream): void {
    if (this.#closed || this.#bulk !== null) {
      stream.destroy()
      return
    }
    const end = (): void => {
      if (this.#bulk?.stream !== stream) return
      const { lane } = this.#bulk
      this.#bulkBytes = { rx: this.#bulkBytes.rx + stream.rawBytesRead, tx: this.#bulkBytes.tx + stream.rawBytesWritten }
      this.#bulk = null
      lane.close()
      stream.destroy()
    }
    this.#bulk = { stream, lane: this.#openLane(stream, end) }
    stream.on('close', end)
  }

  /** A newcomer that only asks for the group opens none of these. */
  #channelClosed(opened: boolean): void {
    if (opened && !this.#closed) this.close()
  }

  #fault(error: unknown): void {
    if (this.#closed) return
    this.#log.warn({ reason: messageOf(error) }, error instanceof UnreadError ? 'connection ended: too much waited to be sent' : 'connection ended: the peer broke the protocol')
    this.close()
  }

  #ended(): void {
    if (this.#closed) return
    this.#closed = true
    this.#stopWaiting()
    this.#bulk?.stream.destroy()
    this.#bulk?.lane.close()
    this.#control.close()
    this.#chunks.close()
    this.#runs?.close()
    this.#closeListeners.tell()
    this.#closeListeners.clear()
  }
}

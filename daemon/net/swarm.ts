/**
 * The network of this device: one Hyperswarm whose key is the device key, one topic per group, and the live connections to members.
 * INVARIANT 7: who is not a member now is refused before a byte of ours is sent, and a device that is removed is let go at once;
 * one that was away then is told so when it comes (farewell.ts), and nothing else.
 * Members are dialled by key whatever the topic (R23); remembered and static addresses are tried first, without a DHT they are all.
 */
import { randomBytes } from 'node:crypto'
import Hyperswarm from 'hyperswarm'
import type { NodeAddress } from 'hyperdht'
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import { messageOf } from '../../base/errors.ts'
import { Resource } from '../../base/resource.ts'
import type { Clock, DriveRuns, FolderReport, FreshFile, HistoryQuery, KeptVersion, Log } from '../ports.ts'
import { parseDeviceId } from '../sync/ids.ts'
import type { DeviceId, DriveKey, FolderId, ObjectId } from '../sync/ids.ts'
import { AddressBook } from './address-book.ts'
import { Bulk } from './bulk.ts'
import { Dialer } from './dialer.ts'
import { sayFarewell } from './farewell.ts'
import type { Group, GroupChange, Handover } from './group.ts'
import { answerHandover, requestHandover } from './handover.ts'
import { BULK_CONNECT_MS, BULK_REDIAL_MS, CLOSE_NETWORK_MS, WAKE_KICKS_MS, WAKE_NOTICE_MS } from './limits.ts'
import { PeerLink } from './link.ts'
import { Listeners } from './listeners.ts'
import { isLoopback, Node } from './node.ts'
import type { Bootstrap } from './node.ts'
import { Replication } from './replication.ts'
import type { ReplicationHandlers } from './replication.ts'
import { Runs } from './runs.ts'
import { isLife, Sessions } from './sessions.ts'
import type { Life } from './sessions.ts'
import type { TakeFresh } from './runs.ts'

export interface NetworkOptions {
  readonly group: Group
  /** `none`: no DHT at all. Null: the public one. */
  readonly bootstrap: Bootstrap
  /** UDP port; null: chosen once and kept; 0: any. */
  readonly listenPort: number | null
  /** Multicast on the LAN; not built yet. */
  readonly lan: string
  readonly log: Log
  readonly clock: Clock
}

/** What the daemon answers to peers. Set before `open`. */
export interface NetworkHandlers extends ReplicationHandlers {
  /** Bytes of an object for a member, or null. */
  serve(device: DeviceId, folder: FolderId, id: ObjectId): Promise<Buffer | null>
  /** So many bytes of objects came, or went. */
  streamed?(bytes: number): void
  /** What of a folder's history is here, for a member. */
  history?(device: DeviceId, folder: FolderId, query: HistoryQuery): Promise<readonly KeptVersion[]>
  /** The logs of drives; absent: they do not travel in runs. */
  readonly runs?: DriveRuns
  /** The bytes of tiny files; absent: they are always asked for. */
  readonly takeFresh?: TakeFresh
}

/** Scans and settles a folder, then tells; rejects with a sentence if it cannot. */
export type SettleHandler = (signal: AbortSignal) => Promise<FolderReport>

const NO_HANDLERS: NetworkHandlers = {
  heads: async () => [],
  treeHash: async () => null,
  attach: () => false,
  onForkEvidence: () => undefined,
  serve: async () => null,
}

export class Network extends Resource {
  readonly group: Group
  /** Of this start of the daemon (R30). */
  readonly session = randomBytes(16).toString('hex')
  readonly #options: NetworkOptions
  readonly #log: Log
  readonly #book: AddressBook
  readonly #node: Node
  readonly #swarm: Hyperswarm
  readonly #all = new Set<PeerLink>()
  readonly #ready = new Map<DeviceId, PeerLink>()
  readonly #reports = new Map<FolderId, FolderReport>()
  readonly #settlers = new Map<FolderId, SettleHandler>()
  readonly #sessions = new Sessions()
  /** Devices that spoke another version when they were last here. */
  readonly #otherVersions = new Set<DeviceId>()
  readonly #dialer: Dialer
  readonly #bulk: Bulk
  readonly #peerListeners: Listeners<[PeerLink]>
  readonly #reportListeners: Listeners<[PeerLink, FolderId]>
  readonly #clonedListeners: Listeners<[DeviceId]>
  #handlers: NetworkHandlers = NO_HANDLERS
  #replication: Replication
  #runs: Runs | null = null
  #topic: Buffer | null = null
  #stopListening: () => void = () => undefined
  #kicks: readonly (() => void)[] = []

  /** @throws UNSAFE_TEST in a test without a DHT of its own. */
  constructor(options: NetworkOptions) {
    super()
    const { group, bootstrap, clock, log } = options
    const reachable = new Map<DeviceId, readonly NodeAddress[]>()
    this.group = group
    this.#options = options
    this.#log = log
    this.#peerListeners = new Listeners(log, 'peer')
    this.#reportListeners = new Listeners(log, 'report')
    this.#clonedListeners = new Listeners(log, 'cloned')
    this.#replication = new Replication(group, this.#handlers, log, null)
    this.#book = new AddressBook(group.stateDir, log)
    this.#node = new Node({
      bootstrap,
      port: options.listenPort ?? this.#book.port,
      loopback: isLoopback(bootstrap),
      addresses: (key) => reachable.get(key.toString('hex') as DeviceId) ?? [],
    })
    this.#swarm = new Hyperswarm({ dht: this.#node, keyPair: { ...group.self.keyPair }, firewall: (key) => !this.#hears(key) })
    const wanted = (device: DeviceId): boolean => !this.#ready.has(device) && this.#allows(Buffer.from(device, 'hex'))
    this.#dialer = new Dialer({ group, book: this.#book, node: this.#node, swarm: this.#swarm, clock, log, wanted }, reachable)
    this.#bulk = new Bulk({
      keyPair: () => group.self.keyPair,
      loopback: isLoopback(bootstrap),
      clock,
      log,
      accept: (device, stream) => this.#acceptBulk(device, stream),
    })
    this.#refuseBeforeBan()
  }

  setHandlers(handlers: NetworkHandlers): void {
    this.#handlers = handlers
    this.#runs = handlers.runs === undefined ? null : new Runs(handlers.runs, handlers.takeFresh ?? null, this.#all, this.#log)
    this.#replication = new Replication(this.group, handlers, this.#log, this.#runs)
  }

  /** The DHT node, for pairing: it has connections of its own there. */
  get node(): Node {
    return this.#node
  }

  /** UDP port that is listened on. */
  get listenPort(): number {
    return this.#node.listenPort
  }

  /** Members that are connected now. */
  links(): readonly PeerLink[] {
    return [...this.#ready.values()].filter((link) => link.ready)
  }

  /** It runs a version that this one cannot talk to, as far as it was here. */
  isOfOtherVersion(device: DeviceId): boolean {
    return this.#otherVersions.has(device)
  }

  link(device: DeviceId): PeerLink | null {
    const link = this.#ready.get(device)
    return link?.ready === true ? link : null
  }

  /** A member is connected and said hello. Returns how to stop. */
  onPeer(listener: (link: PeerLink) => void): () => void {
    return this.#peerListeners.add(listener)
  }

  /** A member reported a folder. */
  onReport(listener: (link: PeerLink, folder: FolderId) => void): () => void {
    return this.#reportListeners.add(listener)
  }

  /** A device key (perhaps our own) is used by two living daemons (R30). */
  onCloned(listener: (device: DeviceId) => void): () => void {
    return this.#clonedListeners.add(listener)
  }

  /** Tells all connected members, and those that connect later; null takes the folder's report away. The latest wins. */
  report(folder: FolderId, report: FolderReport | null): void {
    if (report === null) {
      this.#reports.delete(folder)
      return
    }
    this.#reports.set(folder, report)
    for (const link of this.links()) link.sendReport(folder, report)
  }

  /** Tells those who have the rest of this drive of ours what it is about to state. */
  ahead(drive: DriveKey, files: readonly FreshFile[]): void {
    this.#runs?.ahead(drive, files)
  }

  /** Who answers when a member asks this device to settle the folder; null: it is not here. */
  setSettleHandler(folder: FolderId, handler: SettleHandler | null): void {
    if (handler === null) this.#settlers.delete(folder)
    else this.#settlers.set(folder, handler)
  }

  /** Drives of the folder came to be held here (it was added, rotated, opened): tell the heads again and attach what may be. */
  async refresh(folder: FolderId): Promise<void> {
    await Promise.all(this.links().map((link) => this.#replication.update(link, [folder], true)))
  }

  /** The folder's drives are closed here: should they come again, they must be attached again. */
  release(folder: FolderId): void {
    for (const drive of this.group.folder(folder)?.drives ?? []) {
      for (const link of this.#all) link.attached.delete(drive.driveKey)
    }
  }

  /** After wake-up, or when the network changed: dial all absent members now. */
  kick(): void {
    this.#dialer.kick()
  }

  /** Asks a member of another group for that group; this device must have been added to it. Dials until the signal aborts. */
  async requestHandover(device: DeviceId, addresses: readonly NodeAddress[], signal: AbortSignal): Promise<Handover> {
    const keyPair = { ...this.group.self.keyPair }
    const { handover, host, port } = await requestHandover(
      () => this.#node.connect(Buffer.from(device, 'hex'), { keyPair, relayAddresses: addresses }),
      signal,
      (error) => this.#log.debug({ reason: messageOf(error) }, 'the inviting device did not hand over the group yet'),
    )
    if (addresses.some((address) => address.host === host && address.port === port)) this.#book.remember(device, { host, port })
    return handover
  }

  protected async onOpen(): Promise<void> {
    await this.#node.bind()
    if (this.#options.listenPort === null) this.#book.keepPort(this.#node.listenPort)
    else if (this.#options.listenPort > 0 && this.#options.listenPort !== this.#node.listenPort) {
      this.#log.warn({ wanted: this.#options.listenPort, port: this.#node.listenPort }, 'the port to listen on is taken by another program; using another')
    }
    this.#bulk.listen(this.#node.listenPort)
    this.#swarm.on('connection', (stream) => this.#onConnection(stream))
    // Announcing waits for the DHT; direct dials are answered from here on.
    this.#swarm.listen().catch((error: unknown) => this.#log.warn({ reason: messageOf(error) }, 'listening failed'))
    this.#node.on('network-change', () => this.#networkChanged())
    this.#node.on('wakeup', () => this.#woke())
    this.#stopListening = this.group.onChange((change) => this.#onGroupChange(change))
    this.#dialer.start()
    this.#follow()
  }

  protected async onClose(): Promise<void> {
    this.#stopListening()
    for (const stop of this.#kicks) stop()
    this.#dialer.close()
    for (const link of [...this.#all]) link.close()
    this.#bulk.close()
    await this.#destroySwarm()
  }

  /** A connection may have been by what is gone now, which nobody says. While there is no network at all nothing can be told: it may be back in a moment. */
  #networkChanged(): void {
    if (!this.#node.hasNetwork) return
    this.kick()
    for (const link of this.#all) this.#probe(link).catch((error: unknown) => this.#log.debug({ reason: messageOf(error) }, 'asking for a sign of life failed'))
  }

  async #probe(link: PeerLink): Promise<void> {
    if (await link.answers()) return
    this.#log.debug({ peer: link.device.slice(0, 8) }, 'the network changed, and the device does not answer by the old one')
    link.close()
    this.kick()
  }

  /** The machine slept, as the DHT library tells by its clock: the others let go of this device meanwhile, and what is here is dead without a word. */
  #woke(): void {
    const woken = this.#options.clock.now() - WAKE_NOTICE_MS
    for (const link of [...this.#all]) if (link.since <= woken) link.close()
    this.kick()
    for (const stop of this.#kicks) stop()
    this.#kicks = WAKE_KICKS_MS.map((ms) => this.#options.clock.after(ms, () => this.kick()))
  }

  // ---------------------------------------------------------------------------------------------- who may connect

  #allows(key: Buffer): boolean {
    const device = key.toString('hex') as DeviceId
    return device !== this.group.self.id && this.group.isMember(device) && !this.group.removedSelf
  }

  /** A member; or a device that was removed, which may only be told so. */
  #hears(key: Buffer): boolean {
    return this.#allows(key) || (!this.group.removedSelf && this.group.removalsOf(key.toString('hex') as DeviceId).length > 0)
  }

  /**
   * Hyperswarm bans for good whom its own firewall refuses, and keeps a row for each: strangers must not get that far. Neither may who
   * shows our own key: whether that is a clone cannot be told, since all that is here is a first message, which anybody can send again.
   */
  #refuseBeforeBan(): void {
    const { server } = this.#swarm
    const ofSwarm = server.firewall
    server.firewall = (key, payload, address) => {
      return !this.#hears(key) || ofSwarm(key, payload, address)
    }
  }

  #onConnection(stream: NoiseSecretStream): void {
    const device = parseDeviceId(stream.remotePublicKey.toString('hex'))
    if (device !== null && !this.#allows(stream.remotePublicKey) && this.#hears(stream.remotePublicKey) && !this.closing) {
      sayFarewell(stream, this.group.removalsOf(device), this.#options.clock)
      return
    }
    if (device === null || !this.#allows(stream.remotePublicKey) || this.closing) {
      stream.on('error', () => undefined)
      stream.destroy()
      return
    }
    let isDoubted = false
    const link = new PeerLink(device, stream, {
      group: this.group,
      session: this.session,
      clock: this.#options.clock,
      log: this.#log,
      listenPort: () => this.#node.listenPort,
      serve: (peer, folder, id) => this.#handlers.serve(peer, folder, id),
      streamed: (bytes) => this.#handlers.streamed?.(bytes),
      settle: (folder, signal) => this.#settle(folder, signal),
      treeHash: async (drive, length) => await this.#handlers.treeHash(drive, length),
      onCloned: (life) => {
        if (life !== null) return this.#cloneShown(life)
        if (!isDoubted) this.#log.warn({ peer: device.slice(0, 8) }, 'a device says that two machines run with the key of this one and does not show it; it is not believed')
        isDoubted = true
      },
      onLiving: (from, other, signature) => this.#keepLife(from, other, signature),
      history: async (peer, folder, query) => (await this.#handlers.history?.(peer, folder, query)) ?? [],
      onReady: (ready) => this.#onReady(ready),
      onOtherVersion: (from) => this.#onOtherVersion(from),
      onHeads: (from, folder) => this.#replication.update(from, [folder]),
      onReport: (from, folder) => this.#reportListeners.tell(from, folder),
      runs: this.#runs,
    })
    this.#all.add(link)
    answerHandover(stream, this.group, (error) => this.#log.debug({ reason: messageOf(error) }, 'handing over the group failed'))
    link.onClose(() => {
      this.#all.delete(link)
      this.#runs?.closed(link)
      if (this.#ready.get(device) === link) this.#ready.delete(device)
    })
  }

  #onOtherVersion(device: DeviceId): void {
    if (!this.#otherVersions.has(device)) this.#log.warn({ peer: device.slice(0, 8) }, 'a device runs a version of p2psync that this one cannot talk to; update the older of the two')
    this.#otherVersions.add(device)
  }

  #onReady(link: PeerLink): void {
    this.#otherVersions.delete(link.device)
    this.#noteSession(link)
    this.#ready.get(link.device)?.close()
    this.#ready.set(link.device, link)
    if (link.dialAddress !== null) this.#book.remember(link.device, link.dialAddress)
    this.#log.info({ peer: link.device.slice(0, 8), address: link.address }, 'connected')
    for (const [folder, report] of this.#reports) link.sendReport(folder, report)
    this.#peerListeners.tell(link)
    void this.#replication.update(link, this.group.folders().map((folder) => folder.id))
    this.#followBulk(link)
  }

  // ---------------------------------------------------------------------------------------------- the fast path for bytes

  /** One end dials at once, the other only if that did not come to anything: one of them may be behind a firewall. */
  #followBulk(link: PeerLink, wait = this.group.self.id < link.device ? 0 : BULK_CONNECT_MS): void {
    const cancel = this.#options.clock.after(wait, () => {
      this.#dialBulk(link).catch((error: unknown) => this.#log.debug({ reason: messageOf(error) }, 'no TCP to the device'))
    })
    link.onClose(cancel)
  }

  async #dialBulk(link: PeerLink): Promise<void> {
    const address = link.dialAddress
    if (address === null || !link.ready || link.transport === 'tcp') return
    const stream = await this.#bulk.dial(link.device, address.host, address.port)
    if (stream === null) return
    link.setBulk(stream)
    stream.once('close', () => {
      if (link.ready) this.#followBulk(link, BULK_REDIAL_MS)
    })
  }

  /** Only for a device that has a live link: TCP never makes one. */
  #acceptBulk(device: DeviceId, stream: NoiseSecretStream): boolean {
    const link = this.#allows(Buffer.from(device, 'hex')) ? this.#ready.get(device) : undefined
    if (link?.ready !== true) return false
    link.setBulk(stream)
    return true
  }

  async #settle(folder: FolderId, signal: AbortSignal): Promise<FolderReport> {
    const handler = this.#settlers.get(folder)
    if (handler === undefined) throw new Error('this device does not have the folder')
    return await handler(signal)
  }

  /** Two living daemons of one key take turns: each is shown what the other signed (R30). */
  #noteSession(link: PeerLink): void {
    const { before, returned, proof } = this.#sessions.note(link.device, link.session)
    if (before !== null) link.askLiving(before)
    if (!returned) return
    this.#clonedListeners.tell(link.device)
    if (proof !== null) link.sendCloned(proof)
  }

  #keepLife(link: PeerLink, other: string, signature: Buffer): void {
    const life = { session: link.session, signature }
    if (!isLife(this.group.groupId, Buffer.from(link.device, 'hex'), life, other)) throw new Error('a sign of life that its key did not sign')
    this.#sessions.keep(link.device, other, life)
  }

  /** INVARIANT 7: no member can halt this device by a lie, and what was signed for an earlier start shows nothing. */
  #cloneShown(life: Life): void {
    const { groupId, self } = this.group
    if (!isLife(groupId, self.keyPair.publicKey, life, this.session)) throw new Error('shows no living daemon with the key of this device')
    this.#clonedListeners.tell(self.id)
  }

  // ---------------------------------------------------------------------------------------------- following the group

  #onGroupChange(change: GroupChange): void {
    if (change.joined) {
      for (const link of [...this.#all]) link.close()
      this.#dialer.start()
    }
    // Members only, before this device itself may have to go: they shall know why.
    for (const link of change.joined ? [] : this.#all) {
      if (this.group.isMember(link.device)) link.tell(change.added)
    }
    this.#follow()
    const folders = this.group.folders().map((folder) => folder.id)
    for (const link of this.links()) void this.#replication.update(link, folders)
  }

  #follow(): void {
    for (const link of [...this.#all]) {
      if (!this.#allows(Buffer.from(link.device, 'hex'))) link.dismiss(this.#whyApart(link.device))
    }
    this.#followTopic()
    this.#dialer.follow()
  }

  /** The other one was removed, or this one: who leaves says so in its last message. */
  #whyApart(device: DeviceId) {
    return [...this.group.removalsOf(device), ...(this.group.removedSelf ? this.group.removalsOf(this.group.self.id) : [])]
  }

  #followTopic(): void {
    const topic = !this.#node.hasDht || this.group.removedSelf ? null : this.group.topic()
    if (topic === null ? this.#topic === null : this.#topic?.equals(topic)) return
    const old = this.#topic
    this.#topic = topic
    const onError = (error: unknown): void => this.#log.debug({ reason: messageOf(error) }, 'leaving the old topic failed')
    if (old !== null) this.#swarm.leave(old).catch(onError)
    if (topic !== null) this.#swarm.join(topic, { server: true, client: true })
  }

  /** Taking back announcements asks the DHT, which may not answer. */
  async #destroySwarm(): Promise<void> {
    let stop = (): void => undefined
    const late = new Promise<'late'>((resolve) => {
      stop = this.#options.clock.after(CLOSE_NETWORK_MS, () => resolve('late'))
    })
    const orderly = this.#swarm.destroy()
    const result = await Promise.race([orderly.then(() => 'done' as const), late])
    stop()
    if (result === 'done') return
    orderly.catch((error: unknown) => this.#log.debug({ reason: messageOf(error) }, 'closing the network was cut short'))
    await this.#swarm.destroy({ force: true })
  }
}

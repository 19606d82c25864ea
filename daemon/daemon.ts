/**
 * The composition root: opens everything in order, wires group, network and folders together, and is what the handlers act on.
 * No rule of merging or membership stands here.
 */
import { dirname, join } from 'node:path'
import type { Duplex } from 'node:stream'
import { removeDrafts } from '../base/durable-file.ts'
import { P2psyncError, messageOf } from '../base/errors.ts'
import { Resource } from '../base/resource.ts'
import { WorkerPool } from '../base/workers.ts'
import { EventRing } from '../rpc/events.ts'
import type { RpcServer } from '../rpc/server.ts'
import type { App, AppOptions } from './app.ts'
import { parseHostPort } from './config.ts'
import { Drives } from './drive/drives.ts'
import type { Store } from './drive/store.ts'
import { rebindMarker } from './disk/open.ts'
import { ROTATING, type TimeTravel } from './folder/recover.ts'
import type { FolderStatus } from './folder/standing.ts'
import { Forks } from './forks.ts'
import { CLONE_QUIET_MS, CLONED, LEAVE_MS, REMOVED, storeFailed } from './halts.ts'
import { GiveBack, processMemory } from './give-back.ts'
import { HeapRoom } from './heap-room.ts'
import { FolderHost } from './host.ts'
import { lockHome, type HomeLock } from './lock.ts'
import { Group, type GroupFolder } from './net/group.ts'
import type { PeerLink } from './net/link.ts'
import type { ForkEvidence } from './net/replication.ts'
import { Network, type NetworkHandlers } from './net/swarm.ts'
import { Pairing } from './net/pairing.ts'
import { Announcer } from './announcer.ts'
import { Compaction, freeBytesAt } from './compaction.ts'
import { OwnDrives, type DriveChoice, type Rotation } from './own-drives.ts'
import { Retired } from './retired.ts'
import { Rotations } from './rotations.ts'
import { FolderRegistry, type FolderRegistration } from './registry.ts'
import { selectFolder } from './select.ts'
import { separationOf } from './separation.ts'
import { openStore } from './store-life.ts'
import { systemClock } from './system-clock.ts'
import type { DriveHead, OwnCheckpoint } from './ports.ts'
import type { DeviceId, DriveKey, FolderId } from './sync/ids.ts'
import { TravelNotices } from './travel-notices.ts'

/** A question about folders waits so long for one that is being opened. */
const FOLDERS_STAND_MS = 3_000

export class Daemon extends Resource implements App {
  readonly options: AppOptions
  readonly events = new EventRing()
  readonly hosts = new Map<FolderId, FolderHost>()
  /** Devices that were connected since the start and are not now. */
  readonly lastSeen = new Map<DeviceId, { readonly at: number; readonly address: string | null }>()
  readonly startedAt = systemClock.now()
  readonly #startedTick = performance.now()
  readonly #announcer: Announcer
  readonly #giveBack: GiveBack
  readonly #heapRoom = new HeapRoom(systemClock)
  readonly #compaction: Compaction<FolderHost>
  readonly #rotations: Rotations
  #lock: HomeLock | null = null
  #registry: FolderRegistry | null = null
  #group: Group | null = null
  #store: Store | null = null
  #drives: Drives | null = null
  readonly #workers = new WorkerPool()
  #network: Network | null = null
  #pairing: Pairing | null = null
  #server: RpcServer | null = null
  #ownDrives: OwnDrives | null = null
  #forks: Forks | null = null
  #notices: TravelNotices | null = null
  #retired: Retired | null = null
  #cloned = false
  #storeFailed: FolderStatus['reason'] = null
  #stopCloned: () => void = () => undefined
  /** Folders for which the group named a drive of ours that we did not write, since the start. */
  readonly #strangers = new Set<FolderId>()
  /** Opening and closing of folders, one after the other. */
  #changes: Promise<void> = Promise.resolve()

  constructor(options: AppOptions) {
    super()
    this.options = options
    this.#announcer = new Announcer(this.events, systemClock)
    this.#rotations = new Rotations({
      clock: systemClock,
      log: options.log,
      ownDrives: () => present(this.#ownDrives),
      drives: () => this.drives,
      host: (id) => this.hosts.get(id),
      folder: (id) => this.group.folder(id),
      mayRotate: () => !this.closing && this.haltReason === null,
      inTurn: async (work) => await this.#inTurn(work),
      close: async (host) => await this.#closeHost(host),
      reopen: async (id) => await this.#reopen(id),
      refresh: (id) => void this.network.refresh(id),
      rotated: (id, reason) => this.notices.rotated(id, reason)
    })
    this.#compaction = new Compaction({ clock: systemClock, freeBytes: async () => await freeBytesAt(options.paths.storeDir), isQuiet: (host) => this.#rotations.isQuiet(host), compact: (host, anew) => this.#rotations.compact(host, anew) })
    this.#giveBack = new GiveBack(systemClock, processMemory({ log: options.log, write: async () => await this.#writeAtRest() }))
  }

  async #writeAtRest(): Promise<void> {
    for (const host of this.hosts.values()) await host.writeDigests()
    await this.#store?.writeTables()
  }

  get uptimeMs(): number {
    return performance.now() - this.#startedTick
  }

  get group(): Group {
    return present(this.#group)
  }

  get registry(): FolderRegistry {
    return present(this.#registry)
  }

  get network(): Network {
    return present(this.#network)
  }

  get pairing(): Pairing {
    return present(this.#pairing)
  }

  get forks(): Forks {
    return present(this.#forks)
  }

  get notices(): TravelNotices {
    return present(this.#notices)
  }

  get drives(): Drives {
    return present(this.#drives)
  }

  // ------------------------------------------------------------------------------------------- lifecycle

  protected async onOpen(): Promise<void> {
    const { paths, config, log } = this.options
    this.#lock = lockHome(paths.lockFile)
    for (const directory of [paths.stateDir, dirname(paths.configFile)]) removeDrafts(directory)
    this.#registry = FolderRegistry.load(paths.foldersFile)
    this.#group = await Group.open({ stateDir: paths.stateDir, deviceName: config.current.deviceName, log: log.child({ part: 'group' }) })
    const { store, life } = await openStore({ stateDir: paths.stateDir, storeDir: paths.storeDir, primaryKey: this.#group.storeSeed, log, onFailure: (error) => this.#storeBroke(error) })
    this.#store = store
    this.#forks = new Forks(join(paths.stateDir, 'forks.json'))
    this.#notices = new TravelNotices(join(paths.stateDir, 'notices.json'), log)
    this.#drives = new Drives(store, this.#workers)
    await this.#drives.open()
    this.#retired = new Retired({
      file: join(paths.stateDir, 'retired.json'),
      clock: systemClock,
      log: log.child({ part: 'store' }),
      // A state that was put back may name again what was retired since.
      deleteDrive: async (drive) => !this.group.isNewestDrive(drive) && (await this.drives.deleteDrive(drive, present(this.#ownDrives).blobsOf(drive, (other) => present(this.#retired).has(other)))),
      compact: async () => await store.compact()
    })
    this.#ownDrives = new OwnDrives({ file: join(paths.keysDir, 'drives.json'), life, group: this.#group, drives: this.#drives })
    await this.#openNetwork()
    for (const { from, to } of this.group.bindings()) await this.#rebind(from, to)
    // What peers say while the folders open is for them as well; what it asks for waits for its turn.
    this.group.onChange(() => this.#groupChanged())
    await this.#inTurn(async () => await this.#openFolders())
    // Loaded while the threads look at the files already.
    const [{ startServer }, { createHandlers }] = await Promise.all([import('../rpc/server.ts'), import('./handlers/handlers.ts')])
    this.#server = await startServer({
      socketPath: paths.socket,
      handlers: createHandlers(this),
      events: this.events,
      log: log.child({ part: 'rpc' }),
      replicate: (folder) => this.#offerDrive(folder)
    })
  }

  protected async onClose(): Promise<void> {
    await this.#server?.close()
    this.#giveBack.close()
    this.options.early?.close()
    this.#stopCloned()
    await this.#changes.catch((error: unknown) => this.options.log.warn({ error: messageOf(error) }, 'a folder did not open'))
    await this.#pairing?.close()
    await Promise.all([...this.hosts.values()].map((host) => host.close()))
    await this.#network?.close()
    await this.#retired?.close()
    await this.#drives?.close()
    await this.#workers.close()
    await this.#store?.close()
    this.#announcer.close()
    this.#heapRoom.close()
    this.#compaction.close()
    this.#lock?.release()
  }

  async #openNetwork(): Promise<void> {
    const { config, log } = this.options
    const { bootstrap, listenPort, lan } = config.current
    const nodes = bootstrap === 'public' ? null : bootstrap === 'none' ? 'none' : bootstrap.map(parseHostPort)
    this.#network = new Network({ group: this.group, bootstrap: nodes, listenPort, lan, log: log.child({ part: 'net' }), clock: systemClock })
    this.#network.setHandlers(this.#answers())
    this.#network.onPeer((link) => this.#peerConnected(link))
    this.#network.onCloned((device) => this.#cloneSeen(device))
    await this.#network.open()
    this.#pairing = new Pairing({ group: this.group, network: this.#network, clock: systemClock, log: log.child({ part: 'pairing' }) })
    await this.#pairing.open()
  }

  /** What other devices may ask, and what is held here of each drive (R17). */
  #answers(): NetworkHandlers {
    return {
      streamed: (bytes) => this.#heapRoom.streamed(bytes),
      serve: async (_device, folder, id) => (await this.hosts.get(folder)?.serve(id)) ?? null,
      history: async (_device, folder, query) => (await this.hosts.get(folder)?.history(query)) ?? [],
      heads: async (folder) => await this.#heads(folder),
      treeHash: async (drive, length) => (await this.drives.head(drive, length))?.treeHash ?? null,
      attach: (drive, stream) => this.#isCurrent(drive) && !this.forks.has(drive) && this.drives.replicate(drive, stream),
      detach: (drive, stream) => this.drives.unreplicate(drive, stream),
      onForkEvidence: async (evidence) => await this.#forkSeen(evidence),
      runs: this.drives.runs,
      takeFresh: (device, drive, files) => this.#hostOf((host) => host.reads(drive))?.takeAhead(device, files)
    }
  }

  #hostOf(is: (host: FolderHost) => boolean): FolderHost | undefined {
    return [...this.hosts.values()].find(is)
  }

  async #heads(id: FolderId): Promise<readonly DriveHead[]> {
    if (!this.hosts.has(id)) return []
    const drives = this.group.folder(id)?.drives ?? []
    const heads = await Promise.all(drives.filter((drive) => this.#isCurrent(drive.driveKey)).map((drive) => this.drives.head(drive.driveKey)))
    return heads.filter((head) => head !== null).flatMap((head) => [head, ...this.forks.of(head.key)])
  }

  #peerConnected(link: PeerLink): void {
    const device = { id: link.device, name: this.nameOf(link.device) }
    this.events.emit({ type: 'peer', device, connected: true })
    link.onClose(() => {
      this.lastSeen.set(link.device, { at: systemClock.now(), address: link.address })
      this.events.emit({ type: 'peer', device, connected: false })
    })
  }

  nameOf(device: string): string {
    return this.group.members().find((member) => member.id === device)?.name ?? device.slice(0, 12)
  }

  // ------------------------------------------------------------------------------------------- folders

  async #openFolders(): Promise<void> {
    for (const registration of this.registry.list()) await this.#openRegistered(registration)
  }

  async #openRegistered(registration: FolderRegistration): Promise<void> {
    const folder = this.group.folders().find((known) => known.id === registration.id)
    if (folder === undefined) {
      this.options.log.error({ folder: registration.id.slice(0, 12) }, 'the group does not know a folder of this device; it is not synced')
      return
    }
    await this.#host(folder, registration)
  }

  /** Opens a folder here; its drive is announced to the group first (R42). */
  async #host(folder: GroupFolder, registration: FolderRegistration): Promise<FolderHost> {
    const { config, log } = this.options
    const host = new FolderHost({
      folder,
      self: this.group.self.id,
      path: registration.path,
      paused: registration.paused,
      choose: async (checkpoint) => await this.#chooseDrive(folder.id, checkpoint),
      halted: this.haltReason,
      rescanMs: config.current.rescanIntervalSeconds * 1000,
      config: () => config.current,
      store: present(this.#store),
      drives: this.drives,
      workers: this.#workers,
      early: this.options.early ?? null,
      network: this.network,
      log: log.child({ folder: folder.name }),
      onState: (changed) => this.#stateOf(changed),
      onChanges: (changed, changes) => this.#announcer.changes(changed, changes),
      onReady: (drive) => this.#driveReady(drive),
      onRetired: (drive) => present(this.#retired).add(drive),
      isRetired: (drive) => present(this.#retired).has(drive),
      onConflict: (forked, drive) => this.#conflictSeen(forked, drive),
      onTimeTravel: (traveller, travel) => this.#timeTravelled(traveller, travel)
    })
    this.hosts.set(folder.id, host)
    try {
      await host.open()
    } catch (error) {
      this.hosts.delete(folder.id)
      await host.close()
      throw error
    }
    return host
  }

  #stateOf(host: FolderHost): void {
    this.#announcer.folderState(host)
    if (host.folder.activity !== 'idle') this.#giveBack.active()
    this.#compaction.note(host)
  }

  /** Those before it that a crash kept from being retired are now. */
  #driveReady(drive: DriveKey): void {
    const ownDrives = present(this.#ownDrives)
    ownDrives.settle(drive)
    for (const former of ownDrives.formersOf(drive)) if (!this.drives.isOwn(former)) present(this.#retired).add(former)
  }

  async #chooseDrive(id: FolderId, checkpoint: OwnCheckpoint | null): Promise<DriveChoice> {
    const folder = this.group.folder(id)
    if (folder === null) throw new P2psyncError('FOLDER_UNKNOWN', `the group has no folder ${id.slice(0, 12)}`)
    const { rotation, ...choice } = await present(this.#ownDrives).choose(folder, checkpoint)
    if (rotation !== null) {
      this.options.log.info({ folder: folder.name, reason: rotation, generation: choice.drive.generation }, 'a folder has a new drive')
      this.notices.rotated(id, rotation)
    }
    return choice
  }

  /** Registers and opens; used by `add` and after a join. */
  async addFolder(id: FolderId, path: string): Promise<FolderHost> {
    const folder = this.group.folders().find((known) => known.id === id)
    if (folder === undefined) throw new P2psyncError('FOLDER_UNKNOWN', `the group has no folder ${id.slice(0, 12)}`)
    return await this.#inTurn(async () => {
      this.registry.add(id, path)
      try {
        return await this.#host(folder, { id, path, paused: false })
      } catch (error) {
        this.registry.remove(id)
        throw error
      }
    })
  }

  async removeFolder(id: FolderId): Promise<void> {
    await this.#inTurn(async () => {
      await this.hosts.get(id)?.close()
      this.hosts.delete(id)
      this.registry.remove(id)
      await this.group.leaveFolder(id)
    })
  }

  /**
   * What a join asks for (R24): our folder whose name equals exactly one folder there becomes that one, with a new drive. The order
   * stands in the group's state until it is carried out, so a crash in between does not forget it.
   */
  async carryOutBindings(): Promise<void> {
    await this.#inTurn(async () => {
      for (const { from, to } of this.group.bindings()) {
        await this.hosts.get(from)?.close()
        this.hosts.delete(from)
        await this.#rebind(from, to)
        const registration = this.registry.get(to)
        if (registration !== null && !this.hosts.has(to)) await this.#openRegistered(registration)
      }
    })
  }

  async #rebind(from: FolderId, to: FolderId): Promise<void> {
    const registration = this.registry.get(from)
    if (registration !== null && from !== to) {
      await rebindMarker(registration.path, from, to, this.group.self.id)
      this.registry.rebind(from, to)
    }
    await this.group.bindingDone(from)
  }

  /** Leaves the group for a new one of this device alone, with a new key; folders stay and get new drives. */
  async startOver(): Promise<void> {
    await this.#inTurn(async () => {
      await Promise.all([...this.hosts.values()].map((host) => host.close()))
      this.hosts.clear()
      await this.#pairing?.close()
      // The key of a clone is still that of the other machine.
      if (!this.#cloned) await this.#leaveGroup()
      await this.#network?.close()
      await this.group.startOver({ silently: true })
      this.#cloned = false
      this.#stopCloned()
      for (const { id, path } of this.registry.list()) await this.#ownMarker(path, id)
      await this.#openNetwork()
      await this.#openFolders()
    })
  }

  /** So that the others hear it before the connections end. */
  async #leaveGroup(): Promise<void> {
    await this.group.leave()
    await new Promise<void>((resolve) => systemClock.after(LEAVE_MS, resolve))
  }

  /** A root that is not there now halts when it is back, with a sentence. */
  async #ownMarker(path: string, id: FolderId): Promise<void> {
    try {
      await rebindMarker(path, id, id, this.group.self.id)
    } catch (error) {
      this.options.log.warn({ path, error: messageOf(error) }, 'the marker of a folder could not be changed to the new device')
    }
  }

  // ------------------------------------------------------------------------------------------- time travel

  /** Own drives of earlier generations are neither told of nor attached: they may be longer elsewhere (R17). */
  #isCurrent(key: DriveKey): boolean {
    return !this.drives.isOwn(key) || [...this.hosts.values()].some((host) => host.driveKey === key)
  }

  #timeTravelled(host: FolderHost, travel: TimeTravel): void {
    const files = travel === 'restored' ? 'doubted' : 'trusted'
    this.#rotations.later(host.id, host.own.key, { reason: travel, recovery: { files, cuts: [] }, writer: null })
  }

  /** Ours: a new drive takes over, with the changes behind the fork under new numbers (R19). Another's: it replicates no more. */
  async #forkSeen(evidence: ForkEvidence): Promise<void> {
    const { drive, own, folder, reason, common, device, remote } = evidence
    const { log } = this.options
    if (!own) {
      if (this.forks.add(remote)) log.warn({ drive: drive.slice(0, 12), reason, device: this.nameOf(device) }, 'the drive of a device has two histories; it is not replicated any more until the device makes a new one')
      for (const link of this.network.links()) this.drives.unreplicate(drive, link.stream)
      return
    }
    const counter = this.hosts.get(folder)?.driveKey === drive ? await this.drives.counterAt(drive, common) : null
    if (counter === null || this.#rotations.isTooSoon(folder)) return
    const cuts = [{ writer: (this.hosts.get(folder) as FolderHost).own.writer, counter }]
    log.warn({ drive: drive.slice(0, 12), reason, common, device: this.nameOf(device) }, 'a device holds another history of our drive, as after a restored backup')
    this.#rotations.later(folder, drive, { reason: `fork-${reason}`, recovery: { files: 'trusted', cuts }, writer: null })
  }

  /** Two signatures met in spite of all; how far the logs are one cannot be told any more. */
  #conflictSeen(host: FolderHost, drive: DriveHead): void {
    if (host.driveKey !== drive.key) {
      this.forks.add(drive)
      return
    }
    const cuts = [{ writer: host.own.writer, counter: 0 }]
    this.#rotations.later(host.id, drive.key, { reason: 'conflict', recovery: { files: 'trusted', cuts }, writer: null })
  }

  /** R30. Lifted when nothing is seen of the other for a while. */
  #cloneSeen(device: DeviceId): void {
    const { log } = this.options
    if (device !== this.group.self.id) return log.warn({ device: this.nameOf(device) }, 'two machines run with the key of this device; both are told to halt')
    if (!this.#cloned) log.error({}, CLONED.message)
    this.#cloned = true
    this.#haltAll()
    this.#stopCloned()
    this.#stopCloned = systemClock.after(CLONE_QUIET_MS, () => {
      this.#cloned = false
      this.#haltAll()
    })
  }

  #storeBroke(error: unknown): void {
    this.#storeFailed = storeFailed(this.options.paths.storeDir, error)
    this.options.log.error({ error: messageOf(error) }, this.#storeFailed.message)
    this.#haltAll()
    this.options.onStoreFailure?.()
  }

  #haltAll(): void {
    const reason = this.haltReason
    Promise.all([...this.hosts.values()].map(async (host) => await host.halt(reason))).catch((error: unknown) => this.options.log.error({ error: messageOf(error) }, 'a folder could not halt or go on'))
  }

  async rotateFolder(id: FolderId, drive: DriveKey, rotation: Rotation): Promise<void> {
    await this.#rotations.rotate(id, drive, rotation)
  }

  async #closeHost(host: FolderHost): Promise<void> {
    await host.close()
    this.hosts.delete(host.id)
  }

  async #reopen(id: FolderId): Promise<void> {
    const registration = this.registry.get(id)
    if (registration !== null && !this.hosts.has(id)) await this.#openRegistered(registration)
  }

  /** The group has a new key for a folder, or says that we wrote a drive which we do not know: the folder is opened anew and chooses. */
  async #renewDrives(): Promise<void> {
    for (const id of [...this.hosts.keys()]) {
      await this.#inTurn(async () => {
        const host = this.hosts.get(id)
        const folder = this.group.folder(id)
        const due = host === undefined || folder === null || this.closing ? null : present(this.#ownDrives).due(folder, host.index.own)
        if (host === undefined || folder === null || due === null) return
        // A second one was written after ours: by somebody who lives (R30).
        if (due === 'unknown-drive' && this.#strangers.has(id)) return this.#cloneSeen(this.group.self.id)
        if (due === 'unknown-drive') {
          this.#strangers.add(id)
          const cuts = await this.#cutsOf(host)
          if (!this.closing) await this.#rotations.takeOver(host, folder, { reason: due, recovery: { files: 'trusted', cuts }, writer: null })
          return
        }
        await this.#closeHost(host)
        await this.#reopen(id)
      })
    }
  }

  /**
   * We went on from a former state while others hold a later one, of a drive that we do not know: what we changed since has numbers
   * that stand for other changes there, and would count as older (R19). Nothing is merged until the folder has its new drive.
   */
  async #cutsOf(host: FolderHost): Promise<Rotation['recovery']['cuts']> {
    await host.haltToClose(ROTATING)
    const { key, length, writer } = host.own
    const ours = async (at: number): Promise<string | null> => (await this.drives.head(key, at))?.treeHash ?? null
    // A device that does not answer tells nothing.
    const found = await Promise.all(this.network.links().map(async (link) => await separationOf(length, ours, async (at) => await link.treeHash(key, at)).catch(() => null)))
    const lengths = found.filter((common) => common !== null)
    if (lengths.length === 0) return []
    // One that cannot be read: all of ours gets new numbers, as where nobody can tell how far the logs are one.
    const counter = await this.drives.counterAt(key, Math.min(...lengths)).catch(() => 0)
    return [{ writer, counter: counter ?? 0 }]
  }

  get haltReason(): FolderStatus['reason'] {
    if (this.group.removedSelf) return REMOVED
    return this.#cloned ? CLONED : this.#storeFailed
  }

  async foldersStand(): Promise<void> {
    let stop: () => void = () => undefined
    const late = new Promise<void>((resolve) => {
      stop = systemClock.after(FOLDERS_STAND_MS, resolve)
    })
    await Promise.race([this.#changes, late])
    stop()
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#changes.then(work, work)
    this.#changes = turn.then(
      () => undefined,
      () => undefined
    )
    return turn
  }

  #groupChanged(): void {
    this.events.emit({ type: 'group' })
    const failed = (error: unknown): void => this.options.log.error({ error: messageOf(error) }, 'the folders could not follow the group')
    if (this.haltReason !== null) this.#haltAll()
    else this.#renewDrives().catch(failed)
    if (this.group.bindings().length > 0) this.carryOutBindings().catch((error: unknown) => this.options.log.error({ error: messageOf(error) }, 'a folder could not be bound to that of the group'))
    for (const folder of this.group.folders()) {
      const host = this.hosts.get(folder.id)
      host?.update(folder).catch((error: unknown) => this.options.log.error({ error: messageOf(error), folder: folder.name }, 'the drives of a folder could not be opened'))
    }
  }

  /** A stock Hyperdrive on this machine reads our drive of the folder over the socket. */
  async #offerDrive(selector: string): Promise<Duplex> {
    const host = selectFolder([...this.hosts.values()], selector)
    const stream = await this.drives.offer(host.own.key)
    if (stream === null) throw new P2psyncError('FOLDER_UNKNOWN', `the folder ${host.name} is not open here`)
    return stream
  }
}

function present<T>(value: T | null): T {
  if (value === null) throw new P2psyncError('INTERNAL', 'the daemon is not open')
  return value
}

/**
 * The composition root: opens everything in order, wires group, network and folders together, and is what the handlers act on.
 * No rule of merging or membership stands here.
 */
import { existsSync } from 'node:fs'
import type { Duplex } from 'node:stream'
import { P2psyncError, messageOf } from '../base/errors.ts'
import { Resource } from '../base/resource.ts'
import { EventRing } from '../rpc/events.ts'
import { startServer, type RpcServer } from '../rpc/server.ts'
import type { App, AppOptions } from './app.ts'
import { parseHostPort } from './config.ts'
import { Drives } from './drive/drives.ts'
import { Store } from './drive/store.ts'
import { createHandlers } from './handlers/handlers.ts'
import { rebindMarker } from './disk/open.ts'
import { FolderHost } from './host.ts'
import { lockHome, type HomeLock } from './lock.ts'
import { Group, type GroupFolder } from './net/group.ts'
import type { PeerLink } from './net/link.ts'
import { Network, type NetworkHandlers } from './net/swarm.ts'
import { Pairing } from './net/pairing.ts'
import { Announcer } from './announcer.ts'
import { FolderRegistry, type FolderRegistration } from './registry.ts'
import { selectFolder } from './select.ts'
import { systemClock } from './system-clock.ts'
import type { DriveHead } from './ports.ts'
import type { DeviceId, FolderId } from './sync/ids.ts'

export class Daemon extends Resource implements App {
  readonly options: AppOptions
  readonly events = new EventRing()
  readonly hosts = new Map<FolderId, FolderHost>()
  /** Devices that were connected since the start and are not now. */
  readonly lastSeen = new Map<DeviceId, { readonly at: number; readonly address: string | null }>()
  readonly startedAt = systemClock.now()
  readonly #announcer: Announcer
  #lock: HomeLock | null = null
  #registry: FolderRegistry | null = null
  #group: Group | null = null
  #store: Store | null = null
  #drives: Drives | null = null
  #network: Network | null = null
  #pairing: Pairing | null = null
  #server: RpcServer | null = null
  #storeIsNew = false
  /** Opening and closing of folders, one after the other. */
  #changes: Promise<void> = Promise.resolve()

  constructor(options: AppOptions) {
    super()
    this.options = options
    this.#announcer = new Announcer(this.events, systemClock)
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

  get drives(): Drives {
    return present(this.#drives)
  }

  // ------------------------------------------------------------------------------------------- lifecycle

  protected async onOpen(): Promise<void> {
    const { paths, config, log } = this.options
    this.#lock = lockHome(paths.lockFile)
    this.#registry = FolderRegistry.load(paths.foldersFile)
    this.#storeIsNew = !existsSync(paths.storeDir)
    this.#group = await Group.open({ stateDir: paths.stateDir, deviceName: config.current.deviceName, log: log.child({ part: 'group' }) })
    this.#store = new Store({ path: paths.storeDir, primaryKey: this.#group.storeSeed })
    await this.#store.open()
    this.#drives = new Drives(this.#store)
    await this.#drives.open()
    await this.#openNetwork()
    for (const { from, to } of this.group.bindings()) await this.#rebind(from, to)
    await this.#openFolders()
    this.group.onChange(() => this.#groupChanged())
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
    await this.#changes.catch((error: unknown) => this.options.log.warn({ error: messageOf(error) }, 'a folder did not open'))
    await this.#pairing?.close()
    await Promise.all([...this.hosts.values()].map((host) => host.close()))
    await this.#network?.close()
    await this.#drives?.close()
    await this.#store?.close()
    this.#announcer.close()
    this.#lock?.release()
  }

  async #openNetwork(): Promise<void> {
    const { config, log } = this.options
    const { bootstrap, listenPort, lan } = config.current
    const nodes = bootstrap === 'public' ? null : bootstrap === 'none' ? 'none' : bootstrap.map(parseHostPort)
    this.#network = new Network({ group: this.group, bootstrap: nodes, listenPort, lan, log: log.child({ part: 'net' }), clock: systemClock })
    this.#network.setHandlers(this.#answers())
    this.#network.onPeer((link) => this.#peerConnected(link))
    await this.#network.open()
    this.#pairing = new Pairing({ group: this.group, network: this.#network, clock: systemClock, log: log.child({ part: 'pairing' }) })
    await this.#pairing.open()
  }

  /** What other devices may ask, and what is held here of each drive (R17). */
  #answers(): NetworkHandlers {
    return {
      serve: async (_device, folder, id) => (await this.hosts.get(folder)?.serve(id)) ?? null,
      heads: async (folder) => await this.#heads(folder),
      treeHash: async (drive, length) => (await this.drives.head(drive, length))?.treeHash ?? null,
      attach: (drive, stream) => this.drives.replicate(drive, stream),
      onForkEvidence: (evidence) => this.options.log.error({ drive: evidence.drive.slice(0, 12), own: evidence.own, reason: evidence.reason }, 'two histories of one drive')
    }
  }

  async #heads(id: FolderId): Promise<readonly DriveHead[]> {
    if (!this.hosts.has(id)) return []
    const drives = this.group.folder(id)?.drives ?? []
    const heads = await Promise.all(drives.map((drive) => this.drives.head(drive.driveKey)))
    return heads.filter((head) => head !== null)
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
    const generation = await this.#ensureDrive(folder)
    const current = this.group.folders().find((known) => known.id === folder.id) ?? folder
    const host = new FolderHost({
      folder: current,
      self: this.group.self.id,
      path: registration.path,
      paused: registration.paused,
      generation,
      rescanMs: config.current.rescanIntervalSeconds * 1000,
      store: present(this.#store),
      drives: this.drives,
      network: this.network,
      log: log.child({ folder: folder.name }),
      onState: (changed) => this.#announcer.folderState(changed),
      onChanges: (changed, changes) => this.#announcer.changes(changed, changes)
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

  /** R23: highest generation seen; a new one where none is, or where the store that held it is gone. */
  async #ensureDrive(folder: GroupFolder): Promise<number> {
    const own = folder.drives.filter((drive) => drive.device === this.group.self.id)
    const newest = own.reduce((highest, drive) => Math.max(highest, drive.generation), 0)
    if (newest > 0 && !this.#storeIsNew) return newest
    const generation = this.group.nextGeneration(folder.id)
    const { key, writer } = await this.drives.openOwn({ folder: folder.id, device: this.group.self.id, folderKey: folder.key, generation })
    await this.group.announceDrive({ folder: folder.id, generation, driveKey: key, writer })
    return generation
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
    if (registration !== null) {
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
      await this.#network?.close()
      await this.group.startOver()
      for (const { id, path } of this.registry.list()) await rebindMarker(path, id, id, this.group.self.id)
      await this.#openNetwork()
      await this.#openFolders()
    })
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

/** A few devices' folders on fakes, in virtual time: for what the simulator does not do (decisions of a user, limits, retention). */
import { createHash } from 'node:crypto'
import { Folder } from '../../daemon/folder.ts'
import type { FolderOptions } from '../../daemon/folder/options.ts'
import { ownHistory } from '../../daemon/folder/history.ts'
import type { FolderReport, FreshFile, HistoryQuery, KeptVersion } from '../../daemon/ports.ts'
import { serveObject } from '../../daemon/serve.ts'
import type { DeviceId, DriveKey, FolderId, ObjectId } from '../../daemon/sync/ids.ts'
import { FakeClock } from '../fakes/clock.ts'
import { DiskStore } from '../fakes/disk-store.ts'
import { FakeDisk } from '../fakes/disk.ts'
import { DriveLog, FakeOwnDrive, FakeRemoteDrive, FakeRemoteDrives, type Replica } from '../fakes/drive.ts'
import { IndexStore } from '../fakes/index-store.ts'
import { FakeIndex } from '../fakes/index.ts'
import { Life } from '../fakes/life.ts'
import { FakeLog } from '../fakes/log.ts'
import { FakeNetwork, type Node } from '../fakes/network.ts'
import { FakePeers } from '../fakes/peers.ts'
import { Random } from '../fakes/random.ts'
import { FakeUser } from '../fakes/user.ts'
import { FakeWatcher } from '../fakes/watcher.ts'

const FOLDER_ID = createHash('sha256').update('folder').digest('hex') as FolderId
/** Longer than any message takes and any retry waits. */
const REST_MS = 40_000

/** `ahead`: what is sent ahead of statements arrives. */
type Options = { readonly ahead?: boolean } & Pick<FolderOptions, 'guard' | 'retention' | 'foretoldBytes' | 'goneMin' | 'movedAtOnce' | 'pullAhead' | 'sliceDeletions'>

export class FolderWorld {
  readonly clock = new FakeClock()
  readonly network: FakeNetwork
  readonly devices: readonly FolderDevice[]

  constructor(options: readonly Options[]) {
    this.network = new FakeNetwork({ clock: this.clock, random: new Random('world'), maxDelayMs: 5, aheadChance: options.some(({ ahead }) => ahead === true) ? 1 : 0 })
    this.devices = options.map((each, i) => new FolderDevice(this, String.fromCharCode(97 + i), each))
    for (const device of this.devices) device.meet(this.devices)
  }

  /** All started and connected. */
  static async open(...options: Options[]): Promise<FolderWorld> {
    const world = new FolderWorld(options)
    for (const device of world.devices) device.start()
    await world.rest()
    return world
  }

  async rest(ms = REST_MS): Promise<void> {
    await this.clock.run(ms)
  }

  /** What takes virtual time: it goes on until the result is there. */
  async whenDone<T>(work: Promise<T>): Promise<T> {
    const state = { over: false }
    const settled = work.finally(() => (state.over = true))
    settled.catch(() => undefined)
    for (let i = 0; i < 1000 && !state.over; i++) await this.clock.run(100)
    return await settled
  }
}

export class FolderDevice implements Node {
  readonly device: DeviceId
  readonly disk: DiskStore
  readonly user: FakeUser
  readonly replicas = new Map<DriveKey, Replica>()
  readonly #world: FolderWorld
  readonly drive: DriveLog
  readonly index = new IndexStore()
  /** By so much its clock is ahead. */
  skewMs = 0
  readonly #options: Options
  #life: Life
  #folder: Folder | null = null
  #watcher: FakeWatcher | null = null
  #peers: FakePeers | null = null
  #running: { readonly disk: FakeDisk; readonly index: FakeIndex } | null = null

  constructor(world: FolderWorld, name: string, options: Options) {
    this.#world = world
    this.#options = options
    this.device = createHash('sha256').update(`device ${name}`).digest('hex') as DeviceId
    this.#life = new Life({ clock: world.clock })
    this.disk = new DiskStore(() => world.clock.now() + this.skewMs)
    this.disk.onChange = (paths) => this.#watcher?.hint(paths)
    this.drive = new DriveLog(this.device)
    this.drive.onAppend = () => world.network.grew(this.device)
    this.user = new FakeUser(this.disk.tree, (paths) => this.#watcher?.hint(paths))
  }

  get folder(): Folder {
    if (this.#folder === null) throw new Error('the device does not run')
    return this.#folder
  }

  get running(): boolean {
    return this.#folder !== null
  }

  get report(): FolderReport | null {
    return this.#peers?.own ?? null
  }

  meet(devices: readonly FolderDevice[]): void {
    for (const other of devices) {
      const log = other.drive
      this.replicas.set(log.key, other === this ? { log, get length() { return log.length }, set length(_length) { throw new Error('not ours to write') } } : { log, length: 0 })
    }
  }

  start(): void {
    const life = (this.#life = new Life({ clock: this.#world.clock, skewMs: () => this.skewMs }))
    const disk = new FakeDisk(this.disk, life)
    const index = new FakeIndex(this.index, life)
    const peers = (this.#peers = new FakePeers(this.#world.network, this.device, life))
    const others = [...this.replicas.values()].filter((replica) => replica.log !== this.drive)
    const watcher: FakeWatcher = (this.#watcher = new FakeWatcher(life, () => folder, { delay: () => 1 }))
    const folder: Folder = (this.#folder = new Folder({
      id: FOLDER_ID,
      name: 'docs',
      disk,
      watcher,
      index,
      own: new FakeOwnDrive(this.drive, life),
      remotes: new FakeRemoteDrives(others.map((replica) => new FakeRemoteDrive(replica, life))),
      peers,
      clock: life.clock,
      log: new FakeLog(() => undefined),
      expectOthers: true,
      ...this.#options
    }))
    this.#running = { disk, index }
    void folder.open().then(() => this.#world.network.add(this))
  }

  /** kill -9 */
  kill(): void {
    this.#life.kill()
    this.#folder = null
    this.#watcher = null
    this.#running = null
    this.#world.network.remove(this.device)
  }

  files(): string[] {
    return [...this.disk.tree.walk()].filter(([, node]) => node.kind === 'file').map(([path]) => path)
  }

  answer(id: ObjectId): Promise<Buffer | null> {
    return this.#running === null ? Promise.resolve(null) : serveObject(this.#running.disk, this.folder.servable, id, true)
  }

  settle(): Promise<FolderReport> {
    return this.folder.settleForPeer(new AbortController().signal)
  }

  history(query: HistoryQuery): Promise<readonly KeptVersion[]> {
    return this.#running === null ? Promise.resolve([]) : ownHistory(this.#running.index, query)
  }

  linked(device: DeviceId): void {
    this.#peers?.linked(device)
    this.#folder?.peersChanged()
  }

  unlinked(device: DeviceId): void {
    this.#peers?.unlinked(device)
    this.#folder?.peersChanged()
  }

  reported(device: DeviceId, report: FolderReport): void {
    this.#peers?.reported(device, report)
    this.#folder?.peersChanged()
  }

  replicated(): void {
    this.#folder?.remoteChanged()
  }

  cameAhead(from: DeviceId, files: readonly FreshFile[]): void {
    this.#folder?.takeAhead(from, files)
  }
}

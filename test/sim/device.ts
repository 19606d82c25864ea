/** One simulated device: what outlives its daemon, and the daemon while one runs. */
import { createHash } from 'node:crypto'
import { Folder } from '../../daemon/folder.ts'
import type { FolderReport } from '../../daemon/ports.ts'
import { serveObject } from '../../daemon/serve.ts'
import type { DeviceId, DriveKey, FolderId, ObjectId } from '../../daemon/sync/ids.ts'
import type { FakeClock } from '../fakes/clock.ts'
import { DiskStore } from '../fakes/disk-store.ts'
import { FakeDisk } from '../fakes/disk.ts'
import { DriveLog, FakeOwnDrive, FakeRemoteDrive, FakeRemoteDrives, type Replica } from '../fakes/drive.ts'
import { IndexStore } from '../fakes/index-store.ts'
import { FakeIndex } from '../fakes/index.ts'
import { Life } from '../fakes/life.ts'
import { FakeLog, type LogLine } from '../fakes/log.ts'
import type { FakeNetwork, Node } from '../fakes/network.ts'
import { FakePeers } from '../fakes/peers.ts'
import { Random } from '../fakes/random.ts'
import { FakeUser } from '../fakes/user.ts'
import { FakeWatcher } from '../fakes/watcher.ts'
import type { Ledger } from './ledger.ts'
import type { Weather } from './script.ts'

export const FOLDER_ID = createHash('sha256').update('folder').digest('hex') as FolderId

export interface World {
  readonly clock: FakeClock
  readonly network: FakeNetwork
  readonly weather: Weather
  readonly seed: string
  /** R27's minimum; null: no deletion is held. */
  readonly guard: number | null
  readonly ledger: Ledger
  /** `idle`: it may go on for ever although nothing happens, such as another try at what cannot be done. */
  trace(line: string, idle?: boolean): void
  failed(what: string): void
  devices(): readonly SimDevice[]
}

interface Daemon {
  readonly life: Life
  readonly folder: Folder
  readonly disk: FakeDisk
  readonly index: FakeIndex
  readonly watcher: FakeWatcher
  readonly peers: FakePeers
  opened: boolean
}

/** More steps than this between two rests of the world is a cycle that spins. */
const MAX_STEPS = 100_000
const SYNC_TIMEOUT_MS = 60_000
/** Scripts ask for full scans themselves. */
const RESCAN_MS = 365 * 24 * 3600 * 1000

export class SimDevice implements Node {
  readonly name: string
  readonly device: DeviceId
  readonly disk: DiskStore
  readonly log: DriveLog
  readonly user: FakeUser
  readonly replicas = new Map<DriveKey, Replica>()
  index = new IndexStore()
  readonly #world: World
  readonly #random: Random
  #skewMs: number
  #daemon: Daemon | null = null
  #stopping: Promise<void> | null = null
  #steps = 0
  #paused = false

  constructor(world: World, number: number) {
    this.#world = world
    this.name = String.fromCharCode(65 + number)
    this.device = createHash('sha256').update(`device ${this.name}`).digest('hex') as DeviceId
    this.#random = new Random(`${world.seed}/${this.name}`)
    this.#skewMs = world.weather.skewMs === 0 ? 0 : this.#random.between(-world.weather.skewMs, world.weather.skewMs)
    this.disk = new DiskStore(() => world.clock.now() + this.#skewMs)
    this.disk.onMisuse = (what) => world.failed(`${this.name}: ${what}`)
    this.disk.onKept = (node) => world.ledger.displaced(this.name, node)
    this.log = new DriveLog(this.device)
    this.disk.onChange = (paths) => this.#daemon?.watcher.hint(paths)
    this.log.onAppend = () => this.#appended()
    this.user = new FakeUser(this.disk.tree, (paths) => this.#daemon?.watcher.hint(paths))
  }

  /** Must be called once all devices are made. */
  meet(devices: readonly SimDevice[]): void {
    for (const other of devices) this.replicas.set(other.log.key, other === this ? this.#ownReplica() : { log: other.log, length: 0 })
  }

  get running(): boolean {
    return this.#daemon !== null && this.#daemon.opened
  }

  get down(): boolean {
    return this.#daemon === null
  }

  get folder(): Folder | null {
    return this.#daemon?.folder ?? null
  }

  get report(): FolderReport | null {
    return this.#daemon?.peers.own ?? null
  }

  // ------------------------------------------------------------------------------------------- the daemon

  start(): void {
    if (this.#daemon !== null) return
    this.#world.trace(`${this.name} starts`)
    const daemon = this.#makeDaemon()
    this.#daemon = daemon
    daemon.folder.open().then(
      () => {
        if (daemon.life.dead || this.#daemon !== daemon || this.#stopping !== null) return
        daemon.opened = true
        this.#world.network.add(this)
      },
      (error: unknown) => this.#world.failed(`${this.name} did not open: ${error instanceof Error ? error.stack : String(error)}`)
    )
  }

  /** Orderly. */
  stop(): void {
    const daemon = this.#daemon
    if (daemon === null || this.#stopping !== null) return
    this.#world.trace(`${this.name} stops`)
    this.#world.network.remove(this.device)
    this.#stopping = daemon.folder.close().then(
      () => this.#ended(daemon),
      (error: unknown) => this.#world.failed(`${this.name} did not close: ${error instanceof Error ? error.stack : String(error)}`)
    )
  }

  #ended(daemon: Daemon): void {
    if (this.#daemon !== daemon) return
    this.#world.trace(`${this.name} stopped`)
    daemon.life.kill()
    this.#daemon = null
    this.#stopping = null
  }

  /** kill -9 */
  kill(): void {
    const daemon = this.#daemon
    if (daemon === null) return
    this.#world.trace(`${this.name} dies`)
    daemon.life.kill()
    this.#daemon = null
    this.#stopping = null
    this.#world.network.remove(this.device)
  }

  killAfter(steps: number): void {
    const daemon = this.#daemon
    daemon?.life.killAfter(steps, () => {
      if (this.#daemon === daemon) this.kill()
    })
  }

  setClock(byMs: number): void {
    this.#skewMs += byMs
  }

  /** Somebody acts in the middle of what the daemon does; at once while none runs. */
  during(steps: number, run: () => void): void {
    if (this.#daemon === null) run()
    else this.#daemon.life.during(steps, run)
  }

  approve(): void {
    this.#decide('approve')
  }

  reject(): void {
    this.#decide('reject')
  }

  #decide(how: 'approve' | 'reject'): void {
    const folder = this.#daemon?.opened === true ? this.#daemon.folder : null
    if (folder === null || folder.activity !== 'decision') return
    folder.user[how]().then(
      ({ here, elsewhere }) => this.#world.trace(`${this.name} ${how}s ${here} here, ${elsewhere} elsewhere`),
      (error: unknown) => this.#world.trace(`${this.name} could not ${how}: ${String(error)}`)
    )
  }

  /** Whatever was to kill it does not. */
  spare(): void {
    this.#daemon?.life.spare()
  }

  /** Whatever a user or administrator does about a trouble. */
  cure(): void {
    this.disk.denied.clear()
    this.disk.failing.clear()
    this.disk.full = false
  }

  unmount(): void {
    this.disk.halted = { kind: 'halted', code: 'root-missing', message: 'the root is gone' }
  }

  mount(): void {
    this.disk.halted = null
  }

  /** Wanted by the user, so it outlives the daemon. */
  pause(): void {
    this.#paused = true
    this.#daemon?.folder.pause().catch((error: unknown) => this.#world.failed(`${this.name} could not pause: ${String(error)}`))
  }

  resume(): void {
    this.#paused = false
    this.#daemon?.folder.resume()
  }

  sync(): void {
    const daemon = this.#daemon
    if (daemon === null || !daemon.opened) return
    const abort = new AbortController()
    daemon.life.clock.after(SYNC_TIMEOUT_MS, () => abort.abort())
    daemon.folder.sync(abort.signal).then(
      ({ outcome }) => this.#world.trace(`${this.name} synced: ${outcome}`),
      (error: unknown) => this.#world.failed(`${this.name} could not sync: ${String(error)}`)
    )
  }

  forget(): void {
    this.kill()
    this.#world.trace(`${this.name} loses its index`)
    this.index = new IndexStore()
  }

  /** For a new allowance of steps. */
  rested(): void {
    this.#steps = 0
  }

  #makeDaemon(): Daemon {
    const { clock, network } = this.#world
    const life = new Life({ clock, skewMs: () => this.#skewMs, pace: () => this.#pace(life) })
    const disk = new FakeDisk(this.disk, life, (op, result) => this.#world.trace(`${this.name} applies ${op.kind} ${op.path}${op.kind === 'link' ? ` as ${op.to}` : ''}: ${result.kind}`, result.kind !== 'done'))
    const index = new FakeIndex(this.index, life)
    const peers = new FakePeers(network, this.device, life)
    const watcher: FakeWatcher = new FakeWatcher(life, () => folder, { delay: () => (this.#random.chance(this.#world.weather.lostHints) ? null : this.#random.below(5)) })
    const others = [...this.replicas.values()].filter((replica) => replica.log !== this.log)
    const folder: Folder = new Folder({
      id: FOLDER_ID,
      disk,
      watcher,
      index,
      own: new FakeOwnDrive(this.log, life),
      remotes: new FakeRemoteDrives(others.map((replica) => new FakeRemoteDrive(replica, life))),
      peers,
      clock: life.clock,
      log: new FakeLog((line) => this.#logged(life, line)),
      expectOthers: true,
      rescanMs: RESCAN_MS,
      paused: this.#paused,
      ...(this.#world.guard === null ? {} : { guard: { minimum: this.#world.guard } }),
      onChanges: (changes) => {
        if (!life.dead) this.#world.trace(`${this.name} changed ${changes.map((change) => `${change.from}:${change.kind}:${change.path}`).join(' ')}`)
      }
    })
    return { life, folder, disk, index, watcher, peers, opened: false }
  }

  #pace(life: Life): number {
    if (++this.#steps > MAX_STEPS) {
      this.#world.failed(`${this.name} never comes to rest: ${MAX_STEPS} steps`)
      life.kill()
    }
    return this.#random.chance(this.#world.weather.slowCalls) ? this.#random.below(30) : 0
  }

  #logged(life: Life, line: LogLine): void {
    if (life.dead) return
    this.#world.trace(`${this.name} ${line.level}: ${line.message} ${JSON.stringify(line.fields)}`, true)
    if (line.level === 'error') this.#world.failed(`${this.name} logged an error: ${line.message} ${JSON.stringify(line.fields)}`)
  }

  #ownReplica(): Replica {
    const { log } = this
    return {
      log,
      get length() {
        return log.length
      },
      set length(_length) {
        throw new Error('a drive is written by its device only')
      }
    }
  }

  #appended(): void {
    const from = (this.log.signed.at(-2) ?? 1) - 1
    for (const { path, entry } of this.log.blocks.slice(from)) this.#world.trace(`${this.name} states ${path} ${entry === null ? 'nothing' : JSON.stringify(entry)}`)
    this.#world.network.grew(this.device)
  }

  // ------------------------------------------------------------------------------------------- as a node

  answer(id: ObjectId): Promise<Buffer | null> {
    const daemon = this.#daemon
    return daemon === null ? new Promise(() => undefined) : serveObject(daemon.disk, daemon.index, id)
  }

  settle(): Promise<FolderReport> {
    const daemon = this.#daemon
    return daemon === null ? new Promise(() => undefined) : daemon.folder.settleForPeer(new AbortController().signal)
  }

  linked(device: DeviceId): void {
    this.#daemon?.peers.linked(device)
    this.#daemon?.folder.peersChanged()
  }

  unlinked(device: DeviceId): void {
    this.#daemon?.peers.unlinked(device)
    this.#daemon?.folder.peersChanged()
  }

  reported(device: DeviceId, report: FolderReport): void {
    this.#world.trace(`${this.name} hears of ${device.slice(0, 4)}: ${report.state}${report.dirty ? ' dirty' : ''} ${report.length}`, true)
    this.#daemon?.peers.reported(device, report)
    this.#daemon?.folder.peersChanged()
  }

  replicated(_drive: DriveKey): void {
    this.#daemon?.folder.remoteChanged()
  }
}

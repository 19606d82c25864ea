/** One simulated device: what outlives its daemon, and the daemon while one runs. */
import { createHash } from 'node:crypto'
import { CurrentDrive } from '../../daemon/current-drive.ts'
import { Folder } from '../../daemon/folder.ts'
import type { Recovery } from '../../daemon/folder/recover.ts'
import type { FolderReport, FreshFile, HistoryRow } from '../../daemon/ports.ts'
import { serveObject } from '../../daemon/serve.ts'
import type { DeviceId, DriveKey, FolderId, ObjectId, WriterId } from '../../daemon/sync/ids.ts'
import { DiskStore, type DiskImage } from '../fakes/disk-store.ts'
import { FakeDisk } from '../fakes/disk.ts'
import { FakeOwnDrive, FakeRemoteDrive, FakeRemoteDrives, type DriveLog, type Replica } from '../fakes/drive.ts'
import { FakeIndex } from '../fakes/index.ts'
import { Life } from '../fakes/life.ts'
import { FakeLog, type LogLine } from '../fakes/log.ts'
import type { DriveRecord, Node } from '../fakes/network.ts'
import { FakePeers } from '../fakes/peers.ts'
import { Random } from '../fakes/random.ts'
import { FakeUser } from '../fakes/user.ts'
import { FakeWatcher } from '../fakes/watcher.ts'
import { writeAside } from './aside.ts'
import { makeBeside } from './beside.ts'
import { contentsOf, tear } from './contents.ts'
import { contentOf } from './ledger.ts'
import { Leavings } from './leavings.ts'
import { DeviceState } from './state.ts'
import type { World } from './world.ts'

export const FOLDER_ID = createHash('sha256').update('folder').digest('hex') as FolderId

interface Daemon {
  readonly life: Life
  readonly current: CurrentDrive<FakeOwnDrive>
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
  device: DeviceId
  readonly disk: DiskStore
  readonly user: FakeUser
  /** The drive that is written, and those of the others. */
  readonly replicas = new Map<DriveKey, Replica>()
  #state = new DeviceState()
  #log: DriveLog
  /** What `restore` puts back. */
  #saved: { readonly device: DeviceId; readonly state: DeviceState; readonly disk: DiskImage } | null = null
  readonly #leavings: Leavings
  #lives = 1
  #salts = 0
  #starts = 0
  /** After the daemon has stopped: a new drive, and a start. */
  #next: { readonly recovery: Recovery | null; readonly writer: WriterId | null } | null = null
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
    // The first has no salt, so that it is the same in every script.
    this.#log = this.#state.choose(this.device, () => '', this.#token()).log
    this.disk.onChange = (paths) => this.#daemon?.watcher.hint(paths)
    this.#leavings = new Leavings(world.powerCuts, () => this.#state, this.disk)
    this.disk.onWrite = () => this.#leavings.diskWritten()
    this.disk.onSync = () => this.#leavings.diskSynced()
    this.user = new FakeUser(this.disk.tree, (paths) => {
      this.#leavings.diskWritten()
      this.#daemon?.watcher.hint(paths)
    })
  }

  /** Must be called once all devices are made. */
  meet(devices: readonly SimDevice[]): void {
    for (const other of devices) this.#learnAll(other.records())
  }

  /** The drive that is written. */
  get log(): DriveLog {
    return this.#log
  }

  /** What its index lists in history under that name. */
  historyRow(name: string): HistoryRow | null {
    return this.#state.index.history.get(name) ?? null
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

  /** The folder is closed and opened with the next drive: that of `recovery`, or the one that is due by then. */
  #renew(recovery: Recovery | null, writer: WriterId | null = null): void {
    if (this.#next !== null || this.#daemon === null || this.#stopping !== null) return
    this.#next = { recovery, writer }
    // Not out of the middle of its own step.
    this.#world.clock.after(0, () => (this.#daemon === null ? undefined : this.stop()))
  }

  #ended(daemon: Daemon): void {
    if (this.#daemon !== daemon) return
    this.#world.trace(`${this.name} stopped`)
    daemon.life.kill()
    this.#daemon = null
    this.#stopping = null
    if (this.#next === null) return
    const { recovery, writer } = this.#next
    this.#next = null
    if (recovery !== null) this.#state.rotate(this.device, recovery, writer, this.#salt())
    this.start()
  }

  /** A new drive takes over, with the same writer, as for a new folder key or by a compaction. */
  rotate(): void {
    const daemon = this.#daemon
    if (daemon === null || !daemon.opened) return
    if (this.#world.weather.beside !== true) return this.#renew({ files: 'trusted', cuts: [] }, this.#log.writer)
    const { device } = this
    makeBeside({ ...daemon, device, state: this.#state, salt: this.#salt(), durability: this.#leavings.durability, tell: () => this.#world.network.told(device), write: (log) => this.#write(log) }).then(
      (outcome) => this.#world.trace(`${this.name} ${outcome}`),
      (error: unknown) => {
        this.#world.trace(`${this.name} could not make a drive beside: ${String(error)}`)
        // The group may have heard of it: it takes over when the folder is opened.
        if (!daemon.life.dead) this.#renew(null)
      }
    )
  }

  #token(): string {
    return Buffer.from(`${this.name}${++this.#starts}`.padStart(6)).toString('hex')
  }

  #salt(): string {
    return `${this.name}${++this.#salts}`
  }

  /** kill -9 */
  kill(): void {
    const daemon = this.#daemon
    if (daemon === null) return
    this.#world.trace(`${this.name} dies`)
    daemon.life.kill()
    this.#daemon = null
    this.#stopping = null
    this.#next = null
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
    this.#state.forgetIndex()
  }

  // ------------------------------------------------------------------------------------------- time travel

  /** A backup of files and state. */
  save(): void {
    this.#saved = { device: this.device, state: this.#state.clone(), disk: this.disk.snapshot() }
  }

  /** The daemon ends, the backup is put back, and it starts again. */
  restore(what: 'state' | 'files' | 'both'): void {
    const saved = this.#saved
    if (saved === null) return
    this.kill()
    this.#world.trace(`${this.name} has its ${what} put back`)
    if (what !== 'files') this.#putBack(saved.device, saved.state.clone())
    // The key of a former life is dead for ever (R20).
    if (what !== 'files' && saved.device !== this.device) this.#takeNewKey()
    if (what !== 'state') this.#replaceDisk(saved.disk)
    this.#saved = { ...saved, disk: what === 'state' ? saved.disk : this.disk.snapshot() }
    this.start()
  }

  /** Of devices that were removed since it learns from the first it meets; here at once. */
  #putBack(self: DeviceId, state: DeviceState): void {
    this.#state = state
    const present = new Set(this.#world.devices().map(({ device }) => device))
    for (const { device } of this.records()) if (!present.has(device)) state.forgetDevice(device, device === self)
    this.#refresh()
  }

  /** The database is lost, as with a new disk for the state directory. */
  wipe(): void {
    this.kill()
    this.#world.trace(`${this.name} loses its store`)
    this.#state.wipe()
    this.start()
  }

  /** It was removed from the group, and joins with a new key; its files and its index are of its former life (R20). */
  rejoin(): void {
    this.kill()
    this.#takeNewKey()
    this.start()
  }

  /** Files and state of another device, which somebody copied to this machine, under a key of its own. */
  becomeCopyOf(other: SimDevice): void {
    this.kill()
    this.#world.trace(`${this.name} becomes a copy of ${other.name}`)
    this.#state = other.#state.clone()
    this.#state.disown()
    this.#replaceDisk(other.disk.snapshot())
    this.#takeNewKey()
    this.start()
  }

  #takeNewKey(): void {
    const former = this.device
    this.device = createHash('sha256').update(`device ${this.name}/${++this.#lives}`).digest('hex') as DeviceId
    this.#world.trace(`${this.name} joins anew`)
    for (const device of this.#world.devices()) device.#forgetDevice(former, device === this)
  }

  #forgetDevice(device: DeviceId, isSelf: boolean): void {
    this.#state.forgetDevice(device, isSelf)
    this.#refresh()
    this.#daemon?.folder.remoteChanged()
  }

  /** A power cut: the daemon dies, and of store and disk only what was synced is sure to be there. */
  power(): void {
    this.kill()
    this.#world.trace(`${this.name} loses power`)
    const left = this.#leavings
    if (left.states.length > 0) this.#state.cutBack(this.#random.pick(left.states))
    if (left.images.length > 0) this.#replaceDisk(this.#random.pick(left.images), () => tear(this.disk, this.user, this.#random))
    left.diskSynced()
    for (const other of this.#world.devices()) this.#checkTold(other)
    this.start()
  }

  /** R16: nobody may have been told of what a power cut can take. */
  #checkTold(other: SimDevice): void {
    const told = other === this ? undefined : other.replicas.get(this.#log.key)
    const kept = this.#leavings.states.length === 0 ? null : this.#state.lengthOf(this.#log.key)
    if (told?.log === this.#log && kept !== null && told.length > kept) this.#world.failed(`${other.name} was told of ${told.length} blocks of ${this.name}, of which a power cut left ${kept}`)
  }

  /** What was there and is nowhere else any more went with the disk's former state: no deed of ours. */
  #replaceDisk(image: DiskImage, damage: () => void = () => undefined): void {
    const before = contentsOf(this.disk)
    this.disk.reset(image)
    damage()
    const there = new Set(this.#world.devices().flatMap((device) => [...contentsOf(device.disk)]))
    for (const content of before) if (!there.has(content)) this.#world.ledger.excuse(content)
    // One that only a history here had is live at best now, and may be given up like any other.
    const kept = new Set(this.#world.devices().flatMap(({ disk }) => [...disk.history.values()].flatMap((node) => contentOf(node) ?? [])))
    for (const content of before) if (!kept.has(content)) this.#world.ledger.leftHistory(content)
  }

  /** @returns false if nothing is set aside. */
  writeAside(nth: number, text: string): boolean {
    return writeAside(this.disk, this.#world.ledger, this.name, nth, text) && (this.#leavings.diskWritten(), true)
  }

  /** For a new allowance of steps. */
  rested(): void {
    this.#steps = 0
  }

  #makeDaemon(): Daemon {
    const { clock, network } = this.#world
    const life = new Life({ clock, skewMs: () => this.#skewMs, pace: () => this.#pace(life) })
    const disk = new FakeDisk(this.disk, life, (op, result) => this.#world.trace(`${this.name} applies ${op.kind} ${op.path}${op.kind === 'link' ? ` as ${op.to}` : ''}: ${result.kind}`, result.kind !== 'done'), (from, to) => this.#directoryMoved(from, to))
    const { log, recovery, former } = this.#state.choose(this.device, () => this.#salt(), this.#token())
    this.#write(log)
    const durability = this.#leavings.durability
    durability.sync()
    const index = new FakeIndex(this.#state.index, life, () => durability.wrote())
    const peers = new FakePeers(network, this.device, life)
    const watcher: FakeWatcher = new FakeWatcher(life, () => folder, { delay: () => (this.#random.chance(this.#world.weather.lostHints) ? null : this.#random.below(5)) })
    const remotes = new Map<DriveKey, FakeRemoteDrive>()
    const current = new CurrentDrive(new FakeOwnDrive(log, life, durability))
    const folder: Folder = new Folder({
      id: FOLDER_ID,
      disk,
      watcher,
      index,
      own: current,
      remotes: new FakeRemoteDrives(() => this.#remotes(remotes, life), (drive, device) => void (life.dead || this.#retire(drive, device))),
      recovery: {
        recovery,
        former: former === null ? null : new FakeOwnDrive(former, life),
        onTimeTravel: (travel) => this.#renew({ files: travel === 'restored' ? 'doubted' : 'trusted', cuts: [] }),
        sync: async () => {
          await life.step()
          durability.sync()
        },
        onReady: () => this.#state.settle(current.key)
      },
      peers,
      clock: life.clock,
      log: new FakeLog((line) => this.#logged(life, line)),
      expectOthers: true,
      sliceDeletions: 2,
      pullAhead: 2,
      movedAtOnce: 2,
      ...(this.#world.weather.tellsGone === true ? { goneMin: 2 } : {}),
      rescanMs: RESCAN_MS,
      paused: this.#paused,
      ...(this.#world.weather.foretells === true ? { foretoldBytes: 1 } : {}),
      ...(this.#world.keeps ? { retention: () => ({ maxAgeMs: Number.MAX_SAFE_INTEGER, maxBytes: null }) } : {}),
      ...(this.#world.guard === null ? {} : { guard: { minimum: this.#world.guard } }),
      onChanges: (changes) => {
        if (!life.dead) this.#world.trace(`${this.name} changed ${changes.map((change) => `${change.from}:${change.kind}:${change.path}`).join(' ')}`)
      }
    })
    return { life, current, folder, disk, index, watcher, peers, opened: false }
  }

  /** What a user put into a directory meanwhile moves along with it. */
  #directoryMoved(from: string, to: string | null): void {
    if (to === null) return this.#world.trace(`${this.name} sets ${from} aside`)
    this.#world.trace(`${this.name} moves ${from} to ${to}`)
    for (const [path] of this.disk.tree.walk(to)) this.#world.ledger.named(path)
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

  #write(log: DriveLog): void {
    this.#log = log
    log.onAppend = () => this.#appended()
    this.#refresh()
  }

  #refresh(): void {
    this.replicas.clear()
    this.replicas.set(this.#log.key, this.#ownReplica())
    for (const [key, replica] of this.#state.replicas) if (!this.#state.isRetired(key, replica.log.device)) this.replicas.set(key, replica)
  }

  /** Of each other device its two newest generations (R14, R23); the same objects for the life of a daemon. */
  #remotes(opened: Map<DriveKey, FakeRemoteDrive>, life: Life): FakeRemoteDrive[] {
    const newest = (record: DriveRecord): boolean => [...this.#state.records.values()].filter((other) => other.device === record.device && other.generation > record.generation).length < 2
    const wanted = [...this.#state.records.values()].filter((record) => record.device !== this.device && newest(record) && !this.#state.isRetired(record.key, record.device))
    return wanted.flatMap(({ key }) => {
      const replica = this.#state.replicas.get(key)
      if (replica === undefined) return []
      const drive = opened.get(key) ?? new FakeRemoteDrive(replica, life)
      opened.set(key, drive)
      return [drive]
    })
  }

  #retire(drive: DriveKey, device: DeviceId): void {
    this.#world.trace(`${this.name} retires ${drive.slice(0, 4)}`)
    this.#leavings.durability.sync()
    this.#state.retire(drive, device)
    this.#refresh()
  }

  records(): readonly DriveRecord[] {
    return [...this.#state.records.values()]
  }

  learn(records: readonly DriveRecord[]): void {
    if (!this.#learnAll(records)) return
    this.#refresh()
    if (this.#state.due(this.device) !== null) this.#renew(null)
    this.#daemon?.folder.remoteChanged()
    this.#world.network.told(this.device)
  }

  /** Records of devices that were removed are void. @returns whether any was news. */
  #learnAll(records: readonly DriveRecord[]): boolean {
    const news = records.filter(({ key, device }) => !this.#state.records.has(key) && this.#world.devices().some((other) => other.device === device))
    for (const record of news) {
      this.#state.records.set(record.key, record)
      if (record.device !== this.device) this.#state.replicas.set(record.key, { log: record.log, length: 0 })
    }
    if (news.length === 0) return false
    this.#state.fold()
    this.#refresh()
    return true
  }

  /** R19 */
  forked(drive: DriveKey, common: number): void {
    if (drive !== this.#log.key) {
      if (!this.#state.replicas.has(drive) || this.#state.forks.has(drive)) return
      this.#world.trace(`${this.name} finds two histories of ${drive.slice(0, 4)}`)
      this.#state.forks.add(drive)
      return
    }
    if (this.#next !== null) return
    this.#world.trace(`${this.name} hears of another history of its drive, from ${common} on`)
    const counters = this.#log.blocks.slice(0, Math.max(0, common - 1)).map(({ entry }) => entry?.vv[this.#log.writer] ?? 0)
    this.#renew({ files: 'trusted', cuts: [{ writer: this.#log.writer, counter: Math.max(0, ...counters) }] })
  }

  isForked(drive: DriveKey): boolean {
    return this.#state.forks.has(drive)
  }

  #ownReplica(): Replica {
    const log = this.#log
    return {
      log,
      get length() {
        return log.shown
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
    return daemon === null ? new Promise(() => undefined) : serveObject(daemon.disk, daemon.folder.servable, id, true)
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

  readonly cameAhead = (from: DeviceId, files: readonly FreshFile[]): void => this.#daemon?.folder.takeAhead(from, files)
}

/**
 * One folder on this device, put together: disk, index, our drive, the others' drives, peers and the cycle over them. Opens in
 * order, closes in reverse. Knows the group only through what it is handed.
 */
import { messageOf } from '../base/errors.ts'
import { Resource } from '../base/resource.ts'
import type { Workers } from '../base/workers.ts'
import type { EarlyLook } from './disk/early-look.ts'
import { openDisk } from './disk/open.ts'
import { far } from './disk/sys.ts'
import { ChokidarWatcher } from './disk/watch.ts'
import type { Config } from './config.ts'
import { CurrentDrive } from './current-drive.ts'
import type { Drives } from './drive/drives.ts'
import type { Own } from './drive/own.ts'
import type { Store } from './drive/store.ts'
import { Folder } from './folder.ts'
import { handOver } from './folder/hand-over.ts'
import { ownHistory } from './folder/history.ts'
import { retentionOf } from './retention.ts'
import type { FolderStatus } from './folder/standing.ts'
import type { PathChange } from './folder/context.ts'
import { openIndex } from './index/open.ts'
import type { GroupDrive, GroupFolder } from './net/group.ts'
import { FolderPeersAdapter } from './net/peers.ts'
import type { Network } from './net/swarm.ts'
import type { Disk, FolderIndex, FreshFile, HistoryQuery, KeptVersion, Log, OwnDrive, RemoteDrive } from './ports.ts'
import { serveObject } from './serve.ts'
import { systemClock } from './system-clock.ts'
import type { TimeTravel } from './folder/recover.ts'
import type { DriveChoice, DriveSource } from './own-drives.ts'
import type { DriveHead, OwnCheckpoint } from './ports.ts'
import type { ChunkId, DeviceId, DriveKey, FolderId, ObjectId } from './sync/ids.ts'

export interface HostOptions {
  readonly folder: GroupFolder
  readonly self: DeviceId
  readonly path: string
  readonly paused: boolean
  /** Which drive to write, seen what the index says of the last one. */
  readonly choose: (checkpoint: OwnCheckpoint | null) => Promise<DriveChoice>
  readonly halted: Reason | null
  readonly rescanMs: number
  readonly config: () => Config
  readonly store: Store
  readonly drives: Drives
  readonly workers: Workers
  readonly early: EarlyLook | null
  readonly network: Network
  readonly log: Log
  onState(host: FolderHost): void
  onChanges(host: FolderHost, changes: readonly PathChange[]): void
  /** The index names this drive from now on, durably. */
  onReady(drive: DriveKey): void
  /** Nothing of this drive, ours or another's, is needed any more (R14); it is closed. */
  onRetired(drive: DriveKey): void
  /** `onRetired` was called, in this life or a former one. */
  isRetired(drive: DriveKey): boolean
  /** A peer proved that this drive, ours or another's, was signed twice. */
  onConflict(host: FolderHost, drive: DriveHead): void
  /** Files, index and drive are not of one time: a new drive must take over (R18). */
  onTimeTravel(host: FolderHost, travel: TimeTravel): void
}

type Reason = NonNullable<FolderStatus['reason']>

/** What is given up then is as after a crash. */
const CLOSE_ANSWER_MS = 2_000
/** A large file may take a while to be brought to a slow disk. */
const TELL_SILENCE_MS = 15_000

export class FolderHost extends Resource {
  readonly id: FolderId
  readonly path: string
  readonly #options: HostOptions
  readonly #remotes = new Map<DriveKey, RemoteDrive>()
  /** Of all that were read since this folder was opened. */
  readonly #generations = new Map<DriveKey, number>()
  #group: GroupFolder
  #disk: Disk | null = null
  #index: FolderIndex | null = null
  #own: CurrentDrive<Own> | null = null
  #former: OwnDrive | null = null
  #peers: FolderPeersAdapter | null = null
  #folder: Folder | null = null
  /** Opening and closing of the others' drives, one after the other. */
  #following: Promise<void> = Promise.resolve()

  constructor(options: HostOptions) {
    super()
    this.#options = options
    this.#group = options.folder
    this.id = options.folder.id
    this.path = options.path
  }

  get name(): string {
    return this.#group.name
  }

  get folder(): Folder {
    if (this.#folder === null) throw new Error('the folder is not open')
    return this.#folder
  }

  get index(): FolderIndex {
    if (this.#index === null) throw new Error('the folder is not open')
    return this.#index
  }

  /** Of the drive written here; null until it is open. */
  get driveKey(): DriveKey | null {
    return this.#own?.key ?? null
  }

  get own(): Own {
    if (this.#own === null) throw new Error('the folder is not open')
    return this.#own.drive
  }

  get status(): FolderStatus {
    const status = this.folder.status()
    const seconds = Math.floor(far.silentMs(this.path) / 1000)
    if (seconds * 1000 < TELL_SILENCE_MS) return status
    const message = `its disk has not answered for ${seconds} s; check the network, and the server or program that it is on. It goes on by itself`
    return { ...status, problems: [{ path: '', code: 'disk-silent', message }, ...status.problems] }
  }

  protected async onOpen(): Promise<void> {
    const { store, drives, log, path, network } = this.#options
    const disk = (this.#disk = await openDisk({ root: path, folder: this.id, owner: this.#options.self, log, workers: this.#options.workers, early: this.#options.early }))
    const index = (this.#index = await openIndex(store, this.id))
    const choice = await this.#options.choose(index.own)
    const own = (this.#own = new CurrentDrive(await this.#openOwn(choice.drive)))
    const former = (this.#former = choice.former === null ? null : await drives.openOwn(choice.former))
    drives.setSource(own.key, async (chunk) => await this.#serve(chunk as string as ObjectId, false))
    await this.#follow()
    const peers = (this.#peers = new FolderPeersAdapter({
      network,
      folder: this.id,
      onChange: () => this.#folder?.peersChanged(),
      settleHandler: (signal) => this.folder.settleForPeer(signal)
    }))
    const watcher = new ChokidarWatcher({
      root: path,
      inbox: { localChanged: (paths) => this.#folder?.localChanged(paths) },
      makeRoom: () => this.#options.early?.makeRoom() ?? false,
      onProblem: (problem) => log.warn({ ...problem }, 'changes may go unnoticed until the next full rescan')
    })
    this.#folder = new Folder({
      id: this.id,
      disk,
      index,
      own,
      remotes: { list: () => [...this.#remotes.values()], retire: (key, device) => this.#retire(key, device) },
      peers,
      watcher,
      clock: systemClock,
      log,
      name: this.name,
      guard: { minimum: this.#options.config().guardMinFiles, fraction: this.#options.config().guardShare },
      retention: () => retentionOf(this.#options.config()),
      paused: this.#options.paused,
      rescanMs: this.#options.rescanMs,
      halted: this.#options.halted,
      recovery: {
        recovery: choice.recovery,
        former,
        onTimeTravel: (travel) => this.#options.onTimeTravel(this, travel),
        sync: async () => await store.sync(),
        onReady: () => this.#ready(own.key)
      },
      expectOthers: this.#group.devices.some((device) => device !== this.#options.self),
      onState: () => this.#options.onState(this),
      onChanges: (changes) => this.#options.onChanges(this, changes)
    })
    await this.#folder.open()
    await network.refresh(this.id)
  }

  protected async onClose(): Promise<void> {
    this.#peers?.close()
    // The folder closes its disk; one that did not get that far leaves it to us.
    await this.#inTheEnd((this.#folder ?? this.#disk)?.close())
    await this.#following
    for (const key of this.#remotes.keys()) await this.#options.drives.closeDrive(key)
    for (const drive of [this.#own, this.#former]) if (drive !== null) await this.#options.drives.closeDrive(drive.key)
    // Not before: what a peer says meanwhile attaches what is still open.
    this.#options.network.release(this.id)
    await this.#index?.close()
  }

  /** Costs a read of the rows of directories in which something changed. */
  async writeDigests(): Promise<void> {
    await this.#index?.writeDigests()
  }

  async #openOwn(drive: DriveSource): Promise<Own> {
    const opened: Own = await this.#options.drives.openOwn({ ...drive, onConflict: () => this.#conflict(opened.key) })
    return opened
  }

  /**
   * `next`, which was made of `source`, takes over from the drive that is written. `tell`: it catches up with that, durably, and the group
   * hears of it. False: somebody waits for the folder. After a rejection the folder is to be opened anew if the group has heard of it.
   */
  async handOver(source: DriveSource, next: Own, tell: () => Promise<void>): Promise<boolean> {
    const { store, network } = this.#options
    const current = this.#own as CurrentDrive<Own>
    const former = current.drive
    await this.#openOwn(source)
    const steps = { next, announce: tell, sync: async () => await store.sync(), takeOver: () => current.takeOver(next) }
    if (!(await this.folder.act(async (context) => !this.folder.awaited && (await handOver(context, steps))))) return false
    this.#former = former
    this.#ready(next.key)
    await network.refresh(this.id)
    this.#options.onState(this)
    return true
  }

  /** The drive before this one was needed for what the index had missed of it. */
  #ready(key: DriveKey): void {
    this.#options.onReady(key)
    const former = this.#former
    this.#former = null
    if (former !== null && former.key !== key) this.#closeRetired(former.key)
  }

  /** That its device has a later one must stand in the records: a key, a member or a record that is missing for a moment is no reason. */
  #retire(key: DriveKey, device: DeviceId): void {
    this.#remotes.delete(key)
    const generation = this.#generations.get(key)
    if (generation !== undefined && isOutlived(this.#group, device, generation)) this.#closeRetired(key)
  }

  #closeRetired(key: DriveKey): void {
    const turn = this.#following.then(async () => {
      await this.#options.drives.closeDrive(key)
      // That it is not needed must be on disk before that it goes: what was read of its successor.
      await this.#options.store.sync()
      this.#options.onRetired(key)
    })
    this.#following = turn.catch((error: unknown) => this.#options.log.warn({ error: messageOf(error) }, 'a drive could not be closed'))
  }

  #conflict(key: DriveKey): void {
    this.#options.onConflict(this, { key, length: 0, fork: 0, treeHash: '0'.repeat(64) })
  }

  /** As `Folder.halt`; waits for nothing if the folder is not open yet. */
  async halt(reason: Reason | null): Promise<void> {
    await this.#folder?.halt(reason)
  }

  /** As `halt`, for one who closes it then. */
  async haltToClose(reason: Reason): Promise<void> {
    await this.#inTheEnd(this.#folder?.halt(reason))
  }

  /** As `Folder.pause`, but for a disk that does not answer. */
  async pause(): Promise<void> {
    await far.answers(this.path, this.folder.pause())
  }

  /** Calls of a disk that does not answer are given up. */
  async #inTheEnd(work: Promise<void> = Promise.resolve()): Promise<void> {
    while (!(await far.answers(this.path, work, CLOSE_ANSWER_MS))) far.cut(this.path)
  }

  /** The group changed: a new name, new drives, drives of devices that left. */
  async update(group: GroupFolder): Promise<void> {
    this.#group = group
    await this.#follow()
    if (this.closing) return
    await this.#options.network.refresh(this.id)
    this.#folder?.remoteChanged()
  }

  #follow(): Promise<void> {
    const turn = this.#following.then(async () => await this.#openRemotes())
    this.#following = turn.catch(() => undefined)
    return turn
  }

  async #openRemotes(): Promise<void> {
    const { drives, self, isRetired } = this.#options
    const wanted = readableDrives(this.#group, self).filter(({ record }) => !isRetired(record.driveKey) || !isOutlived(this.#group, record.device, record.generation))
    for (const key of [...this.#remotes.keys()]) {
      if (this.closing || wanted.some(({ record }) => record.driveKey === key)) continue
      this.#remotes.delete(key)
      await drives.closeDrive(key)
    }
    for (const { record, folderKey } of wanted) {
      if (this.closing || this.#remotes.has(record.driveKey)) continue
      const opened = await drives.openRemote({
        folder: this.id,
        folderKey,
        device: record.device,
        driveKey: record.driveKey,
        generation: record.generation,
        onGrow: () => this.#folder?.remoteChanged(),
        onConflict: () => this.#conflict(record.driveKey)
      })
      this.#remotes.set(record.driveKey, opened)
      this.#generations.set(record.driveKey, record.generation)
    }
  }

  /** What history holds, for another member of the group. */
  async history(query: HistoryQuery): Promise<readonly KeptVersion[]> {
    if (this.#index === null || this.#folder === null) return []
    return await ownHistory(this.#index, query)
  }

  /** One of the others' drives that is read here. */
  reads(drive: DriveKey): boolean {
    return this.#remotes.has(drive)
  }

  /** See Folder. */
  takeAhead(device: DeviceId, files: readonly FreshFile[]): void {
    this.#folder?.takeAhead(device, files)
  }

  /** Bytes for another member of the group; null while paused or halted (R29). */
  async serve(id: ObjectId): Promise<Buffer | null> {
    return await this.#serve(id, true)
  }

  /** What becomes a block of the drive is proved by the drive's own hashes, and must be the right bytes or none: it is hashed here. */
  async #serve(id: ObjectId, askerHashes: boolean): Promise<Buffer | null> {
    if (this.#disk === null || this.#index === null || this.#folder === null) return null
    const { activity } = this.#folder
    if (activity === 'paused' || activity === 'halted') return null
    return this.#folder.recentChunk(id as string as ChunkId) ?? (await serveObject(this.#disk, askerHashes ? this.#folder.servable : this.#index, id, askerHashes))
  }
}

/** The records of the group have a later drive of this device. */
function isOutlived({ drives }: GroupFolder, device: DeviceId, generation: number): boolean {
  return drives.some((drive) => drive.device === device && drive.generation > generation)
}

/**
 * The others' drives whose key is here. A key may reach this device after the drive that it opens (it joined while the group changed
 * keys): read with any other, the drive would be noise for as long as it is open.
 */
export function readableDrives(group: GroupFolder, self: DeviceId): { readonly record: GroupDrive; readonly folderKey: Buffer }[] {
  return group.drives.flatMap((record) => {
    const folderKey = group.keys.get(record.keyId)
    return record.device === self || folderKey === undefined ? [] : [{ record, folderKey }]
  })
}

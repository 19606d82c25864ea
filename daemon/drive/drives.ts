/**
 * All drives of a daemon, over all folders: our own, and those of the other devices as they appear in the group's records. It
 * decides nothing about who may have what: the caller attaches a drive to a connection, core by core, once it is allowed.
 */
import type { Duplex } from 'node:stream'
import Hypercore from 'hypercore'
import Hyperdrive from 'hyperdrive'
import { Resource } from '../../base/resource.ts'
import type { Workers } from '../../base/workers.ts'
import type { DriveHead, RemoteDrive, RemoteDrives } from '../ports.ts'
import type { BlobsKey, DeviceId, DriveKey, FolderId, WriterId } from '../sync/ids.ts'
import { Own, writerIdOf } from './own.ts'
import { quietHints } from './quiet-hints.ts'
import { Remote } from './remote.ts'
import { noteEnd } from './run-ends.ts'
import { Runs } from './runs.ts'
import type { References } from './blob-job.ts'
import { nameBlobs } from './shared-blobs.ts'
import type { Store } from './store.ts'
import { VirtualBlobs, type ReadSource } from './virtual-blobs.ts'

export interface OwnDriveOptions {
  readonly folder: FolderId
  /** This device: a new life with a new key has new drives. */
  readonly device: DeviceId
  /** 32 bytes: the folder key, which encrypts both cores. */
  readonly folderKey: Buffer
  /** The key pair derives from store, folder, device, generation and salt: never give all again after the drive was lost or rolled back. */
  readonly generation: number
  readonly salt?: Buffer
  /** The blobs core of an earlier drive of ours that goes on in this one (shared-blobs.ts); absent: one of its own. */
  readonly blobs?: BlobsKey
  /** The writer that goes on in this drive; absent: a new writer, named by this drive's key. */
  readonly writer?: WriterId
  /** A peer proved that its log is another one; the drive is closed then. Of several who open it the last one hears that. */
  readonly onConflict?: () => void
}

export interface RemoteDriveOptions {
  readonly folder: FolderId
  readonly folderKey: Buffer
  readonly device: DeviceId
  readonly driveKey: DriveKey
  readonly generation: number
  /** Called often; must only mark work. */
  readonly onGrow: (drive: DriveKey) => void
  /** Its owner signed two logs; the drive is closed then. */
  readonly onConflict?: () => void
}

/** A Noise secret stream, or the protomux instance on it. */
export type Connection = object

interface OpenOwn {
  readonly drive: Own
  readonly virtual: VirtualBlobs
  readonly references: References
  readonly folder: FolderId
  readonly namespace: Buffer
  /** Someone may be told of the blobs core, so its appends are synced before (R16). */
  offered: boolean
  onConflict: () => void
}

export class Drives extends Resource {
  /** Of the db cores of open drives. */
  readonly runs = new Runs((key) => this.#core(key))
  readonly #store: Store
  readonly #workers: Workers | null
  readonly #own = new Map<DriveKey, OpenOwn>()
  readonly #remote = new Map<DriveKey, { readonly drive: Remote; readonly folder: FolderId }>()
  readonly #offers = new Set<Duplex>()
  #lock: Promise<unknown> = Promise.resolve()

  /** `workers`: for the blocks of large contents; without them this thread does it. */
  constructor(store: Store, workers: Workers | null = null) {
    super()
    this.#store = store
    this.#workers = workers
  }

  /** Idempotent for one folder, device, generation and salt. */
  openOwn(options: OwnDriveOptions): Promise<Own> {
    return this.#exclusive(() => this.#openOwn(options))
  }

  /** Idempotent for one drive key. */
  openRemote(options: RemoteDriveOptions): Promise<RemoteDrive> {
    return this.#exclusive(() => this.#openRemote(options))
  }

  /** See Own.counterAt; null if the drive is not an open one of ours. */
  async counterAt(key: DriveKey, length: number): Promise<number | null> {
    return (await this.#own.get(key)?.drive.counterAt(length)) ?? null
  }

  /** An open drive of ours. */
  isOwn(key: DriveKey): boolean {
    return this.#own.has(key)
  }

  /** Where the bytes of an own drive's blocks are read from: the files. Without it none of them can be read. */
  setSource(key: DriveKey, read: ReadSource | null): void {
    this.#own.get(key)?.virtual.setSource(read)
  }

  /** The open drives of other devices for one folder, as they are at the time of each `list()`. */
  remotes(folder: FolderId): Pick<RemoteDrives, 'list'> {
    return { list: () => [...this.#remote.values()].filter((open) => open.folder === folder).map((open) => open.drive) }
  }

  /** Closes one drive, ours or another's; its data stays. */
  closeDrive(key: DriveKey): Promise<void> {
    return this.#exclusive(async () => {
      const own = this.#own.get(key)
      await (own ?? this.#remote.get(key))?.drive.close()
      this.#own.delete(key)
      this.#remote.delete(key)
      // Its successor goes on with its blobs core, of which it has a session of its own.
      const heir = [...this.#own.values()].find(({ virtual }) => virtual === own?.virtual)
      if (heir !== undefined) heir.virtual.setCore(heir.drive.blobs)
    })
  }

  /**
   * Forgets a drive that was closed, for ever. Idempotent. False: it is open, or was until a moment ago.
   * @param blobs `own`: the blobs core that it names in place of its own; `kept`: those that other drives name.
   */
  deleteDrive(key: DriveKey, blobs: { readonly own: BlobsKey | null; readonly kept: ReadonlySet<BlobsKey> } = NO_OTHER_BLOBS): Promise<boolean> {
    return this.#exclusive(async () => {
      if (this.#own.has(key) || this.#remote.has(key)) return false
      return await this.#store.deleteDrive(Buffer.from(key, 'hex'), blobs)
    })
  }

  /** A stock reader has the drive from us now. */
  get isOffered(): boolean {
    return this.#offers.size > 0
  }

  /** Closes all drives of a folder. */
  async closeFolder(folder: FolderId): Promise<void> {
    const all = [...this.#own, ...this.#remote].filter(([, open]) => open.folder === folder)
    await Promise.all(all.map(([key]) => this.closeDrive(key)))
  }

  /**
   * What is known of an open drive. With `length` the tree hash is the one at that length, for comparing two copies at their
   * common length (R17). Null: not open, or its tree is not here so far.
   */
  async head(key: DriveKey, length?: number): Promise<DriveHead | null> {
    const core = this.#core(key)
    if (core === null) return null
    const at = length ?? core.length
    if (at > core.length) return null
    const hash = await Hypercore.treeHashFromStorage(core, at).catch(() => null)
    return hash === null ? null : { key, length: at, fork: core.fork, treeHash: hash.toString('hex') }
  }

  /**
   * Replicates the db core of an open drive on this connection, in both directions. Both ends must call it, in any order.
   * Idempotent. False if the drive is not open.
   */
  replicate(key: DriveKey, connection: Connection): boolean {
    const core = this.#core(key)
    if (core === null) return false
    attach(core, connection)
    return true
  }

  /** No more replication of this drive on this connection. */
  unreplicate(key: DriveKey, connection: Connection): void {
    const core = this.#core(key)
    const mux = muxOf(connection)
    if (core === null || mux === null) return
    for (const peer of [...core.core.replicator.peers]) if (peer.protomux === mux) peer.channel.close()
    core.core.replicator.detachFrom(mux)
  }

  /**
   * A replication stream of a whole own drive, metadata and bytes, for a stock Hyperdrive reader that the user admitted: pipe it
   * to `reader.replicate(true)` and back. Null if the drive is not open.
   */
  async offer(key: DriveKey): Promise<Duplex | null> {
    const open = this.#own.get(key)
    if (open === undefined) return null
    open.offered = true
    await this.#store.sync()
    const stream = Hypercore.createProtocolStream(false)
    stream.on('error', () => undefined) // A reader that goes away is no event.
    stream.once('close', () => this.#offers.delete(stream))
    this.#offers.add(stream)
    for (const core of [open.drive.db, open.drive.blobs]) attach(core, stream.noiseStream.userData)
    return stream
  }

  protected onOpen(): Promise<void> {
    return this.#store.open()
  }

  /** Closes the drives, not the store. */
  protected async onClose(): Promise<void> {
    await this.#lock
    for (const stream of this.#offers) stream.destroy()
    await Promise.all([...this.#remote.values(), ...this.#own.values()].map((open) => open.drive.close()))
    this.#remote.clear()
    this.#own.clear()
  }

  async #openOwn(options: OwnDriveOptions): Promise<Own> {
    const { folder, folderKey, generation, writer } = options
    const namespace = ownNamespace(options)
    const known = [...this.#own.values()].find((open) => open.namespace.equals(namespace))
    if (known !== undefined) {
      known.onConflict = options.onConflict ?? known.onConflict
      return known.drive
    }
    const space = this.#store.corestore.namespace(namespace)
    if (options.blobs !== undefined) await nameBlobs(space, folderKey, Buffer.from(options.blobs, 'hex'))
    const drive = new Hyperdrive(space, { encryptionKey: folderKey })
    await drive.ready()
    const key = drive.key.toString('hex') as DriveKey
    const blobs = (await drive.getBlobs()).core
    // Of a drive and the one that takes over from it.
    const other = [...this.#own.values()].find((open) => open.drive.blobs.key.equals(blobs.key))
    const references: References = other?.references ?? new Map()
    const virtual = other?.virtual ?? new VirtualBlobs(blobs, references)
    this.#store.makeVirtual(blobs, virtual)
    const open: OpenOwn = { drive: new Own({ drive, blobs, generation, writer: writer ?? writerIdOf(key), references, workers: this.#workers }), virtual, references, folder, namespace, offered: false, onConflict: options.onConflict ?? ignored }
    drive.core.on('conflict', () => open.onConflict())
    for (const core of [drive.core, blobs]) quietHints(core)
    this.#store.makeDurable(drive.core)
    if (other === undefined) this.#store.makeDurable(blobs, () => [...this.#own.values()].some((each) => each.virtual === virtual && each.offered))
    drive.core.on('append', () => this.runs.grew(key))
    this.#own.set(key, open)
    return open.drive
  }

  async #openRemote({ folder, folderKey, device, driveKey, generation, onGrow, onConflict }: RemoteDriveOptions): Promise<RemoteDrive> {
    const known = this.#remote.get(driveKey)
    if (known !== undefined) return known.drive
    if (this.#own.has(driveKey)) throw new Error('our own drive is not another device’s')
    const core = this.#store.corestore.get({ key: Buffer.from(driveKey, 'hex'), encryptionKey: folderKey })
    await core.ready()
    if (onConflict !== undefined) core.on('conflict', onConflict)
    core.core.replicator.setInflightRange(...INFLIGHT_BLOCKS)
    const grown = (): void => {
      void noteEnd(core)
      this.runs.grew(driveKey)
      onGrow(driveKey)
    }
    quietHints(core)
    const drive = new Remote({ core, device, generation, onGrow: grown })
    this.#remote.set(driveKey, { drive, folder })
    return drive
  }

  #core(key: DriveKey): Hypercore | null {
    return (this.#own.get(key) ?? this.#remote.get(key))?.drive.db ?? null
  }

  #exclusive<T>(run: () => Promise<T>): Promise<T> {
    if (this.closing) return Promise.reject(new Error('the drives are closed'))
    const result = this.#lock.then(run)
    this.#lock = result.catch(() => undefined)
    return result
  }
}

const ignored = (): void => undefined

const NO_OTHER_BLOBS = { own: null, kept: new Set<BlobsKey>() }

/** Requests under way at once, least and most: what Hyperbee sets, because its blocks are small. */
const INFLIGHT_BLOCKS = [256, 512] as const

/** Part of the format of the state directory: another namespace is another drive. */
function ownNamespace({ folder, device, generation, salt }: OwnDriveOptions): Buffer {
  const number = Buffer.alloc(8)
  number.writeBigUInt64BE(BigInt(generation))
  return Buffer.concat([Buffer.from('p2psync/drive/1\0'), Buffer.from(folder, 'hex'), Buffer.from(device, 'hex'), number, salt ?? Buffer.alloc(0)])
}

function attach(core: Hypercore, connection: Connection): void {
  const mux = muxOf(connection) ?? Hypercore.createProtocolStream(connection).noiseStream.userData
  if (!core.core.replicator.attached(mux)) core.replicate(mux)
}

/** Null for a stream that has no multiplexer yet. */
function muxOf(connection: Connection): object | null {
  if ('isProtomux' in connection) return connection
  return 'userData' in connection && typeof connection.userData === 'object' ? connection.userData : null
}

/**
 * The one database of a daemon: a Corestore over a hypercore-storage, and in the same RocksDB a column family for the index, so
 * that one log holds both and a crash leaves one prefix of both. A stock Corestore refuses this directory, which is right.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import Corestore, { type OpenCore } from 'corestore'
import Hypercore from 'hypercore'
import type { CoreStorage } from 'hypercore-storage'
import Hyperdrive from 'hyperdrive'
import Rache from 'rache'
import RocksDB from 'rocksdb-native'
import { P2psyncError, errnoOf, messageOf } from '../../base/errors.ts'
import { CLOSE_TIMEOUT_MS } from '../../base/limits.ts'
import { Resource } from '../../base/resource.ts'
import type { BlobsKey } from '../sync/ids.ts'
import { BlockStorage, type VirtualCore } from './blocks.ts'
import { LogSync } from './log-sync.ts'
import { SpareRoom } from './spare-room.ts'
import { watchWrites } from './write-failures.ts'

export interface StoreOptions {
  /** Made if it is missing, mode 0700. */
  readonly path: string
  /** 32 bytes, kept by the caller in a file of its own (R44): the own drives' keys derive from it, so a lost database loses none. */
  readonly primaryKey: Buffer
  /** Once: the disk did not take a write. Nothing more can be written until the store is opened again. */
  onFailure?(error: unknown): void
}

const INDEX_FAMILY = 'p2psync-index'
/**
 * What is written is held in memory (twice: one buffer fills while one is flushed) and in a log that is preallocated in this size.
 * The storage's own default is 64 MiB, for each of two families.
 */
const WRITE_BUFFER_BYTES = 8 * 1024 * 1024
const BACKGROUND_JOBS = 2
/**
 * Blocks of tables are left to the system's page cache, which has them anyway; RocksDB's own would fill up with 32 MiB for each family and
 * keep them. What tells where to look (indexes and filters, a byte or two a key) is then held with the open tables.
 */
const TABLES = { blockCache: false, tableCacheIndexAndFilterBlocks: false }
/** Hyperbee blocks in memory over all drives, some 2 KB each; its own default is 65,536 for each drive. */
const CACHED_BEE_BLOCKS = 4096

/** One per state directory. Errors of `open`: STORE_LOCKED, STORE_DAMAGED. */
export class Store extends Resource {
  readonly path: string
  readonly #primaryKey: Buffer
  #storage: BlockStorage | null = null
  #index: RocksDB | null = null
  #corestore: Corestore | null = null
  #log: LogSync | null = null
  #room: SpareRoom | null = null
  #failed = false
  #unwatch: () => void = () => undefined
  readonly #options: StoreOptions
  readonly #durable = new WeakMap<CoreStorage, () => boolean>()

  constructor(options: StoreOptions) {
    super()
    if (options.primaryKey.length !== 32) throw new Error('the primary key of a store has 32 bytes')
    this.#options = options
    this.path = options.path
    this.#primaryKey = options.primaryKey
  }

  get corestore(): Corestore {
    return present(this.#corestore)
  }

  /** The index's column family. */
  get index(): RocksDB {
    return present(this.#index)
  }

  /** Resolves when everything written to cores and index before this call is on disk. Callers at the same time share one fdatasync. */
  sync(): Promise<void> {
    if (this.#log === null || this.closing) return Promise.reject(new Error('the store is closed'))
    this.#room?.touched()
    return this.#log.sync()
  }

  /**
   * From now on an append to this core of our own is on disk before any peer is told of it (R16): Hypercore announces a block
   * after its transaction, which here ends with the sync. `when` is asked at each append.
   */
  makeDurable(core: Hypercore, when: () => boolean = () => true): void {
    const storage = core.state.storage
    const wrapped = this.#durable.has(storage)
    this.#durable.set(storage, when)
    if (wrapped) return
    const write = storage.write.bind(storage)
    storage.write = () => {
      const transaction = write()
      const flush = transaction.flush.bind(transaction)
      const setHead = transaction.setHead.bind(transaction)
      let appends = false
      transaction.setHead = (head) => {
        appends = true
        setHead(head)
      }
      transaction.flush = async () => {
        const flushed = await flush()
        if (appends && flushed && this.#durable.get(storage)?.() === true) await this.sync()
        return flushed
      }
      return transaction
    }
  }

  /** From now on blocks of this core are references to chunks in the files (drive/blocks.ts). */
  makeVirtual(core: Hypercore, virtual: VirtualCore): void {
    present(this.#storage).setVirtual(core.state.storage.core.corePointer, virtual)
  }

  /**
   * Forgets a drive for ever: its db core and, where it is here, its blobs core. Idempotent; on disk when it returns. False: not yet,
   * one of them is open, or was so seconds ago.
   */
  async deleteDrive(key: Buffer, { own, kept }: { readonly own: BlobsKey | null; readonly kept: ReadonlySet<BlobsKey> }): Promise<boolean> {
    const storage = present(this.#storage)
    const auth = await storage.getAuth(Hypercore.discoveryKey(key))
    const derived = auth?.manifest ? Hyperdrive.getContentKey(auth.manifest, key) : null
    const blobs = [...(derived === null ? [] : [derived]), ...(own === null ? [] : [Buffer.from(own, 'hex')])]
    const dead = blobs.filter((each) => !kept.has(each.toString('hex') as BlobsKey))
    const cores = [...dead, key].map((each) => Hypercore.discoveryKey(each))
    const held = cores.map((each) => this.corestore.cores.map.get(each.toString('hex'))).filter((core) => core !== undefined)
    for (const core of held) hangUp(core)
    if (held.length > 0) return false
    // The db core last: it says which the other one is.
    for (const each of cores) await storage.forgetCore(each)
    await this.sync()
    return true
  }

  /** Gives the room of what was deleted back to the disk. */
  async compact(): Promise<void> {
    await present(this.#storage).db.compactRange()
    this.#room?.touched()
  }

  protected async onOpen(): Promise<void> {
    try {
      await mkdir(this.path, { recursive: true, mode: 0o700 })
      await this.#openDatabase()
    } catch (error) {
      throw openError(error, this.path)
    }
    this.#log = new LogSync(join(this.path, 'db'), this.#onFailure)
    this.#unwatch = watchWrites(join(this.path, 'db'), this.#onFailure)
    this.#room = new SpareRoom({ directory: join(this.path, 'db'), families: [present(this.#storage).db, this.index] })
  }

  /** Gives the room that RocksDB keeps for files that may grow back to the disk, if nothing is going on; it does so by itself at rest. */
  async giveBack(): Promise<number | null> {
    return (await this.#room?.giveBack()) ?? null
  }

  /** What waits in memory becomes tables, where it is much. @returns whether it was. */
  async writeTables(): Promise<boolean> {
    return this.closing ? false : ((await this.#room?.writeTables()) ?? false)
  }

  /** Bounded: what is written is in RocksDB's log anyway, so a peer that never answers cannot keep the daemon from stopping. */
  protected async onClose(): Promise<void> {
    const log = this.#log
    this.#unwatch()
    this.#room?.close()
    if (log === null) return this.#release()
    await log.sync().catch(() => undefined)
    await log.close()
    await atMost(CLOSE_TIMEOUT_MS / 2, this.#closeDatabase())
  }

  #openDatabase(): Promise<void> {
    const storage = new BlockStorage(this.path, { ...TABLES, writeBufferSize: WRITE_BUFFER_BYTES, maxBackgroundJobs: BACKGROUND_JOBS })
    this.#storage = storage
    // Column families must be named before the database opens, in this same tick.
    this.#index = storage.rocks.columnFamily(new RocksDB.ColumnFamily(INDEX_FAMILY, { ...TABLES, enableBlobFiles: false, writeBufferSize: WRITE_BUFFER_BYTES }))
    this.#corestore = new Corestore(storage, { primaryKey: this.#primaryKey, unsafe: true, globalCache: new Rache({ maxSize: CACHED_BEE_BLOCKS }) })
    return this.#corestore.ready()
  }

  /** What cannot be flushed any more stands in the log, or was never promised: the database must be let go of in any case. */
  async #closeDatabase(): Promise<void> {
    const steps = [async () => await this.#index?.flush(), async () => await this.#storage?.db.flush(), async () => await this.#index?.close(), async () => await this.#corestore?.close()]
    for (const step of steps) {
      await step().catch((error: unknown) => {
        if (!this.#failed) throw error
      })
    }
  }

  readonly #onFailure = (error: unknown): void => {
    if (this.#failed || this.closing) return
    this.#failed = true
    this.#options.onFailure?.(error)
  }

  /** After a failed open. */
  async #release(): Promise<void> {
    if (this.#storage === null) return
    await atMost(CLOSE_TIMEOUT_MS / 2, this.#storage.close().catch(() => undefined))
  }
}

/** Hypercore would keep the channels of a core that nobody has open any more for 20 to 40 s, and the core as long. */
function hangUp(core: OpenCore): void {
  if (core.hasSession()) return
  for (const { protomux, channel } of [...core.replicator.peers]) {
    core.replicator.detachFrom(protomux)
    channel.close()
  }
}

function present<T>(part: T | null): T {
  if (part === null) throw new Error('the store is not open')
  return part
}

async function atMost(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([work, limit]).finally(() => clearTimeout(timer))
}

function openError(cause: unknown, path: string): P2psyncError {
  const message = messageOf(cause)
  if (/could not be locked|lock hold by current process|While lock file/i.test(message)) {
    return new P2psyncError('STORE_LOCKED', `cannot open the store ${path}: another p2psync daemon uses it; stop that one first (p2psync stop)`, { cause })
  }
  if (errnoOf(cause) === 'DEVICE_FILE') {
    return new P2psyncError('STORE_DAMAGED', `cannot use the store ${path}: it was copied, moved or restored from a backup (${message})`, { cause })
  }
  return new P2psyncError('STORE_DAMAGED', `cannot open the store ${path}: ${message}`, { cause })
}

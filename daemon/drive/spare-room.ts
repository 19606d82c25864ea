/**
 * Gives back the room that RocksDB sets aside for its open log (1.1 of a write buffer) and manifest (4 MiB), for which it has no
 * setting that rocksdb-native passes on: nearly 13 MiB beside any folder. Once the store is at rest, each such file is truncated to
 * the size that it has, which frees what is allocated beyond its end (ext4, XFS; elsewhere it does nothing).
 *
 * `writeTables`, for when the daemon is at rest: the buffers of both families are up to 32 MiB of memory, stand in the log as well,
 * uncompressed, and would be read again from there by the next start.
 *
 * INVARIANT: nothing may be written between the look at the size and the truncation, or it is lost. Both are done in one go of this
 * thread, at a moment when nobody else writes: the log is written by requests that this thread has made, and none is under way
 * (`io`); the manifest also by flushes and compactions, which run only after a write, or by themselves first when the database has
 * been open for twelve hours. A test asserts what is relied on here of rocksdb-native 3.18.1.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf } from '../../base/errors.ts'
import type RocksDB from 'rocksdb-native'

/** So long after the last sync the store is at rest. */
const REST_MS = 5_000
/** Never quiet in this many looks: something goes on that brings a sync, and with it new looks. */
const MAX_LOOKS = 30
/** RocksDB looks for old tables to compact every twelve hours; before that it does nothing by itself. */
const ALONE_MS = 6 * 3600_000
/** Less is not worth a system call. */
const WORTHWHILE_BYTES = 256 * 1024
/** A family with less in memory keeps it: a table for each small change would soon have to be compacted. */
const WORTH_TABLE_BYTES = 2 * 1024 * 1024
/** Of st_blocks, whatever the file system's own blocks are. */
const STAT_BLOCK_BYTES = 512
/** Bytes of a family's buffers, also of those that are just being written. */
const IN_MEMORY = 'rocksdb.cur-size-all-mem-tables'
const LOG_FILE = /^\d+\.log$/
const MANIFEST_FILE = /^MANIFEST-\d+$/
/** What must be 0 for nothing to be going on behind our back. */
const WORK = ['rocksdb.num-running-compactions', 'rocksdb.num-running-flushes', 'rocksdb.compaction-pending', 'rocksdb.mem-table-flush-pending', 'rocksdb.background-errors']

export interface SpareRoomOptions {
  /** Of the database. */
  readonly directory: string
  /** Its column families. */
  readonly families: readonly RocksDB[]
  readonly restMs?: number
}

export class SpareRoom {
  readonly #options: SpareRoomOptions
  readonly #openedAt = performance.now()
  #timer: NodeJS.Timeout | null = null
  #touched = false
  #looks = 0

  constructor(options: SpareRoomOptions) {
    this.#options = options
    this.touched()
  }

  /** Something was written. Called often. */
  touched(): void {
    this.#touched = true
    this.#looks = 0
    if (this.#timer === null) this.#later()
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  /** What waits in memory becomes tables, where it is much. @returns whether it was. */
  async writeTables(): Promise<boolean> {
    let wrote = false
    for (const family of this.#options.families) {
      if (Number(await family.getProperty(IN_MEMORY)) < WORTH_TABLE_BYTES) continue
      await family.flush()
      wrote = true
    }
    // There is a new log now.
    if (wrote) this.touched()
    return wrote
  }

  /** Bytes given back; null if something is going on. */
  async giveBack(): Promise<number | null> {
    const { families, directory } = this.#options
    const [first] = families
    if (first === undefined) return null
    const { io, stats } = first._state
    const writes = stats.writeBatches
    for (const family of families) for (const what of WORK) if ((await family.getProperty(what)) !== '0') return null
    // From here to the end in one go.
    if (!io.isIdle() || stats.writeBatches !== writes) return null
    const withManifest = performance.now() - this.#openedAt < ALONE_MS
    let bytes = 0
    for (const name of readdirSync(directory)) {
      if (LOG_FILE.test(name) || (withManifest && MANIFEST_FILE.test(name))) bytes += truncateToSize(join(directory, name))
    }
    return bytes
  }

  #later(): void {
    this.#timer = setTimeout(() => void this.#look(), this.#options.restMs ?? REST_MS).unref()
  }

  async #look(): Promise<void> {
    const rested = !this.#touched
    this.#touched = false
    this.#looks++
    // What fails here (the store closes, a file is gone) costs room only.
    const given = rested ? await this.giveBack().catch(() => 0) : null
    if (this.#timer === null) return
    this.#timer = null
    if (this.#touched || (given === null && this.#looks < MAX_LOOKS)) this.#later()
  }
}

function truncateToSize(path: string): number {
  let file: number
  try {
    file = openSync(path, 'r+')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 0
    throw error
  }
  try {
    const { size, blocks } = fstatSync(file)
    if (blocks * STAT_BLOCK_BYTES < size + WORTHWHILE_BYTES) return 0
    ftruncateSync(file, size)
    return (blocks - fstatSync(file).blocks) * STAT_BLOCK_BYTES
  } finally {
    closeSync(file)
  }
}

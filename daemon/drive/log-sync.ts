/**
 * Makes what RocksDB has written durable, cheaply: RocksDB writes its log without syncing it, and `flush()` of a database makes
 * tables (milliseconds, and its own log grows); an fdatasync of the log files costs 0.3 ms. Callers at the same time share one.
 */
import * as fs from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { promisify } from 'node:util'
import { join } from 'node:path'
import { errnoOf } from '../../base/errors.ts'

/** Without the promises of a file handle, which cost as much as the call. */
const fdatasync = promisify(fs.fdatasync)

const LOG_FILE = /^(\d+)\.log$/
const WRITE_BACK_ERRORS: ReadonlySet<string> = new Set(['EIO', 'ENOSPC', 'EDQUOT'])

export class LogSync {
  readonly #directory: string
  #running: Promise<void> | null = null
  #next: Promise<void> | null = null
  /** After a failed write-back the kernel calls the lost pages clean: no later sync may claim success. */
  #failed: unknown = null
  /** The newest log file seen, kept open: nearly every sync needs only this one. */
  #newest: { readonly number: number; readonly handle: FileHandle } | null = null

  readonly #onFailure: (error: unknown) => void

  /** @param directory of the database (where the `.log` files are). @param onFailure that no sync can succeed any more. */
  constructor(directory: string, onFailure: (error: unknown) => void = () => undefined) {
    this.#directory = directory
    this.#onFailure = onFailure
  }

  /** Resolves when everything written before this call is on disk. */
  sync(): Promise<void> {
    if (this.#failed !== null) return Promise.reject(this.#failed)
    if (this.#running === null) return this.#start()
    // The running one may have passed the caller's write already, so it waits for the next; all who come meanwhile share that.
    this.#next ??= this.#running.catch(() => undefined).then(() => this.#start())
    return this.#next
  }

  async close(): Promise<void> {
    await (this.#next ?? this.#running)?.catch(() => undefined)
    await this.#newest?.handle.close()
    this.#newest = null
  }

  #start(): Promise<void> {
    this.#next = null
    this.#running = this.#syncLogs()
      .catch((error: unknown) => {
        if (WRITE_BACK_ERRORS.has(errnoOf(error) ?? '')) {
          this.#failed = error
          this.#onFailure(error)
        }
        throw error
      })
      .finally(() => {
        this.#running = null
      })
    return this.#running
  }

  /** Logs older than the newest one synced so far are closed and were synced when a newer one was first seen. */
  async #syncLogs(): Promise<void> {
    const known = this.#newest
    // What the callers wrote stands in logs that are there by now.
    const numbers = this.#logNumbers()
    const newest = numbers.at(-1)
    if (newest === undefined) return
    if (known !== null) await fdatasync(known.handle.fd)
    if (newest === known?.number) return
    for (const number of numbers) if (number < newest && number > (known?.number ?? -1)) await this.#syncClosed(number)
    const handle = await open(this.#path(newest), 'r')
    this.#newest = { number: newest, handle }
    await known?.handle.close()
    await handle.datasync()
    await this.#syncDirectory()
  }

  /** At once: some dozen names that the system has in memory, where a trip to another thread takes longer than they do. */
  #logNumbers(): number[] {
    const numbers: number[] = []
    for (const name of fs.readdirSync(this.#directory)) {
      const match = LOG_FILE.exec(name)
      if (match !== null) numbers.push(Number(match[1]))
    }
    return numbers.sort((a, b) => a - b)
  }

  /** A log that RocksDB has deleted meanwhile stands in tables that it has synced. */
  async #syncClosed(number: number): Promise<void> {
    let handle: FileHandle
    try {
      handle = await open(this.#path(number), 'r')
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return
      throw error
    }
    try {
      await handle.datasync()
    } finally {
      await handle.close()
    }
  }

  /** A new file's name is durable only with its directory. */
  async #syncDirectory(): Promise<void> {
    const handle = await open(this.#directory, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  }

  #path(number: number): string {
    return join(this.#directory, `${String(number).padStart(6, '0')}.log`)
  }
}

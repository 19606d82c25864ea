/**
 * Another device's drive, as far as it was replicated here: only the db core (its bytes travel on the channel of our own). What
 * is read from it is read from this disk; blocks are fetched in the background, so that a reader never hangs on a peer.
 */
import type Hypercore from 'hypercore'
import { BATCH_ENTRIES, DRIVE_GATHER_MS, DRIVE_STALL_MS, GATHER_MS } from '../../base/limits.ts'
import type { Problem, RemoteBatch, RemoteDrive } from '../ports.ts'
import type { Entry } from '../sync/entry.ts'
import type { DeviceId, DriveKey, PathKey } from '../sync/ids.ts'
import { FIRST_STATEMENT, decodeBlock, readBlocks, type BlockEvent } from './history.ts'

export interface RemoteOptions {
  readonly core: Hypercore
  readonly device: DeviceId
  readonly generation: number
  /** More can be read, or more is known to be signed. Comes often; must only mark work. */
  readonly onGrow: () => void
}

export class Remote implements RemoteDrive {
  readonly device: DeviceId
  readonly key: DriveKey
  readonly generation: number
  readonly #core: Hypercore
  readonly #onGrow: () => void
  readonly #range: { destroy(): void }
  #length = 0
  #fork = 0
  #timer: NodeJS.Timeout | null = null
  #closing: Promise<void> | null = null

  /** The core is open. See Drives.openRemote. */
  constructor({ core, device, generation, onGrow }: RemoteOptions) {
    this.key = core.key.toString('hex') as DriveKey
    this.device = device
    this.generation = generation
    this.#core = core
    this.#onGrow = onGrow
    // All blocks, and those to come, as soon as a peer has them.
    this.#range = core.download({ start: 0, end: -1 })
    core.on('append', this.#grown)
    core.on('truncate', this.#grown)
    core.on('download', this.#downloaded)
  }

  /** Stays what it was when the drive is closed. */
  get length(): number {
    if (this.#core.opened) this.#length = this.#core.length
    return this.#length
  }

  get fork(): number {
    if (this.#core.opened) this.#fork = this.#core.fork
    return this.#fork
  }

  get db(): Hypercore {
    return this.#core
  }

  /**
   * Ends when all that is here has been read: at `length`, or before it when the next block does not come within a moment;
   * `onGrow` tells when there is more.
   */
  async *changes(since: { readonly length: number; readonly fork: number } | null, signal: AbortSignal): AsyncGenerator<RemoteBatch> {
    const fork = this.fork
    let at = since !== null && since.fork === fork ? since.length : 0
    while (at < this.length && fork === this.fork) {
      await this.#arrival(Math.min(this.length, at + BATCH_ENTRIES), at, signal)
      if (signal.aborted || this.#closing !== null) return
      const batch = await this.#read(at, fork)
      if (batch === null) return
      yield batch
      at = batch.length
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#core.off('append', this.#grown)
    this.#core.off('truncate', this.#grown)
    this.#core.off('download', this.#downloaded)
    this.#range.destroy()
    this.#length = this.length
    this.#fork = this.fork
    await this.#core.close()
  }

  async #read(at: number, fork: number): Promise<RemoteBatch | null> {
    const from = Math.max(at, FIRST_STATEMENT)
    const blocks = await readBlocks(this.#core, from, Math.min(this.#core.contiguousLength, from + BATCH_ENTRIES))
    const events = blocks.map((block, i) => decodeBlock(block, from + i))
    // A deletion is often the first half of a change of keyspace: if anything follows it, it is read together with that.
    const halved = from + events.length < this.length && isRemoval(events.at(-1))
    const whole = halved ? events.slice(0, -1) : events
    const length = from + whole.length
    if (whole.length === 0 && length < this.length) return null
    return length > at && length <= this.length && this.fork === fork ? { ...merge(whole), length, fork } : null
  }

  /**
   * Waits for blocks on their way: until all up to `target` are here, or those that are after `at` have waited a little for others,
   * or for a moment without any progress. Not at all if nobody can send them.
   */
  #arrival(target: number, at: number, signal: AbortSignal): Promise<void> {
    const core = this.#core
    if (core.contiguousLength >= target || core.peers.length === 0 || signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      let stall: NodeJS.Timeout | undefined
      let gather: NodeJS.Timeout | undefined
      const end = () => {
        clearTimeout(stall)
        clearTimeout(gather)
        core.off('download', progress)
        core.off('close', end)
        signal.removeEventListener('abort', end)
        resolve()
      }
      const progress = () => {
        if (core.contiguousLength >= target) return end()
        clearTimeout(stall)
        stall = setTimeout(end, core.contiguousLength > at ? GATHER_MS : DRIVE_STALL_MS)
        if (core.contiguousLength > at) gather ??= setTimeout(end, DRIVE_GATHER_MS)
      }
      core.on('download', progress)
      core.on('close', end)
      signal.addEventListener('abort', end)
      progress()
    })
  }

  readonly #grown = (): void => {
    this.#onGrow()
  }

  /** Blocks come by the thousand: one call for those of a moment. */
  readonly #downloaded = (): void => {
    this.#timer ??= setTimeout(() => {
      this.#timer = null
      this.#onGrow()
    }, GATHER_MS)
  }
}

function isRemoval(event: BlockEvent | undefined): boolean {
  return event?.kind === 'statement' && event.entry === null
}

/** Each path's last statement, in the order of these. */
function merge(events: readonly BlockEvent[]): { changes: { path: PathKey; entry: Entry | null }[]; invalid: Problem[] } {
  const last = new Map<PathKey, Entry | null>()
  const invalid: Problem[] = []
  for (const event of events) {
    if (event.kind === 'invalid') invalid.push(event.problem)
    if (event.kind !== 'statement') continue
    last.delete(event.path)
    last.set(event.path, event.entry)
  }
  return { changes: [...last].map(([path, entry]) => ({ path, entry })), invalid }
}

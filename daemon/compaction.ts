/**
 * A drive only grows: what it said of a path stays when it says something else. Once what counts no more outweighs the rest, a new
 * drive takes over and states the tree as it is, with the same writer and counter (R1); the old one is retired (retired.ts).
 */
import { randomInt } from 'node:crypto'
import { statfs } from 'node:fs/promises'
import type { FolderHost } from './host.ts'
import type { Clock, Totals } from './ports.ts'
import type { FolderId } from './sync/ids.ts'

/** The reason of such a rotation. */
export const COMPACTION = 'compaction'
/** After so long a rest; a user who goes on working is not disturbed. */
const REST_MS = 10_000
/** The devices of a group state the same changes, so their drives are outgrown at the same time: each waits up to so much longer. */
const APART_MS = 10_000
/** A statement in a drive (measured: 470 to 630 bytes). */
const STATEMENT_BYTES = 500
/** Less is not worth a new drive. */
const MIN_DEAD_BYTES = 1024 * 1024
/** A new drive reads all content again, so what is dead may have this share of it: what the store may cost at all. */
const SHARE_OF_CONTENT = 0.005
/** With more the folder would be busy for minutes (3.5 core-seconds a GiB), in which it does not sync. */
const MAX_CONTENT_BYTES = 16 * 1024 ** 3
/** A folder that was looked at and found well is looked at again when its drive is so much longer. */
const LOOK_AGAIN = 1.1
/** Both drives are there for a moment, with what RocksDB needs to tidy up. */
const FREE_BYTES = 256 * 1024 * 1024

export interface CompactionOptions {
  readonly clock: Clock
  readonly storeDir: string
  /** A new drive takes over. */
  readonly compact: (host: FolderHost) => void
}

interface Watched {
  stop: (() => void) | null
  /** Its drive is not looked at before it has this length. */
  notBefore: number
}

/** What a drive of `length` blocks says no more is more than what it says. `rows`: paths that it speaks of, tombstones included. */
export function isOutgrown(length: number, rows: number, { bytes }: Pick<Totals, 'bytes'>): boolean {
  if (bytes > MAX_CONTENT_BYTES) return false
  const dead = (length - rows) * STATEMENT_BYTES
  return dead > Math.max(rows * STATEMENT_BYTES, bytes * SHARE_OF_CONTENT, MIN_DEAD_BYTES)
}

/** Nobody is at work on the folder, here or on a device that is connected, or waits for it. */
export function isQuiet(host: FolderHost): boolean {
  return !host.closing && host.folder.quiet
}

export class Compaction {
  readonly #options: CompactionOptions
  readonly #watched = new Map<FolderId, Watched>()

  constructor(options: CompactionOptions) {
    this.#options = options
  }

  /** The state of a folder may have changed. Called often. */
  note(host: FolderHost): void {
    let watched = this.#watched.get(host.id)
    if (watched === undefined) this.#watched.set(host.id, (watched = { stop: null, notBefore: 0 }))
    if (host.folder.activity !== 'idle') {
      watched.stop?.()
      watched.stop = null
    } else this.#lookLater(host, watched)
  }

  close(): void {
    for (const { stop } of this.#watched.values()) stop?.()
    this.#watched.clear()
  }

  #lookLater(host: FolderHost, watched: Watched): void {
    if (watched.stop !== null || host.closing || host.own.length < watched.notBefore || !mayBeOutgrown(host)) return
    watched.stop = this.#options.clock.after(REST_MS + randomInt(APART_MS), () => this.#look(host))
  }

  #look(host: FolderHost): void {
    const watched = this.#watched.get(host.id)
    if (watched === undefined) return
    watched.stop = null
    if (!isQuiet(host)) return this.#lookLater(host, watched)
    const { length } = host.own
    watched.notBefore = length * LOOK_AGAIN
    this.#isDue(host, length).then(
      (isDue) => {
        if (!isDue || !isQuiet(host)) return
        watched.notBefore = 0
        this.#options.compact(host)
      },
      () => undefined // The index was closed meanwhile.
    )
  }

  async #isDue({ index }: FolderHost, length: number): Promise<boolean> {
    let count = 0
    for await (const rows of index.all()) count += rows.length
    if (!isOutgrown(length, count, index.totals)) return false
    const { bavail, bsize } = await statfs(this.#options.storeDir)
    return bavail * bsize > FREE_BYTES + 4 * count * STATEMENT_BYTES
  }
}

/** Without counting the tombstones. */
function mayBeOutgrown({ own, index }: FolderHost): boolean {
  const { totals } = index
  return isOutgrown(own.length, totals.files + totals.directories, totals)
}

/**
 * A drive only grows: what it said of a path stays when it says something else. Once what counts no more outweighs the rest, a new
 * drive takes over and states the tree as it is, with the same writer and counter (R1); the old one is retired (retired.ts).
 */
import { randomInt } from 'node:crypto'
import { statfs } from 'node:fs/promises'
import type { Clock, FolderActivity, FolderIndex, Totals } from './ports.ts'
import { averageChunk } from './sync/content.ts'
import type { Entry } from './sync/entry.ts'
import type { FolderId } from './sync/ids.ts'

/** The reason of such a rotation. */
export const COMPACTION = 'compaction'
/** So long nothing was stated; a user who goes on working is not disturbed. What other devices do meanwhile, compaction too, is no unrest. */
const REST_MS = 10_000
/** The devices of a group state the same changes, so their drives are outgrown at the same time: each waits up to so much longer. */
const APART_MS = 5_000
/** The rest is over but somebody is at work: looked at again after this, and up to as much longer. */
const BUSY_MS = 1_500
/** A statement in a drive (measured: 470 to 630 bytes). */
const STATEMENT_BYTES = 500
/** A block that no statement names any more: its reference, and its share of the tree (measured: 158 bytes). */
const BLOCK_BYTES = 160
/** Less is not worth a new drive. */
const MIN_DEAD_BYTES = 1024 * 1024
/** A new drive reads all content again, so what is dead may have this share of it: what the store may cost at all. */
const SHARE_OF_CONTENT = 0.005
/** With more the folder would not sync for more than a moment (4.5 s a GiB on two busy cores): the new drive goes on with its blobs. */
const MAX_READ_BYTES = 4 * 1024 ** 3
/** A folder that was looked at and found well is looked at again when its drive is so much longer. */
const LOOK_AGAIN = 1.1
/** Both drives are there for a moment, with what RocksDB needs to tidy up. */
const FREE_BYTES = 256 * 1024 * 1024

/** What is seen of a folder's host here. */
export interface Outgrowing {
  readonly id: FolderId
  readonly closing: boolean
  readonly own: { readonly length: number; readonly blobsLength: number }
  readonly index: Pick<FolderIndex, 'totals' | 'all'>
  readonly folder: { readonly activity: FolderActivity; readonly quiet: boolean }
}

export interface CompactionOptions<Host> {
  readonly clock: Clock
  /** Where the store is. */
  readonly freeBytes: () => Promise<number>
  /** Nobody is at work on the folder, here or on a device that is connected, or waits for it. Not while a drive is made for it either. */
  readonly isQuiet: (host: Host) => boolean
  /** A new drive takes over, `anew` with a new blobs core, for which all content is read again; it may turn out that this is not the moment. */
  readonly compact: (host: Host, anew: boolean) => void
  /** A whole number below this one. */
  readonly random?: (below: number) => number
}

interface Watched<Host> {
  readonly host: Host
  stop: (() => void) | null
  /** Of its drive, when it was last seen to have grown. */
  length: number
  /** Its drive is not looked at before it has this length. */
  notBefore: number
}

/** What a drive of `length` blocks says no more is more than what it says. `rows`: paths that it speaks of, tombstones included. */
export function isOutgrown(length: number, rows: number, { bytes }: Pick<Totals, 'bytes'>): boolean {
  const dead = (length - rows) * STATEMENT_BYTES
  return dead > Math.max(rows * STATEMENT_BYTES, bytes * SHARE_OF_CONTENT, MIN_DEAD_BYTES)
}

export async function freeBytesAt(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory)
  return bavail * bsize
}

export class Compaction<Host extends Outgrowing> {
  readonly #options: CompactionOptions<Host>
  readonly #random: (below: number) => number
  readonly #watched = new Map<FolderId, Watched<Host>>()

  constructor(options: CompactionOptions<Host>) {
    this.#options = options
    this.#random = options.random ?? randomInt
  }

  /** The state of a folder may have changed. Called often. */
  note(host: Host): void {
    const { length } = host.own
    let watched = this.#watched.get(host.id)
    if (watched?.host !== host) {
      watched?.stop?.()
      this.#watched.set(host.id, (watched = { host, stop: null, length, notBefore: 0 }))
    }
    if (watched.length !== length) {
      watched.length = length
      watched.stop?.()
      watched.stop = null
    }
    if (host.folder.activity === 'idle') this.#lookLater(watched, REST_MS, APART_MS)
  }

  close(): void {
    for (const { stop } of this.#watched.values()) stop?.()
    this.#watched.clear()
  }

  #lookLater(watched: Watched<Host>, ms: number, apartMs: number): void {
    const { host } = watched
    if (watched.stop !== null || host.closing || host.own.length < watched.notBefore || !mayBeOutgrown(host)) return
    watched.stop = this.#options.clock.after(ms + this.#random(apartMs), () => this.#look(watched))
  }

  #look(watched: Watched<Host>): void {
    const { host } = watched
    watched.stop = null
    if (host.closing || this.#watched.get(host.id) !== watched) return
    if (!this.#options.isQuiet(host)) return this.#lookLater(watched, BUSY_MS, BUSY_MS)
    const { length } = host.own
    watched.notBefore = length * LOOK_AGAIN
    this.#due(host, length).then(
      (due) => {
        if (due === null) return
        watched.notBefore = 0
        if (!host.closing && this.#options.isQuiet(host)) this.#options.compact(host, due === 'anew')
        // Who is disturbed in the last moment tries again; with a new drive there is a new host.
        this.#lookLater(watched, REST_MS, APART_MS)
      },
      () => undefined // The index was closed meanwhile.
    )
  }

  /** beside: the blobs stay. Null: it is not worth it, or there is no room. */
  async #due({ index, own }: Host, length: number): Promise<'beside' | 'anew' | null> {
    let count = 0
    let blocks = 0
    for await (const rows of index.all()) {
      count += rows.length
      for (const { row } of rows) blocks += blocksOf(row.entry)
    }
    if (!isOutgrown(length, count, index.totals)) return null
    if ((await this.#options.freeBytes()) <= FREE_BYTES + 4 * count * STATEMENT_BYTES) return null
    return hasDeadBlobs(own.blobsLength, blocks, count, index.totals) && index.totals.bytes <= MAX_READ_BYTES ? 'anew' : 'beside'
  }
}

/** What the blobs core holds of contents that are no more is more than it may cost. `blocks`: of those that are, about; `rows`: statements. */
export function hasDeadBlobs(length: number, blocks: number, rows: number, { bytes }: Pick<Totals, 'bytes'>): boolean {
  return (length - blocks) * BLOCK_BYTES > Math.max(rows * STATEMENT_BYTES, bytes * SHARE_OF_CONTENT, MIN_DEAD_BYTES)
}

/** About: how a content is cut is in its list. Equal contents have the same ones. */
function blocksOf(entry: Entry): number {
  return entry.kind === 'file' && entry.size > 0 ? Math.max(1, Math.round(entry.size / averageChunk(entry.size))) : 0
}

/** Without counting the tombstones. */
function mayBeOutgrown({ own, index }: Outgrowing): boolean {
  const { totals } = index
  return isOutgrown(own.length, totals.files + totals.directories, totals)
}

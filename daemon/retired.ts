/**
 * Drives of which nothing is needed any more: our own after a new one took over, and those of other devices whose next generation is
 * complete (R14). They are not opened again, though the group's records name them still, and their data is deleted:
 * first listed durably, then deleted, then said to be so. What is listed but not deleted is deleted after the next start.
 *
 *     state/retired.json   { "version": 1, "drives": [ { key, deleted } ] }
 */
import { z } from 'zod'
import { writeDurably } from '../base/durable-file.ts'
import { messageOf } from '../base/errors.ts'
import type { Clock, Log } from './ports.ts'
import { readDocument } from './read-document.ts'
import { parseDriveKey, type DriveKey } from './sync/ids.ts'

const key = z.custom<DriveKey>((value) => parseDriveKey(value) !== null, 'must be 64 hex digits')
const row = z.strictObject({ key, deleted: z.boolean() })
const document = z.strictObject({ version: z.literal(1), drives: z.array(row) })

type Row = z.infer<typeof row>

/** The oldest go: one that the group still names would be read once more and retired again. */
const MAX_RETIRED = 2000
/** The stack keeps a closed core open for some eight seconds: it is asked for again after this, which costs a look. */
const SWEEP_MS = 2_000
/** Something holds a drive open that nobody needs: the next start deletes it. */
const MAX_SWEEPS = 120

export interface RetiredOptions {
  readonly file: string
  readonly clock: Clock
  readonly log: Log
  /** False: not yet. */
  readonly deleteDrive: (drive: DriveKey) => Promise<boolean>
  /** Something was deleted: the room goes back to the disk. */
  readonly compact: () => Promise<void>
}

export class Retired {
  readonly #options: RetiredOptions
  #rows: readonly Row[]
  #stop: (() => void) | null = null
  #sweepsLeft = 0
  #sweeping: Promise<void> = Promise.resolve()
  #closed = false

  constructor(options: RetiredOptions) {
    this.#options = options
    // What is not there is retired again when it is met.
    this.#rows = readDocument(options.file, document)?.drives ?? []
    if (this.#pending.length > 0) this.#sweepUntilDone()
  }

  has(drive: DriveKey): boolean {
    return this.#rows.some((known) => known.key === drive)
  }

  /** The drive is closed. Durable when it returns. */
  add(drive: DriveKey): void {
    if (this.has(drive)) return
    this.#save([...this.#rows, { key: drive, deleted: false }])
    this.#sweepUntilDone()
  }

  /** Waits for a deletion under way. */
  async close(): Promise<void> {
    this.#closed = true
    this.#stop?.()
    await this.#sweeping
  }

  get #pending(): readonly Row[] {
    return this.#rows.filter((known) => !known.deleted)
  }

  #sweepUntilDone(): void {
    this.#sweepsLeft = MAX_SWEEPS
    this.#sweepLater()
  }

  #sweepLater(): void {
    if (this.#closed || this.#stop !== null || this.#sweepsLeft === 0 || this.#pending.length === 0) return
    this.#sweepsLeft--
    const stop = this.#options.clock.after(SWEEP_MS, () => {
      const left = this.#sweepsLeft
      this.#sweeping = this.#sweep().then(
        () => this.#swept(stop),
        (error: unknown) => {
          this.#options.log.warn({ error: messageOf(error) }, 'a drive that is not needed any more could not be deleted')
          // The next start, or the next drive that is retired, tries it again.
          if (this.#sweepsLeft === left) this.#sweepsLeft = 0
          this.#swept(stop)
        }
      )
    })
    this.#stop = stop
  }

  /** What was added during the sweep is in the next one. */
  #swept(stop: () => void): void {
    if (this.#stop === stop) this.#stop = null
    this.#sweepLater()
  }

  async #sweep(): Promise<void> {
    const { deleteDrive, compact, log } = this.#options
    let deleted = 0
    for (const { key: drive } of this.#pending) {
      if (this.#closed || !(await deleteDrive(drive))) continue
      this.#save(this.#rows.map((known) => (known.key === drive ? { ...known, deleted: true } : known)))
      deleted++
    }
    if (deleted === 0 || this.#closed) return
    log.info({ drives: deleted }, 'drives that are not needed any more were deleted')
    await compact()
  }

  #save(rows: readonly Row[]): void {
    const kept = rows.slice(-MAX_RETIRED)
    writeDurably(this.#options.file, `${JSON.stringify({ version: 1, drives: kept })}\n`)
    this.#rows = kept
  }
}

/**
 * What the peer of one connection said of folders: its heads and its last report of each. It may speak of a folder before this device
 * hears of it (its own key for it is still on the way), and says nothing twice; so a little of that is kept as well.
 */
import type { DriveHead, FolderReport } from '../ports.ts'
import type { FolderId } from '../sync/ids.ts'
import { MAX_FOLDERS, MAX_SPOKEN_BYTES, MAX_UNKNOWN_BYTES, SPOKEN_ROW_BYTES } from './limits.ts'

interface Row {
  report: FolderReport | null
  reportBytes: number
  heads: readonly DriveHead[] | null
  headsBytes: number
}

export class Spoken {
  readonly #isKnown: (folder: FolderId) => boolean
  readonly #rows = new Map<FolderId, Row>()
  /** Those of no folder of this group when they came, oldest first. */
  readonly #unknown = new Set<FolderId>()
  #bytes = 0
  #unknownBytes = 0

  /** `isKnown`: a folder of this group. */
  constructor(isKnown: (folder: FolderId) => boolean) {
    this.#isKnown = isKnown
  }

  report(folder: FolderId): FolderReport | null {
    return this.#rows.get(folder)?.report ?? null
  }

  /** Null: it has not said what it holds. */
  heads(folder: FolderId): readonly DriveHead[] | null {
    return this.#rows.get(folder)?.heads ?? null
  }

  /** `bytes`: of the message. */
  setReport(folder: FolderId, report: FolderReport, bytes: number): void {
    const row = this.#take(folder)
    row.report = report
    row.reportBytes = bytes
    this.#put(folder, row)
    if (this.#bytes > MAX_SPOKEN_BYTES && !this.#unknown.has(folder)) this.#strip(row)
  }

  setHeads(folder: FolderId, heads: readonly DriveHead[], bytes: number): void {
    const row = this.#take(folder)
    row.heads = heads
    row.headsBytes = bytes
    this.#put(folder, row)
    if (this.#bytes <= MAX_SPOKEN_BYTES || this.#unknown.has(folder)) return
    this.#makeRoom()
    if (this.#bytes > MAX_SPOKEN_BYTES) throw new Error('heads of more drives than a group has')
  }

  /** Heads come before the lists of reports, which an honest device may have many of. */
  #makeRoom(): void {
    for (const [folder, row] of this.#rows) {
      if (this.#bytes <= MAX_SPOKEN_BYTES) return
      if (!this.#unknown.has(folder)) this.#strip(row)
    }
  }

  /** What matters of a report is kept, without its lists. */
  #strip(row: Row): void {
    if (row.report === null || row.reportBytes === 0) return
    const { state, dirty, drive, length } = row.report
    this.#bytes -= row.reportBytes
    row.report = { state, dirty, drive, length, blocked: [] }
    row.reportBytes = 0
  }

  #take(folder: FolderId): Row {
    const row = this.#rows.get(folder)
    if (row === undefined) return { report: null, reportBytes: 0, heads: null, headsBytes: 0 }
    if (this.#unknown.delete(folder)) this.#unknownBytes -= bytesOf(row)
    else this.#bytes -= bytesOf(row)
    return row
  }

  #put(folder: FolderId, row: Row): void {
    this.#rows.set(folder, row)
    if (this.#isKnown(folder)) this.#bytes += bytesOf(row)
    else {
      this.#unknown.add(folder)
      this.#unknownBytes += bytesOf(row)
      this.#trim()
    }
    if (this.#rows.size - this.#unknown.size > MAX_FOLDERS) throw new Error('speaks of more folders than a group has')
  }

  #trim(): void {
    for (const folder of this.#unknown) {
      if (this.#unknownBytes <= MAX_UNKNOWN_BYTES) return
      const row = this.#rows.get(folder) as Row
      this.#unknown.delete(folder)
      this.#unknownBytes -= bytesOf(row)
      if (this.#isKnown(folder)) this.#bytes += bytesOf(row)
      else this.#rows.delete(folder)
    }
  }
}

function bytesOf(row: Row): number {
  return SPOKEN_ROW_BYTES + row.reportBytes + row.headsBytes
}

/**
 * Tells the other devices how this folder stands. What they wait for (no longer dirty, length, blocked, paused, halted) goes at once. That a
 * cycle runs, or that something here is to be looked at, is told only if it goes on for a moment: a report wakes the others, and costs the one
 * change that it speaks of a part of its way.
 */
import type { FolderPeers, FolderReport } from '../ports.ts'
import type { Notices } from './notices.ts'

/** Shorter cycles are nobody's business. */
const BUSY_MS = 250
/** What is looked at within this time is told with what came of it. Who asks whether all has settled here waits for the look itself. */
const DIRTY_MS = 20

export class Reporter {
  readonly #peers: Pick<FolderPeers, 'report'>
  readonly #notices: Notices
  readonly #read: () => FolderReport
  #sent = ''
  #sentPlain = ''

  constructor(peers: Pick<FolderPeers, 'report'>, notices: Notices, read: () => FolderReport) {
    this.#peers = peers
    this.#notices = notices
    this.#read = read
  }

  /** Call whenever something may have changed. */
  tell(): void {
    const report = this.#read()
    const text = plain(report)
    if (text !== this.#sentPlain && report.dirty && plain(atRest(report)) === this.#sentPlain) this.#notices.once('dirty', DIRTY_MS, () => this.#sendChanged())
    else if (text !== this.#sentPlain) this.#send(report)
    else if (JSON.stringify(report) !== this.#sent) this.#notices.once('report', BUSY_MS, () => this.#sendChanged())
  }

  #sendChanged(): void {
    const report = this.#read()
    if (JSON.stringify(report) !== this.#sent) this.#send(report)
  }

  #send(report: FolderReport): void {
    this.#sent = JSON.stringify(report)
    this.#sentPlain = plain(report)
    this.#peers.report(report)
  }
}

/** As if there were nothing to look at. */
function atRest(report: FolderReport): FolderReport {
  return { ...report, dirty: false, state: report.state === 'scanning' ? 'idle' : report.state }
}

/** Without the difference between a running cycle and rest. */
function plain(report: FolderReport): string {
  return JSON.stringify({ ...report, state: report.state === 'syncing' ? 'idle' : report.state })
}

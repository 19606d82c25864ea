/**
 * Tells the other devices how this folder stands. What they wait for (dirty, length, blocked, paused, halted) goes at once. That a
 * cycle runs is told only if it goes on for a moment: a report wakes the others, and a cycle that finds nothing to do must not.
 */
import type { FolderPeers, FolderReport } from '../ports.ts'
import type { Notices } from './notices.ts'

/** Shorter cycles are nobody's business. */
const BUSY_MS = 250

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
    if (plain(report) !== this.#sentPlain) this.#send(report)
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

/** Without the difference between a running cycle and rest. */
function plain(report: FolderReport): string {
  return JSON.stringify({ ...report, state: report.state === 'syncing' ? 'idle' : report.state })
}

/** Where a folder stands, towards the user and the other devices: what it needs, who is in sync, which conflict copies there are. */
import type { FolderActivity, FolderReport, Problem, Totals } from '../ports.ts'
import { isConflictPath } from '../sync/conflict.ts'
import type { DeviceId, PathKey } from '../sync/ids.ts'
import type { FolderContext, PathChange } from './context.ts'
import type { Need } from './tally.ts'

export interface FolderStatus {
  readonly state: FolderActivity
  readonly reason: { readonly code: string; readonly message: string } | null
  readonly totals: Totals
  readonly need: Need
  readonly problems: readonly Problem[]
  readonly devices: readonly { readonly device: DeviceId; readonly need: Need; readonly inSync: boolean }[]
  readonly receivedBytes: number
}

/** `unavailable`: no connected device could give its bytes. */
export type Divergence = 'blocked-here' | 'blocked-there' | 'unavailable' | 'under-way'

export class Standing {
  readonly #context: FolderContext
  readonly #conflicts = new Set<PathKey>()
  /** Of devices that may be away now. */
  readonly #lastReports = new Map<DeviceId, FolderReport>()

  constructor(context: FolderContext) {
    this.#context = context
  }

  /** Paths of live conflict copies here. */
  get conflicts(): ReadonlySet<PathKey> {
    return this.#conflicts
  }

  /** Beside the cycle. */
  async loadConflicts(): Promise<void> {
    const { ports, signal } = this.#context
    try {
      for await (const paths of ports.index.copies()) {
        if (signal.aborted) return
        for (const path of paths) this.#conflicts.add(path)
      }
    } catch (error) {
      if (!signal.aborted) ports.log.warn({ error: String(error) }, 'conflict copies could not be listed')
    }
  }

  noteChanges(changes: readonly PathChange[]): void {
    for (const { path, kind } of changes) {
      if (!isConflictPath(path)) continue
      if (kind === 'tombstone') this.#conflicts.delete(path)
      else this.#conflicts.add(path)
    }
  }

  /** The other devices that have the folder, as far as their drives are known. */
  devices(): DeviceId[] {
    return [...new Set(this.#context.ports.remotes.list().map((drive) => drive.device))]
  }

  status(activity: FolderActivity, reason: FolderStatus['reason'], settled: boolean): FolderStatus {
    const { ports, tally, blocked, problems, misstated, fetcher } = this.#context
    return {
      state: activity,
      reason,
      totals: ports.index.totals,
      need: tally.need(blocked.keys()),
      problems: [...problems.values(), ...misstated.of(ports.remotes.list())],
      devices: this.devices().map((device) => ({ device, need: tally.deviceNeed(device), inSync: settled && this.inSyncWith(device) })),
      receivedBytes: fetcher.receivedBytes
    }
  }

  /** R37, while nothing is dirty here: their tree equals ours at every path that is not blocked, as of a report without doubt. */
  inSyncWith(device: DeviceId): boolean {
    const { ports, tally, blocked } = this.#context
    const connected = ports.peers.connected().find((peer) => peer.device === device)?.report ?? null
    if (connected !== null) this.#lastReports.set(device, connected)
    const report = this.#lastReports.get(device) ?? null
    if (report === null || report.dirty) return false
    const known = report.drive === null ? null : ports.index.remoteCheckpoint(report.drive)
    if ((known?.length ?? 0) !== report.length) return false
    const theirs = new Set(report.blocked)
    for (const path of tally.divergentPaths(device)) if (!blocked.has(path) && !theirs.has(path)) return false
    return true
  }

  /** Paths at which the device differs from us. */
  divergentWith(device: DeviceId): PathKey[] {
    return [...this.#context.tally.divergentPaths(device)]
  }

  /** Why a path may differ from a connected device. */
  whyDivergent(path: PathKey): Divergence {
    const { ports, blocked, fetcher } = this.#context
    if (blocked.has(path)) return 'blocked-here'
    if (fetcher.isRefused(path)) return 'unavailable'
    return ports.peers.connected().some(({ report }) => report?.blocked.includes(path) === true) ? 'blocked-there' : 'under-way'
  }
}

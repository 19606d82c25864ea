/**
 * `p2psync sync` (R38): scan here, ask each connected device to scan and settle, wait until all trees are equal. One that has not
 * reported the folder is asked as well: it may have come to it a moment ago, and then what it lacks is no less lacking. One whose
 * connection ends meanwhile is given the time to come back that a change of the network or a restart takes, and is asked anew.
 */
import type { Folder } from '../folder.ts'
import type { Clock, FolderPeers } from '../ports.ts'
import { messageOf } from '../../base/errors.ts'
import type { DeviceId, PathKey } from '../sync/ids.ts'
import type { Divergence } from './standing.ts'

export interface SyncOutcome {
  readonly outcome: 'in-sync' | 'blocked' | 'timeout' | 'no-peers' | 'halted' | 'decision'
  /** Paths at which a connected device differs. */
  readonly blocked: readonly { readonly path: PathKey; readonly why: Divergence }[]
  readonly devices: readonly DeviceId[]
  readonly paused: readonly DeviceId[]
}

/** `absent`: it does not have the folder. */
type Asked = Map<DeviceId, 'asked' | 'settled' | 'absent'>

/** For a device that had the folder when its connection ended. After a change of the network the next one takes some 8 s (decisions/0034). */
const RETURN_MS = 15_000

/** `signal` is the time-out. Never rejects for what the user can be told. */
export async function syncWithPeers(folder: Folder, peers: FolderPeers, clock: Clock, signal: AbortSignal): Promise<SyncOutcome> {
  const asked: Asked = new Map()
  const dropped = new Dropped(clock, () => folder.peersChanged())
  const end = new AbortController()
  const stop = AbortSignal.any([signal, end.signal])
  dropped.look(peers)
  try {
    await folder.scan(false, signal)
    for (;;) {
      const active = activePeers(peers)
      for (const device of dropped.look(peers)) asked.delete(device)
      for (const device of active) if (asked.get(device) === 'absent') asked.delete(device)
      for (const device of [...active, ...silentPeers(peers)]) ask(folder, peers, device, asked, stop)
      const outOfTime = signal.aborted || folder.closing
      const outcome = judge(folder, peers, active, asked, !outOfTime && dropped.any)
      if (outcome !== null) return outcome
      if (outOfTime) return result(folder, peers, 'timeout', active)
      await folder.nextNotice(stop)
    }
  } catch {
    return result(folder, peers, 'timeout', activePeers(peers))
  } finally {
    end.abort()
    dropped.forget()
  }
}

/** Who had the folder and was connected before, and may come back. */
class Dropped {
  readonly #clock: Clock
  readonly #onGivenUp: () => void
  readonly #seen = new Set<DeviceId>()
  /** How each wait is ended. */
  readonly #missing = new Map<DeviceId, () => void>()

  constructor(clock: Clock, onGivenUp: () => void) {
    this.#clock = clock
    this.#onGivenUp = onGivenUp
  }

  get any(): boolean {
    return this.#missing.size > 0
  }

  /** Who is missing since the last look. */
  look(peers: FolderPeers): DeviceId[] {
    const connected = new Set(peers.connected().map(({ device }) => device))
    for (const device of connected) this.#end(device)
    const gone = [...this.#seen].filter((device) => !connected.has(device))
    this.#seen.clear()
    for (const device of activePeers(peers)) this.#seen.add(device)
    for (const device of gone) this.#missing.set(device, this.#clock.after(RETURN_MS, () => this.#giveUp(device)))
    return gone
  }

  forget(): void {
    for (const device of [...this.#missing.keys()]) this.#end(device)
  }

  #giveUp(device: DeviceId): void {
    this.#missing.delete(device)
    this.#onGivenUp()
  }

  #end(device: DeviceId): void {
    this.#missing.get(device)?.()
    this.#missing.delete(device)
  }
}

function ask(folder: Folder, peers: FolderPeers, device: DeviceId, asked: Asked, signal: AbortSignal): void {
  if (asked.has(device)) return
  asked.set(device, 'asked')
  peers.settle(device, signal).then(
    () => {
      asked.set(device, 'settled')
      folder.peersChanged()
    },
    (error: unknown) => {
      // Who never spoke of the folder and refuses does not have it, unless it speaks of it yet.
      if (silentPeers(peers).includes(device)) asked.set(device, 'absent')
      // The device went or refused; asked again at the next sign of it while time is left.
      else asked.delete(device)
      if (!signal.aborted) folder.noteSettleFailure(device, messageOf(error))
    }
  )
}

/** `missing`: somebody may come back yet. */
function judge(folder: Folder, peers: FolderPeers, active: readonly DeviceId[], asked: Asked, missing: boolean): SyncOutcome | null {
  const activity = folder.activity
  // It may be paused while it is waited for: then nothing is compared any more.
  if (activity === 'paused') return result(folder, peers, 'halted', active)
  if (activity === 'halted' || activity === 'decision') return result(folder, peers, activity, active)
  if (missing || silentPeers(peers).some((device) => asked.get(device) !== 'absent')) return null
  if (active.length === 0) return folder.hasOthers ? null : result(folder, peers, 'in-sync', active)
  if (active.some((device) => asked.get(device) !== 'settled')) return null
  if (peers.connected().some((peer) => peer.report?.state === 'decision')) return result(folder, peers, 'decision', active)
  if (!active.every((device) => folder.inSyncWith(device))) return null
  const blocked = result(folder, peers, 'in-sync', active).blocked
  return result(folder, peers, blocked.length > 0 ? 'blocked' : 'in-sync', active)
}

function activePeers(peers: FolderPeers): DeviceId[] {
  return peers
    .connected()
    .filter((peer) => peer.report !== null && peer.report.state !== 'paused')
    .map((peer) => peer.device)
}

/** Connected, and without a word of this folder so far. */
function silentPeers(peers: FolderPeers): DeviceId[] {
  return peers.connected().flatMap((peer) => (peer.report === null ? [peer.device] : []))
}

function result(folder: Folder, peers: FolderPeers, outcome: SyncOutcome['outcome'], active: readonly DeviceId[]): SyncOutcome {
  const paused = peers.connected().filter((peer) => peer.report?.state === 'paused').map((peer) => peer.device)
  const paths = [...new Set(active.flatMap((device) => folder.divergentWith(device)))].sort()
  const blocked = paths.map((path) => ({ path, why: folder.whyDivergent(path) }))
  const final = outcome === 'timeout' && active.length === 0 && paused.length === 0 && folder.hasOthers ? 'no-peers' : outcome
  return { outcome: final, blocked, devices: active, paused }
}

/**
 * `p2psync sync` (R38): scan here, ask each connected device to scan and settle, wait until all trees are equal. One that has not
 * reported the folder is asked as well: it may have come to it a moment ago, and then what it lacks is no less lacking.
 */
import type { Folder } from '../folder.ts'
import type { FolderPeers } from '../ports.ts'
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

/** `signal` is the time-out. Never rejects for what the user can be told. */
export async function syncWithPeers(folder: Folder, peers: FolderPeers, signal: AbortSignal): Promise<SyncOutcome> {
  const asked: Asked = new Map()
  const end = new AbortController()
  const stop = AbortSignal.any([signal, end.signal])
  try {
    await folder.scan(false, signal)
    for (;;) {
      const active = activePeers(peers)
      for (const device of active) if (asked.get(device) === 'absent') asked.delete(device)
      for (const device of [...active, ...silentPeers(peers)]) ask(folder, peers, device, asked, stop)
      const outcome = judge(folder, peers, active, asked)
      if (outcome !== null) return outcome
      if (signal.aborted || folder.closing) return result(folder, peers, 'timeout', active)
      await folder.nextNotice(stop)
    }
  } catch {
    return result(folder, peers, 'timeout', activePeers(peers))
  } finally {
    end.abort()
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

function judge(folder: Folder, peers: FolderPeers, active: readonly DeviceId[], asked: Asked): SyncOutcome | null {
  const activity = folder.activity
  // It may be paused while it is waited for: then nothing is compared any more.
  if (activity === 'paused') return result(folder, peers, 'halted', active)
  if (activity === 'halted' || activity === 'decision') return result(folder, peers, activity, active)
  if (silentPeers(peers).some((device) => asked.get(device) !== 'absent')) return null
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

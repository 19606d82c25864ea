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

/** One question to one device. `absent`: it does not have the folder. */
interface Question {
  state: 'asked' | 'settled' | 'absent'
}
type Asked = Map<DeviceId, Question>

/** For a device that had the folder and reports it no more. After a change of the network the next connection takes some 8 s (decisions/0034). */
const RETURN_MS = 15_000

/** `signal` is the time-out. Never rejects for what the user can be told. */
export async function syncWithPeers(folder: Folder, peers: FolderPeers, clock: Clock, signal: AbortSignal): Promise<SyncOutcome> {
  const asked: Asked = new Map()
  const missing = new Missing(peers, clock, () => folder.peersChanged())
  const end = new AbortController()
  const stop = AbortSignal.any([signal, end.signal])
  missing.look()
  try {
    await folder.scan(false, signal)
    for (;;) {
      const active = activePeers(peers)
      // What it answered before was of another connection, or of a folder that it has paused or left since.
      for (const device of missing.look()) asked.delete(device)
      for (const device of active) if (asked.get(device)?.state === 'absent') asked.delete(device)
      for (const device of [...active, ...silentPeers(peers)]) ask(folder, peers, device, asked, stop)
      const outOfTime = signal.aborted || folder.closing
      const outcome = judge(folder, peers, active, asked, !outOfTime && missing.any)
      if (outcome !== null) return outcome
      if (outOfTime) return result(folder, peers, 'timeout', active)
      await folder.nextNotice(stop)
    }
  } catch {
    return result(folder, peers, 'timeout', activePeers(peers))
  } finally {
    end.abort()
    missing.forget()
  }
}

/**
 * Who has the folder, was compared with, and reports it no more: not connected, or again and still opening its folders. Each has its
 * time to come back; who paused, or has left the folder or the group, is not waited for.
 */
class Missing {
  readonly #peers: FolderPeers
  readonly #clock: Clock
  readonly #onGivenUp: () => void
  #active = new Set<DeviceId>()
  /** How each wait is ended. */
  readonly #waits = new Map<DeviceId, () => void>()

  constructor(peers: FolderPeers, clock: Clock, onGivenUp: () => void) {
    this.#peers = peers
    this.#clock = clock
    this.#onGivenUp = onGivenUp
  }

  get any(): boolean {
    return this.#waits.size > 0
  }

  /** Who is not compared with any more since the last look. */
  look(): DeviceId[] {
    const reporting = new Set(this.#peers.connected().flatMap(({ device, report }) => (report === null ? [] : [device])))
    for (const device of this.#waits.keys()) if (reporting.has(device) || !this.#peers.has(device)) this.#end(device)
    const active = new Set(activePeers(this.#peers))
    const gone = [...this.#active].filter((device) => !active.has(device))
    this.#active = active
    for (const device of gone) if (!reporting.has(device) && this.#peers.has(device)) this.#waits.set(device, this.#clock.after(RETURN_MS, () => this.#giveUp(device)))
    return gone
  }

  forget(): void {
    for (const device of this.#waits.keys()) this.#end(device)
  }

  #giveUp(device: DeviceId): void {
    this.#waits.delete(device)
    this.#onGivenUp()
  }

  #end(device: DeviceId): void {
    this.#waits.get(device)?.()
    this.#waits.delete(device)
  }
}

function ask(folder: Folder, peers: FolderPeers, device: DeviceId, asked: Asked, signal: AbortSignal): void {
  if (asked.has(device)) return
  const question: Question = { state: 'asked' }
  asked.set(device, question)
  /** It is asked again at the next sign of it, or soon, while time is left. */
  const askAgain = (why: string): void => {
    if (asked.get(device) === question) asked.delete(device)
    folder.noteSettleFailure(device, why)
  }
  peers.settle(device, signal).then(
    () => {
      question.state = 'settled'
      // It came to the folder a moment ago, or is leaving it: the next answer tells.
      if (isSilent(peers, device) && !peers.has(device)) askAgain('it is not known to have the folder')
      else folder.peersChanged()
    },
    (error: unknown) => {
      // Who does not speak of the folder and refuses does not have it, unless it speaks of it yet.
      const isAbsent = isSilent(peers, device)
      if (isAbsent) question.state = 'absent'
      if (signal.aborted) return
      if (isAbsent) folder.noteSettleFailure(device, messageOf(error))
      else askAgain(messageOf(error))
    }
  )
}

/** `missing`: somebody may come back yet. */
function judge(folder: Folder, peers: FolderPeers, active: readonly DeviceId[], asked: Asked, missing: boolean): SyncOutcome | null {
  const activity = folder.activity
  // It may be paused while it is waited for: then nothing is compared any more.
  if (activity === 'paused') return result(folder, peers, 'halted', active)
  if (activity === 'halted' || activity === 'decision') return result(folder, peers, activity, active)
  if (silentPeers(peers).some((device) => asked.get(device)?.state !== 'absent')) return null
  if (active.length === 0) return missing || folder.hasOthers ? null : result(folder, peers, 'in-sync', active)
  if (active.some((device) => asked.get(device)?.state !== 'settled')) return null
  if (peers.connected().some((peer) => peer.report?.state === 'decision')) return result(folder, peers, 'decision', active)
  if (missing || !active.every((device) => folder.inSyncWith(device))) return null
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

function isSilent(peers: FolderPeers, device: DeviceId): boolean {
  return silentPeers(peers).includes(device)
}

function result(folder: Folder, peers: FolderPeers, outcome: SyncOutcome['outcome'], active: readonly DeviceId[]): SyncOutcome {
  const paused = peers.connected().filter((peer) => peer.report?.state === 'paused').map((peer) => peer.device)
  const paths = [...new Set(active.flatMap((device) => folder.divergentWith(device)))].sort()
  const blocked = paths.map((path) => ({ path, why: folder.whyDivergent(path) }))
  const final = outcome === 'timeout' && active.length === 0 && paused.length === 0 && folder.hasOthers ? 'no-peers' : outcome
  return { outcome: final, blocked, devices: active, paused }
}

/**
 * Which cores may replicate on which connection (R17). Both ends say what they hold of every drive of a folder; only where that can
 * be one history is the core attached. Evidence of a fork is handed to the daemon, and that drive stays off this connection.
 * Knows keys, lengths and hashes only; drive/ does the attaching.
 */
import type { DriveHead, Log } from '../ports.ts'
import type { DeviceId, DriveKey, FolderId } from '../sync/ids.ts'
import type { Group, GroupDrive } from './group.ts'
import type { PeerLink } from './link.ts'
import type { Runs } from './runs.ts'

export interface ForkEvidence {
  readonly drive: DriveKey
  readonly folder: FolderId
  /** Who showed it. */
  readonly device: DeviceId
  /** The drive is ours: rotate. */
  readonly own: boolean
  /** longer: our own log is longer elsewhere. different: not the same at the common length. fork: another fork counter. */
  readonly reason: 'longer' | 'different' | 'fork'
  /** Up to this length both are the same (R19); only known of our own drives. */
  readonly common: number
  readonly local: DriveHead
  readonly remote: DriveHead
}

/** The daemon's side. */
export interface ReplicationHandlers {
  /** What is held here of every drive of a folder; empty if the folder is not here. */
  heads(folder: FolderId): Promise<readonly DriveHead[]>
  /** Tree hash of a drive's db core at a length, hex, or null if it cannot be told. */
  treeHash(drive: DriveKey, length: number): Promise<string | null>
  /** Start replicating this drive's db core on the stream. False: not now (`refresh` asks again). */
  attach(drive: DriveKey, stream: PeerLink['stream'], link: PeerLink): boolean | Promise<boolean>
  /** No more replication of this drive on the stream. */
  detach?(drive: DriveKey, stream: PeerLink['stream']): void
  onForkEvidence(evidence: ForkEvidence): void | Promise<void>
}

export class Replication {
  readonly #group: Group
  readonly #handlers: ReplicationHandlers
  readonly #log: Log
  readonly #runs: Runs | null
  readonly #told = new WeakMap<PeerLink, Map<FolderId, string>>()
  readonly #turns = new WeakMap<PeerLink, Promise<void>>()

  constructor(group: Group, handlers: ReplicationHandlers, log: Log, runs: Runs | null) {
    this.#group = group
    this.#handlers = handlers
    this.#log = log
    this.#runs = runs
  }

  /** Tells the peer what is held here where that is news (or `again`), and attaches what may be. */
  async update(link: PeerLink, folders: readonly FolderId[], again = false): Promise<void> {
    const turn = (this.#turns.get(link) ?? Promise.resolve()).then(async () => {
      for (const folder of folders) await this.#updateFolder(link, folder, again)
    })
    // The next turn must not fail because this one did.
    this.#turns.set(link, turn.catch((error: unknown) => this.#log.warn({ err: error }, 'attaching drives failed')))
    await this.#turns.get(link)
  }

  async #updateFolder(link: PeerLink, id: FolderId, again: boolean): Promise<void> {
    const folder = this.#group.folder(id)
    if (folder === null || !link.ready) return
    const told = this.#told.get(link) ?? new Map<FolderId, string>()
    this.#told.set(link, told)
    const drives = folder.drives.map((drive) => drive.driveKey).join()
    const heads = await this.#handlers.heads(id)
    if (again || told.get(id) !== drives) {
      told.set(id, drives)
      link.sendHeads(id, heads)
    }
    const remote = link.heads(id)
    if (remote === null) return
    for (const drive of folder.drives) {
      if (!link.ready) continue
      const ofDrive = (head: DriveHead): boolean => head.key === drive.driveKey
      await this.#tryAttach(link, id, drive, heads.find(ofDrive), remote.filter(ofDrive))
    }
  }

  /** Also compares what is attached: a peer that opened the folder later may only now say what it holds. */
  async #tryAttach(link: PeerLink, folder: FolderId, drive: GroupDrive, local: DriveHead | undefined, remotes: readonly DriveHead[]): Promise<void> {
    const key = drive.driveKey
    const own = drive.device === this.#group.self.id
    for (const remote of local === undefined ? [] : remotes) {
      const reason = await forkOf(own, local as DriveHead, remote, (length) => this.#handlers.treeHash(key, length))
      if (reason === null) continue
      await this.#evidence(link, { drive: key, folder, device: link.device, own, reason, common: 0, local: local as DriveHead, remote })
      return
    }
    if (!link.ready || link.attached.has(key)) return
    link.attached.add(key)
    // Before Hypercore hears what the peer has, and asks for it block by block.
    this.#runs?.hold(key)
    if (!(await this.#handlers.attach(key, link.stream, link))) link.attached.delete(key)
    this.#runs?.follow(key)
  }

  /** The owner must know how far its log is good before it goes on; a peer that ends meanwhile says it again when it is back. */
  async #evidence(link: PeerLink, evidence: ForkEvidence): Promise<void> {
    const { drive, local, remote } = evidence
    link.attached.delete(drive)
    this.#handlers.detach?.(drive, link.stream)
    this.#runs?.follow(drive)
    const isCommon = async (length: number): Promise<boolean> => {
      const [ours, theirs] = await Promise.all([this.#handlers.treeHash(drive, length), link.treeHash(drive, length)])
      return ours !== null && ours === theirs
    }
    const common = evidence.own ? await commonLength(Math.min(local.length, remote.length), isCommon) : 0
    await this.#handlers.onForkEvidence({ ...evidence, common })
  }
}

/** The greatest length at which both logs have one tree hash. */
export async function commonLength(most: number, isCommon: (length: number) => Promise<boolean>): Promise<number> {
  if (most > 0 && (await isCommon(most))) return most
  let [low, high] = [0, most]
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (await isCommon(middle)) low = middle
    else high = middle
  }
  return low
}

/** Why two heads cannot be of one history, or null. The shorter side cannot tell; the longer one does. */
export async function forkOf(
  own: boolean,
  local: DriveHead,
  remote: DriveHead,
  treeHash: (length: number) => Promise<string | null>,
): Promise<ForkEvidence['reason'] | null> {
  if (remote.length === 0) return null
  if (own && remote.length > local.length) return 'longer'
  if (local.length === 0) return null
  if (local.fork !== remote.fork) return 'fork'
  if (local.length < remote.length) return null
  const ours = local.length === remote.length ? local.treeHash : await treeHash(remote.length)
  return ours === null || ours === remote.treeHash ? null : 'different'
}

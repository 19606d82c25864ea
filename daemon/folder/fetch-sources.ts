/** What the lanes of the fetcher share: this device's own copies of chunks, the devices that may have others, and asking them. */
import { messageOf } from '../../base/errors.ts'
import type { Disk, FileAttributes, FolderIndex, FolderPeer, FolderPeers, FoundObject, Log } from '../ports.ts'
import { chunkId, type Chunk, type ContentList } from '../sync/content.ts'
import type { ChunkId, ContentId, DeviceId, ObjectId } from '../sync/ids.ts'

/** A content that is being brought into staging. */
export interface Job {
  readonly cid: ContentId
  size: number
  /** Its only chunk; null where it has more than one, or none. */
  readonly chunk: Chunk | null
  /** Devices whose drives name it. */
  readonly sources: Set<DeviceId>
  state: 'queued' | 'active' | 'unavailable'
  /** What the first file that needs it will have, where that was known when it was foretold. */
  readonly likely?: FileAttributes
  /** The same, where it was known when it was asked for. */
  readonly wanted?: FileAttributes
  /** The last time that all were asked, nobody could give it; it may be under way once more. */
  refused?: true
}

export type ChunkPlaces = Extract<FoundObject, { readonly kind: 'chunk' }>['at']

export interface SourcePorts {
  /** Without `stageAll` each content is staged by itself. */
  readonly disk: Pick<Disk, 'stage' | 'read' | 'isStaged'> & Partial<Pick<Disk, 'stageAll' | 'foresee' | 'minChunk'>>
  readonly index: Pick<FolderIndex, 'content' | 'find' | 'row'>
  readonly peers: Pick<FolderPeers, 'connected' | 'want'>
  readonly log: Log
  readonly signal: AbortSignal
  /** Bytes of a content of one chunk that are about to be staged; they stay as they are. */
  verified?(chunk: ChunkId, data: Buffer): void
  /** Bytes of a chunk that came before they were asked for, verified; null mostly. */
  recent?(chunk: ChunkId): Buffer | null
}

/** Where a lane tells what became of its jobs. */
export interface Outcomes {
  received(bytes: number): void
  /** It is staged and sealed. */
  finished(job: Job, list: ContentList): void
  /** No connected device could give it. */
  unavailable(job: Job): void
  /** Somebody waits for it still. */
  isWanted(job: Job): boolean
  /** Nobody waited for it any more, so it was not brought to the end. */
  dropped(job: Job): void
}

export class Sources {
  readonly ports: SourcePorts

  constructor(ports: SourcePorts) {
    this.ports = ports
  }

  /** A verified copy of a chunk from the files of this device, or null. */
  async localChunk(chunk: Chunk): Promise<Buffer | null> {
    return await this.readFrom(await this.placesOf(chunk), chunk)
  }

  /** Where this device has a chunk, by what the index says. */
  async placesOf(chunk: Chunk): Promise<ChunkPlaces> {
    const found = await this.ports.index.find(chunk.id as string as ObjectId, 'chunk')
    return found?.kind === 'chunk' ? found.at : []
  }

  /** The first of these places that has it in truth. */
  async readFrom(places: ChunkPlaces, chunk: Chunk): Promise<Buffer | null> {
    for (const { place, offset } of places) {
      const data = await this.ports.disk.read(place, offset, chunk.length)
      if (data !== null && chunkId(data) === chunk.id) return data
    }
    return null
  }

  /** Connected devices: first those whose drives name one of these contents, then the rest. */
  candidates(jobs: readonly Job[]): DeviceId[] {
    const { named, others } = this.usable(jobs)
    return [...named, ...others]
  }

  /** Connected devices whose drives name one of these contents, and the others, which may have one all the same. */
  usable(jobs: readonly Job[]): { readonly named: readonly DeviceId[]; readonly others: readonly DeviceId[] } {
    const named = new Set(jobs.flatMap((job) => [...job.sources]))
    const usable = this.ports.peers.connected().filter(canGive)
    const devices = usable.map((peer) => peer.device)
    return { named: devices.filter((device) => named.has(device)), others: devices.filter((device) => !named.has(device)) }
  }

  /** @returns false if the connection went before all were answered. */
  async want(device: DeviceId, ids: readonly ObjectId[], take: (id: ObjectId, data: Buffer | null) => void, signal = this.ports.signal): Promise<boolean> {
    if (ids.length === 0) return true
    try {
      await this.ports.peers.want(device, ids, take, signal)
      return true
    } catch (error) {
      this.ports.log.debug({ device, error: messageOf(error) }, 'a request for chunks ended early')
      return false
    }
  }
}

/** It says what it does, and serves what it has. */
export function canGive({ report }: Pick<FolderPeer, 'report'>): boolean {
  return report !== null && report.state !== 'paused' && report.state !== 'halted'
}

/** Work that is waited for later: a failure before that is not an unhandled one. */
export function hold(work: Promise<void>[], started: Promise<void>): void {
  started.catch(() => undefined)
  work.push(started)
}

/** Waits for all, then throws the first failure: no write is left running. */
export async function allSettled(work: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(work)
  const failure = results.find((result) => result.status === 'rejected')
  if (failure !== undefined) throw failure.reason
}

/**
 * Brings contents into staging: first from what is already on this device, else from the devices that have them. Every chunk is
 * verified before it is written. Runs beside the cycle and only wakes it; the cycle applies.
 *
 * Two lanes: contents of one chunk are asked for many at a time in one `want`; larger ones a few at a time, each as a pipeline.
 */
import { setMaxListeners } from 'node:events'
import { MAX_WANT_BYTES, MAX_WANT_OBJECTS } from '../../base/limits.ts'
import { messageOf, errnoOf } from '../../base/errors.ts'
import type { Disk, FolderIndex, FolderPeers, Log, Problem, StagedFile } from '../ports.ts'
import { chunkId, contentId, contentList, decodeHeader, decodePage, pageId, type Chunk, type ContentList } from '../sync/content.ts'
import type { FileEntry } from '../sync/entry.ts'
import type { ContentId, DeviceId, ObjectId, PathKey } from '../sync/ids.ts'

export interface FetchRequest {
  readonly path: PathKey
  readonly entry: Pick<FileEntry, 'cid' | 'size' | 'chunk'>
  /** Devices whose drives name this content; others of the folder are asked after them. */
  readonly sources: readonly DeviceId[]
}

export interface FetcherPorts {
  readonly disk: Pick<Disk, 'stage' | 'read' | 'isStaged'>
  readonly index: Pick<FolderIndex, 'content' | 'find'>
  readonly peers: Pick<FolderPeers, 'connected' | 'want'>
  readonly log: Log
  readonly signal: AbortSignal
  /** While true nothing new is asked for; `peersChanged` goes on. */
  held?(): boolean
  /** The paths that asked for a content that is staged now. */
  staged(paths: readonly PathKey[]): void
  /** Staging itself failed (disk full, …): these paths are blocked for now. */
  failed(paths: readonly PathKey[], problem: Omit<Problem, 'path'>): void
  /** No connected device could give what these paths ask for. */
  unavailable?(paths: readonly PathKey[]): void
}

interface Job {
  readonly cid: ContentId
  readonly size: number
  readonly chunk: Chunk | null
  readonly sources: Set<DeviceId>
  state: 'queued' | 'active' | 'unavailable'
}

/** Large contents fetched at once. */
const LARGE_AT_ONCE = 3
/** Batches of small contents under way at once. */
const SMALL_AT_ONCE = 4
/** Wants in flight for one large content. */
const WANTS_AT_ONCE = 3
/** Bytes asked for in one want of a large content. */
const WANT_BYTES = 1024 * 1024
/** Bytes of small contents in one want. */
const SMALL_WANT_BYTES = MAX_WANT_BYTES / 4
const SMALL_WANT_OBJECTS = Math.min(512, MAX_WANT_OBJECTS)

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full; free space',
  EDQUOT: 'the quota is used up; free space',
  EROFS: 'the file system is read-only; mount it writable'
}

export class Fetcher {
  readonly #ports: FetcherPorts
  readonly #jobs = new Map<ContentId, Job>()
  readonly #lists = new Map<ContentId, ContentList>()
  readonly #wants = new Map<PathKey, ContentId>()
  readonly #askers = new Map<ContentId, Set<PathKey>>()
  readonly #small: Job[] = []
  readonly #large: Job[] = []
  #smallActive = 0
  #largeActive = 0
  #receivedBytes = 0

  constructor(ports: FetcherPorts) {
    this.#ports = ports
    // Each want under way listens, so more than Node's ten do at times; their number is bounded by the constants above.
    setMaxListeners(0, ports.signal)
  }

  /** Bytes received from other devices since the start. */
  get receivedBytes(): number {
    return this.#receivedBytes
  }

  get active(): number {
    return this.#smallActive + this.#largeActive
  }

  /** Contents that no connected device could give. */
  get unavailable(): number {
    let count = 0
    for (const job of this.#jobs.values()) if (job.state === 'unavailable') count++
    return count
  }

  /** Contents asked for and not staged yet, with those that a device may still give. */
  get open(): number {
    return this.#jobs.size
  }

  /** The list of a content that was staged and not yet consumed. */
  listOf(cid: ContentId): ContentList | null {
    return this.#lists.get(cid) ?? null
  }

  /** An apply used it up, or nobody wants it any more. */
  consumed(cid: ContentId): void {
    this.#lists.delete(cid)
  }

  stagedContents(): ReadonlySet<ContentId> {
    return new Set([...this.#lists.keys(), ...this.#jobs.keys()])
  }

  request(request: FetchRequest): void {
    const { cid, size, chunk } = request.entry
    let job = this.#jobs.get(cid)
    if (job === undefined) {
      job = { cid, size, chunk: chunk === undefined ? null : { id: chunk, length: size }, sources: new Set(), state: 'queued' }
      this.#jobs.set(cid, job)
      this.#enqueue(job)
    }
    this.claim(request.path, cid)
    for (const source of request.sources) {
      if (!job.sources.has(source) && job.state === 'unavailable') this.#enqueue(job)
      job.sources.add(source)
    }
    this.#pump()
  }

  /** The path needs this content and no other (null: none). What no path needs any more is dropped. */
  keep(path: PathKey, cid: ContentId | null): void {
    const old = this.#wants.get(path)
    if (old === undefined || old === cid) return
    this.#wants.delete(path)
    const askers = this.#askers.get(old)
    askers?.delete(path)
    if (askers === undefined || askers.size > 0) return
    this.#askers.delete(old)
    this.#lists.delete(old)
    this.#drop(old)
  }

  /** The path needs this content, which may be staged already: it is not dropped because another path gives it up. */
  claim(path: PathKey, cid: ContentId): void {
    this.keep(path, cid)
    this.#wants.set(path, cid)
    let askers = this.#askers.get(cid)
    if (askers === undefined) this.#askers.set(cid, (askers = new Set()))
    askers.add(path)
  }

  /** One that is under way ends by itself, and finds that nobody asks. */
  #drop(cid: ContentId): void {
    const job = this.#jobs.get(cid)
    if (job === undefined || job.state === 'active') return
    this.#jobs.delete(cid)
    const lane = isSmall(job) ? this.#small : this.#large
    const at = lane.indexOf(job)
    if (at !== -1) lane.splice(at, 1)
  }

  #unavailable(job: Job): void {
    const askers = this.#askers.get(job.cid)
    if (askers === undefined) {
      this.#jobs.delete(job.cid)
      return
    }
    job.state = 'unavailable'
    this.#ports.unavailable?.([...askers])
  }

  /** A device connected or reported: what could not be had may be had now. */
  peersChanged(): void {
    for (const job of this.#jobs.values()) if (job.state === 'unavailable') this.#enqueue(job)
    this.#pump()
  }

  #enqueue(job: Job): void {
    job.state = 'queued'
    if (isSmall(job)) this.#small.push(job)
    else this.#large.push(job)
  }

  #pump(): void {
    while (!this.#over && this.#smallActive < SMALL_AT_ONCE && this.#small.length > 0) this.#start(this.#takeSmall(), 'small')
    while (!this.#over && this.#largeActive < LARGE_AT_ONCE && this.#large.length > 0) this.#start(this.#large.splice(0, 1), 'large')
  }

  get #over(): boolean {
    return this.#ports.signal.aborted || this.#ports.held?.() === true
  }

  #takeSmall(): Job[] {
    let bytes = 0
    let count = 0
    while (count < this.#small.length && count < SMALL_WANT_OBJECTS && bytes < SMALL_WANT_BYTES) bytes += this.#small[count++]?.size ?? 0
    return this.#small.splice(0, count)
  }

  #start(jobs: Job[], lane: 'small' | 'large'): void {
    for (const job of jobs) job.state = 'active'
    if (lane === 'small') this.#smallActive++
    else this.#largeActive++
    const work = lane === 'small' ? this.#fetchSmall(jobs) : this.#fetchLarge(jobs)
    work
      .catch((error: unknown) => this.#jobsFailed(jobs, error))
      .finally(() => {
        if (lane === 'small') this.#smallActive--
        else this.#largeActive--
        this.#pump()
      })
  }

  #jobsFailed(jobs: readonly Job[], error: unknown): void {
    if (this.#ports.signal.aborted) return
    const left = jobs.filter((job) => this.#jobs.get(job.cid) === job)
    for (const job of left) this.#jobs.delete(job.cid)
    const code = errnoOf(error) ?? 'stage-failed'
    const paths = left.flatMap((job) => [...(this.#askers.get(job.cid) ?? [])])
    this.#ports.log.warn({ code, error: messageOf(error), paths: paths.length }, 'contents could not be staged')
    this.#ports.failed(paths, { code, message: `cannot stage new content (${code}): ${ADVICE[code] ?? `${messageOf(error)}; it is tried again later`}` })
  }

  // ---------------------------------------------------------------- small contents

  async #fetchSmall(jobs: readonly Job[]): Promise<void> {
    const left = new Map<ObjectId, Job>()
    const finished: Promise<void>[] = []
    for (const job of jobs) {
      const local = await this.#localSmall(job)
      if (local !== null) hold(finished, this.#stageSmall(job, local))
      else left.set((job.chunk as Chunk).id as string as ObjectId, job)
    }
    for (const device of this.#candidates(jobs)) {
      if (left.size === 0 || this.#ports.signal.aborted) break
      await this.#askSmall(device, left, finished)
    }
    await allSettled(finished)
    for (const job of left.values()) this.#unavailable(job)
  }

  async #localSmall(job: Job): Promise<Buffer | null> {
    if (job.chunk === null) return Buffer.alloc(0)
    return await this.#localChunk(job.chunk)
  }

  async #askSmall(device: DeviceId, left: Map<ObjectId, Job>, finished: Promise<void>[]): Promise<void> {
    const take = (id: ObjectId, data: Buffer | null): void => {
      const job = left.get(id)
      if (job === undefined || data === null || chunkId(data) !== job.chunk?.id || data.length !== job.size) return
      left.delete(id)
      this.#receivedBytes += data.length
      hold(finished, this.#stageSmall(job, data))
    }
    await this.#want(device, [...left.keys()], take)
  }

  async #stageSmall(job: Job, data: Buffer): Promise<void> {
    const list = contentList(0, job.chunk === null ? [] : [job.chunk])
    const staged = await this.#ports.disk.stage(list)
    try {
      if (data.length > 0 && staged.missing().length > 0) await staged.write(0, data)
      await staged.seal()
    } finally {
      await staged.release()
    }
    this.#finished(job, list)
  }

  // ---------------------------------------------------------------- large contents

  async #fetchLarge(jobs: readonly Job[]): Promise<void> {
    const job = jobs[0] as Job
    const list = await this.#list(job)
    if (list === null) return this.#unavailable(job)
    const staged = await this.#ports.disk.stage(list)
    try {
      const left = await this.#fromHere(staged)
      for (const device of this.#candidates([job])) {
        if (left.size === 0 || this.#ports.signal.aborted) break
        await this.#askChunks(device, staged, left)
      }
      if (left.size > 0) return this.#unavailable(job)
      await staged.seal()
    } finally {
      await staged.release()
    }
    this.#finished(job, list)
  }

  /** The list proves itself: header by content id, pages by the header. */
  async #list(job: Job): Promise<ContentList | null> {
    const known = this.#lists.get(job.cid) ?? (await this.#ports.index.content(job.cid))?.list ?? null
    if (known !== null) return known
    for (const device of this.#candidates([job])) {
      const list = await this.#askList(device, job)
      if (list !== null) return list
      if (this.#ports.signal.aborted) return null
    }
    return null
  }

  async #askList(device: DeviceId, job: Job): Promise<ContentList | null> {
    const id = job.cid as string as ObjectId
    const bytes = (await this.#wantAll(device, [id], (_id, data) => contentId(data) === job.cid)).get(id)
    const header = bytes === undefined ? null : decodeHeader(bytes)
    if (header === null || header.size !== job.size) return null
    const pages = await this.#wantAll(device, header.pages, (page, data) => pageId(data) === page)
    const chunks: Chunk[] = []
    for (const page of header.pages) {
      const rows = pages.get(page)
      const decoded = rows === undefined ? null : decodePage(rows, header.sizeClass)
      if (decoded === null) return null
      chunks.push(...decoded)
    }
    const list = contentList(header.sizeClass, chunks)
    return list.cid === job.cid ? list : null
  }

  /** Fills what this device already has, under whatever name; returns what is left, by chunk id with all its offsets. */
  async #fromHere(staged: StagedFile): Promise<Map<ObjectId, { chunk: Chunk; offsets: number[] }>> {
    const left = new Map<ObjectId, { chunk: Chunk; offsets: number[] }>()
    for (const { chunk, offset } of staged.missing()) {
      const id = chunk.id as string as ObjectId
      const waiting = left.get(id)
      if (waiting !== undefined) {
        waiting.offsets.push(offset)
        continue
      }
      const data = await this.#localChunk(chunk)
      if (data !== null) await staged.write(offset, data)
      else left.set(id, { chunk, offsets: [offset] })
    }
    return left
  }

  async #askChunks(device: DeviceId, staged: StagedFile, left: Map<ObjectId, { chunk: Chunk; offsets: number[] }>): Promise<void> {
    const groups = groupBySize([...left.values()].map((item) => item.chunk))
    let next = 0
    let lost = false
    const lane = async (): Promise<void> => {
      while (next < groups.length && !lost && !this.#over) {
        const ids = (groups[next++] as Chunk[]).map((chunk) => chunk.id as string as ObjectId)
        const answered = await this.#askGroup(device, staged, left, ids)
        if (!answered) lost = true
      }
    }
    const results = await Promise.allSettled(Array.from({ length: WANTS_AT_ONCE }, lane))
    const failure = results.find((result) => result.status === 'rejected')
    if (failure !== undefined) throw failure.reason
  }

  /** @returns false if the device cannot be asked any more. */
  async #askGroup(device: DeviceId, staged: StagedFile, left: Map<ObjectId, { chunk: Chunk; offsets: number[] }>, ids: readonly ObjectId[]): Promise<boolean> {
    const writes: Promise<void>[] = []
    const answered = await this.#want(device, ids, (id, data) => {
      const item = left.get(id)
      if (item === undefined || data === null || chunkId(data) !== item.chunk.id) return
      left.delete(id)
      this.#receivedBytes += data.length
      for (const offset of item.offsets) hold(writes, staged.write(offset, data))
    })
    await allSettled(writes)
    return answered
  }

  // ---------------------------------------------------------------- shared

  /** A verified copy of a chunk from the files of this device, or null. */
  async #localChunk(chunk: Chunk): Promise<Buffer | null> {
    const found = await this.#ports.index.find(chunk.id as string as ObjectId)
    if (found === null || found.kind !== 'chunk') return null
    for (const { place, offset } of found.at) {
      const data = await this.#ports.disk.read(place, offset, chunk.length)
      if (data !== null && chunkId(data) === chunk.id) return data
    }
    return null
  }

  /** Connected devices: first those whose drives name one of these contents, then the rest. */
  #candidates(jobs: readonly Job[]): DeviceId[] {
    const named = new Set(jobs.flatMap((job) => [...job.sources]))
    const usable = this.#ports.peers.connected().filter((peer) => peer.report !== null && peer.report.state !== 'paused' && peer.report.state !== 'halted')
    const devices = usable.map((peer) => peer.device)
    return [...devices.filter((device) => named.has(device)), ...devices.filter((device) => !named.has(device))]
  }

  async #wantAll(device: DeviceId, ids: readonly ObjectId[], valid: (id: ObjectId, data: Buffer) => boolean): Promise<Map<ObjectId, Buffer>> {
    const got = new Map<ObjectId, Buffer>()
    await this.#want(device, ids, (id, data) => {
      if (data !== null && valid(id, data)) got.set(id, data)
    })
    return got
  }

  /** @returns false if the connection went before all were answered. */
  async #want(device: DeviceId, ids: readonly ObjectId[], take: (id: ObjectId, data: Buffer | null) => void): Promise<boolean> {
    if (ids.length === 0) return true
    try {
      await this.#ports.peers.want(device, ids, take, this.#ports.signal)
      return true
    } catch (error) {
      this.#ports.log.debug({ device, error: messageOf(error) }, 'a request for chunks ended early')
      return false
    }
  }

  #finished(job: Job, list: ContentList): void {
    this.#jobs.delete(job.cid)
    const askers = this.#askers.get(job.cid)
    if (askers === undefined) return
    this.#lists.set(job.cid, list)
    this.#ports.staged([...askers])
  }
}

function isSmall(job: Job): boolean {
  return job.size === 0 || job.chunk !== null
}

function groupBySize(chunks: readonly Chunk[]): Chunk[][] {
  const groups: Chunk[][] = []
  let group: Chunk[] = []
  let bytes = 0
  for (const chunk of chunks) {
    if (group.length > 0 && bytes + chunk.length > WANT_BYTES) {
      groups.push(group)
      group = []
      bytes = 0
    }
    group.push(chunk)
    bytes += chunk.length
  }
  if (group.length > 0) groups.push(group)
  return groups
}

/** Work that is waited for later: a failure before that is not an unhandled one. */
function hold(work: Promise<void>[], started: Promise<void>): void {
  started.catch(() => undefined)
  work.push(started)
}

/** Waits for all, then throws the first failure: no write is left running. */
async function allSettled(work: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(work)
  const failure = results.find((result) => result.status === 'rejected')
  if (failure !== undefined) throw failure.reason
}

/**
 * Brings contents into staging: first from what is already on this device, else from the devices that have them. Every chunk is
 * verified before it is written. Runs beside the cycle and only wakes it; the cycle applies.
 *
 * Here is who asks for what, and what becomes of it. Two lanes do the work: fetch-small.ts and fetch-large.ts.
 */
import { setMaxListeners } from 'node:events'
import { messageOf, errnoOf } from '../../base/errors.ts'
import type { FileAttributes, Foretold, Problem } from '../ports.ts'
import type { ContentList } from '../sync/content.ts'
import type { FileEntry } from '../sync/entry.ts'
import type { ContentId, DeviceId, PathKey } from '../sync/ids.ts'
import { LARGE_AT_ONCE, LargeLane } from './fetch-large.ts'
import { isSmall, SMALL_AT_ONCE, SmallLane, takeSmall } from './fetch-small.ts'
import { Sources, type Job, type Outcomes, type SourcePorts } from './fetch-sources.ts'

export interface FetchRequest {
  readonly path: PathKey
  readonly entry: Pick<FileEntry, 'cid' | 'size' | 'chunk'> & Partial<FileAttributes>
  /** Devices whose drives name this content; others of the folder are asked after them. */
  readonly sources: readonly DeviceId[]
}

/** A content that is going to be needed, as far as that is known of it. */
export type Hint = Foretold & Pick<FetchRequest['entry'], 'chunk'> & Pick<Job, 'likely' | 'wanted'>

export interface FetcherPorts extends SourcePorts {
  /** While true nothing new is asked for; `peersChanged` goes on. */
  held?(): boolean
  /** The paths that asked for a content that is staged now. */
  staged(paths: readonly PathKey[]): void
  /** Staging itself failed (disk full, …): these paths are blocked for now. */
  failed(paths: readonly PathKey[], problem: Omit<Problem, 'path'>): void
  /** Nothing is on its way any more, and something that was foretold is not wanted: a cycle may tidy up. */
  untidy?(): void
  /** Some of what was open may be no more, for whatever reason. */
  ended?(): void
  /** No connected device could give what these paths ask for. */
  unavailable?(paths: readonly PathKey[]): void
}

/** What an errno alone does not say. */
const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full; free space',
  EDQUOT: 'the quota is used up; free space',
  EROFS: 'the file system is read-only; mount it writable'
}

export class Fetcher {
  readonly #ports: FetcherPorts
  readonly #jobs = new Map<ContentId, Job>()
  /** Those that no connected device could give. */
  readonly #missing = new Set<Job>()
  readonly #lists = new Map<ContentId, ContentList>()
  readonly #wants = new Map<PathKey, ContentId>()
  readonly #askers = new Map<ContentId, Set<PathKey>>()
  /** Contents that no path needs yet, with the device that said first that it will state them. */
  readonly #foretold = new Map<ContentId, DeviceId>()
  readonly #small: Job[] = []
  readonly #large: Job[] = []
  readonly #smallLane: SmallLane
  readonly #largeLane: LargeLane
  #smallActive = 0
  #largeActive = 0
  #pumping = false
  #receivedBytes = 0
  #untidy = false

  constructor(ports: FetcherPorts) {
    this.#ports = ports
    // Each want under way listens, so more than Node's ten do at times; their number is bounded by the constants above.
    setMaxListeners(0, ports.signal)
    const sources = new Sources(ports)
    const outcomes: Outcomes = {
      received: (bytes) => {
        this.#receivedBytes += bytes
      },
      finished: (job, list) => this.#finished(job, list),
      unavailable: (job) => this.#unavailable(job),
      isWanted: (job) => this.#isWanted(job.cid),
      dropped: (job) => this.#dropped(job)
    }
    this.#smallLane = new SmallLane(sources, outcomes)
    this.#largeLane = new LargeLane(sources, outcomes, () => this.#over)
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
    return this.#missing.size
  }

  /** Those, and the ones that are asked for once more. */
  get refused(): number {
    let count = 0
    for (const job of this.#jobs.values()) if (job.refused === true) count++
    return count
  }

  /** The path waits for bytes that no connected device could give when they were asked. */
  isRefused(path: PathKey): boolean {
    const cid = this.#wants.get(path)
    return cid !== undefined && this.#jobs.get(cid)?.refused === true
  }

  /** Contents asked for and not staged yet, with those that a device may still give. */
  get open(): number {
    return this.#jobs.size
  }

  /** Contents that are here and not applied yet. */
  get staged(): number {
    return this.#lists.size
  }

  /** The list of a content that was staged and not yet consumed. */
  listOf(cid: ContentId): ContentList | null {
    return this.#lists.get(cid) ?? null
  }

  /** An apply used it up, or nobody wants it any more. */
  consumed(cid: ContentId): void {
    this.#lists.delete(cid)
    this.#foretold.delete(cid)
  }

  stagedContents(): ReadonlySet<ContentId> {
    return new Set([...this.#lists.keys(), ...this.#jobs.keys()])
  }

  request(request: FetchRequest): void {
    const { cid } = request.entry
    const job = this.#confirmed(request.entry) ?? this.#add(hintOf(request.entry))
    this.claim(request.path, cid)
    for (const source of request.sources) {
      if (!job.sources.has(source) && job.state === 'unavailable') this.#enqueue(job)
      job.sources.add(source)
    }
    this.#pumpSoon()
  }

  /** The job for a content that is stated. One that was only foretold may not have been as it is stated: anybody can say anything. */
  #confirmed({ cid, size, chunk }: FetchRequest['entry']): Job | null {
    const job = this.#jobs.get(cid)
    if (job === undefined || this.#askers.has(cid)) return job ?? null
    if (job.state !== 'active' && (job.size !== size || (job.chunk?.id ?? undefined) !== chunk)) {
      this.#forgetJob(job)
      return null
    }
    job.size = size
    if (job.state === 'unavailable') this.#enqueue(job)
    return job
  }

  #add({ cid, size, chunk, likely, wanted }: Hint): Job {
    const known = { ...(likely === undefined ? {} : { likely }), ...(wanted === undefined ? {} : { wanted }) }
    const job: Job = { cid, size, chunk: chunk === undefined ? null : { id: chunk, length: size }, sources: new Set(), state: 'queued', ...known }
    this.#jobs.set(cid, job)
    this.#enqueue(job)
    return job
  }

  /** A device says that it is about to state this content: it is brought here, once, and kept until `forgetForetold`. */
  foretell(content: Hint, device: DeviceId): void {
    const { cid } = content
    const isNews = !this.#foretold.has(cid)
    if (isNews) this.#foretold.set(cid, device)
    if (isNews && !this.#askers.has(cid) && !this.#lists.has(cid) && !this.#jobs.has(cid)) this.#add(content)
    this.#jobs.get(cid)?.sources.add(device)
    this.#pumpSoon()
  }

  get foretold(): ReadonlyMap<ContentId, DeviceId> {
    return this.#foretold
  }

  forgetForetold(cid: ContentId): void {
    this.#foretold.delete(cid)
    if (this.#askers.has(cid)) return
    if (this.#lists.has(cid) || this.#jobs.has(cid)) this.#untidy = true
    this.#lists.delete(cid)
    this.#drop(cid)
  }

  /** Nothing stands in staging but what is wanted. */
  tidied(): void {
    this.#untidy = false
  }

  #isWanted(cid: ContentId): boolean {
    return this.#askers.has(cid) || this.#foretold.has(cid)
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
    if (this.#foretold.has(old)) return
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
    if (job !== undefined && job.state !== 'active') this.#forgetJob(job)
  }

  #forgetJob(job: Job): void {
    this.#jobs.delete(job.cid)
    this.#missing.delete(job)
    const lane = isSmall(job) ? this.#small : this.#large
    const at = lane.indexOf(job)
    if (at !== -1) lane.splice(at, 1)
  }

  #unavailable(job: Job): void {
    if (!this.#isWanted(job.cid)) {
      this.#jobs.delete(job.cid)
      return
    }
    job.state = 'unavailable'
    job.refused = true
    this.#missing.add(job)
    this.#ports.unavailable?.([...(this.#askers.get(job.cid) ?? [])])
  }

  /** It was given up because no path needed it; by now one may. */
  #dropped(job: Job): void {
    if (this.#askers.has(job.cid)) this.#enqueue(job)
    else this.#jobs.delete(job.cid)
  }

  /** A device connected or reported: what could not be had may be had now. */
  peersChanged(): void {
    for (const job of [...this.#missing]) this.#enqueue(job)
    this.#pump()
  }

  #enqueue(job: Job): void {
    job.state = 'queued'
    this.#missing.delete(job)
    if (isSmall(job)) this.#small.push(job)
    else this.#large.push(job)
  }

  /** What is asked for one by one, and in one go, is fetched together. */
  #pumpSoon(): void {
    if (this.#pumping) return
    this.#pumping = true
    queueMicrotask(() => {
      this.#pumping = false
      this.#pump()
    })
  }

  #pump(): void {
    while (!this.#over && this.#smallActive < SMALL_AT_ONCE && this.#small.length > 0) this.#start(takeSmall(this.#small), 'small')
    while (!this.#over && this.#largeActive < LARGE_AT_ONCE && this.#large.length > 0) this.#start(this.#large.splice(0, 1), 'large')
  }

  get #over(): boolean {
    return this.#ports.signal.aborted || this.#ports.held?.() === true
  }

  #start(jobs: Job[], lane: 'small' | 'large'): void {
    for (const job of jobs) job.state = 'active'
    if (lane === 'small') this.#smallActive++
    else this.#largeActive++
    const work = lane === 'small' ? this.#smallLane.fetch(jobs) : this.#fetchLarge(jobs[0] as Job)
    work
      .catch((error: unknown) => this.#jobsFailed(jobs, error))
      .finally(() => {
        if (lane === 'small') this.#smallActive--
        else this.#largeActive--
        this.#pump()
        this.#ports.ended?.()
        if (this.active === 0 && this.#untidy) this.#ports.untidy?.()
      })
  }

  async #fetchLarge(job: Job): Promise<void> {
    // What is here already, under whatever name, need not be brought on a mere word.
    if (!this.#askers.has(job.cid) && (await this.#ports.index.content(job.cid)) !== null) return this.#dropped(job)
    await this.#largeLane.fetch(job, this.#lists.get(job.cid) ?? null)
  }

  #jobsFailed(jobs: readonly Job[], error: unknown): void {
    if (this.#ports.signal.aborted) return
    const left = jobs.filter((job) => this.#jobs.get(job.cid) === job)
    for (const job of left) this.#jobs.delete(job.cid)
    const code = errnoOf(error) ?? 'stage-failed'
    const paths = left.flatMap((job) => [...(this.#askers.get(job.cid) ?? [])])
    if (paths.length === 0) return
    this.#ports.log.warn({ code, error: messageOf(error), paths: paths.length }, 'contents could not be staged')
    this.#ports.failed(paths, { code, message: `cannot stage new content (${code}): ${reasonOf(error)}; it is tried again by itself` })
  }

  #finished(job: Job, list: ContentList): void {
    this.#jobs.delete(job.cid)
    if (!this.#isWanted(job.cid)) return
    this.#lists.set(job.cid, list)
    const askers = this.#askers.get(job.cid)
    if (askers !== undefined) this.#ports.staged([...askers])
  }
}

function hintOf({ cid, size, chunk, mode, mtime }: FetchRequest['entry']): Hint {
  const wanted = mode === undefined || mtime === undefined ? {} : { wanted: { mode, mtime } }
  return { cid, size, ...(chunk === undefined ? {} : { chunk }), ...wanted }
}

/** A disk that refused before it was asked of the system (no room for it) says in full what is missing. */
function reasonOf(error: unknown): string {
  const isOfSystem = error instanceof Error && 'syscall' in error
  return (isOfSystem ? ADVICE[errnoOf(error) ?? ''] : undefined) ?? messageOf(error)
}

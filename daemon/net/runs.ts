/**
 * How the logs of the others' drives grow here: in runs, from one device that offers them, as long as every device that a drive is
 * attached to speaks of runs. Hypercore's own replication is held back for that time, and takes over at once where a run does not
 * come, is refused, or cannot be given. What a log of ours grows by in a small change is sent unasked. Knows keys and lengths only;
 * drive/ reads and proves.
 */
import { messageOf } from '../../base/errors.ts'
import type { BlockRun, DriveRuns, FreshFile, LogState, Log } from '../ports.ts'
import type { DeviceId, DriveKey } from '../sync/ids.ts'
import { MAX_LATE_RUNS, MAX_OFFERS, MAX_RUNS, PUSH_BLOCKS, PUSH_BYTES } from './limits.ts'
import type { PeerLink } from './link.ts'
import { LateError } from './run-lane.ts'
import type { Ahead, Offer, Push } from './run-protocol.ts'

/** What a device is about to state in this drive. Not verified: the bytes are what their hash says. */
export type TakeFresh = (device: DeviceId, drive: DriveKey, files: readonly FreshFile[]) => void

/** Of one connection. */
interface Standing {
  /** What the device has. */
  readonly offers: Map<DriveKey, Offer>
  /** Up to where it was told that we have it. */
  readonly told: Map<DriveKey, number>
  /** Up to where it was sent the blocks. */
  readonly given: Map<DriveKey, number>
  /** It is not asked until the log here is this long. */
  readonly refused: Map<DriveKey, number>
  /** How many times in a row it was late. */
  readonly late: Map<DriveKey, number>
}

/** Until what it offered is here by other ways, or for as long as it is connected. */
interface Refusal {
  readonly until: 'had' | 'never'
  /** It was late with what it offered, of this length. */
  readonly late?: number
  readonly why: string
}

export class Runs {
  readonly drives: DriveRuns
  readonly #takeFresh: TakeFresh | null
  readonly #links: ReadonlySet<PeerLink>
  readonly #log: Log
  readonly #standings = new Map<PeerLink, Standing>()
  /** Under way, or waiting for their turn. */
  readonly #busy = new Set<DriveKey>()
  readonly #waiting: DriveKey[] = []
  /** What a device offered and was late with, by drive, whatever connection it was on: a new one would hold the drive once more. */
  readonly #late = new Map<DeviceId, Map<DriveKey, number>>()
  #running = 0

  /** @param links all that live, whether they know of runs or not. */
  constructor(drives: DriveRuns, takeFresh: TakeFresh | null, links: ReadonlySet<PeerLink>, log: Log) {
    this.drives = drives
    this.#takeFresh = takeFresh
    this.#links = links
    this.#log = log
    drives.watch((drive) => this.follow(drive))
  }

  /** The device at the other end knows of runs. */
  opened(link: PeerLink): void {
    this.#standings.set(link, { offers: new Map(), told: new Map(), given: new Map(), refused: new Map(this.#late.get(link.device)), late: new Map() })
    for (const drive of link.attached) this.follow(drive)
  }

  /** It does not, or does not any more. */
  closed(link: PeerLink): void {
    this.#standings.delete(link)
    for (const drive of link.attached) this.follow(drive)
  }

  onOffer(link: PeerLink, offer: Offer): void {
    if (this.#noteOffer(link, offer)) this.follow(offer.drive)
  }

  /** Taken in if it goes on where the log here ends; otherwise it is an offer like any other. */
  onPush(link: PeerLink, push: Push): void {
    const { drive, fork, start, blocks } = push
    if (!this.#noteOffer(link, { drive, fork, length: start + blocks.length })) return
    const state = this.drives.state(drive)
    const fits = state !== null && state.signer && state.length === start && state.fork === fork && blocks.length > 0
    if (!fits || this.#busy.has(drive) || !link.attached.has(drive) || !this.#speaksOf(link, drive, state)) {
      this.follow(drive)
      return
    }
    this.#busy.add(drive)
    void this.#takePushed(link, push).finally(() => {
      this.#busy.delete(drive)
      this.follow(drive)
    })
  }

  /** Bytes that our drive is about to state go to those who are pushed the statements right after (and nothing but bytes: R16). */
  ahead(drive: DriveKey, files: readonly FreshFile[]): void {
    const state = this.drives.state(drive)
    if (state === null || !state.author) return
    for (const link of this.#attachedTo(drive)) if (!link.isBehind && this.#isNear(link, drive, state.length)) link.sendAhead({ drive, files })
  }

  onAhead(link: PeerLink, { drive, files }: Ahead): void {
    if (link.attached.has(drive)) this.#takeFresh?.(link.device, drive, files)
  }

  onGiven(link: PeerLink, drive: DriveKey, end: number): void {
    this.#standings.get(link)?.given.set(drive, end)
  }

  #noteOffer(link: PeerLink, offer: Offer): boolean {
    const offers = this.#standings.get(link)?.offers
    if (offers === undefined) return false
    if (offers.size >= MAX_OFFERS && !offers.has(offer.drive)) throw new Error('offers of too many drives')
    offers.set(offer.drive, offer)
    return true
  }

  /** The drive grew, or was attached somewhere or taken from there: what is held, told and asked for is decided anew. */
  follow(drive: DriveKey): void {
    const state = this.drives.state(drive)
    if (state === null) return
    this.hold(drive)
    for (const link of this.#attachedTo(drive)) this.#tell(link, drive, state)
    if (this.#busy.has(drive) || this.#source(drive, state) === null) return
    this.#busy.add(drive)
    this.#waiting.push(drive)
    this.#work()
  }

  /** Holds Hypercore's replication back, or lets it go on; for a drive that is about to be attached. */
  hold(drive: DriveKey): void {
    const state = this.drives.state(drive)
    if (state === null) return
    const links = this.#attachedTo(drive)
    const speaking = links.filter((link) => this.#speaksOf(link, drive, state))
    const offered = Math.max(0, ...speaking.map((link) => this.#offered(link, drive)))
    // One that gives no runs is not needed where another one has as much.
    const isNeeded = (link: PeerLink): boolean => !speaking.includes(link) && (!this.#standings.has(link) || this.#offered(link, drive) > offered)
    this.drives.hold(drive, speaking.length > 0 && !links.some(isNeeded))
  }

  #offered(link: PeerLink, drive: DriveKey): number {
    return this.#standings.get(link)?.offers.get(drive)?.length ?? 0
  }

  #attachedTo(drive: DriveKey): PeerLink[] {
    return [...this.#links].filter((link) => !link.closed && link.attached.has(drive))
  }

  #speaksOf(link: PeerLink, drive: DriveKey, state: LogState): boolean {
    const standing = this.#standings.get(link)
    if (standing === undefined || (standing.refused.get(drive) ?? 0) > state.length) return false
    // Another fork is Hypercore's own business.
    return (standing.offers.get(drive)?.fork ?? state.fork) === state.fork
  }

  #tell(link: PeerLink, drive: DriveKey, { length, fork, whole, author }: LogState): void {
    const standing = this.#standings.get(link)
    if (standing === undefined || !whole || length === 0) return
    const { told, given } = standing
    const offered = this.#offered(link, drive)
    if ((told.get(drive) ?? 0) >= length || offered >= length) return
    told.set(drive, length)
    if (author && this.#isNear(link, drive, length)) {
      const had = this.#had(link, drive)
      given.set(drive, length)
      void this.#push(link, drive, fork, had, length)
    } else link.offerRun({ drive, fork, length })
  }

  /** Up to where the device has our log, or will have. */
  #had(link: PeerLink, drive: DriveKey): number {
    return Math.max(this.#standings.get(link)?.given.get(drive) ?? 0, this.#offered(link, drive))
  }

  #isNear(link: PeerLink, drive: DriveKey, length: number): boolean {
    const had = this.#had(link, drive)
    return had > 0 && length - had <= PUSH_BLOCKS
  }

  /** Never rejects. Two that overtake each other end as offers. */
  async #push(link: PeerLink, drive: DriveKey, fork: number, start: number, length: number): Promise<void> {
    const run = await this.drives.read(drive, { fork, start, signer: false }).catch((error: unknown) => {
      this.#log.debug({ drive: drive.slice(0, 12), reason: messageOf(error) }, 'cannot read what a drive grew by')
      return null
    })
    if (run !== null && !link.isBehind && start + run.blocks.length >= length && isSmall(run)) {
      link.pushRun({ drive, fork, start, blocks: run.blocks, signature: run.signature })
    } else link.offerRun({ drive, fork, length })
  }

  /** Never rejects. */
  async #takePushed(link: PeerLink, { drive, fork, start, blocks, signature }: Push): Promise<void> {
    try {
      await this.drives.take(drive, { fork, start, blocks, signature, signer: null })
    } catch (error) {
      this.#refuse(link, drive, { until: 'never', why: messageOf(error) })
    }
  }

  /** Whom to ask: who has most; of several the newest connection, because an old one may be dead and not know it. */
  #source(drive: DriveKey, state: LogState): PeerLink | null {
    let best: PeerLink | null = null
    let most = state.length
    for (const [link, { offers }] of this.#standings) {
      const offer = offers.get(drive)
      if (offer === undefined || offer.length <= state.length || offer.length < most || offer.fork !== state.fork) continue
      if (link.closed || !link.attached.has(drive) || !this.#speaksOf(link, drive, state)) continue
      best = link
      most = offer.length
    }
    return best
  }

  #work(): void {
    while (this.#running < MAX_RUNS) {
      const drive = this.#waiting.shift()
      if (drive === undefined) return
      this.#running++
      void this.#catchUp(drive).finally(() => {
        this.#running--
        this.#busy.delete(drive)
        // What was offered in the last moment found it busy.
        this.follow(drive)
        this.#work()
      })
    }
  }

  /** Until it has what is offered. Never rejects. */
  async #catchUp(drive: DriveKey): Promise<void> {
    for (;;) {
      const state = this.drives.state(drive)
      const link = state === null ? null : this.#source(drive, state)
      if (state === null || link === null) return
      const reason = await this.#takeFrom(link, drive, state)
      if (reason !== null) this.#refuse(link, drive, reason)
    }
  }

  /** Null, or why this device is not asked again. */
  async #takeFrom(link: PeerLink, drive: DriveKey, state: LogState): Promise<Refusal | null> {
    const offered = this.#offered(link, drive)
    try {
      const run = await link.askRun(drive, { fork: state.fork, start: state.length, signer: !state.signer })
      if (run === null) return { until: 'had', why: 'it has none' }
      this.#standings.get(link)?.late.delete(drive)
      // A device that was let go meanwhile, or a drive that is a fork, gets no more say.
      if (!link.closed && link.attached.has(drive)) await this.drives.take(drive, run)
      this.#late.get(link.device)?.delete(drive)
      return null
    } catch (error) {
      const why = messageOf(error)
      if (!(error instanceof LateError)) return { until: 'never', why }
      return { until: this.#mayBeLate(link, drive) ? 'had' : 'never', late: offered, why }
    }
  }

  #mayBeLate(link: PeerLink, drive: DriveKey): boolean {
    const late = this.#standings.get(link)?.late
    const times = (late?.get(drive) ?? 0) + 1
    late?.set(drive, times)
    return times < MAX_LATE_RUNS
  }

  /** What it cannot give now it may give later; what was wrong is not asked for again on this connection. */
  #refuse(link: PeerLink, drive: DriveKey, { until, late, why }: Refusal): void {
    const standing = this.#standings.get(link)
    standing?.refused.set(drive, until === 'had' ? (standing.offers.get(drive)?.length ?? 0) : Infinity)
    if (late !== undefined) this.#late.set(link.device, new Map(this.#late.get(link.device)).set(drive, late))
    this.#log.debug({ peer: link.device.slice(0, 8), drive: drive.slice(0, 12), reason: why }, 'no run from this device; its blocks come one by one')
  }
}

function isSmall({ blocks }: BlockRun): boolean {
  return blocks.length <= PUSH_BLOCKS && blocks.reduce((sum, block) => sum + block.length, 0) <= PUSH_BYTES
}

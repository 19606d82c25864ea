/**
 * The links between devices. Each message takes a seeded time; one direction of one link keeps its order, different links do not.
 * A partition drops what is under way. Drives travel along links too, from whoever has more of one to whoever has less.
 */
import type { Clock, FolderReport, FreshFile, HistoryQuery, KeptVersion } from '../../daemon/ports.ts'
import type { DeviceId, DriveKey, ObjectId } from '../../daemon/sync/ids.ts'
import type { DriveLog, Replica } from './drive.ts'
import type { Random } from './random.ts'

/** What a device answers with while its daemon runs. */
export interface Node {
  readonly device: DeviceId
  /** Every drive this device knows of, its own included. */
  readonly replicas: ReadonlyMap<DriveKey, Replica>
  readonly running: boolean
  /** Its latest report, for devices that connect later. */
  readonly report: FolderReport | null
  answer(id: ObjectId): Promise<Buffer | null>
  settle(): Promise<FolderReport>
  history?(query: HistoryQuery): Promise<readonly KeptVersion[]>
  linked(device: DeviceId): void
  unlinked(device: DeviceId): void
  reported(device: DeviceId, report: FolderReport): void
  replicated(drive: DriveKey): void
  /** What another device is about to state. */
  cameAhead?(from: DeviceId, files: readonly FreshFile[]): void
  /** The drives of the folder that this device knows of, for the others to learn. */
  records?(): readonly DriveRecord[]
  learn?(records: readonly DriveRecord[]): void
  /** R17: somebody holds this drive longer (if it is our own) or otherwise than we do; up to `common` they agree. */
  forked?(drive: DriveKey, common: number): void
  /** It has two histories: compared still, so that its owner hears of it, but not replicated (R19). */
  isForked?(drive: DriveKey): boolean
}

/** A group's record of one drive. */
export interface DriveRecord {
  readonly device: DeviceId
  readonly key: DriveKey
  readonly generation: number
  /** See sync/starts.ts. */
  readonly starts: readonly string[]
  /** To begin a replica with. */
  readonly log: DriveLog
}

export interface NetworkOptions {
  readonly clock: Clock
  readonly random: Random
  /** Longest time of one message, in milliseconds. */
  readonly maxDelayMs?: number
  /** Chance that an answer is a nack although the bytes are there. */
  readonly nackChance?: number
  /** Chance that an answer's bytes are wrong. */
  readonly lieChance?: number
  /** Chance that what is sent ahead of a statement arrives; default: none, so that all is asked for. */
  readonly aheadChance?: number
  /** Chance that a message does not keep the order of its link, and that it comes twice. */
  readonly disorder?: number
  readonly trace?: (line: string) => void
}

interface Link {
  readonly a: Node
  readonly b: Node
  /** No message of an earlier time in the same direction may come later than this. */
  readonly lastAt: Map<DeviceId, number>
  readonly breaks: Set<() => void>
  up: boolean
}

/** Some messages take this many times the longest usual delay. */
export const MAX_DELAY_FACTOR = 20

export class FakeNetwork {
  readonly #options: NetworkOptions
  readonly #nodes = new Map<DeviceId, Node>()
  /** How many reports a device has made, and the last of them that another one heard. */
  readonly #reported = new Map<DeviceId, number>()
  readonly #heard = new Map<string, number>()
  readonly #links = new Map<string, Link>()
  readonly #cut = new Set<string>()
  #honest = false

  constructor(options: NetworkOptions) {
    this.#options = options
  }

  /** A device is there; it is connected to the others as far as nothing is cut. */
  add(node: Node): void {
    this.#nodes.set(node.device, node)
    for (const other of this.#nodes.values()) if (other !== node) this.#tryLink(node, other)
  }

  /** Its daemon stopped or died. */
  remove(device: DeviceId): void {
    for (const link of [...this.#links.values()]) if (link.a.device === device || link.b.device === device) this.#drop(link)
    this.#nodes.delete(device)
  }

  /** From now on every answer is what it should be. */
  behave(): void {
    this.#honest = true
  }

  cut(a: DeviceId, b: DeviceId): void {
    this.#cut.add(linkKey(a, b))
    const link = this.#links.get(linkKey(a, b))
    if (link !== undefined) this.#drop(link)
  }

  mend(a: DeviceId, b: DeviceId): void {
    this.#cut.delete(linkKey(a, b))
    const [one, other] = [this.#nodes.get(a), this.#nodes.get(b)]
    if (one !== undefined && other !== undefined) this.#tryLink(one, other)
  }

  isLinked(a: DeviceId, b: DeviceId): boolean {
    return this.#links.get(linkKey(a, b))?.up === true
  }

  peersOf(device: DeviceId): DeviceId[] {
    return [...this.#nodes.keys()].filter((other) => this.isLinked(device, other))
  }

  report(from: DeviceId, report: FolderReport): void {
    this.#reported.set(from, (this.#reported.get(from) ?? 0) + 1)
    for (const to of this.peersOf(from)) this.#sendReport(from, to, report)
  }

  /** They go on one ordered channel: none comes after a later one, whatever else overtakes what. */
  #sendReport(from: DeviceId, to: DeviceId, report: FolderReport): void {
    const number = this.#reported.get(from) ?? 0
    const heard = `${from} ${to}`
    this.#send(from, to, (node) => {
      if (number < (this.#heard.get(heard) ?? 0)) return
      this.#heard.set(heard, number)
      node.reported(from, report)
    })
  }

  /** To those who have this drive of the device; some of it is lost, or comes with another mode than is stated then. */
  ahead(from: DeviceId, drive: DriveKey, files: readonly FreshFile[]): void {
    const { aheadChance = 0, lieChance = 0, random } = this.#options
    for (const to of this.peersOf(from)) {
      if (aheadChance === 0 || !random.chance(aheadChance) || this.#nodes.get(to)?.replicas.has(drive) !== true) continue
      const told = files.map((file) => (lieChance > 0 && !this.#honest && random.chance(lieChance) ? { ...file, mode: file.mode ^ 0o020 } : file))
      this.#send(from, to, (node) => node.cameAhead?.(from, told))
    }
  }

  /** A device has made a drive, or heard of one. */
  told(device: DeviceId): void {
    for (const other of this.peersOf(device)) this.#tellRecords(device, other)
  }

  #tellRecords(from: DeviceId, to: DeviceId): void {
    const records = this.#nodes.get(from)?.records?.() ?? []
    if (records.length > 0) this.#send(from, to, (node) => {
      node.learn?.(records)
      this.#offerDrives(from, to)
    })
  }

  /** A device's own drive, or what it holds of another, grew. */
  grew(device: DeviceId): void {
    for (const other of this.peersOf(device)) this.#offerDrives(device, other)
  }

  /** Rejects when the link goes or the signal aborts. */
  want(from: DeviceId, to: DeviceId, ids: readonly ObjectId[], onObject: (id: ObjectId, data: Buffer | null) => void, signal: AbortSignal): Promise<void> {
    const wanted = new Set(ids)
    let left = wanted.size
    return this.#request(from, to, signal, (reply) => {
      if (left === 0) reply(() => true)
      for (const id of wanted) {
        this.#answer(to, id, (data) =>
          reply(() => {
            onObject(id, data)
            return --left === 0
          })
        )
      }
    })
  }

  async history(from: DeviceId, to: DeviceId, query: HistoryQuery, signal: AbortSignal): Promise<readonly KeptVersion[]> {
    let rows: readonly KeptVersion[] = []
    await this.#request(from, to, signal, (reply) => {
      const told = this.#nodes.get(to)?.history?.(query) ?? Promise.resolve([])
      told.then(
        (found) => reply(() => {
          rows = found
          return true
        }),
        () => undefined
      )
    })
    return rows
  }

  async settle(from: DeviceId, to: DeviceId, signal: AbortSignal): Promise<FolderReport> {
    let report: FolderReport | null = null
    await this.#request(from, to, signal, (reply) => {
      const node = this.#nodes.get(to)
      node?.settle().then(
        (told) => reply(() => {
          report = told
          return true
        }),
        () => undefined
      )
    })
    if (report === null) throw new Error('settled without a report')
    return report
  }

  #answer(to: DeviceId, id: ObjectId, give: (data: Buffer | null) => void): void {
    const { random, nackChance = 0, lieChance = 0 } = this.#options
    const node = this.#nodes.get(to)
    if (node === undefined) return
    node.answer(id).then(
      (data) => {
        if (data === null || this.#honest) return give(data)
        if (random.chance(nackChance)) return give(null)
        const copy = Buffer.from(data)
        if (copy.length > 0 && random.chance(lieChance)) copy.writeUInt8(copy.readUInt8(0) ^ 1, 0)
        give(copy)
      },
      () => give(null)
    )
  }

  /** `ask` runs at the other end; what it replies with runs here, until one says that it was the last. */
  #request(from: DeviceId, to: DeviceId, signal: AbortSignal, ask: (reply: (last: () => boolean) => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const link = this.#links.get(linkKey(from, to))
      if (link === undefined || !link.up || signal.aborted) return reject(new Error('not connected'))
      const stop = (error: Error | null): void => {
        link.breaks.delete(broken)
        signal.removeEventListener('abort', aborted)
        if (error === null) resolve()
        else reject(error)
      }
      const broken = (): void => stop(new Error('the connection ended'))
      const aborted = (): void => stop(new Error('aborted'))
      link.breaks.add(broken)
      signal.addEventListener('abort', aborted, { once: true })
      this.#send(from, to, () =>
        ask((last) =>
          this.#send(to, from, () => {
            if (!link.breaks.has(broken)) return
            try {
              if (last()) stop(null)
            } catch (error) {
              stop(error instanceof Error ? error : new Error(String(error)))
            }
          })
        )
      )
    })
  }

  #tryLink(a: Node, b: Node): void {
    const key = linkKey(a.device, b.device)
    if (this.#cut.has(key) || this.#links.has(key)) return
    const link: Link = { a, b, lastAt: new Map(), breaks: new Set(), up: false }
    this.#links.set(key, link)
    this.#options.clock.after(this.#delay(), () => this.#linkUp(link))
  }

  #linkUp(link: Link): void {
    const { a, b } = link
    if (this.#links.get(linkKey(a.device, b.device)) !== link) return
    link.up = true
    this.#options.trace?.(`link ${short(a.device)} ${short(b.device)} up`)
    a.linked(b.device)
    b.linked(a.device)
    for (const [from, to] of [[a, b], [b, a]] as const) {
      const { report } = from
      this.#tellRecords(from.device, to.device)
      if (report !== null) this.#sendReport(from.device, to.device, report)
      this.#offerDrives(from.device, to.device)
    }
  }

  #drop(link: Link): void {
    const { a, b } = link
    this.#links.delete(linkKey(a.device, b.device))
    if (!link.up) return
    link.up = false
    this.#options.trace?.(`link ${short(a.device)} ${short(b.device)} down`)
    a.unlinked(b.device)
    b.unlinked(a.device)
    for (const broken of [...link.breaks]) broken()
  }

  #offerDrives(from: DeviceId, to: DeviceId): void {
    for (const [key, replica] of this.#nodes.get(from)?.replicas ?? []) {
      const theirs = this.#nodes.get(to)?.replicas.get(key)
      if (theirs !== undefined && !this.#isOneHistory(to, key, replica, theirs)) continue
      if (this.#isForked(from, key) || this.#isForked(to, key)) continue
      if (theirs !== undefined && theirs.log.device !== to && theirs.length < replica.length) this.#send(from, to, () => this.#deliver(from, to, key), true)
    }
  }

  /** R17: both ends compare what they hold before any of it travels. */
  #isOneHistory(to: DeviceId, key: DriveKey, replica: Replica, theirs: Replica): boolean {
    const limit = Math.min(replica.length, theirs.length)
    const common = replica.log.commonLength(theirs.log, limit)
    const own = theirs.log.device === to
    if (common === limit && !(own && replica.length > theirs.length)) return true
    this.#nodes.get(to)?.forked?.(key, common)
    return false
  }

  #isForked(device: DeviceId, key: DriveKey): boolean {
    return this.#nodes.get(device)?.isForked?.(key) === true
  }

  /** Some signed length of what the other has; the rest comes with a later message. */
  #deliver(from: DeviceId, to: DeviceId, key: DriveKey): void {
    const [source, target] = [this.#nodes.get(from)?.replicas.get(key), this.#nodes.get(to)?.replicas.get(key)]
    if (source === undefined || target === undefined || source.length <= target.length || this.#isForked(from, key) || this.#isForked(to, key) || !this.#isOneHistory(to, key, source, target)) return
    target.log = source.log
    const lengths = source.log.signed.filter((length) => length > target.length && length <= source.length)
    target.length = this.#options.random.chance(0.3) ? this.#options.random.pick(lengths) : source.length
    this.#options.trace?.(`drive ${short(source.log.device)} ${short(from)}>${short(to)} ${target.length}`)
    this.#nodes.get(to)?.replicated(key)
    if (target.length < source.length) this.#send(from, to, () => this.#deliver(from, to, key))
    this.grew(to)
  }

  /** `again`: it may come twice. */
  #send(from: DeviceId, to: DeviceId, run: (node: Node) => void, again = false): void {
    const link = this.#links.get(linkKey(from, to))
    if (link === undefined || !link.up) return
    const { clock, random, disorder = 0 } = this.#options
    const overtakes = disorder > 0 && !this.#honest && random.chance(disorder)
    const at = Math.max(clock.now() + this.#delay(), overtakes ? 0 : (link.lastAt.get(to) ?? 0))
    if (!overtakes) link.lastAt.set(to, at)
    const deliver = (): void => {
      const node = this.#nodes.get(to)
      if (link.up && node !== undefined) run(node)
    }
    clock.after(at - clock.now(), deliver)
    if (again && disorder > 0 && !this.#honest && random.chance(disorder)) clock.after(at - clock.now() + this.#delay(), deliver)
  }

  #delay(): number {
    const { random, maxDelayMs = 20 } = this.#options
    return random.chance(0.1) ? random.below(maxDelayMs * MAX_DELAY_FACTOR + 1) : random.below(maxDelayMs + 1)
  }
}

function linkKey(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`
}

function short(device: string): string {
  return device.slice(0, 4)
}

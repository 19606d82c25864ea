/**
 * A device's state directory, as data: its index, the drives it wrote, what it holds of the others' drives and knows of them. It can
 * be copied (a backup), put back, and cut short (a power cut). Which drive is written, and when a new one takes over, is decided as
 * daemon/own-drives.ts does.
 */
import type { Recovery } from '../../daemon/folder/recover.ts'
import type { DeviceId, DriveKey, WriterId } from '../../daemon/sync/ids.ts'
import { lowestCuts } from '../../daemon/sync/recount.ts'
import { cutsAfter, tokensOf, withoutCut, withStart, type Start } from '../../daemon/sync/starts.ts'
import { DriveLog, type Replica } from '../fakes/drive.ts'
import { IndexStore } from '../fakes/index-store.ts'
import type { DriveRecord } from '../fakes/network.ts'

/** A drive of ours, with what its folder must know of the one before. */
interface OwnRow {
  readonly log: DriveLog
  readonly recovery: Recovery
  /** The index has named it: one that names another is older. */
  settled: boolean
  /** The group has not heard of it from here. */
  prepared: boolean
}

export interface Choice {
  readonly log: DriveLog
  readonly recovery: Recovery
  readonly former: DriveLog | null
}

const TRUSTED: Recovery = { files: 'trusted', cuts: [] }

export class DeviceState {
  index = new IndexStore()
  #rows: OwnRow[] = []
  /** Of this device in this life. */
  #starts: readonly Start[] = []
  readonly records = new Map<DriveKey, DriveRecord>()
  /** Of other devices' drives. */
  readonly replicas = new Map<DriveKey, Replica>()
  /** Drives of others that have two histories (R19). */
  readonly forks = new Set<DriveKey>()
  /** Drives that are not read any more; what was held of them is gone. */
  readonly retired = new Set<DriveKey>()

  clone(): DeviceState {
    const copy = new DeviceState()
    copy.index = this.index.clone()
    copy.#starts = this.#starts
    copy.#rows = this.#rows.map((row) => ({ ...row, log: row.log.branch() }))
    for (const [key, record] of this.records) copy.records.set(key, record)
    for (const [key, { log, length }] of this.replicas) copy.replicas.set(key, { log, length })
    for (const key of this.forks) copy.forks.add(key)
    for (const key of this.retired) copy.retired.add(key)
    return copy
  }

  /** What lies in the database becomes that of `image`; keys and records are files of their own, fsynced when they were written (R42). */
  cutBack(image: DeviceState): void {
    this.index = image.index.clone()
    this.#rows = this.#rows.map((row) => {
      const then = image.#rows.find((other) => other.log.key === row.log.key)
      return { ...row, log: row.log.branch(then?.log.length ?? 0) }
    })
    for (const [key, replica] of this.replicas) replica.length = Math.min(replica.length, image.replicas.get(key)?.length ?? 0)
  }

  /** The database is gone, the drives with it; what stands in files of its own is not. */
  wipe(): void {
    this.index = new IndexStore()
    for (const replica of this.replicas.values()) replica.length = 0
    this.#forgetOwn()
  }

  /** The index alone is gone. */
  forgetIndex(): void {
    this.index = new IndexStore()
    for (const row of this.#rows) row.settled = false
  }

  /** A device was removed: what it said counts no more (R20). Of ourselves: a new life begins, in which none of our drives is known. */
  forgetDevice(device: DeviceId, isSelf: boolean): void {
    if (isSelf) this.#forgetOwn()
    for (const [key, record] of this.records) {
      if (record.device !== device) continue
      this.records.delete(key)
      this.replicas.delete(key)
    }
  }

  /** Of a drive of ours. */
  lengthOf(key: DriveKey): number | null {
    return this.#rows.find(({ log }) => log.key === key)?.log.length ?? null
  }

  /** Our drives are those of somebody else from now on: the device that this one is a copy of. */
  disown(): void {
    for (const { log } of this.#rows) this.replicas.set(log.key, { log, length: 0 })
    this.#forgetOwn()
  }

  #forgetOwn(): void {
    this.#rows = []
    this.#starts = []
  }

  /** As daemon/host.ts: only if the records have a later drive of its device. */
  retire(key: DriveKey, device: DeviceId): void {
    if (!this.#isOutlived(key, device)) return
    this.retired.add(key)
    const replica = this.replicas.get(key)
    if (replica !== undefined) replica.length = 0
  }

  isRetired(key: DriveKey, device: DeviceId): boolean {
    return this.retired.has(key) && this.#isOutlived(key, device)
  }

  #isOutlived(key: DriveKey, device: DeviceId): boolean {
    const own = this.records.get(key)
    return [...this.records.values()].some((other) => other.device === device && own !== undefined && other.generation > own.generation)
  }

  settle(key: DriveKey): void {
    for (const row of this.#rows) if (row.log.key === key) row.settled = true
  }

  /** `token`: of this start. */
  choose(device: DeviceId, salt: () => string, token: string): Choice {
    const rotation = this.due(device)
    if (rotation !== null) {
      const choice = this.rotate(device, rotation, null, salt())
      this.#begin(choice.log.writer, this.#starts, token)
      return choice
    }
    const row = this.#newestRow(device) as OwnRow
    this.#begin(row.log.writer, this.#uncut(device), token)
    // A start syncs the store before anything else.
    row.log.show()
    return { log: row.log, recovery: row.recovery, former: this.#former(row.log.key) }
  }

  /** Why the newest drive cannot be gone on with, or null. */
  due(device: DeviceId): Recovery | null {
    const newest = this.#newest(device)
    if (newest === null) return { files: 'doubted', cuts: [] }
    const row = this.#known(newest.key)
    const checkpoint = this.index.own
    const hasRival = [...this.records.values()].some((other) => other.device === device && other.generation === newest.generation && other.key !== newest.key)
    const isOther = row === undefined || hasRival || (row.settled && checkpoint?.drive !== row.log.key) || (checkpoint !== null && checkpoint.generation > newest.generation)
    return isOther ? TRUSTED : null
  }

  /** `writer` goes on in the new drive; null: a new one. */
  rotate(device: DeviceId, recovery: Recovery, writer: WriterId | null, salt: string): Choice {
    const generation = this.#nextGeneration(device)
    const cuts = lowestCuts([...recovery.cuts, ...this.#unknown(device).flatMap(({ starts }) => cutsAfter(this.#starts, starts))])
    const whole = this.#pendingToo(device, { ...recovery, cuts })
    const newest = this.#newest(device)
    const isOther = newest !== null && this.#known(newest.key) === undefined
    const goesOn = writer !== null && !isOther && !whole.cuts.some((cut) => cut.writer === writer)
    const log = new DriveLog(device, generation, salt, goesOn ? writer : undefined)
    this.#rows.push({ log, recovery: whole, settled: false, prepared: false })
    this.announce(device, log)
    return { log, recovery: whole, former: this.#former(log.key) }
  }

  /** A drive that goes on with the writer of the one that the index names, of which nobody hears before `announce`. Null: that cannot go on. */
  prepare(device: DeviceId, salt: string): DriveLog | null {
    const newest = this.#newest(device)
    if (newest === null || this.due(device) !== null || this.index.own?.drive !== newest.key || this.#isCut(device)) return null
    const log = new DriveLog(device, this.#nextGeneration(device), salt, newest.log.writer)
    this.#rows.push({ log, recovery: TRUSTED, settled: false, prepared: true })
    return log
  }

  /** Nothing came in between. */
  mayTakeOver(device: DeviceId, former: DriveLog): boolean {
    return this.due(device) === null && this.#newest(device)?.key === former.key && this.index.own?.drive === former.key && !this.#isCut(device)
  }

  announce(device: DeviceId, log: DriveLog): void {
    for (const row of this.#rows) if (row.log === log) row.prepared = false
    const said = this.#ofDevice(device).flatMap(({ starts }) => starts)
    this.records.set(log.key, { device, key: log.key, generation: log.generation, log, starts: tokensOf(said, this.#uncut(device)) })
    this.fold()
  }

  /** Above those that no record names, too. */
  #nextGeneration(device: DeviceId): number {
    return Math.max(this.#newest(device)?.generation ?? 0, this.index.own?.generation ?? 0, ...this.#rows.filter(({ log }) => log.device === device).map(({ log }) => log.generation)) + 1
  }

  #isCut(device: DeviceId): boolean {
    return this.#unknown(device).some(({ starts }) => cutsAfter(this.#starts, starts).length > 0)
  }

  #begin(writer: WriterId, starts: readonly Start[], token: string): void {
    const { own } = this.index
    this.#starts = withStart(starts, writer, own?.writer === writer ? own.counter : 0, token)
  }

  #uncut(device: DeviceId): readonly Start[] {
    return this.#unknown(device).reduce((starts, record) => withoutCut(starts, record.starts), this.#starts)
  }

  #unknown(device: DeviceId): readonly DriveRecord[] {
    return this.#ofDevice(device).filter(({ key }) => this.#known(key) === undefined)
  }

  /** The earliest first. */
  #ofDevice(device: DeviceId): readonly DriveRecord[] {
    return [...this.records.values()].filter((record) => record.device === device).sort((a, b) => a.generation - b.generation)
  }

  /** R45: of each device the two highest generations. */
  fold(): void {
    for (const [key, { device, generation }] of this.records) {
      const higher = new Set(this.#ofDevice(device).map((other) => other.generation).filter((other) => other > generation))
      if (higher.size < 2) continue
      this.records.delete(key)
      this.replicas.delete(key)
    }
  }

  /** What an unfinished move had to heed stays to be heeded. */
  #pendingToo(device: DeviceId, recovery: Recovery): Recovery {
    const row = this.#newestRow(device)
    const checkpoint = this.index.own
    if (row === null || checkpoint === null || checkpoint.drive === row.log.key) return recovery
    return { files: row.recovery.files === 'doubted' ? 'doubted' : recovery.files, cuts: [...row.recovery.cuts, ...recovery.cuts] }
  }

  #former(current: DriveKey): DriveLog | null {
    const { own } = this.index
    return own === null || own.drive === current ? null : (this.#rows.find(({ log }) => log.key === own.drive)?.log ?? null)
  }

  /** Of this device, the greatest generation; of several with one number the one that is known here. */
  #newest(device: DeviceId): DriveRecord | null {
    const own = [...this.records.values()].filter((record) => record.device === device)
    const best = own.reduce((highest, { generation }) => Math.max(highest, generation), 0)
    const newest = own.filter(({ generation }) => generation === best)
    return newest.find(({ key }) => this.#known(key) !== undefined) ?? newest[0] ?? null
  }

  #newestRow(device: DeviceId): OwnRow | null {
    const newest = this.#newest(device)
    return newest === null ? null : (this.#known(newest.key) ?? null)
  }

  #known(key: DriveKey): OwnRow | undefined {
    return this.#rows.find(({ log, prepared }) => log.key === key && !prepared)
  }
}

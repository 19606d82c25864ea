/**
 * Which drive this device writes for a folder, and when a new one takes over (R18, R19, R22, R23). A drive's key derives from the
 * store's seed, the folder, the device, the generation and a salt that is new for each drive: a state directory that was put back
 * and lost count of its generations can therefore never make an old drive again.
 *
 *     keys/drives.json   { "version": 1, "drives": [ { folder, device, generation, key, salt, life, settled, recovery, blobs?, prepared? } ],
 *                          "starts": [ { folder, device, token, writer, counter } ] }
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { writeDurably } from '../base/durable-file.ts'
import { errnoOf, messageOf, P2psyncError } from '../base/errors.ts'
import type { Drives } from './drive/drives.ts'
import type { Own } from './drive/own.ts'
import type { Recovery } from './folder/recover.ts'
import { proveOwner } from './net/drive-owner.ts'
import type { Group, GroupDrive, GroupFolder } from './net/group.ts'
import type { OwnCheckpoint } from './ports.ts'
import { parseBlobsKey, parseDeviceId, parseDriveKey, parseFolderId, parseWriterId, type BlobsKey, type DeviceId, type DriveKey, type FolderId, type WriterId } from './sync/ids.ts'
import { lowestCuts, type Cut } from './sync/recount.ts'
import { cutsAfter, isStartToken, tokensOf, withoutCut, withStart, type Start } from './sync/starts.ts'

/** A drive of ours, as needed to open it. */
export interface DriveSource {
  readonly folder: FolderId
  readonly device: DeviceId
  readonly folderKey: Buffer
  readonly generation: number
  readonly salt: Buffer
  /** Absent: named by the drive's own key. */
  readonly writer?: WriterId
  /** The blobs core that it goes on with; absent: its own. */
  readonly blobs?: BlobsKey
}

export interface DriveChoice {
  readonly drive: DriveSource
  /** What the index of another drive means for this one. */
  readonly recovery: Recovery
  /** The drive that the index still names, if it can be read. */
  readonly former: DriveSource | null
}

/** Why a new drive takes over. */
export interface Rotation {
  /** For the log. */
  readonly reason: string
  readonly recovery: Recovery
  /** The writer goes on (a new folder key alone); null: a new writer. */
  readonly writer: WriterId | null
  /** The blobs core of the drive before goes on, if the writer and the folder key do: nothing of it is read again. */
  readonly blobs?: BlobsKey | null
}

export const TRUSTED: Recovery = { files: 'trusted', cuts: [] }

const idOf = <T>(parse: (value: unknown) => T | null) => z.custom<T>((value) => parse(value) !== null, 'must be an id')
const cut = z.strictObject({ writer: idOf<WriterId>(parseWriterId), counter: z.int().min(0) })
const row = z.strictObject({
  folder: idOf<FolderId>(parseFolderId),
  device: idOf<DeviceId>(parseDeviceId),
  generation: z.int().min(1),
  key: idOf<DriveKey>(parseDriveKey),
  salt: z.string().regex(/^[0-9a-f]{32}$/),
  life: z.string(),
  /** The index has named it: one that names another is older. */
  settled: z.boolean().default(false),
  /** The group has not heard of it from here. If it has: a later life of this state announced it, and may have gone on with it. */
  prepared: z.literal(true).optional(),
  /** The blobs core that it names in place of its own. */
  blobs: idOf<BlobsKey>(parseBlobsKey).optional(),
  recovery: z.strictObject({ files: z.enum(['trusted', 'doubted']), cuts: z.array(cut).readonly() })
})
const start = z.strictObject({
  folder: idOf<FolderId>(parseFolderId),
  device: idOf<DeviceId>(parseDeviceId),
  token: z.string().refine(isStartToken),
  writer: idOf<WriterId>(parseWriterId),
  counter: z.int().min(0)
})
const document = z.strictObject({ version: z.literal(1), drives: z.array(row), starts: z.array(start).default([]) })

type Row = z.infer<typeof row>
type Document = Omit<z.infer<typeof document>, 'version'>

const SALT_BYTES = 16
const TOKEN_BYTES = 6
/** The current one, the one before, and those of a rotation that a crash cut short. */
const KEPT_PER_FOLDER = 4
/** Drives that were prepared and given up: with more, a list of the last ones might forget one that is not deleted yet. */
const MAX_UNANNOUNCED = 2

const NONE: Document = { drives: [], starts: [] }

interface Plan {
  readonly source: DriveSource
  readonly recovery: Recovery
}

/** A drive that may take over. */
export interface Prepared {
  readonly source: DriveSource
  readonly own: Own
  /** Nothing came in between: the group and the index name the drive that it was prepared for. */
  mayTakeOver(folder: GroupFolder, checkpoint: OwnCheckpoint | null): boolean
  /** Tells the group. Durable when it resolves (R42). */
  announce(folder: GroupFolder): Promise<void>
}

export interface OwnDrivesOptions {
  readonly file: string
  /** Of the store (store-life.ts). */
  readonly life: string
  readonly group: Group
  readonly drives: Drives
}

export class OwnDrives {
  readonly #options: OwnDrivesOptions
  #rows: readonly Row[]
  #starts: Document['starts']

  /** Throws STORE_DAMAGED. */
  constructor(options: OwnDrivesOptions) {
    this.#options = options
    const { drives, starts } = load(options.file)
    this.#rows = drives
    this.#starts = starts
  }

  /** The drive to write: the one of the last start, or a new one where that cannot be gone on with. `checkpoint`: the index's. */
  async choose(folder: GroupFolder, checkpoint: OwnCheckpoint | null): Promise<DriveChoice & { readonly rotation: string | null }> {
    if (this.#options.group.removedSelf) return { ...this.#frozen(folder, checkpoint), rotation: null }
    const rotation = this.#due(folder, checkpoint)
    if (rotation !== null) {
      const { writer, ...choice } = await this.#make(folder, checkpoint, rotation)
      this.#begin(folder, this.#startsOf(folder), writer, checkpoint)
      return { ...choice, rotation: rotation.reason }
    }
    const record = this.#newest(folder) as GroupDrive
    const known = this.#rowOf(record.driveKey) as Row
    this.#begin(folder, this.#uncut(folder), record.writer, checkpoint)
    return { drive: sourceOf(folder, known, record), recovery: known.recovery, former: this.#former(folder, checkpoint, known.key), rotation: null }
  }

  /** Why `choose` would make a new drive, or null. */
  due(folder: GroupFolder, checkpoint: OwnCheckpoint | null): string | null {
    return this.#options.group.removedSelf ? null : (this.#due(folder, checkpoint)?.reason ?? null)
  }

  /** The index names this drive now. Durable when it returns. */
  settle(key: DriveKey): void {
    const known = this.#rowOf(key)
    if (known !== null && !known.settled) this.#save(this.#rows.map((other) => (other === known ? { ...other, settled: true } : other)))
  }

  /** The drives of the folder that this one, whose index is settled, took over from. */
  formersOf(key: DriveKey): readonly DriveKey[] {
    const known = this.#rowOf(key)
    if (known === null || !known.settled) return []
    return this.#rows.filter((other) => other.folder === known.folder && other.generation < known.generation).map((other) => other.key)
  }

  /** What a deletion of this drive must heed: the blobs core that it names, and those that drives which are not `retired` name. */
  blobsOf(key: DriveKey, isRetired: (drive: DriveKey) => boolean): { readonly own: BlobsKey | null; readonly kept: ReadonlySet<BlobsKey> } {
    const kept = this.#rows.flatMap((known) => (known.key === key || isRetired(known.key) || known.blobs === undefined ? [] : [known.blobs]))
    return { own: this.#rows.find((known) => known.key === key)?.blobs ?? null, kept: new Set(kept) }
  }

  /** Makes the next drive and tells the group of it. It is on disk, with what its folder must know of the one before, when this returns (R42). */
  async rotate(folder: GroupFolder, checkpoint: OwnCheckpoint | null, rotation: Rotation): Promise<DriveChoice> {
    const { writer: _, ...choice } = await this.#make(folder, checkpoint, rotation)
    return choice
  }

  /**
   * Makes the drive that is to take over from the one of `checkpoint`, with its writer and blobs; the group does not hear of it before
   * `announce`, and one that never is goes with the next that takes over. Null: something stands in the way, and the folder must be closed for a new drive.
   */
  async prepare(folder: GroupFolder, checkpoint: OwnCheckpoint, { writer, blobs }: Pick<Rotation, 'writer' | 'blobs'>): Promise<Prepared | null> {
    const { keyId } = folder
    const goesOn = (now: GroupFolder, known: OwnCheckpoint | null): boolean => this.due(now, known) === null && known?.drive === checkpoint.drive && this.#newest(now)?.driveKey === checkpoint.drive
    if (!goesOn(folder, checkpoint) || this.#unannounced(folder) >= MAX_UNANNOUNCED) return null
    const plan = this.#plan(folder, checkpoint, { reason: 'successor', recovery: TRUSTED, writer, blobs: blobs ?? null })
    if (plan.source.blobs === undefined || plan.recovery.files === 'doubted' || plan.recovery.cuts.length > 0) return null
    const own = await this.#open(plan, { prepared: true })
    return {
      source: plan.source,
      own,
      mayTakeOver: (now, known) => goesOn(now, known) && this.#cuts(now).length === 0,
      announce: async (now) => {
        this.#save(this.#rows.map(({ prepared, ...known }) => (prepared === undefined || known.key === own.key ? known : { ...known, prepared })))
        await this.#announce(now, plan.source, own, keyId)
      }
    }
  }

  /** The drives of the folder that the group has not heard of; of those before the last ones nothing is known any more. */
  #unannounced({ id, drives }: GroupFolder): number {
    const settled = this.#rows.findLastIndex((known) => known.folder === id && drives.some(({ driveKey }) => driveKey === known.key))
    return this.#rows.slice(settled + 1).filter((known) => known.folder === id).length
  }

  async #make(folder: GroupFolder, checkpoint: OwnCheckpoint | null, rotation: Rotation): Promise<DriveChoice & { readonly writer: WriterId }> {
    const { source, recovery } = this.#plan(folder, checkpoint, rotation)
    const own = await this.#open({ source, recovery }, {})
    // The key that it is encrypted with: while it was made the group may have got another, for which the next drive is due then.
    await this.#announce(folder, source, own, folder.keyId)
    return { drive: source, recovery, former: this.#former(folder, checkpoint, own.key), writer: own.writer }
  }

  #plan(folder: GroupFolder, checkpoint: OwnCheckpoint | null, rotation: Rotation): Plan {
    const { group } = this.#options
    const device = group.self.id
    // Above those that the group has not heard of, too.
    const generation = Math.max(group.nextGeneration(folder.id), (checkpoint?.generation ?? 0) + 1, ...this.#rows.filter((known) => known.folder === folder.id && known.device === device).map((known) => known.generation + 1))
    const cuts = lowestCuts([...rotation.recovery.cuts, ...this.#cuts(folder)])
    const recovery = this.#pendingToo(folder, checkpoint, { ...rotation.recovery, cuts })
    const salt = randomBytes(SALT_BYTES)
    const newest = this.#newest(folder)
    const isOther = newest !== null && this.#rowOf(newest.driveKey) === null
    const goesOn = rotation.writer !== null && !isOther && !recovery.cuts.some((each) => each.writer === rotation.writer)
    const keeps = goesOn && newest !== null && newest.keyId === folder.keyId && newest.driveKey === checkpoint?.drive
    const blobs = keeps && rotation.blobs !== undefined && rotation.blobs !== null ? { blobs: rotation.blobs } : {}
    return { source: { folder: folder.id, device, folderKey: folder.key, generation, salt, ...(goesOn ? { writer: rotation.writer as WriterId } : {}), ...blobs }, recovery }
  }

  /** It stands in the list of drives when this returns. */
  async #open({ source, recovery }: Plan, prepared: Pick<Row, 'prepared'>): Promise<Own> {
    const { folder, device, generation, salt, blobs } = source
    const own = await this.#options.drives.openOwn(source)
    this.#save([...this.#rows, { folder, device, generation, key: own.key, salt: salt.toString('hex'), life: this.#options.life, settled: false, recovery, ...(blobs === undefined ? {} : { blobs }), ...prepared }])
    return own
  }

  async #announce(folder: GroupFolder, { device, generation }: DriveSource, { key, writer, keyPair }: Own, keyId: GroupFolder['keyId']): Promise<void> {
    const said = this.#own(folder).flatMap((drive) => drive.starts)
    const owner = proveOwner(keyPair, folder.id, device)
    await this.#options.group.announceDrive({ folder: folder.id, generation, driveKey: key, writer, keyId, starts: tokensOf(said, this.#uncut(folder)), owner })
  }

  /** Notes that `writer` is about to go on. Durable when it returns: before it takes a number. */
  #begin(folder: GroupFolder, starts: readonly Start[], writer: WriterId, checkpoint: OwnCheckpoint | null): void {
    const device = this.#options.group.self.id
    const counter = checkpoint?.writer === writer ? checkpoint.counter : 0
    const next = withStart(starts, writer, counter, randomBytes(TOKEN_BYTES).toString('hex'))
    const others = this.#starts.filter((other) => other.folder !== folder.id || other.device !== device)
    this.#save(this.#rows, [...others, ...next.map((each) => ({ folder: folder.id, device, ...each }))])
  }

  #startsOf(folder: GroupFolder): readonly Start[] {
    const own = this.#starts.filter((known) => known.folder === folder.id && known.device === this.#options.group.self.id)
    return own.map(({ token, writer, counter }) => ({ token, writer, counter }))
  }

  /** Up to where what we say is what a drive of ours was made after that we do not know: we were put back to before it (R19). */
  #cuts(folder: GroupFolder): readonly Cut[] {
    const starts = this.#startsOf(folder)
    return this.#unknown(folder).flatMap((drive) => cutsAfter(starts, drive.starts))
  }

  #uncut(folder: GroupFolder): readonly Start[] {
    return this.#unknown(folder).reduce((starts, drive) => withoutCut(starts, drive.starts), this.#startsOf(folder))
  }

  #unknown(folder: GroupFolder): readonly GroupDrive[] {
    return this.#own(folder).filter((drive) => this.#rowOf(drive.driveKey) === null)
  }

  /** The drives of this device, the earliest first. */
  #own(folder: GroupFolder): readonly GroupDrive[] {
    return folder.drives.filter((drive) => drive.device === this.#options.group.self.id).reverse()
  }

  /** Of this device, the greatest generation; of several with one number the one that is known here. */
  #newest(folder: GroupFolder): GroupDrive | null {
    const own = folder.drives.filter((drive) => drive.device === this.#options.group.self.id)
    const best = own.reduce((highest, drive) => Math.max(highest, drive.generation), 0)
    const newest = own.filter((drive) => drive.generation === best)
    return newest.find((drive) => this.#rowOf(drive.driveKey) !== null) ?? newest[0] ?? null
  }

  /** Why the newest drive cannot be gone on with, or null. */
  #due(folder: GroupFolder, checkpoint: OwnCheckpoint | null): Rotation | null {
    const { group, life } = this.#options
    const newest = this.#newest(folder)
    const known = newest === null ? null : this.#rowOf(newest.driveKey)
    // Rows of a former life here: the folder was removed and added again, or this device has a new key (R20).
    if (newest === null) return { reason: 'first', recovery: { files: 'doubted', cuts: [] }, writer: null }
    if (known === null) return { reason: 'unknown-drive', recovery: TRUSTED, writer: null }
    if (known.life !== life) return { reason: 'new-store', recovery: TRUSTED, writer: null }
    if (known.settled && checkpoint?.drive !== known.key) return { reason: 'rolled-back', recovery: TRUSTED, writer: null }
    const rivals = folder.drives.some((drive) => drive.device === group.self.id && drive.generation === newest.generation && drive.driveKey !== newest.driveKey)
    if (rivals || (checkpoint !== null && checkpoint.generation > newest.generation)) return { reason: 'unknown-drive', recovery: TRUSTED, writer: null }
    if (newest.keyId !== folder.keyId) return { reason: 'new-key', recovery: TRUSTED, writer: newest.writer }
    return null
  }

  /** What an unfinished move had to heed stays to be heeded. */
  #pendingToo(folder: GroupFolder, checkpoint: OwnCheckpoint | null, recovery: Recovery): Recovery {
    const newest = this.#newest(folder)
    const pending = newest === null || checkpoint === null || checkpoint.drive === newest.driveKey ? null : this.#rowOf(newest.driveKey)
    if (pending === null) return recovery
    return {
      files: pending.recovery.files === 'doubted' ? 'doubted' : recovery.files,
      cuts: [...pending.recovery.cuts, ...recovery.cuts]
    }
  }

  /** For a device that was removed: its folder is halted, and no record of its drives stands any more. */
  #frozen(folder: GroupFolder, checkpoint: OwnCheckpoint | null): DriveChoice {
    const known = checkpoint === null ? null : this.#rowOf(checkpoint.drive)
    const salt = known === null ? randomBytes(SALT_BYTES) : Buffer.from(known.salt, 'hex')
    const generation = known?.generation ?? 1
    const writer = checkpoint === null ? {} : { writer: checkpoint.writer }
    const drive = { folder: folder.id, device: this.#options.group.self.id, folderKey: folder.key, generation, salt, ...writer }
    return { drive, recovery: TRUSTED, former: null }
  }

  #former(folder: GroupFolder, checkpoint: OwnCheckpoint | null, current: DriveKey): DriveSource | null {
    if (checkpoint === null || checkpoint.drive === current) return null
    const known = this.#rowOf(checkpoint.drive)
    const record = folder.drives.find((drive) => drive.driveKey === checkpoint.drive)
    if (known === null || record === undefined) return null
    return sourceOf(folder, known, record)
  }

  #rowOf(key: DriveKey): Row | null {
    return this.#rows.find((known) => known.key === key && known.prepared === undefined) ?? null
  }

  #save(rows: readonly Row[], starts = this.#starts): void {
    const kept = rows.filter((known, i) => rows.slice(i + 1).filter((later) => later.folder === known.folder).length < KEPT_PER_FOLDER)
    writeDurably(this.#options.file, `${JSON.stringify({ version: 1, drives: kept, starts })}\n`)
    this.#rows = kept
    this.#starts = starts
  }
}

function sourceOf(folder: GroupFolder, known: Row, record: GroupDrive): DriveSource {
  return {
    folder: folder.id,
    device: known.device,
    folderKey: folder.keys.get(record.keyId) ?? folder.key,
    generation: known.generation,
    salt: Buffer.from(known.salt, 'hex'),
    writer: record.writer,
    ...(known.blobs === undefined ? {} : { blobs: known.blobs })
  }
}

function load(file: string): Document {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return NONE
    throw new P2psyncError('STORE_DAMAGED', `cannot read ${file}: ${messageOf(error)}; make it readable for this user`, { cause: error })
  }
  return parse(text)
}

/** One that cannot be read is as good as none: every folder then gets a new drive. */
function parse(text: string): Document {
  try {
    const parsed = document.safeParse(JSON.parse(text))
    return parsed.success ? parsed.data : NONE
  } catch {
    return NONE // Not JSON.
  }
}

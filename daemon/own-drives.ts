/**
 * Which drive this device writes for a folder, and when a new one takes over (R18, R19, R22, R23). A drive's key derives from the
 * store's seed, the folder, the device, the generation and a salt that is new for each drive: a state directory that was put back
 * and lost count of its generations can therefore never make an old drive again.
 *
 *     keys/drives.json   { "version": 1, "drives": [ { folder, device, generation, key, salt, life, settled, recovery } ] }
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { writeDurably } from '../base/durable-file.ts'
import { errnoOf, messageOf, P2psyncError } from '../base/errors.ts'
import type { Drives } from './drive/drives.ts'
import type { Recovery } from './folder/recover.ts'
import type { Group, GroupDrive, GroupFolder } from './net/group.ts'
import type { OwnCheckpoint } from './ports.ts'
import { parseDeviceId, parseDriveKey, parseFolderId, parseWriterId, type DeviceId, type DriveKey, type FolderId, type WriterId } from './sync/ids.ts'

/** A drive of ours, as needed to open it. */
export interface DriveSource {
  readonly folder: FolderId
  readonly device: DeviceId
  readonly folderKey: Buffer
  readonly generation: number
  readonly salt: Buffer
  /** Absent: named by the drive's own key. */
  readonly writer?: WriterId
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
  recovery: z.strictObject({ files: z.enum(['trusted', 'doubted']), cuts: z.array(cut).readonly() })
})
const document = z.strictObject({ version: z.literal(1), drives: z.array(row) })

type Row = z.infer<typeof row>

const SALT_BYTES = 16
/** The current one, the one before, and those of a rotation that a crash cut short. */
const KEPT_PER_FOLDER = 4

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

  /** Throws STORE_DAMAGED. */
  constructor(options: OwnDrivesOptions) {
    this.#options = options
    this.#rows = load(options.file)
  }

  /** The drive to write: the one of the last start, or a new one where that cannot be gone on with. `checkpoint`: the index's. */
  async choose(folder: GroupFolder, checkpoint: OwnCheckpoint | null): Promise<DriveChoice & { readonly rotation: string | null }> {
    if (this.#options.group.removedSelf) return { ...this.#frozen(folder, checkpoint), rotation: null }
    const rotation = this.#due(folder, checkpoint)
    if (rotation !== null) return { ...(await this.rotate(folder, checkpoint, rotation)), rotation: rotation.reason }
    const record = this.#newest(folder) as GroupDrive
    const known = this.#rowOf(record.driveKey) as Row
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

  /** Makes the next drive and tells the group of it. It is on disk, with what its folder must know of the one before, when this returns (R42). */
  async rotate(folder: GroupFolder, checkpoint: OwnCheckpoint | null, rotation: Rotation): Promise<DriveChoice> {
    const { group, drives, life } = this.#options
    const device = group.self.id
    const generation = Math.max(group.nextGeneration(folder.id), (checkpoint?.generation ?? 0) + 1)
    const recovery = this.#pendingToo(folder, checkpoint, rotation.recovery)
    const salt = randomBytes(SALT_BYTES)
    const source: DriveSource = { folder: folder.id, device, folderKey: folder.key, generation, salt, ...(rotation.writer === null ? {} : { writer: rotation.writer }) }
    const { key, writer } = await drives.openOwn(source)
    this.#save([...this.#rows, { folder: folder.id, device, generation, key, salt: salt.toString('hex'), life, settled: false, recovery }])
    // The key that it is encrypted with: while it was made the group may have got another, for which the next drive is due then.
    await group.announceDrive({ folder: folder.id, generation, driveKey: key, writer, keyId: folder.keyId })
    return { drive: source, recovery, former: this.#former(folder, checkpoint, key) }
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
    return this.#rows.find((known) => known.key === key) ?? null
  }

  #save(rows: readonly Row[]): void {
    const kept = rows.filter((known, i) => rows.slice(i + 1).filter((later) => later.folder === known.folder).length < KEPT_PER_FOLDER)
    writeDurably(this.#options.file, `${JSON.stringify({ version: 1, drives: kept })}\n`)
    this.#rows = kept
  }
}

function sourceOf(folder: GroupFolder, known: Row, record: GroupDrive): DriveSource {
  return {
    folder: folder.id,
    device: known.device,
    folderKey: folder.keys.get(record.keyId) ?? folder.key,
    generation: known.generation,
    salt: Buffer.from(known.salt, 'hex'),
    writer: record.writer
  }
}

function load(file: string): readonly Row[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw new P2psyncError('STORE_DAMAGED', `cannot read ${file}: ${messageOf(error)}; make it readable for this user`, { cause: error })
  }
  return parse(text)
}

/** One that cannot be read is as good as none: every folder then gets a new drive. */
function parse(text: string): readonly Row[] {
  try {
    const parsed = document.safeParse(JSON.parse(text))
    return parsed.success ? parsed.data.drives : []
  } catch {
    return [] // Not JSON.
  }
}

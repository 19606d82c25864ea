/**
 * The group of this device: who is in it, which folders and drives there are, and the keys. Every change is on disk, fsynced,
 * before a method returns or anyone is told (R42). Knows no network: net/swarm.ts carries the records.
 */
import { P2psyncError } from '../../base/errors.ts'
import type { Log } from '../ports.ts'
import type { DeviceId, DriveKey, FolderId, WriterId } from '../sync/ids.ts'
import { hash, keyPairOf, random32 } from './crypto.ts'
import type { KeyPair } from './crypto.ts'
import type { Member } from './derive.ts'
import { adoptionOf } from './adoption.ts'
import { isOwner } from './drive-owner.ts'
import type { DriveOwner } from './drive-owner.ts'
import { foldersOf, ownsDrive } from './group-folders.ts'
import type { GroupDrive, GroupFolder } from './group-folders.ts'
import { Ledger } from './ledger.ts'
import type { Identity } from './ledger.ts'
import { MAX_DEVICES, RECORDS_AT_ONCE } from './limits.ts'
import { MAX_COUNTER, parseAddress, parseDeviceName, parseFolderName, parseGroupId, verifyRecord } from './records.ts'
import type { GroupId, KeyId, RecordBody, RecordHash, SignedRecord, VerifiedRecord } from './records.ts'
import { Secrets } from './secrets.ts'
import type { Binding } from './secrets.ts'
import { verifyMany } from './verify-many.ts'

export type { Binding, GroupDrive, GroupFolder, Member }

export interface GroupSelf {
  readonly id: DeviceId
  readonly name: string
  readonly keyPair: KeyPair
}

/** What a member hands to a newcomer. */
export interface Handover {
  readonly group: string
  readonly records: readonly SignedRecord[]
}

export interface Adopted {
  /** Own folders whose name equals exactly one there: they become that one, with a new drive (R24). */
  readonly bound: readonly Binding[]
  /** Own folders that are announced there as they are. */
  readonly carried: readonly FolderId[]
}

export interface GroupChange {
  /** Records that were not known before. */
  readonly added: readonly VerifiedRecord[]
  /** This device is in another group than before. */
  readonly joined: boolean
  /** Others had records of this device that it never wrote: its key lives twice, or its state was rolled back (R30). */
  readonly stranger: boolean
}

export interface NewDrive {
  readonly folder: FolderId
  readonly generation: number
  readonly driveKey: DriveKey
  readonly writer: WriterId
  /** Of the key that both its cores are encrypted with: of the moment it was made, which need not be the current one (R22). */
  readonly keyId: KeyId
  /** See sync/starts.ts. */
  readonly starts: readonly string[]
  /** By its own key pair. */
  readonly owner: DriveOwner
}

export interface GroupOptions {
  readonly stateDir: string
  /** Used at the very first start. */
  readonly deviceName: string
  readonly log: Log
}

export class Group {
  readonly stateDir: string
  readonly storeSeed: Buffer
  readonly #secrets: Secrets
  readonly #log: Log
  readonly #listeners = new Set<(change: GroupChange) => void>()
  #ledger: Ledger
  #bindings: readonly Binding[]
  #folders: readonly GroupFolder[]

  private constructor(options: GroupOptions, secrets: Secrets, ledger: Ledger, bindings: readonly Binding[]) {
    this.stateDir = options.stateDir
    this.storeSeed = secrets.storeSeed()
    this.#secrets = secrets
    this.#log = options.log
    this.#ledger = ledger
    this.#bindings = bindings
    this.#folders = foldersOf(ledger)
  }

  /** Makes a device key and a group of one at the first start. STORE_DAMAGED if what is there cannot be read. */
  static async open(options: GroupOptions): Promise<Group> {
    const secrets = new Secrets(options.stateDir)
    const stored = secrets.loadGroup()
    if (stored === null) {
      const ledger = Ledger.found(newIdentity(secrets), parseDeviceName(options.deviceName) ?? 'device')
      secrets.saveGroup(storedFrom(ledger, []))
      return new Group(options, secrets, ledger, [])
    }
    const seed = secrets.deviceSeed(stored.device)
    const keyPair = seed === null ? null : keyPairOf(seed)
    if (keyPair === null || keyPair.publicKey.toString('hex') !== stored.device) {
      throw new P2psyncError('STORE_DAMAGED', `the device key is missing from ${options.stateDir}/keys; restore it from a backup, or move the state directory away and join the group again as a new device`)
    }
    return new Group(options, secrets, new Ledger(stored.group, { id: stored.device, keyPair }, stored.records), stored.bindings)
  }

  get self(): GroupSelf {
    const { id, keyPair } = this.#ledger.self
    return { id, keyPair, name: this.#ledger.state.members.get(id)?.name ?? this.#formerName() }
  }

  /** Of this device after it left or was removed: what it was called last. */
  #formerName(): string {
    const { id } = this.#ledger.self
    let last = { name: id.slice(0, 8), generation: -1 }
    for (const { record } of this.#ledger.records.values()) {
      if (record.kind === 'device-renamed' && record.device === id && record.generation > last.generation) last = record
      const made = (record.kind === 'founded' && record.author === id) || (record.kind === 'device-added' && record.device === id)
      if (made && last.generation < 0) last = { name: record.name, generation: 0 }
    }
    return last.name
  }

  get groupId(): GroupId {
    return this.#ledger.group
  }

  /** This device was removed from its group: it gets nothing any more. */
  get removedSelf(): boolean {
    return !this.#ledger.isMember
  }

  /** This device included, by id. */
  members(): readonly Member[] {
    return [...this.#ledger.state.members.values()]
  }

  isMember(device: DeviceId): boolean {
    return this.#ledger.state.members.has(device)
  }

  folders(): readonly GroupFolder[] {
    return this.#folders
  }

  folder(id: FolderId): GroupFolder | null {
    return this.#folders.find((folder) => folder.id === id) ?? null
  }

  /** Where members meet (R43); null until a key of the group has reached this device. */
  topic(): Buffer | null {
    const choice = this.#ledger.state.secret
    const secret = choice === null ? null : this.#ledger.keyring.get(choice.keyId)
    if (choice === null || secret === null) return null
    const generation = Buffer.alloc(8)
    generation.writeBigUInt64LE(BigInt(choice.generation))
    return hash('topic', secret, generation)
  }

  // ---------------------------------------------------------------------------------------------- changes by this device

  /** @throws USAGE for a name that cannot be shown. */
  async createFolder(name: string): Promise<FolderId> {
    const parsed = parseFolderName(name)
    if (parsed === null) throw new P2psyncError('USAGE', `"${name.slice(0, 80)}" cannot name a folder: use 1 to 255 bytes without control characters (--name)`)
    const folder = random32().toString('hex') as FolderId
    this.#say([{ kind: 'folder', folder, generation: 1, name: parsed }])
    return folder
  }

  /** A drive of this device for a folder of the group. */
  async announceDrive(drive: NewDrive): Promise<void> {
    const { folder, generation, driveKey, writer, keyId, starts, owner } = drive
    const known = this.folder(folder)
    if (known === null) throw unknownFolder(folder)
    // No start would read it.
    if (!isOwner({ folder, device: this.self.id, driveKey }, owner)) throw new Error('a drive is announced with a proof by its own key pair')
    const own = known.drives.filter((row) => row.device === this.self.id)
    const isSaid = own.some((row) => row.driveKey === driveKey && row.generation === generation && row.keyId === keyId)
    if (!isSaid) this.#say([{ kind: 'drive', folder, generation, driveKey, keyId, writer, starts, owner }])
  }

  /** No later one of its device is known. */
  isNewestDrive(key: DriveKey): boolean {
    return this.#folders.some(({ drives }) => drives.some((drive) => drive.driveKey === key && !drives.some((other) => other.device === drive.device && other.generation > drive.generation)))
  }

  /** The generation of the next drive of this device for a folder: above all it ever announced (R23). */
  nextGeneration(folder: FolderId): number {
    let highest = 0
    for (const { record } of this.#ledger.records.values()) {
      const own = record.author === this.self.id && (record.kind === 'drive' || record.kind === 'folder-left')
      if (own && record.folder === folder) highest = Math.max(highest, record.generation)
    }
    return highest + 1
  }

  /** This device no longer has the folder; others keep it. */
  async leaveFolder(folder: FolderId): Promise<void> {
    const known = this.folder(folder)
    if (known?.devices.includes(this.self.id) !== true) return
    this.#say([{ kind: 'folder-left', folder, generation: this.nextGeneration(folder) - 1 }])
  }

  /** @throws DEVICE_UNKNOWN, USAGE */
  async rename(device: DeviceId, name: string): Promise<void> {
    this.#expectMember(device)
    const parsed = parseDeviceName(name)
    if (parsed === null) throw new P2psyncError('USAGE', `"${name.slice(0, 80)}" cannot name a device: use 1 to 64 bytes without control characters`)
    this.#say([{ kind: 'device-renamed', device, generation: this.#nextOf('device-renamed', device), name: parsed }])
  }

  /** Where to dial the device besides what the network finds; null takes it away. @throws DEVICE_UNKNOWN, USAGE */
  async setAddress(device: DeviceId, host: string | null, port = 0): Promise<void> {
    this.#expectMember(device)
    const address = host === null ? { host: '', port: 0 } : parseAddress(host, port)
    if (address === null) throw new P2psyncError('USAGE', `"${host}:${port}" is not an address: give HOST:PORT`)
    this.#say([{ kind: 'device-address', device, generation: this.#nextOf('device-address', device), ...address }])
  }

  /** Adds a device that proved itself with an invite. Idempotent. @throws REMOVED_FROM_GROUP, NOT_SUPPORTED */
  async addDevice(device: DeviceId, name: string): Promise<void> {
    const { members, removed } = this.#ledger.state
    if (removed.has(device)) throw new P2psyncError('REMOVED_FROM_GROUP', 'this device was removed from the group before; its key can never come back')
    if (members.has(device)) return
    if (members.size >= MAX_DEVICES) throw new P2psyncError('NOT_SUPPORTED', `a group has at most ${MAX_DEVICES} devices`)
    this.#say([{ kind: 'device-added', device, name: parseDeviceName(name) ?? device.slice(0, 8) }])
  }

  /** Removes a device for ever and changes the secrets it knew (R20–R22). @throws DEVICE_UNKNOWN, USAGE */
  async removeDevice(device: DeviceId): Promise<void> {
    this.#expectMember(device)
    if (device === this.self.id) throw new P2psyncError('USAGE', 'a device cannot remove itself; run this on another device of the group')
    this.#say([{ kind: 'device-removed', device, accepted: this.#hashesBy(device) }])
  }

  /** What another device needs to become a member that knows all; it must be one already. */
  handover(): Handover {
    return { group: this.groupId, records: this.records() }
  }

  /**
   * Moves this device, alone in its group, into the group it was added to. Atomic on disk. Returns what becomes of its folders;
   * `bindings()` keeps what is bound until the daemon has moved it. @throws GROUP_NOT_ALONE, REMOVED_FROM_GROUP, INVITE_INVALID
   */
  async adopt(handover: Handover): Promise<Adopted> {
    const group = parseGroupId(handover.group)
    if (group === null) throw new P2psyncError('INVITE_INVALID', 'the other device sent no group; update p2psync there and here')
    if (group === this.groupId) {
      await this.merge(handover.records)
      return { bound: [], carried: [] }
    }
    this.expectAlone()
    const records = handover.records.map((item) => verifyRecord(group, item)).filter((item) => item !== null)
    const there = new Ledger(group, this.#ledger.self, records)
    if (there.state.removed.has(this.self.id)) throw new P2psyncError('REMOVED_FROM_GROUP', 'this device was removed from that group before; its key can never come back')
    if (!there.isMember) throw new P2psyncError('INVITE_INVALID', 'the other device did not add this one to its group; ask for a new invite')
    const { bound, carried, bodies } = adoptionOf(this.#ledger, there)
    const bindings = [...this.#bindings.filter((old) => !bound.some((item) => item.from === old.from)), ...bound]
    this.#replace(there.with(bodies), bindings, true)
    return { bound, carried }
  }

  /** @throws GROUP_NOT_ALONE if other devices are in the group. */
  expectAlone(): void {
    const others = this.members().filter((member) => member.id !== this.self.id)
    if (others.length === 0 || this.removedSelf) return
    const names = others.map((member) => member.name).join(', ')
    throw new P2psyncError('GROUP_NOT_ALONE', `this device is already in a group with ${names}; leave it first (join --leave)`)
  }

  /** Bindings of joins (R24) that the daemon has not carried out yet. */
  bindings(): readonly Binding[] {
    return this.#bindings
  }

  /** The folder is bound; forget the order to do so. */
  async bindingDone(from: FolderId): Promise<void> {
    this.#replace(this.#ledger, this.#bindings.filter((item) => item.from !== from), false)
  }

  /** Removes this device itself, for the others to know. Its key is dead then; `startOver` is what comes next. */
  async leave(): Promise<void> {
    const { id } = this.self
    if (!this.removedSelf && this.#ledger.state.members.size > 1) this.#say([{ kind: 'device-removed', device: id, accepted: this.#hashesBy(id) }])
  }

  /**
   * Begins a new life with a new key in a group of one that has this device's folders (their drives are made anew): the way back
   * for a removed device or one that leaves its group (`silently`: it told the others already, or must not). The network must be opened anew afterwards.
   */
  async startOver(options: { readonly silently?: boolean } = {}): Promise<void> {
    const { state } = this.#ledger
    const { id, name } = this.self
    const own = [...state.folders.values()].filter((folder) => ownsDrive(this.#ledger, folder, id))
    const bodies: RecordBody[] = own.map((folder) => ({ kind: 'folder', folder: folder.id, generation: 1, name: folder.name }))
    if (options.silently !== true) {
      await this.leave()
      // What was just said to the others leaves before the links are closed.
      await new Promise((resolve) => setImmediate(resolve))
    }
    this.#replace(Ledger.found(newIdentity(this.#secrets), name).with(bodies), [], true)
  }

  // ---------------------------------------------------------------------------------------------- gossip

  digest(): Buffer {
    return this.#ledger.digest()
  }

  recordHashes(): readonly RecordHash[] {
    return [...this.#ledger.records.keys()]
  }

  records(): readonly VerifiedRecord[] {
    return [...this.#ledger.records.values()]
  }

  /** Records that someone who knows these hashes lacks. */
  recordsBeyond(hashes: ReadonlySet<string>): readonly VerifiedRecord[] {
    return this.records().filter((item) => !hashes.has(item.hash))
  }

  /** The removals of a device, to show it why it is let go. */
  removalsOf(device: DeviceId): readonly VerifiedRecord[] {
    return this.records().filter(({ record }) => record.kind === 'device-removed' && record.device === device)
  }

  /**
   * Takes in records of other members (any `unknown`): unknown and forged ones are left out. True if something was new; it is on disk then.
   * A long set takes its time, and is taken in as a whole; not at all if the signal is aborted, or this device is in another group, before its end.
   */
  async merge(records: unknown, signal: AbortSignal | null = null): Promise<boolean> {
    if (!Array.isArray(records)) return false
    const group = this.groupId
    const fresh = await verifyMany(group, records, (hash) => this.#ledger.records.has(hash), signal)
    if (fresh.length === 0 || group !== this.groupId || (signal?.aborted === true && records.length > RECORDS_AT_ONCE)) return false
    const next = this.#ledger.merged(fresh)
    if (next === this.#ledger) return false
    const given = new Set(fresh.map((item) => item.hash))
    const stranger = next.since(this.#ledger).some((item) => item.record.author === this.self.id && given.has(item.hash))
    this.#replace(next, this.#bindings, false, stranger)
    return true
  }

  /** Called after each change, when it is on disk. Returns how to stop. */
  onChange(listener: (change: GroupChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #say(bodies: readonly RecordBody[]): void {
    if (this.removedSelf) throw new P2psyncError('REMOVED_FROM_GROUP', 'this device was removed from its group; join again as a new device')
    this.#replace(this.#ledger.with(bodies), this.#bindings, false)
  }

  #replace(next: Ledger, bindings: readonly Binding[], joined: boolean, stranger = false): void {
    const before = this.#ledger
    this.#secrets.saveGroup(storedFrom(next, bindings))
    this.#ledger = next
    this.#bindings = bindings
    this.#folders = foldersOf(next)
    this.#tell({ added: joined ? [...next.records.values()] : next.since(before), joined, stranger })
  }

  #tell(change: GroupChange): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(change)
      } catch (error) {
        this.#log.error({ err: error }, 'a listener of the group failed')
      }
    }
  }

  #expectMember(device: DeviceId): void {
    if (!this.isMember(device)) throw new P2psyncError('DEVICE_UNKNOWN', `no device ${device.slice(0, 8)} in this group; see "p2psync devices"`)
  }

  #hashesBy(device: DeviceId): RecordHash[] {
    return this.records().filter((item) => item.record.author === device).map((item) => item.hash).sort()
  }

  #nextOf(kind: 'device-renamed' | 'device-address', device: DeviceId): number {
    let highest = 0
    for (const { record } of this.#ledger.records.values()) {
      if (record.kind === kind && record.device === device) highest = Math.max(highest, record.generation)
    }
    if (highest >= MAX_COUNTER) throw new P2psyncError('NOT_SUPPORTED', 'a device of the group has said this for the last time that is possible; remove that device, or join the group again with a new key')
    return highest + 1
  }
}

function newIdentity(secrets: Secrets): Identity {
  const seed = random32()
  const keyPair = keyPairOf(seed)
  const id = keyPair.publicKey.toString('hex') as DeviceId
  secrets.saveDeviceSeed(id, seed)
  return { id, keyPair }
}

function storedFrom(ledger: Ledger, bindings: readonly Binding[]): Parameters<Secrets['saveGroup']>[0] {
  return { device: ledger.self.id, group: ledger.group, records: [...ledger.records.values()], bindings }
}

function unknownFolder(folder: FolderId): P2psyncError {
  return new P2psyncError('FOLDER_UNKNOWN', `no folder ${folder.slice(0, 8)} in this group`)
}

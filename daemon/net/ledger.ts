/**
 * One group as this device knows it: the records, what they mean, and the keys they open. Immutable but for the keyring, which
 * only grows and is passed on, since opening boxes is slow. A change is a new ledger, and whoever holds it writes the records to
 * disk before using it (R42). No disk, no network, no clock here.
 */
import { P2psyncError } from '../../base/errors.ts'
import type { DeviceId } from '../sync/ids.ts'
import { hash, random32 } from './crypto.ts'
import type { KeyPair } from './crypto.ts'
import { deriveGroup } from './derive.ts'
import type { GroupState } from './derive.ts'
import { foldRecords, withoutReplaced } from './fold.ts'
import { Keyring, missingKeys } from './keyring.ts'
import { groupIdOf, signRecord } from './records.ts'
import type { GroupId, RecordBody, RecordHash, VerifiedRecord } from './records.ts'
import { MAX_FOLDERS_OF_AUTHOR, MAX_RECORDS_OF_AUTHOR } from './limits.ts'

export interface Identity {
  readonly id: DeviceId
  readonly keyPair: KeyPair
}

export class Ledger {
  readonly group: GroupId
  readonly self: Identity
  readonly records: ReadonlyMap<RecordHash, VerifiedRecord>
  readonly state: GroupState
  readonly keyring: Keyring

  constructor(group: GroupId, self: Identity, records: Iterable<VerifiedRecord>, keyring = new Keyring(self.id, self.keyPair)) {
    this.group = group
    this.self = self
    this.records = new Map(foldRecords(group, records).map((item) => [item.hash, item]))
    this.state = deriveGroup(group, this.records.values())
    this.keyring = keyring
    this.keyring.add(this.records.values())
  }

  /** A group of one. */
  static found(self: Identity, name: string): Ledger {
    const nonce = random32()
    const group = groupIdOf(self.keyPair.publicKey, nonce)
    return new Ledger(group, self, []).with([{ kind: 'founded', nonce: nonce.toString('hex'), name }])
  }

  get isMember(): boolean {
    return this.state.members.has(this.self.id)
  }

  /**
   * Adds own records, and those that the group then needs (keys for all members, names that only removed devices gave).
   * @throws NOT_SUPPORTED where this device has stated all that a group keeps of one (R45).
   */
  with(bodies: readonly RecordBody[]): Ledger {
    const fresh = this.#sign(bodies)
    const next = this.#plus(fresh)
    if (fresh.some((item) => !next.records.has(item.hash)) && isCut(next, fresh)) throw full()
    return next.#completed()
  }

  /** Adds records of others but for what is not to be kept (R45). Returns itself if nothing is new. */
  merged(records: readonly VerifiedRecord[]): Ledger {
    const fresh = records.filter((record) => !this.records.has(record.hash))
    const next = fresh.length === 0 ? this : this.#plus(fresh)
    return next.#equals(this) ? this : next.#completed()
  }

  /** Equal on two devices if and only if they know the same records. */
  digest(): Buffer {
    return hash('records', Buffer.from([...this.records.keys()].sort().join('')))
  }

  /** Records here that are not in this one. */
  since(before: Ledger): VerifiedRecord[] {
    return [...this.records.values()].filter((item) => !before.records.has(item.hash))
  }

  #completed(): Ledger {
    return this.isMember ? this.#plus(this.#sign(needed(this))) : this
  }

  #plus(fresh: readonly VerifiedRecord[]): Ledger {
    return fresh.length === 0 ? this : new Ledger(this.group, this.self, [...this.records.values(), ...fresh], this.keyring)
  }

  #equals(other: Ledger): boolean {
    return this === other || (this.records.size === other.records.size && [...this.records.keys()].every((hash) => other.records.has(hash)))
  }

  #sign(bodies: readonly RecordBody[]): VerifiedRecord[] {
    let seq = this.#lastSeq()
    const author = this.self.id
    return bodies.map((body) => signRecord(this.group, { ...body, author, seq: ++seq }, this.self.keyPair.secretKey))
  }

  #lastSeq(): number {
    let last = 0
    for (const { record } of this.records.values()) {
      if (record.author === this.self.id && record.seq > last) last = record.seq
    }
    return last
  }
}

/** No more than leave half of what this device may state to its user: a hostile member may make folders without end. */
function needed(ledger: Ledger): RecordBody[] {
  const bodies = missingKeys(ledger.state, ledger.keyring, random32)
  for (const { id, name, nameGeneration, namedByMember } of ledger.state.folders.values()) {
    if (!namedByMember) bodies.push({ kind: 'folder', folder: id, generation: nameGeneration, name })
  }
  const own = [...ledger.records.values()].filter(({ record }) => record.author === ledger.self.id)
  const room = Math.max(0, MAX_RECORDS_OF_AUTHOR / 2 - own.length)
  if (bodies.length <= room) return bodies
  // Those of folders that devices have.
  const isUsed = (body: RecordBody): boolean => !('folder' in body) || (ledger.state.folders.get(body.folder)?.devices.length ?? 0) > 0
  return [...bodies.filter(isUsed), ...bodies.filter((body) => !isUsed(body))].slice(0, room)
}

/** What is missing was not replaced: there is no room for it. */
function isCut(next: Ledger, fresh: readonly VerifiedRecord[]): boolean {
  return withoutReplaced([...next.records.values(), ...fresh]).some((item) => fresh.includes(item) && !next.records.has(item.hash))
}

function full(): P2psyncError {
  return new P2psyncError('NOT_SUPPORTED', `this device has stated as much as a group keeps of one device (${MAX_RECORDS_OF_AUTHOR} records, ${MAX_FOLDERS_OF_AUTHOR} folders); join the group again as a new device (join --leave)`)
}

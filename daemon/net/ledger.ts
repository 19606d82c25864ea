/**
 * One group as this device knows it: the records, what they mean, and the keys they open. Immutable but for the keyring, which
 * only grows and is passed on, since opening boxes is slow. A change is a new ledger, and whoever holds it writes the records to
 * disk before using it (R42). No disk, no network, no clock here.
 */
import type { DeviceId } from '../sync/ids.ts'
import { hash, random32 } from './crypto.ts'
import type { KeyPair } from './crypto.ts'
import { deriveGroup } from './derive.ts'
import type { GroupState } from './derive.ts'
import { Keyring, missingKeys } from './keyring.ts'
import { groupIdOf, signRecord, verifyRecord } from './records.ts'
import type { GroupId, RecordBody, RecordHash, VerifiedRecord } from './records.ts'
import { MAX_LOG_BYTES, MAX_RECORDS } from './limits.ts'

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
    this.records = new Map([...records].map((item) => [item.hash, item]))
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

  /** Adds own records, and those that the group then needs (keys for all members, names that only removed devices gave). */
  with(bodies: readonly RecordBody[]): Ledger {
    const next = this.#signed(bodies)
    return next.isMember ? next.#signed(needed(next)) : next
  }

  /** Adds records of others; unknown, forged or surplus ones are left out. Returns itself if nothing is new. */
  merged(raw: readonly unknown[]): Ledger {
    const records = new Map(this.records)
    let bytes = sizeOf(records.values())
    for (const item of raw) {
      const record = verifyRecord(this.group, item)
      if (record === null || records.has(record.hash)) continue
      bytes += record.body.length
      if (records.size >= MAX_RECORDS || bytes > MAX_LOG_BYTES) break
      records.set(record.hash, record)
    }
    return records.size === this.records.size ? this : new Ledger(this.group, this.self, records.values(), this.keyring).with([])
  }

  /** Equal on two devices if and only if they know the same records. */
  digest(): Buffer {
    return hash('records', Buffer.from([...this.records.keys()].sort().join('')))
  }

  /** Records here that are not in this one. */
  since(before: Ledger): VerifiedRecord[] {
    return [...this.records.values()].filter((item) => !before.records.has(item.hash))
  }

  #signed(bodies: readonly RecordBody[]): Ledger {
    if (bodies.length === 0) return this
    let seq = this.#lastSeq()
    const author = this.self.id
    const fresh = bodies.map((body) => signRecord(this.group, { ...body, author, seq: ++seq }, this.self.keyPair.secretKey))
    return new Ledger(this.group, this.self, [...this.records.values(), ...fresh], this.keyring)
  }

  #lastSeq(): number {
    let last = 0
    for (const { record } of this.records.values()) {
      if (record.author === this.self.id && record.seq > last) last = record.seq
    }
    return last
  }
}

function needed(ledger: Ledger): RecordBody[] {
  const bodies = missingKeys(ledger.state, ledger.keyring, random32)
  for (const { id, name, nameGeneration, namedByMember } of ledger.state.folders.values()) {
    if (!namedByMember) bodies.push({ kind: 'folder', folder: id, generation: nameGeneration, name })
  }
  return bodies
}

function sizeOf(records: Iterable<VerifiedRecord>): number {
  let bytes = 0
  for (const { body } of records) bytes += body.length
  return bytes
}

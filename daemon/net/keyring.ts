/**
 * The secrets that this device can open: every box in the records that was sealed to it, by key id. Records that do not count (any
 * more) still give keys for reading. Never written anywhere: the records are the one place.
 */
import type { DeviceId } from '../sync/ids.ts'
import { openSealed, seal } from './crypto.ts'
import type { KeyPair } from './crypto.ts'
import type { DriveRecord, GroupState, KeyChoice } from './derive.ts'
import { keyIdOf, MAX_COUNTER } from './records.ts'
import type { KeyId, RecordBody, RecordHash, SealedBox, VerifiedRecord } from './records.ts'

export class Keyring {
  readonly #device: DeviceId
  readonly #keyPair: KeyPair
  readonly #keys = new Map<KeyId, Buffer>()
  readonly #seen = new Set<RecordHash>()

  constructor(device: DeviceId, keyPair: KeyPair) {
    this.#device = device
    this.#keyPair = keyPair
  }

  add(records: Iterable<VerifiedRecord>): void {
    for (const { hash, record } of records) {
      if ((record.kind !== 'folder-key' && record.kind !== 'group-secret') || this.#seen.has(hash)) continue
      this.#seen.add(hash)
      if (!this.#keys.has(record.keyId)) this.#open(record.keyId, record.sealed)
    }
  }

  get(id: KeyId): Buffer | null {
    return this.#keys.get(id) ?? null
  }

  #open(id: KeyId, sealed: readonly SealedBox[]): void {
    for (const [device, box] of sealed) {
      if (device !== this.#device) continue
      const key = openSealed(Buffer.from(box, 'base64url'), this.#keyPair)
      if (key !== null && key.length === 32 && keyIdOf(key) === id) this.#keys.set(id, key)
    }
  }
}

export function sealTo(devices: Iterable<DeviceId>, key: Buffer): SealedBox[] {
  const boxes: SealedBox[] = []
  for (const device of [...devices].sort()) {
    const box = seal(key, Buffer.from(device, 'hex'))
    if (box !== null) boxes.push([device, box.toString('base64url')])
  }
  return boxes
}

/**
 * The records that a member must make because the group needs them (R22): a new key where every key is known to a removed device
 * or to nobody, and receivers for those who lack one that is in use. Empty when all is well.
 */
export function missingKeys(state: GroupState, keyring: Keyring, fresh: () => Buffer): RecordBody[] {
  const members = [...state.members.keys()]
  const secrets = keyRecords(state.secret, state.secrets, [], members, keyring, fresh)
  const bodies: RecordBody[] = secrets.map((key) => ({ kind: 'group-secret', ...key }))
  for (const { id, key: current, keys, drives } of state.folders.values()) {
    const records = keyRecords(current, keys, choicesInUse(keys, drives), members, keyring, fresh)
    for (const key of records) bodies.push({ kind: 'folder-key', folder: id, ...key })
  }
  return bodies
}

interface KeyRecord {
  readonly generation: number
  readonly keyId: KeyId
  readonly sealed: readonly SealedBox[]
}

function keyRecords(
  current: KeyChoice | null,
  all: readonly KeyChoice[],
  inUse: readonly KeyChoice[],
  members: readonly DeviceId[],
  keyring: Keyring,
  fresh: () => Buffer,
): KeyRecord[] {
  const records: KeyRecord[] = []
  if (current === null) {
    const key = fresh()
    // Of several with the last number there is, the removed devices' are passed over (derive.ts).
    records.push({ generation: Math.min((all[0]?.generation ?? 0) + 1, MAX_COUNTER), keyId: keyIdOf(key), sealed: sealTo(members, key) })
  }
  for (const choice of new Set(current === null ? inUse : [current, ...inUse])) {
    const key = keyring.get(choice.keyId)
    const lacking = members.filter((device) => !choice.receivers.has(device))
    const sealed = key === null ? [] : sealTo(lacking, key)
    if (sealed.length > 0) records.push({ generation: choice.generation, keyId: choice.keyId, sealed })
  }
  return records
}

function choicesInUse(all: readonly KeyChoice[], drives: readonly DriveRecord[]): KeyChoice[] {
  const named = new Set(drives.map((drive) => drive.keyId))
  return all.filter((choice) => named.has(choice.keyId))
}

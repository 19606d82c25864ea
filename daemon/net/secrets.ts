/**
 * What cannot be rebuilt (R42, R44): the device key, the seed of the drives, the group's records with the keys sealed in them, and
 * the invites. Plain files of mode 0600 in `state/keys/`, apart from the database, each written whole and fsynced before anything
 * relies on it. A file that is there but cannot be read as it should stops the daemon: making a new identity would cut the device
 * off from its group.
 */
import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeDirectory, removeDrafts, writeDurably } from '../../base/durable-file.ts'
import { errnoOf, messageOf, P2psyncError } from '../../base/errors.ts'
import { parseDeviceId, parseFolderId } from '../sync/ids.ts'
import type { DeviceId, FolderId } from '../sync/ids.ts'
import { random32 } from './crypto.ts'
import { MAX_LOG_BYTES } from './limits.ts'
import { parseGroupId, verifyRecord } from './records.ts'
import type { GroupId, VerifiedRecord } from './records.ts'

/** A folder of ours that a join bound to one of the other group and that the daemon has not moved yet (R24). */
export interface Binding {
  readonly from: FolderId
  readonly to: FolderId
}

export interface StoredGroup {
  /** Which device key is in use; others are of former lives. */
  readonly device: DeviceId
  readonly group: GroupId
  readonly records: readonly VerifiedRecord[]
  readonly bindings: readonly Binding[]
}

/** Of `group.json`. */
const FORMAT = 1
const GROUP_FILE = 'group.json'
const STORE_FILE = 'store.seed'

export class Secrets {
  readonly #directory: string

  constructor(stateDir: string) {
    this.#directory = join(stateDir, 'keys')
    makeDirectory(this.#directory)
    chmodSync(this.#directory, 0o700)
    removeDrafts(this.#directory)
  }

  /** 32 bytes from which the keys of our drives derive; made once. */
  storeSeed(): Buffer {
    const seed = this.#read(STORE_FILE)
    if (seed !== null) return this.#checked(STORE_FILE, seed)
    const fresh = random32()
    this.write(STORE_FILE, fresh)
    return fresh
  }

  /** The seed of a device key, or null if there is none. */
  deviceSeed(device: DeviceId): Buffer | null {
    const seed = this.#read(deviceFile(device))
    return seed === null ? null : this.#checked(deviceFile(device), seed)
  }

  saveDeviceSeed(device: DeviceId, seed: Buffer): void {
    this.write(deviceFile(device), seed)
  }

  /** Null at the very first start. */
  loadGroup(): StoredGroup | null {
    const text = this.#read(GROUP_FILE)
    if (text === null) return null
    const path = join(this.#directory, GROUP_FILE)
    const value = parseJson(text)
    if (isNewer(value)) throw new P2psyncError('STORE_DAMAGED', `${path} was written by a newer p2psync; install that version, or a later one`)
    const group = parseGroupFile(value)
    if (group === null) throw damaged(path, 'cannot be read: it is damaged, or a newer p2psync wrote it; install the newest version first, and if that does not help,')
    return group
  }

  /** Replaces all of it at once: joining another group is one rename. */
  saveGroup(stored: StoredGroup): void {
    const { device, group, bindings } = stored
    const records = stored.records.map(({ body, signature }) => [body.toString('utf8'), signature.toString('base64url')])
    this.write(GROUP_FILE, JSON.stringify({ format: FORMAT, device, group, bindings, records }))
  }

  /** Any other small file of this kind; null if absent. */
  read(name: string): Buffer | null {
    return this.#read(name)
  }

  write(name: string, data: Buffer | string): void {
    writeDurably(join(this.#directory, name), data, 0o600)
  }

  #read(name: string): Buffer | null {
    try {
      return readFileSync(join(this.#directory, name))
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return null
      throw new P2psyncError('STORE_DAMAGED', `cannot read ${join(this.#directory, name)}: ${messageOf(error)}; make it readable for this user`, { cause: error })
    }
  }

  #checked(name: string, seed: Buffer): Buffer {
    if (seed.length !== 32) throw damaged(join(this.#directory, name), 'is damaged;')
    return seed
  }
}

function deviceFile(device: DeviceId): string {
  return `device-${device.slice(0, 16)}.seed`
}

function damaged(path: string, what: string): P2psyncError {
  return new P2psyncError('STORE_DAMAGED', `${path} ${what} restore it from a backup, or move the state directory away and join the group again as a new device`)
}

function isNewer(value: Readonly<Record<string, unknown>> | null): boolean {
  const format = value?.['format']
  return typeof format === 'number' && format > FORMAT
}

function parseGroupFile(value: Readonly<Record<string, unknown>> | null): StoredGroup | null {
  if (value === null || value['format'] !== FORMAT) return null
  const device = parseDeviceId(value['device'])
  const group = parseGroupId(value['group'])
  if (device === null || group === null) return null
  const records = parseRecords(group, value['records'])
  const bindings = parseBindings(value['bindings'])
  return records === null || bindings === null ? null : { device, group, records, bindings }
}

function parseRecords(group: GroupId, value: unknown): VerifiedRecord[] | null {
  if (!Array.isArray(value)) return null
  const records: VerifiedRecord[] = []
  for (const item of value) {
    if (!Array.isArray(item) || typeof item[0] !== 'string' || typeof item[1] !== 'string') return null
    const record = verifyRecord(group, { body: Buffer.from(item[0], 'utf8'), signature: Buffer.from(item[1], 'base64url') })
    if (record === null) return null
    records.push(record)
  }
  return records
}

function parseBindings(value: unknown): Binding[] | null {
  if (!Array.isArray(value)) return null
  const bindings: Binding[] = []
  for (const item of value as readonly { readonly from?: unknown; readonly to?: unknown }[]) {
    const from = parseFolderId(item.from)
    const to = parseFolderId(item.to)
    if (from === null || to === null) return null
    bindings.push({ from, to })
  }
  return bindings
}

function parseJson(data: Buffer): Readonly<Record<string, unknown>> | null {
  if (data.length > 2 * MAX_LOG_BYTES) return null
  try {
    const value: unknown = JSON.parse(data.toString('utf8'))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    // Not JSON: damaged, as the caller says.
    return null
  }
}

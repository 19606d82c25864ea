/**
 * Signed group records: the only things a group consists of (SEMANTICS R20–R23). This file is their format; derive.ts says what a
 * set of them means. A record is a line of canonical JSON and a signature:
 *
 *     body      = JSON, keys in the order written here, no spaces; {"v":1,"author":…,"seq":…,"kind":…, fields of the kind}
 *     signature = Ed25519 by the author over  'p2psync/record/1\0' · group id (32 bytes) · body
 *     hash      = SHA-256('p2psync/record-hash/1\0' · group id · body), base64url
 *     group id  = SHA-256('p2psync/group/1\0' · founder's key · nonce)
 *
 * A body that is not byte for byte what the encoder makes of it is refused, so that one record has one hash. `seq` counts an
 * author's records; it orders nothing and only makes them differ. A golden file in test/net/ pins the format.
 */
import { parseDeviceId, parseDriveKey, parseFolderId, parseWriterId } from '../sync/ids.ts'
import type { DeviceId, DriveKey, FolderId, WriterId } from '../sync/ids.ts'
import { isStartToken, MAX_STARTS } from '../sync/starts.ts'
import { hash, sign, SIGNATURE_BYTES, verify } from './crypto.ts'
import { isOwner, parseDriveOwner } from './drive-owner.ts'
import type { DriveOwner } from './drive-owner.ts'
import { MAX_DEVICE_NAME_BYTES, MAX_DEVICES, MAX_FOLDER_NAME_BYTES, MAX_HOST_BYTES, MAX_RECORD_BYTES, MAX_RECORDS } from './limits.ts'

/** 64 hex digits. */
export type GroupId = string & { readonly __brand: 'GroupId' }
/** First 16 bytes of a hash of a secret key, 32 hex digits; says which key without showing it. */
export type KeyId = string & { readonly __brand: 'KeyId' }
/** 43 base64url characters. */
export type RecordHash = string & { readonly __brand: 'RecordHash' }

/** A secret sealed to one device, base64url. */
export type SealedBox = readonly [device: DeviceId, box: string]

export type RecordBody =
  /** Makes the group; its author is the first member. */
  | { readonly kind: 'founded'; readonly nonce: string; readonly name: string }
  | { readonly kind: 'device-added'; readonly device: DeviceId; readonly name: string }
  /** `accepted`: the removed device's records that count (R21), sorted. */
  | { readonly kind: 'device-removed'; readonly device: DeviceId; readonly accepted: readonly RecordHash[] }
  | { readonly kind: 'device-renamed'; readonly device: DeviceId; readonly generation: number; readonly name: string }
  /** A static address; an empty host takes it away. */
  | { readonly kind: 'device-address'; readonly device: DeviceId; readonly generation: number; readonly host: string; readonly port: number }
  | { readonly kind: 'folder'; readonly folder: FolderId; readonly generation: number; readonly name: string }
  /** Adds receivers to the key (folder, generation, keyId); receivers of several records add up (R22). */
  | { readonly kind: 'folder-key'; readonly folder: FolderId; readonly generation: number; readonly keyId: KeyId; readonly sealed: readonly SealedBox[] }
  /**
   * The author's drive: only the device itself says which its drives are (R23). `starts`: before it (sync/starts.ts); absent if there were
   * none. `owner`: null (absent) in what was written before there were proofs; such a record counts for nothing but its generation.
   */
  | {
      readonly kind: 'drive'
      readonly folder: FolderId
      readonly generation: number
      readonly driveKey: DriveKey
      readonly keyId: KeyId
      readonly writer: WriterId
      readonly starts: readonly string[]
      readonly owner: DriveOwner | null
    }
  /** The author no longer has the folder; ends its drives up to this generation. */
  | { readonly kind: 'folder-left'; readonly folder: FolderId; readonly generation: number }
  | { readonly kind: 'group-secret'; readonly generation: number; readonly keyId: KeyId; readonly sealed: readonly SealedBox[] }

export type GroupRecord = RecordBody & { readonly author: DeviceId; readonly seq: number }

/** A record as it is kept and sent. */
export interface SignedRecord {
  readonly body: Buffer
  readonly signature: Buffer
}

/** One whose signature and form were checked. */
export interface VerifiedRecord extends SignedRecord {
  readonly hash: RecordHash
  readonly record: GroupRecord
}

const HEX_32 = /^[0-9a-f]{64}$/
const HEX_16 = /^[0-9a-f]{32}$/
const BASE64 = /^[A-Za-z0-9_-]{1,4096}$/
const HASH = /^[A-Za-z0-9_-]{43}$/
// Control characters, and those that turn or hide text: a name is shown on terminals.
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/u
/** Of generations and of an author's records; what a hostile member puts at the end leaves room for no more. */
export const MAX_COUNTER = 2 ** 48

export function groupIdOf(founder: Buffer, nonce: Buffer): GroupId {
  return hash('group', founder, nonce).toString('hex') as GroupId
}

export function parseGroupId(value: unknown): GroupId | null {
  return typeof value === 'string' && HEX_32.test(value) ? (value as GroupId) : null
}

export function keyIdOf(key: Buffer): KeyId {
  return hash('key-id', key).toString('hex', 0, 16) as KeyId
}

/** Null unless it can be shown: 1 to 64 bytes, nothing unprintable. */
export function parseDeviceName(value: unknown): string | null {
  return parseName(value, MAX_DEVICE_NAME_BYTES)
}

export function parseFolderName(value: unknown): string | null {
  return parseName(value, MAX_FOLDER_NAME_BYTES)
}

export function parseAddress(host: unknown, port: unknown): { readonly host: string; readonly port: number } | null {
  if (typeof host !== 'string' || host.length > MAX_HOST_BYTES || !/^[A-Za-z0-9.:_-]+$/.test(host)) return null
  return isCounter(port) && port > 0 && port < 65536 ? { host, port } : null
}

/** Signs a record of this author. */
export function signRecord(group: GroupId, record: GroupRecord, secretKey: Buffer): VerifiedRecord {
  const body = encodeBody(record)
  return { body, signature: sign(signedBytes(group, body), secretKey), hash: recordHash(group, body), record }
}

/** Checks form, limits and signatures, also that of a drive. Null for anything else: it is not a record of this group. */
export function verifyRecord(group: GroupId, raw: unknown): VerifiedRecord | null {
  if (typeof raw !== 'object' || raw === null || !('body' in raw) || !('signature' in raw)) return null
  const { body, signature } = raw
  if (!Buffer.isBuffer(body) || !Buffer.isBuffer(signature) || signature.length !== SIGNATURE_BYTES) return null
  const record = decodeBody(body)
  if (record === null) return null
  if (!verify(signature, signedBytes(group, body), Buffer.from(record.author, 'hex')) || isFalseClaim(record)) return null
  return { body, signature, hash: recordHash(group, body), record }
}

/** Of a drive that its own key pair does not confirm. */
function isFalseClaim(record: GroupRecord): boolean {
  return record.kind === 'drive' && record.owner !== null && !isOwner({ ...record, device: record.author }, record.owner)
}

export function recordHash(group: GroupId, body: Buffer): RecordHash {
  return hash('record-hash', Buffer.from(group, 'hex'), body).toString('base64url') as RecordHash
}

/** The one encoder. Keys come in the order of the type above. */
export function encodeBody(record: GroupRecord): Buffer {
  const { author, seq, kind } = record
  return Buffer.from(JSON.stringify({ v: 1, author, seq, kind, ...fields(record) }))
}

/** Null unless the bytes are exactly a record. */
export function decodeBody(body: Buffer): GroupRecord | null {
  if (body.length > MAX_RECORD_BYTES) return null
  const value = parseJson(body)
  if (value === null || value['v'] !== 1) return null
  const author = parseDeviceId(value['author'])
  const seq = value['seq']
  if (author === null || !isCounter(seq)) return null
  const parsed = parseFields(value)
  if (parsed === null) return null
  const record: GroupRecord = { ...parsed, author, seq }
  return encodeBody(record).equals(body) ? record : null
}

function fields(record: RecordBody): object {
  switch (record.kind) {
    case 'founded':
      return { nonce: record.nonce, name: record.name }
    case 'device-added':
      return { device: record.device, name: record.name }
    case 'device-removed':
      return { device: record.device, accepted: record.accepted }
    case 'device-renamed':
      return { device: record.device, generation: record.generation, name: record.name }
    case 'device-address':
      return { device: record.device, generation: record.generation, host: record.host, port: record.port }
    case 'folder':
      return { folder: record.folder, generation: record.generation, name: record.name }
    case 'folder-key':
      return { folder: record.folder, generation: record.generation, keyId: record.keyId, sealed: record.sealed }
    case 'drive':
      return driveFields(record)
    case 'folder-left':
      return { folder: record.folder, generation: record.generation }
    case 'group-secret':
      return { generation: record.generation, keyId: record.keyId, sealed: record.sealed }
  }
}

function driveFields({ folder, generation, driveKey, keyId, writer, starts, owner }: BodyOf<'drive'>): object {
  const proven = owner === null ? {} : { owner: { signer: owner.signer, proof: owner.proof } }
  return { folder, generation, driveKey, keyId, writer, ...(starts.length === 0 ? {} : { starts }), ...proven }
}

type Json = Readonly<Record<string, unknown>>
type BodyOf<K extends RecordBody['kind']> = Extract<RecordBody, { kind: K }>

/** What each field must be. The encoder decides about surplus and missing ones: the bytes would differ. */
function parseFields(value: Json): RecordBody | null {
  const device = parseDeviceId(value['device'])
  const folder = parseFolderId(value['folder'])
  const generation = isCounter(value['generation']) ? value['generation'] : null
  switch (value['kind']) {
    case 'founded':
      return founded(value)
    case 'device-added':
      return deviceAdded(value, device)
    case 'device-removed':
      return deviceRemoved(value, device)
    case 'device-renamed':
      return deviceRenamed(value, device, generation)
    case 'device-address':
      return deviceAddress(value, device, generation)
    case 'folder':
      return folderNamed(value, folder, generation)
    case 'folder-key':
      return folderKey(value, folder, generation)
    case 'drive':
      return drive(value, folder, generation)
    case 'folder-left':
      return folder === null || generation === null ? null : { kind: 'folder-left', folder, generation }
    case 'group-secret':
      return groupSecret(value, generation)
    default:
      return null
  }
}

function founded(value: Json): BodyOf<'founded'> | null {
  const name = parseDeviceName(value['name'])
  const nonce = value['nonce']
  return name === null || typeof nonce !== 'string' || !HEX_32.test(nonce) ? null : { kind: 'founded', nonce, name }
}

function deviceAdded(value: Json, device: DeviceId | null): BodyOf<'device-added'> | null {
  const name = parseDeviceName(value['name'])
  return device === null || name === null ? null : { kind: 'device-added', device, name }
}

function deviceRemoved(value: Json, device: DeviceId | null): BodyOf<'device-removed'> | null {
  const accepted = value['accepted']
  if (device === null || !Array.isArray(accepted) || accepted.length > MAX_RECORDS || !accepted.every(isHash)) return null
  return isAscending(accepted) ? { kind: 'device-removed', device, accepted } : null
}

function deviceRenamed(value: Json, device: DeviceId | null, generation: number | null): BodyOf<'device-renamed'> | null {
  const name = parseDeviceName(value['name'])
  return device === null || generation === null || name === null ? null : { kind: 'device-renamed', device, generation, name }
}

function deviceAddress(value: Json, device: DeviceId | null, generation: number | null): BodyOf<'device-address'> | null {
  const none = value['host'] === '' && value['port'] === 0
  const address = none ? { host: '', port: 0 } : parseAddress(value['host'], value['port'])
  return device === null || generation === null || address === null ? null : { kind: 'device-address', device, generation, ...address }
}

function folderNamed(value: Json, folder: FolderId | null, generation: number | null): BodyOf<'folder'> | null {
  const name = parseFolderName(value['name'])
  return folder === null || generation === null || name === null ? null : { kind: 'folder', folder, generation, name }
}

function folderKey(value: Json, folder: FolderId | null, generation: number | null): BodyOf<'folder-key'> | null {
  const keyId = parseKeyId(value['keyId'])
  const sealed = parseSealed(value['sealed'])
  return folder === null || generation === null || keyId === null || sealed === null ? null : { kind: 'folder-key', folder, generation, keyId, sealed }
}

function drive(value: Json, folder: FolderId | null, generation: number | null): BodyOf<'drive'> | null {
  const driveKey = parseDriveKey(value['driveKey'])
  const keyId = parseKeyId(value['keyId'])
  const writer = parseWriterId(value['writer'])
  const starts = value['starts'] ?? []
  if (folder === null || generation === null || driveKey === null || keyId === null || writer === null) return null
  if (!Array.isArray(starts) || starts.length > MAX_STARTS || !starts.every(isStartToken)) return null
  const owner = value['owner'] === undefined ? null : parseDriveOwner(value['owner'])
  if (owner === null && value['owner'] !== undefined) return null
  return { kind: 'drive', folder, generation, driveKey, keyId, writer, starts, owner }
}

function groupSecret(value: Json, generation: number | null): BodyOf<'group-secret'> | null {
  const keyId = parseKeyId(value['keyId'])
  const sealed = parseSealed(value['sealed'])
  return generation === null || keyId === null || sealed === null ? null : { kind: 'group-secret', generation, keyId, sealed }
}

function parseSealed(value: unknown): readonly SealedBox[] | null {
  if (!Array.isArray(value) || value.length > MAX_DEVICES) return null
  const boxes: SealedBox[] = []
  for (const item of value) {
    if (!Array.isArray(item) || item.length !== 2) return null
    const device = parseDeviceId(item[0])
    const box: unknown = item[1]
    if (device === null || typeof box !== 'string' || !BASE64.test(box)) return null
    boxes.push([device, box])
  }
  return boxes
}

function parseKeyId(value: unknown): KeyId | null {
  return typeof value === 'string' && HEX_16.test(value) ? (value as KeyId) : null
}

function parseName(value: unknown, maxBytes: number): string | null {
  if (typeof value !== 'string' || value === '' || value !== value.trim() || UNPRINTABLE.test(value)) return null
  return Buffer.byteLength(value) <= maxBytes ? value : null
}

function parseJson(body: Buffer): Json | null {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : null
  } catch {
    // Not JSON: not a record.
    return null
  }
}

function isHash(value: unknown): value is RecordHash {
  return typeof value === 'string' && HASH.test(value)
}

function isAscending(list: readonly string[]): boolean {
  return list.every((item, i) => i === 0 || (list[i - 1] ?? '') < item)
}

/** Counters stay far below 2^53, so that one more always exists. */
function isCounter(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= MAX_COUNTER
}

function signedBytes(group: GroupId, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from('p2psync/record/1\0'), Buffer.from(group, 'hex'), body])
}

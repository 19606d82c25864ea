/**
 * That a drive is the device's own (R23). A device signs what it says of its drives, but a member could say it of the drive of another
 * device, whose key it knows. So the drive's own key pair signs as well, for one device and one folder:
 *
 *     signer    = public key of the drive's key pair; the drive's key is the hash of the manifest that names it alone
 *     proof     = Ed25519 by the drive's key pair over 'p2psync/drive-owner/1\0' · folder (32 bytes) · device (32 bytes)
 *
 * Not of one group: a device that joins another group takes its drives along (R24). What else a record says of a drive (generation,
 * writer, key) is its device's own business, which signs it.
 */
import Hypercore from 'hypercore'
import type { DeviceId, DriveKey, FolderId } from '../sync/ids.ts'
import { sign, SIGNATURE_BYTES, verify } from './crypto.ts'
import type { KeyPair } from './crypto.ts'

export interface DriveOwner {
  /** 64 hex digits. */
  readonly signer: string
  /** 86 base64url characters. */
  readonly proof: string
}

export interface OwnedDrive {
  readonly folder: FolderId
  readonly device: DeviceId
  readonly driveKey: DriveKey
}

const SIGNER = /^[0-9a-f]{64}$/
/** Corestore's, of every core that it makes by name. */
const MANIFEST_VERSION = 1

/** By the key pair of the drive. */
export function proveOwner({ publicKey, secretKey }: KeyPair, folder: FolderId, device: DeviceId): DriveOwner {
  return { signer: publicKey.toString('hex'), proof: sign(signedBytes(folder, device), secretKey).toString('base64url') }
}

export function isOwner({ folder, device, driveKey }: OwnedDrive, { signer, proof }: DriveOwner): boolean {
  const publicKey = Buffer.from(signer, 'hex')
  return driveKeyOf(publicKey) === driveKey && verify(Buffer.from(proof, 'base64url'), signedBytes(folder, device), publicKey)
}

/** Of the drive that this key pair alone writes. */
export function driveKeyOf(publicKey: Buffer): DriveKey {
  return Hypercore.key(publicKey, { version: MANIFEST_VERSION }).toString('hex') as DriveKey
}

/** Null unless it has the form; says nothing of whether it is true. */
export function parseDriveOwner(value: unknown): DriveOwner | null {
  if (typeof value !== 'object' || value === null || !('signer' in value) || !('proof' in value)) return null
  const { signer, proof } = value
  if (typeof signer !== 'string' || !SIGNER.test(signer) || typeof proof !== 'string') return null
  const bytes = Buffer.from(proof, 'base64url')
  return bytes.length === SIGNATURE_BYTES && bytes.toString('base64url') === proof ? { signer, proof } : null
}

function signedBytes(folder: FolderId, device: DeviceId): Buffer {
  return Buffer.concat([Buffer.from('p2psync/drive-owner/1\0'), Buffer.from(folder, 'hex'), Buffer.from(device, 'hex')])
}

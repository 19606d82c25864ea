/**
 * The code a user carries from one device to the other: z-base-32 of
 *
 *     version (u8, 1) · secret (16 bytes) · expires (u32 LE, seconds) · address count (u8)
 *     · per address IPv4 (4) and port (u16 LE) · first 4 bytes of SHA-256 over all that
 *
 * From the secret both sides derive the blind-pairing invite and the key that the inviter answers under while it lasts. The
 * addresses let a device without a DHT be dialled (blind-pairing's own invites leave private ones out).
 */
import { randomBytes } from 'node:crypto'
import { isIPv4 } from 'node:net'
import BlindPairing from 'blind-pairing'
import type { PairingInvite } from 'blind-pairing'
import type { NodeAddress } from 'hyperdht'
import z32 from 'z32'
import { P2psyncError } from '../../base/errors.ts'
import { hash, keyPairOf } from './crypto.ts'
import type { KeyPair } from './crypto.ts'

export interface InviteCode {
  /** 16 bytes. */
  readonly secret: Buffer
  /** Milliseconds since the epoch, whole seconds. */
  readonly expiresAt: number
  /** IPv4 only, at most four. */
  readonly addresses: readonly NodeAddress[]
}

const VERSION = 1
const SECRET_BYTES = 16
const HEAD_BYTES = 1 + SECRET_BYTES + 4 + 1
const ADDRESS_BYTES = 6
const CHECK_BYTES = 4
const MAX_CODE_ADDRESSES = 4
const MAX_CODE_CHARACTERS = 200

export function newSecret(): Buffer {
  return randomBytes(SECRET_BYTES)
}

export function encodeInvite(code: InviteCode): string {
  const addresses = code.addresses.filter(({ host }) => isIPv4(host)).slice(0, MAX_CODE_ADDRESSES)
  const head = Buffer.alloc(HEAD_BYTES)
  head.writeUInt8(VERSION, 0)
  code.secret.copy(head, 1)
  head.writeUInt32LE(Math.floor(code.expiresAt / 1000), 1 + SECRET_BYTES)
  head.writeUInt8(addresses.length, HEAD_BYTES - 1)
  const bytes = Buffer.concat([head, ...addresses.map(encodeAddress)])
  return z32.encode(Buffer.concat([bytes, checkOf(bytes)]))
}

/** Spaces, line ends and capitals do not matter. @throws INVITE_INVALID */
export function decodeInvite(text: string): InviteCode {
  const bytes = bytesOf(text.replace(/\s+/g, '').toLowerCase())
  const body = bytes?.subarray(0, -CHECK_BYTES)
  if (bytes === null || body === undefined || body.length < HEAD_BYTES || !checkOf(body).equals(bytes.subarray(-CHECK_BYTES))) {
    throw new P2psyncError('INVITE_INVALID', 'this is not a whole invite code; copy all of what "p2psync invite" printed on the other device')
  }
  if (body.readUInt8(0) !== VERSION) throw new P2psyncError('INVITE_INVALID', 'this invite code is of another version of p2psync; update both devices')
  const count = body.readUInt8(HEAD_BYTES - 1)
  if (body.length !== HEAD_BYTES + count * ADDRESS_BYTES) throw new P2psyncError('INVITE_INVALID', 'this invite code is damaged; ask for a new one')
  const addresses: NodeAddress[] = []
  for (let at = HEAD_BYTES; at < body.length; at += ADDRESS_BYTES) {
    const port = body.readUInt16LE(at + 4)
    if (port > 0) addresses.push({ host: [...body.subarray(at, at + 4)].join('.'), port })
  }
  return { secret: Buffer.from(body.subarray(1, 1 + SECRET_BYTES)), expiresAt: body.readUInt32LE(1 + SECRET_BYTES) * 1000, addresses }
}

/** The blind-pairing invite that belongs to a secret. `data` goes into the reply, signed. */
export function pairingInvite(secret: Buffer, data?: Buffer): PairingInvite {
  return BlindPairing.createInvite(pairingKey(secret), { seed: hash('invite-seed', secret), ...(data === undefined ? {} : { data }) })
}

/** What blind-pairing's reply carries as "the key": proof of the right invite and nothing else. */
export function pairingKey(secret: Buffer): Buffer {
  return hash('invite-key', secret)
}

/** The inviter listens under this key; never a device key, so that strangers learn nothing and a refusal bans nobody. */
export function inviterKeyPair(secret: Buffer): KeyPair {
  return keyPairOf(hash('invite-server', secret))
}

function encodeAddress({ host, port }: NodeAddress): Buffer {
  const bytes = Buffer.alloc(ADDRESS_BYTES)
  host.split('.').forEach((part, i) => bytes.writeUInt8(Number(part), i))
  bytes.writeUInt16LE(port, 4)
  return bytes
}

function checkOf(bytes: Buffer): Buffer {
  return hash('invite-check', bytes).subarray(0, CHECK_BYTES)
}

function bytesOf(text: string): Buffer | null {
  if (text.length > MAX_CODE_CHARACTERS) return null
  try {
    const bytes = z32.decode(text)
    // Unused bits at the end must not make two spellings of one code.
    return z32.encode(bytes) === text ? bytes : null
  } catch {
    // A character outside the alphabet.
    return null
  }
}

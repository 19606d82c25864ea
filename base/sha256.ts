/** SHA-256, the one hash of our formats. A deterministic function of its input, so the pure core may use it. */
import * as crypto from 'node:crypto'

/** In one call where Node has it: since 20.12. */
const digest: (data: Uint8Array) => Buffer = typeof crypto.hash === 'function' ? (data) => crypto.hash('sha256', data, 'buffer') : (data) => crypto.createHash('sha256').update(data).digest()

const digestText: (data: Uint8Array) => string = typeof crypto.hash === 'function' ? (data) => crypto.hash('sha256', data, 'base64url') : (data) => crypto.createHash('sha256').update(data).digest('base64url')

/** @returns the 32-byte digest of the concatenation of `parts`. */
export function sha256(...parts: readonly Uint8Array[]): Buffer {
  // For small input the object costs as much as the hash: 4 KiB at 400 MiB/s with it, at 750 without.
  const joined = parts.length === 1 ? (parts[0] as Uint8Array) : joinSmall(parts)
  return joined === null ? hashOf(parts).digest() : digest(joined)
}

/** The same in base64url: a buffer for the digest would cost as much as the hash of some dozen bytes. */
export function sha256Text(...parts: readonly Uint8Array[]): string {
  const joined = parts.length === 1 ? (parts[0] as Uint8Array) : joinSmall(parts)
  return joined === null ? hashOf(parts).digest('base64url') : digestText(joined)
}

function hashOf(parts: readonly Uint8Array[]): crypto.Hash {
  const hashed = crypto.createHash('sha256')
  for (const part of parts) hashed.update(part)
  return hashed
}

/** For parts that are hashed together; one for this thread, because it is done with when the hash is. */
const scratch = Buffer.allocUnsafeSlow(1024)

/** Null if they are too long to be worth a copy. */
function joinSmall(parts: readonly Uint8Array[]): Uint8Array | null {
  let length = 0
  for (const part of parts) {
    if (length + part.length > scratch.length) return null
    scratch.set(part, length)
    length += part.length
  }
  return scratch.subarray(0, length)
}

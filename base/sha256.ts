/** SHA-256, the one hash of our formats. A deterministic function of its input, so the pure core may use it. */
import { createHash, hash } from 'node:crypto'

/** @returns the 32-byte digest of the concatenation of `parts`. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  // For small input the object costs as much as the hash: 4 KiB at 400 MiB/s with it, at 750 without.
  if (parts.length === 1) return hash('sha256', parts[0] as Uint8Array, 'buffer')
  const hashed = createHash('sha256')
  for (const part of parts) hashed.update(part)
  return hashed.digest()
}

/** SHA-256, the one hash of our formats. A deterministic function of its input, so the pure core may use it. */
import { createHash } from 'node:crypto'

/** @returns the 32-byte digest of the concatenation of `parts`. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

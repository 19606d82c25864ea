/**
 * The few cryptographic operations of the group, each with a domain of its own. Ed25519 signs and names a device; the same key,
 * moved to X25519, receives sealed secrets (libsodium's crypto_sign_ed25519_pk_to_curve25519 and crypto_box_seal).
 */
import { randomBytes } from 'node:crypto'
import sodium from 'sodium-universal'
import { sha256 } from '../../base/sha256.ts'

export interface KeyPair {
  readonly publicKey: Buffer
  readonly secretKey: Buffer
}

export const SIGNATURE_BYTES = 64

export function random32(): Buffer {
  return randomBytes(32)
}

/** SHA-256 of `p2psync/<domain>/1\0` and the parts; parts must have fixed lengths or come last. */
export function hash(domain: string, ...parts: readonly Uint8Array[]): Buffer {
  return Buffer.from(sha256(Buffer.from(`p2psync/${domain}/1\0`), ...parts))
}

export function keyPairOf(seed: Buffer): KeyPair {
  const publicKey = Buffer.alloc(32)
  const secretKey = Buffer.alloc(64)
  sodium.crypto_sign_seed_keypair(publicKey, secretKey, seed)
  return { publicKey, secretKey }
}

export function sign(message: Buffer, secretKey: Buffer): Buffer {
  const signature = Buffer.alloc(SIGNATURE_BYTES)
  sodium.crypto_sign_detached(signature, message, secretKey)
  return signature
}

export function verify(signature: Buffer, message: Buffer, publicKey: Buffer): boolean {
  if (signature.length !== SIGNATURE_BYTES || publicKey.length !== 32) return false
  return sodium.crypto_sign_verify_detached(signature, message, publicKey)
}

/** Only the holder of the device key can open it. Null if the key is not a point that can receive. */
export function seal(message: Buffer, devicePublicKey: Buffer): Buffer | null {
  const box = Buffer.alloc(message.length + sodium.crypto_box_SEALBYTES)
  const receiver = Buffer.alloc(32)
  try {
    sodium.crypto_sign_ed25519_pk_to_curve25519(receiver, devicePublicKey)
    sodium.crypto_box_seal(box, message, receiver)
    return box
  } catch {
    // The library throws on a key of small order: nothing can be sealed to it.
    return null
  }
}

/** Null if it was not sealed to this key pair. */
export function openSealed(box: Buffer, keyPair: KeyPair): Buffer | null {
  if (box.length < sodium.crypto_box_SEALBYTES) return null
  const publicKey = Buffer.alloc(32)
  const secretKey = Buffer.alloc(32)
  sodium.crypto_sign_ed25519_pk_to_curve25519(publicKey, keyPair.publicKey)
  sodium.crypto_sign_ed25519_sk_to_curve25519(secretKey, keyPair.secretKey)
  const message = Buffer.alloc(box.length - sodium.crypto_box_SEALBYTES)
  return sodium.crypto_box_seal_open(message, box, publicKey, secretKey) ? message : null
}

/**
 * Brands of the identifiers and their only parsers. Everything that comes from a peer, a disk or a caller passes through one of
 * these before it is used. Binary ids are base64url without padding in memory and in JSON (43 characters for 32 bytes).
 */

/** An Ed25519 public key of a device, 64 lower-case hex digits; also its Noise key. */
export type DeviceId = string & { readonly __brand: 'DeviceId' }
/** 32 random bytes, 64 lower-case hex digits. */
export type FolderId = string & { readonly __brand: 'FolderId' }
/** First 8 bytes of SHA-256 of the first drive key of a writer (R1), 16 lower-case hex digits. */
export type WriterId = string & { readonly __brand: 'WriterId' }
/** Public key of a Hypercore (the db core of a drive), 64 lower-case hex digits. */
export type DriveKey = string & { readonly __brand: 'DriveKey' }
/** Of a drive's blobs core. */
export type BlobsKey = string & { readonly __brand: 'BlobsKey' }
/** A path below the folder root: components joined by '/', no leading or trailing slash; the root itself is ''. See path.ts. */
export type PathKey = string & { readonly __brand: 'PathKey' }
/** Identifies a whole file content (content.ts), 43 base64url characters. */
export type ContentId = string & { readonly __brand: 'ContentId' }
/** SHA-256 of a chunk, 43 base64url characters. */
export type ChunkId = string & { readonly __brand: 'ChunkId' }
/** Anything that can be asked for by id on the wire: a list header (its ContentId), a page of a list, or a chunk. */
export type ObjectId = string & { readonly __brand: 'ObjectId' }

const HEX_32 = /^[0-9a-f]{64}$/
const HEX_8 = /^[0-9a-f]{16}$/
const BASE64_32 = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/

export function parseDeviceId(value: unknown): DeviceId | null {
  return typeof value === 'string' && HEX_32.test(value) ? (value as DeviceId) : null
}

export function parseFolderId(value: unknown): FolderId | null {
  return typeof value === 'string' && HEX_32.test(value) ? (value as FolderId) : null
}

export function parseBlobsKey(value: unknown): BlobsKey | null {
  return typeof value === 'string' && HEX_32.test(value) ? (value as BlobsKey) : null
}

export function parseDriveKey(value: unknown): DriveKey | null {
  return typeof value === 'string' && HEX_32.test(value) ? (value as DriveKey) : null
}

export function parseWriterId(value: unknown): WriterId | null {
  return typeof value === 'string' && HEX_8.test(value) ? (value as WriterId) : null
}

export function parseContentId(value: unknown): ContentId | null {
  return typeof value === 'string' && BASE64_32.test(value) ? (value as ContentId) : null
}

export function parseChunkId(value: unknown): ChunkId | null {
  return typeof value === 'string' && BASE64_32.test(value) ? (value as ChunkId) : null
}

export function parseObjectId(value: unknown): ObjectId | null {
  return typeof value === 'string' && BASE64_32.test(value) ? (value as ObjectId) : null
}

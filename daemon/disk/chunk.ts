/**
 * Where a file is cut into chunks: FastCDC (Xia et al., USENIX ATC 2016) with a 32-bit gear table, so that an edit changes the
 * chunks around it and no others. Everything here is part of the format: two devices that cut differently share nothing.
 *
 *     gear[i]  = the first 4 bytes (u32 LE) of SHA-256('p2psync/gear/1\0' · i as one byte)
 *     hash     = (hash << 1) + gear[byte], 32 bits, from 0 at the minimum length on (what lies before is not looked at)
 *     a chunk ends after the byte that makes all bits of the mask 0: up to the average length the mask of log2(average) + 2 upper
 *     bits, from there on that of log2(average) − 2 (normalisation level 2), at the latest at the maximum
 *     a file of at most 64 KiB is one chunk, an empty file none
 */
import { sha256 } from '../../base/sha256.ts'
import { MAX_CHUNK_BYTES, MIN_CHUNK_BYTES, type SizeClass } from '../sync/content.ts'

/** Lengths in bytes. */
export interface CutRule {
  readonly min: number
  readonly average: number
  readonly max: number
  /** Of the part before the average length, and of the part after it. */
  readonly strictMask: number
  readonly looseMask: number
}

export const ONE_CHUNK_BYTES = 64 * 1024

export const CUT_RULES: Readonly<Record<SizeClass, CutRule>> = {
  0: { min: MIN_CHUNK_BYTES[0], average: 128 * 1024, max: MAX_CHUNK_BYTES[0], strictMask: upperBits(17 + 2), looseMask: upperBits(17 - 2) },
  1: { min: MIN_CHUNK_BYTES[1], average: 1024 * 1024, max: MAX_CHUNK_BYTES[1], strictMask: upperBits(20 + 2), looseMask: upperBits(20 - 2) }
}

const GEAR = gearTable()

/** The length of the chunk that begins at `start`. `end` must be the end of the file, or at least `rule.max` away. */
export function cutLength(data: Uint8Array, start: number, end: number, rule: CutRule): number {
  const length = end - start
  if (length <= rule.min) return length
  const strictEnd = start + Math.min(rule.average, length)
  const strict = findCut(data, start + rule.min, strictEnd, rule.strictMask, 0)
  if (strict !== NONE) return strict - start
  const looseEnd = start + Math.min(rule.max, length)
  const loose = findCut(data, strictEnd, looseEnd, rule.looseMask, hashBefore(data, start + rule.min, strictEnd))
  return (loose === NONE ? looseEnd : loose) - start
}

const NONE = -1

/** Of each of the two lanes; more than the 32 bytes on which a hash depends. */
const LANE_BYTES = 2048

/**
 * The hot loop of hashing. Each step waits for the one before, so two stretches are hashed side by side (a third less time), and where
 * either has a cut the bytes are gone through in order.
 */
function findCut(data: Uint8Array, from: number, end: number, mask: number, before: number): number {
  const gear = GEAR
  let [hash, at] = [before, from]
  for (; at + 2 * LANE_BYTES <= end; at += 2 * LANE_BYTES) {
    const middle = at + LANE_BYTES
    let [first, second] = [hash, hashBefore(data, at, middle)]
    let i = at
    for (; i < middle; i += 2) {
      first = ((first << 1) + (gear[data[i] as number] as number)) | 0
      second = ((second << 1) + (gear[data[i + LANE_BYTES] as number] as number)) | 0
      if ((first & mask) === 0 || (second & mask) === 0) break
      first = ((first << 1) + (gear[data[i + 1] as number] as number)) | 0
      second = ((second << 1) + (gear[data[i + LANE_BYTES + 1] as number] as number)) | 0
      if ((first & mask) === 0 || (second & mask) === 0) break
    }
    if (i < middle) break
    hash = second
  }
  return findCutInOrder(data, at, end, mask, hash)
}

function findCutInOrder(data: Uint8Array, from: number, end: number, mask: number, before: number): number {
  const gear = GEAR
  let hash = before
  for (let i = from; i < end; i++) {
    hash = ((hash << 1) + (gear[data[i] as number] as number)) | 0
    if ((hash & mask) === 0) return i + 1
  }
  return NONE
}

/** The hash that a loop from `from` has at `end`: older bytes than the last 32 are shifted out. */
function hashBefore(data: Uint8Array, from: number, end: number): number {
  let hash = 0
  for (let i = Math.max(from, end - 32); i < end; i++) hash = ((hash << 1) + (GEAR[data[i] as number] as number)) | 0
  return hash
}

/** They depend on the most bytes: bit k on the last k + 1. */
function upperBits(count: number): number {
  return ~((2 ** (32 - count)) - 1) | 0
}

function gearTable(): Int32Array {
  const domain = Buffer.from('p2psync/gear/1\0')
  const table = new Int32Array(256)
  for (let i = 0; i < 256; i++) table[i] = Buffer.from(sha256(domain, Uint8Array.of(i))).readInt32LE(0)
  return table
}

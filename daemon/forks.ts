/**
 * Drives of other devices that have two histories (R19): they do not replicate any more, on any connection; what was read of them
 * stays. Everybody is told the head that contradicts ours, so that the owner learns of it whichever of the two it goes on with.
 *
 *     state/forks.json   { "version": 1, "drives": [ { key, length, fork, treeHash } ] }
 */
import { z } from 'zod'
import { writeDurably } from '../base/durable-file.ts'
import type { DriveHead } from './ports.ts'
import { readDocument } from './read-document.ts'
import { parseDriveKey, type DriveKey } from './sync/ids.ts'

const key = z.custom<DriveKey>((value) => parseDriveKey(value) !== null, 'must be 64 hex digits')
const head = z.strictObject({ key, length: z.int().min(0), fork: z.int().min(0), treeHash: z.string().regex(/^[0-9a-f]{64}$/) })
const document = z.strictObject({ version: z.literal(1), drives: z.array(head) })

/** Far more than a group has; the oldest go. */
const MAX_FORKS = 1000

export class Forks {
  readonly #file: string
  #heads: readonly DriveHead[]

  constructor(file: string) {
    this.#file = file
    // What is not there is found again at the next connection.
    this.#heads = readDocument(file, document)?.drives ?? []
  }

  has(drive: DriveKey): boolean {
    return this.#heads.some((known) => known.key === drive)
  }

  /** The heads that contradict ours. */
  of(drive: DriveKey): readonly DriveHead[] {
    return this.#heads.filter((known) => known.key === drive)
  }

  /** Durable when it returns. False if it was known. */
  add(evidence: DriveHead): boolean {
    if (this.has(evidence.key)) return false
    const { key: drive, length, fork, treeHash } = evidence
    const heads = [...this.#heads, { key: drive, length, fork, treeHash }].slice(-MAX_FORKS)
    writeDurably(this.#file, `${JSON.stringify({ version: 1, drives: heads })}\n`)
    this.#heads = heads
    return true
  }
}

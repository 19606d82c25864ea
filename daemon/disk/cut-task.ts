/**
 * Cutting a part of an open file, in a thread of its own (base/workers.ts) or in the caller's. Cuts depend on nothing but the bytes
 * from the last cut on: so parts can be cut at the same time and joined where they meet, and a file that is known in another version
 * need not be cut where a chunk of that version stands; to hash it is enough, at twice the speed.
 */
import { readSync } from 'node:fs'
import { sha256 } from '../../base/sha256.ts'
import type { SizeClass } from '../sync/content.ts'
import { cutLength, CUT_RULES, type CutRule } from './chunk.ts'

/** A chunk as the pages of a list have it: id · length (u32 LE). */
export const ROW_BYTES = 36

export interface CutInput {
  readonly fd: number
  /** Of the whole file. */
  readonly size: number
  readonly sizeClass: SizeClass
  /** The first cut. */
  readonly from: number
  /** Ends with the first cut that is not before this. */
  readonly to: number
  /** Ends earlier at one of these cuts. */
  readonly stops?: Float64Array
  /** Rows of chunks that are likely to come, in this order. */
  readonly hints?: Uint8Array
}

/** Rows, or null if the file is shorter than `size`. */
export type CutOutput = Uint8Array | null

/** Few calls, and little enough for the processor's caches. */
const READ_BYTES = 1024 * 1024

export function run(input: CutInput): CutOutput {
  const { size, to, stops } = input
  const rule = CUT_RULES[input.sizeClass]
  const window = new Window(input.fd, size, input.from, rule)
  const expected = new Expected(input.hints)
  const rows = new Rows()
  const stopAt = new Set(stops)
  while (window.position < Math.min(to, size) && !stopAt.has(window.position)) {
    if (!window.fill()) return null
    const length = expected.take(window, rows) ?? cut(window, rule, rows, expected)
    window.advance(length)
  }
  return rows.bytes()
}

function cut(window: Window, rule: CutRule, rows: Rows, expected: Expected): number {
  const length = cutLength(window.data, window.start, window.end, rule)
  const id = sha256(window.data.subarray(window.start, window.start + length))
  rows.push(id, length)
  expected.met(id)
  return length
}

/** The bytes from the last cut on: at least a maximum chunk of them, or all to the end of the file. */
class Window {
  readonly data: Buffer
  start = 0
  end = 0
  position: number
  readonly size: number
  readonly #fd: number
  readonly #max: number

  constructor(fd: number, size: number, position: number, rule: CutRule) {
    this.#fd = fd
    this.#max = rule.max
    this.size = size
    this.position = position
    this.data = keptBuffer(rule.max + READ_BYTES)
  }

  /** False if the file ends too early. */
  fill(): boolean {
    const need = Math.min(this.#max, this.size - this.position)
    if (this.end - this.start >= need) return true
    this.data.copyWithin(0, this.start, this.end)
    this.end -= this.start
    this.start = 0
    while (this.end < need) {
      const at = this.position + this.end
      const count = readSync(this.#fd, this.data, this.end, Math.min(this.data.length - this.end, this.size - at), at)
      if (count === 0) return false
      this.end += count
    }
    return true
  }

  advance(length: number): void {
    this.start += length
    this.position += length
  }
}

/** The chunks of another version, followed as long as they come as expected. */
class Expected {
  readonly #rows: Buffer
  readonly #byId = new Map<string, number>()
  /** Offset of the row that should come next; null: lost. */
  #next: number | null

  constructor(hints: Uint8Array = new Uint8Array(0)) {
    this.#rows = Buffer.from(hints.buffer, hints.byteOffset, hints.byteLength)
    this.#next = 0
  }

  /** The length of the next chunk if it is the expected one: then it ends here too, unless it ended only because the file did. */
  take(window: Window, rows: Rows): number | null {
    const at = this.#next
    if (at === null || at >= this.#rows.length) return null
    const length = this.#rows.readUInt32LE(at + 32)
    const isLast = at + ROW_BYTES === this.#rows.length
    if (length <= window.end - window.start && (!isLast || window.position + length === window.size)) {
      const id = sha256(window.data.subarray(window.start, window.start + length))
      if (id.equals(this.#rows.subarray(at, at + 32))) {
        rows.push(id, length)
        this.#next = at + ROW_BYTES
        return length
      }
    }
    this.#next = null
    return null
  }

  /** A chunk that was cut: the expected ones may go on after it. */
  met(id: Buffer): void {
    if (this.#rows.length === 0) return
    if (this.#byId.size === 0) for (let at = 0; at < this.#rows.length; at += ROW_BYTES) this.#byId.set(this.#rows.toString('latin1', at, at + 32), at)
    const at = this.#byId.get(id.toString('latin1'))
    if (at !== undefined) this.#next = at + ROW_BYTES
  }
}

class Rows {
  #data = Buffer.allocUnsafe(64 * ROW_BYTES)
  #length = 0

  push(id: Buffer, length: number): void {
    if (this.#length === this.#data.length) this.#data = Buffer.concat([this.#data], this.#data.length * 2)
    id.copy(this.#data, this.#length)
    this.#data.writeUInt32LE(length, this.#length + 32)
    this.#length += ROW_BYTES
  }

  bytes(): Uint8Array {
    return Uint8Array.prototype.slice.call(this.#data, 0, this.#length)
  }
}

let kept = Buffer.alloc(0)

/** The same for each task of a thread: `run` never waits, so that no two of them use it at once. */
function keptBuffer(bytes: number): Buffer {
  if (kept.length < bytes) kept = Buffer.allocUnsafeSlow(bytes)
  return kept
}

/**
 * Large buffers that are used again. For V8 each new one is memory to be looked for and given back: at hundreds of MiB a second that
 * takes as long as it takes to fill them. Whoever knows that nobody else holds the bytes any more gives them back; what is not given
 * back is collected like any other buffer.
 */

/** All are of one size, so that each fits. */
const BUFFER_BYTES = 2 * 1024 * 1024
/** Less is not worth one. */
const MIN_BYTES = 512 * 1024
/** As many as are used at once by a stream at full speed. */
const MAX_FREE = 4
/** What was not used for so long is let go. */
const IDLE_MS = 2000

export class LentBuffers {
  readonly #free: ArrayBuffer[] = []
  /** Of each that is lent, how many of its parts are still out. */
  readonly #parts = new WeakMap<ArrayBufferLike, number>()
  #timer: NodeJS.Timeout | null = null

  /** To be filled, and handed on in `parts` parts. */
  lend(bytes: number, parts: number): Buffer {
    if (bytes < MIN_BYTES || bytes > BUFFER_BYTES) return Buffer.allocUnsafeSlow(bytes)
    const memory = this.#free.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES).buffer
    this.#parts.set(memory, parts)
    return Buffer.from(memory, 0, bytes)
  }

  /** Nobody reads this part any more. Bytes that were not lent are left alone. */
  giveBack(part: Uint8Array): void {
    const left = this.#parts.get(part.buffer)
    if (left === undefined) return
    if (left > 1) {
      this.#parts.set(part.buffer, left - 1)
      return
    }
    this.#parts.delete(part.buffer)
    if (this.#free.length < MAX_FREE) this.#free.push(part.buffer as ArrayBuffer)
    if (this.#timer === null) this.#timer = setTimeout(() => this.#letGo(), IDLE_MS).unref()
    else this.#timer.refresh()
  }

  #letGo(): void {
    this.#timer = null
    this.#free.length = 0
  }
}

/** Of the files' bytes that are read for others. */
export const readBuffers = new LentBuffers()

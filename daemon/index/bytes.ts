/** Writes and reads the index's values: varints, fixed-length ids, strings. One pass, no schema; codec.ts says what stands where. */

const SCRATCH_BYTES = 64 * 1024

/** Appends fields to a buffer that grows; `take` gives what was written and starts again. */
export class ByteWriter {
  #buffer = Buffer.allocUnsafe(SCRATCH_BYTES)
  #at = 0

  byte(value: number): this {
    this.#room(1)
    this.#buffer[this.#at++] = value
    return this
  }

  /** A safe integer, 0 or more. */
  uint(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not an unsigned integer: ${value}`)
    this.#room(8)
    let rest = value
    while (rest > 0x7f) {
      this.#buffer[this.#at++] = (rest % 128) | 0x80
      rest = Math.floor(rest / 128)
    }
    this.#buffer[this.#at++] = rest
    return this
  }

  /** A decimal string of 64 bits, signed. */
  int64(value: string): this {
    this.#room(8)
    this.#at = this.#buffer.writeBigInt64LE(BigInt(value), this.#at)
    return this
  }

  /** A decimal string of 64 bits, unsigned. */
  uint64(value: string): this {
    this.#room(8)
    this.#at = this.#buffer.writeBigUInt64LE(BigInt(value), this.#at)
    return this
  }

  /** Exactly `bytes` bytes from text. */
  fixed(text: string, encoding: 'hex' | 'base64url', bytes: number): this {
    this.#room(bytes)
    const written = this.#buffer.write(text, this.#at, bytes, encoding)
    if (written !== bytes) throw new RangeError(`not an id of ${bytes} bytes`)
    this.#at += bytes
    return this
  }

  string(text: string): this {
    const bytes = Buffer.byteLength(text)
    this.uint(bytes)
    this.#room(bytes)
    this.#at += this.#buffer.write(text, this.#at, bytes, 'utf8')
    return this
  }

  take(): Buffer {
    const bytes = Buffer.from(this.#buffer.subarray(0, this.#at))
    this.#at = 0
    return bytes
  }

  /** Forgets what an encoder that threw has left. */
  reset(): this {
    this.#at = 0
    return this
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, this.#at + bytes))
    this.#buffer.copy(larger, 0, 0, this.#at)
    this.#buffer = larger
  }
}

let lastColumn = { high: 0, low: 0, text: '0'.repeat(16) }

/** Throws RangeError beyond the end. */
export class ByteReader {
  readonly #buffer: Buffer
  #at = 0

  constructor(buffer: Buffer) {
    this.#buffer = buffer
  }

  /** Where the next value begins. */
  get at(): number {
    return this.#at
  }

  /** Nothing is left. */
  get done(): boolean {
    return this.#at === this.#buffer.length
  }

  byte(): number {
    return this.#buffer.readUInt8(this.#skip(1))
  }

  uint(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (!Number.isSafeInteger(value)) throw new RangeError('the integer is too large')
      if (byte < 0x80) return value
    }
  }

  int64(): string {
    return this.#buffer.readBigInt64LE(this.#skip(8)).toString()
  }

  uint64(): string {
    return this.#buffer.readBigUInt64LE(this.#skip(8)).toString()
  }

  fixed(encoding: 'hex' | 'base64url', bytes: number): string {
    const from = this.#skip(bytes)
    return this.#buffer.toString(encoding, from, from + bytes)
  }

  /** Eight bytes in hex. They stand for a writer, and most rows in a row are of one. */
  column(): string {
    const from = this.#skip(8)
    const [high, low] = [this.#buffer.readUInt32BE(from), this.#buffer.readUInt32BE(from + 4)]
    if (high !== lastColumn.high || low !== lastColumn.low) lastColumn = { high, low, text: this.#buffer.toString('hex', from, from + 8) }
    return lastColumn.text
  }

  /** Goes over so many bytes. */
  pass(bytes: number): this {
    this.#skip(bytes)
    return this
  }

  string(): string {
    const bytes = this.uint()
    const from = this.#skip(bytes)
    return this.#buffer.toString('utf8', from, from + bytes)
  }

  end(): void {
    if (this.#at !== this.#buffer.length) throw new RangeError('bytes are left over')
  }

  #skip(bytes: number): number {
    const from = this.#at
    if (bytes > this.#buffer.length - from) throw new RangeError('the value is cut off')
    this.#at = from + bytes
    return from
  }
}

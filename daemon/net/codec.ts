/**
 * What messages are built of: compact-encoding with limits. Decoders throw on anything too short, too long or unknown, and never
 * take more memory than the bytes they were given.
 */
import c from 'compact-encoding'
import type { Encoding, State } from 'compact-encoding'

/** A value as it goes onto the wire: written twice, once to count. */
export function encoding<T>(write: (out: Writer, value: T) => void, read: (state: State) => T): Encoding<T> {
  return {
    preencode: (state, value) => write(counter(state), value),
    encode: (state, value) => write(writer(state), value),
    decode: read,
  }
}

export interface Writer {
  put<T>(kind: Encoding<T>, value: T): void
}

function counter(state: State): Writer {
  return { put: (kind, value) => kind.preencode(state, value) }
}

function writer(state: State): Writer {
  return { put: (kind, value) => kind.encode(state, value) }
}

/** Bytes of a fixed number of text characters: hex or base64url. */
export function idEncoding<T extends string>(bytes: number, form: 'hex' | 'base64url'): Encoding<T> {
  return {
    preencode: (state) => {
      state.end += bytes
    },
    encode: (state, value) => {
      state.buffer.write(value, state.start, bytes, form)
      state.start += bytes
    },
    decode: (state) => take(state, bytes).toString(form) as T,
  }
}

/** A view, not a copy. */
export function bytes(maxBytes: number): Encoding<Buffer> {
  return {
    preencode: c.buffer.preencode,
    encode: (state, value) => {
      c.uint.encode(state, value.length)
      state.buffer.set(value, state.start)
      state.start += value.length
    },
    decode: (state) => take(state, limited(c.uint.decode(state), maxBytes)),
  }
}

export function text(maxBytes: number): Encoding<string> {
  return {
    preencode: c.string.preencode,
    encode: c.string.encode,
    decode: (state) => take(state, limited(c.uint.decode(state), maxBytes)).toString('utf8'),
  }
}

const time = text(24)
const MAX_INT64 = 2n ** 63n - 1n

/** A point in time in nanoseconds since the epoch, decimal: as the times of files are written everywhere. */
export const nanoseconds: Encoding<string> = {
  ...time,
  decode: (state) => {
    const value = time.decode(state)
    if (!/^-?\d{1,20}$/.test(value) || BigInt(value) > MAX_INT64 || BigInt(value) < -MAX_INT64) throw new Error('a time is no number')
    return value
  },
}

export function list<T>(item: Encoding<T>, maxItems: number): Encoding<readonly T[]> {
  return {
    preencode: (state, items) => {
      c.uint.preencode(state, items.length)
      for (const value of items) item.preencode(state, value)
    },
    encode: (state, items) => {
      c.uint.encode(state, items.length)
      for (const value of items) item.encode(state, value)
    },
    decode: (state) => {
      const count = limited(c.uint.decode(state), maxItems)
      const items: T[] = []
      for (let i = 0; i < count; i++) items.push(item.decode(state))
      return items
    },
  }
}

function take(state: State, count: number): Buffer {
  if (state.end - state.start < count) throw new Error('message ends too early')
  const start = state.start
  state.start += count
  return state.buffer.subarray(start, state.start)
}

export function limited(value: number, max: number): number {
  if (value > max) throw new Error('message is beyond a limit')
  return value
}

/** For what is found by index, so that a surplus value cannot pass. */
export function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('message has an unknown value')
  return value
}

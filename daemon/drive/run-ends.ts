/**
 * Where another device's log ended when it was shorter, with the signature that it had then: only its author can sign where a part of it
 * ends, and who passes it on must give it in parts (runs.ts). One end for so many blocks, in the core's user data, with which it is deleted.
 *
 *     p2psync/end/1/<length / RUN_BLOCKS>   fork · length · signature
 */
import c from 'compact-encoding'
import type Hypercore from 'hypercore'
import { MAX_RUN_BLOCKS, RUN_BLOCKS } from '../../base/limits.ts'

export interface RunEnd {
  readonly fork: number
  readonly length: number
  readonly signature: Buffer
}

/** A part that is shorter is not worth a trip if there is another. */
const WORTH_BLOCKS = RUN_BLOCKS / 2

/** By what all sessions of a core share. */
const noted = new WeakMap<object, { readonly window: number; readonly written: Promise<void> }>()

/** The log grew. Resolves when its end is noted, where it is to be: the first that is seen of so many blocks. Never rejects. */
export function noteEnd(core: Hypercore): Promise<void> {
  const { length, fork } = core
  const { signature } = core.state
  const last = noted.get(core.core)
  const window = windowOf(length)
  if (length === 0 || signature === null || last?.window === window) return last?.written ?? Promise.resolve()
  // What could not be noted (it is being closed) is not given in parts, and goes over as it does without.
  const written = core.setUserData(keyOf(window), encodeEnd({ fork, length, signature })).catch(() => undefined)
  noted.set(core.core, { window, written })
  return written
}

/** A good end of a part that begins at `start`; null: none is known. */
export async function endAfter(core: Hypercore, start: number): Promise<RunEnd | null> {
  const first = windowOf(start + 1)
  const reader = core.state.storage.read()
  const reading = Array.from({ length: MAX_RUN_BLOCKS / RUN_BLOCKS + 1 }, (_, i) => reader.getUserData(keyOf(first + i)))
  reader.tryFlush()
  const ends = (await Promise.all(reading)).map((value) => (value === null ? null : decodeEnd(value)))
  const fit = ends.filter((end) => end !== null && end.fork === core.fork && end.length > start && end.length < core.length && end.length - start <= MAX_RUN_BLOCKS) as RunEnd[]
  return fit.find(({ length }) => length - start >= WORTH_BLOCKS) ?? fit.at(-1) ?? null
}

export function encodeEnd({ fork, length, signature }: RunEnd): Buffer {
  return Buffer.concat([c.encode(c.uint, fork), c.encode(c.uint, length), signature])
}

/** Null for what is none; whether the signature is right is seen by who takes the run in. */
export function decodeEnd(value: Buffer): RunEnd | null {
  const state = c.state(0, value.length, value)
  try {
    return { fork: c.uint.decode(state), length: c.uint.decode(state), signature: Buffer.from(value.subarray(state.start)) }
  } catch {
    return null
  }
}

/** The last of its blocks tells. */
function windowOf(length: number): number {
  return Math.floor((length - 1) / RUN_BLOCKS)
}

function keyOf(window: number): string {
  return `p2psync/end/1/${window}`
}

/**
 * A file's bytes → its content list. Small files here, large ones in parts on worker threads (cut-task.ts). Knows descriptors, not
 * names; who calls sees to it that the file was stable.
 */
import type { Workers } from '../../base/workers.ts'
import { chunkId, contentList, encodePages, sizeClassOf, type Chunk, type ContentList } from '../sync/content.ts'
import type { ChunkId } from '../sync/ids.ts'
import { ONE_CHUNK_BYTES } from './chunk.ts'
import { ROW_BYTES, run, type CutInput, type CutOutput } from './cut-task.ts'
import { readFully } from './sys.ts'

/** A part for one thread: long enough that a thread's start and what is cut twice at a seam do not count. */
const PART_BYTES = 32 * 1024 * 1024
/** Without threads: cutting and hashing hold the event loop for 3 ms. */
const TURN_BYTES = 2 * 1024 * 1024
/** From here on a thread is worth asking; below, cutting holds the event loop for some ms. */
const THREAD_BYTES = 2 * 1024 * 1024
const CUT_TASK = new URL('./cut-task.js', import.meta.url)

export interface ReadOptions {
  readonly signal?: AbortSignal
  /** Absent: all is done in the caller's thread. */
  readonly workers?: Workers | null
  /** Another version of the file. */
  readonly known?: ContentList | null
  /** Gets the bytes of a content of one chunk. */
  readonly onChunk?: ((chunk: ChunkId, data: Buffer) => void) | undefined
}

/** @returns null if there were fewer than `size` bytes, or the signal aborted. */
export async function readContent(fd: number, size: number, options: ReadOptions = {}): Promise<ContentList | null> {
  const sizeClass = sizeClassOf(size)
  if (size === 0) return contentList(sizeClass, [])
  if (size <= ONE_CHUNK_BYTES) return await readOneChunk(fd, size, options)
  const workers = size < THREAD_BYTES ? null : (options.workers ?? null)
  const cut = async (input: Cut): Promise<CutOutput> => {
    if (options.signal?.aborted === true) return null
    const whole: CutInput = { ...input, fd, size, sizeClass }
    return workers === null ? await inTurn(whole) : await workers.run<CutOutput>(CUT_TASK, whole)
  }
  const known = options.known ?? null
  const hints = known === null || known.size <= ONE_CHUNK_BYTES || known.sizeClass !== sizeClass ? null : known.chunks
  const join = new Join(size, cut)
  const chunks = workers === null ? await join.inTurns() : await join.parts(partsOf(size, hints), workers.size + 1)
  return chunks === null ? null : contentList(sizeClass, chunks)
}

async function readOneChunk(fd: number, size: number, { onChunk }: ReadOptions): Promise<ContentList | null> {
  const data = Buffer.allocUnsafe(size)
  if ((await readFully(fd, data, 0, size, 0)) < size) return null
  const id = chunkId(data)
  onChunk?.(id, data)
  return contentList(0, [{ id, length: size }])
}

/** Without threads other work gets a turn in between. */
async function inTurn(input: CutInput): Promise<CutOutput> {
  await new Promise((resolve) => setImmediate(resolve))
  return run(input)
}

type Cut = Pick<CutInput, 'from' | 'to' | 'stops' | 'hints'>

interface Part {
  readonly from: number
  readonly to: number
  readonly hints: Uint8Array | null
}

/** Where another version is known a part begins at one of its cuts, which is likely to be a cut still. */
function partsOf(size: number, hints: readonly Chunk[] | null): Part[] {
  const starts = [0]
  const firsts = [0]
  let position = 0
  for (const [i, { length }] of (hints ?? []).entries()) {
    const last = starts[starts.length - 1] as number
    if (position - last >= PART_BYTES && position < size) {
      starts.push(position)
      firsts.push(i)
    }
    position += length
  }
  for (let next = (starts[starts.length - 1] as number) + PART_BYTES; next < size; next += PART_BYTES) starts.push(next)
  return starts.map((from, i) => ({
    from,
    to: starts[i + 1] ?? size,
    hints: hints === null ? null : Buffer.concat(encodePages(hints.slice(firsts[i] ?? hints.length, firsts[i + 1]))),
  }))
}

/** The chunks of the whole file; null where a part could not be cut. */
class Join {
  readonly #size: number
  readonly #cut: (input: Cut) => Promise<CutOutput>
  readonly #chunks: Chunk[] = []
  #position = 0

  constructor(size: number, cut: (input: Cut) => Promise<CutOutput>) {
    this.#size = size
    this.#cut = cut
  }

  /** One after the other, each from where the last one ended. */
  async inTurns(): Promise<Chunk[] | null> {
    while (this.#position < this.#size) {
      const rows = await this.#cut({ from: this.#position, to: this.#position + TURN_BYTES })
      if (rows === null) return null
      this.#push(rows, 0)
    }
    return this.#chunks
  }

  /** Cut at the same time, joined where the cuts of one meet those of the next. */
  async parts(parts: readonly Part[], atOnce: number): Promise<Chunk[] | null> {
    const running: Promise<CutOutput>[] = []
    let next = 0
    try {
      for (const part of parts) {
        while (next < parts.length && running.length < atOnce) running.push(this.#start(parts[next++] as Part))
        const rows = await (running.shift() as Promise<CutOutput>)
        if (rows === null || !(await this.#add(part, rows))) return null
      }
      return this.#chunks
    } finally {
      // The descriptor is closed after this: no thread may still read from it.
      await Promise.allSettled(running)
    }
  }

  #start({ from, to, hints }: Part): Promise<CutOutput> {
    const started = this.#cut({ from, to, ...(hints === null ? {} : { hints }) })
    started.catch(() => undefined)
    return started
  }

  /** The part before ends at `position`, which may be no cut of this part: then it goes on until it is. */
  async #add(part: Part, rows: Uint8Array): Promise<boolean> {
    const cuts = cutsOf(part.from, rows)
    if (this.#position < part.to && !cuts.includes(this.#position)) {
      const between = await this.#cut({ from: this.#position, to: part.to, stops: cuts })
      if (between === null) return false
      this.#push(between, 0)
    }
    const at = cuts.indexOf(this.#position)
    if (at !== -1) this.#push(rows, at * ROW_BYTES)
    return true
  }

  #push(rows: Uint8Array, from: number): void {
    const data = Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength)
    for (let at = from; at < data.length; at += ROW_BYTES) {
      const length = data.readUInt32LE(at + 32)
      this.#chunks.push({ id: data.toString('base64url', at, at + 32) as ChunkId, length })
      this.#position += length
    }
  }
}

/** Where the chunks begin, and after them the end. */
function cutsOf(from: number, rows: Uint8Array): Float64Array {
  const data = Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength)
  const cuts = new Float64Array(data.length / ROW_BYTES + 1)
  let position = from
  for (let i = 0; i < cuts.length - 1; i++) {
    cuts[i] = position
    position += data.readUInt32LE(i * ROW_BYTES + 32)
  }
  cuts[cuts.length - 1] = position
  return cuts
}

/**
 * Reads of pieces of files. What is asked for at one moment of one file is read with one opening of it, and what lies one behind the
 * other in one call: a peer asks for the chunks of a large file in their order. Bytes are not verified here.
 */
import { errnoOf } from '../../base/errors.ts'
import { readBuffers } from '../../base/lent-buffers.ts'
import type { Place, SeenStat } from '../ports.ts'
import { targetOf } from './hold.ts'
import { at, type Roots } from './roots.ts'
import { sameSeen, toSeen } from './seen.ts'
import { close, fstat, open, readFully, READ_FLAGS } from './sys.ts'

/** In one buffer, of which any part that is held keeps the whole. */
const RUN_BYTES = 2 * 1024 * 1024

interface Read {
  readonly offset: number
  readonly length: number
  readonly seen: SeenStat | null
  readonly done: (data: Buffer | null) => void
  readonly fail: (error: unknown) => void
}

export class GatheredReads {
  readonly #roots: Roots
  /** By area and path. */
  readonly #waiting = new Map<string, { readonly place: Place; readonly reads: Read[] }>()

  constructor(roots: Roots) {
    this.#roots = roots
  }

  /** See Disk.read. */
  read(place: Place, offset: number, length: number, seen: SeenStat | null): Promise<Buffer | null> {
    return new Promise((done, fail) => {
      // After everything that is ready to run now: what was looked up together is asked for together.
      if (this.#waiting.size === 0) process.nextTick(() => this.#start())
      const key = `${place.area}/${place.path}`
      const waiting = this.#waiting.get(key)
      const read = { offset, length, seen, done, fail }
      if (waiting === undefined) this.#waiting.set(key, { place, reads: [read] })
      else waiting.reads.push(read)
    })
  }

  #start(): void {
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { place, reads } of waiting) void this.#readAll(place, reads)
  }

  async #readAll(place: Place, reads: readonly Read[]): Promise<void> {
    try {
      const answers = await this.#answers(place, reads)
      for (const [i, read] of reads.entries()) read.done(answers[i] ?? null)
    } catch (error) {
      for (const read of reads) read.fail(error)
    }
  }

  async #answers(place: Place, reads: readonly Read[]): Promise<readonly (Buffer | null)[]> {
    const target = targetOf(place)
    if (target === null) return []
    try {
      const fd = await this.#roots.use(target.directory, async (directory) => await open(at(directory, target.file), READ_FLAGS))
      try {
        return await answersOf(fd, reads)
      } finally {
        await close(fd)
      }
    } catch (error) {
      // Whatever keeps us from reading: the bytes cannot be had there now.
      if (errnoOf(error) === null) throw error
      return []
    }
  }
}

async function answersOf(fd: number, reads: readonly Read[]): Promise<readonly (Buffer | null)[]> {
  const before = await fstat(fd)
  if (!before.isFile()) return []
  const wanted = toSeen(before)
  const order = reads.map((read, i) => ({ read, i })).filter(({ read }) => read.seen === null || sameSeen(read.seen, wanted))
  order.sort((a, b) => a.read.offset - b.read.offset)
  const answers: (Buffer | null)[] = reads.map(() => null)
  for (const run of runsOf(order)) {
    const first = (run[0] as Ordered).read.offset
    const last = (run[run.length - 1] as Ordered).read
    const data = readBuffers.lend(last.offset + last.length - first, run.length)
    const count = await readFully(fd, data, 0, data.length, first)
    for (const { read, i } of run) {
      const end = read.offset + read.length - first
      if (end <= count) answers[i] = data.subarray(end - read.length, end)
    }
  }
  if (order.every(({ read }) => read.seen === null) || sameSeen(wanted, toSeen(await fstat(fd)))) return answers
  return answers.map((answer, i) => (reads[i]?.seen === null ? answer : null))
}

interface Ordered {
  readonly read: Read
  readonly i: number
}

/** Of reads in the order of their offsets those that begin where the one before ends. */
function runsOf(order: readonly Ordered[]): Ordered[][] {
  const runs: Ordered[][] = []
  let end = -1
  let bytes = 0
  for (const item of order) {
    const { offset, length } = item.read
    if (offset !== end || bytes + length > RUN_BYTES) {
      runs.push([])
      bytes = 0
    }
    ;(runs[runs.length - 1] as Ordered[]).push(item)
    end = offset + length
    bytes += length
  }
  return runs
}

/**
 * Writes to one file, one call at a time: a file takes one at a time anyway, and a thread that waits for its turn is one that others
 * do not get. What comes meanwhile and lies one behind the other is written together.
 */
import { writeRun } from './sys.ts'

/** In one call: enough that its cost is that of its bytes, and below what one call can name. */
const RUN_BYTES = 2 * 1024 * 1024
const RUN_BUFFERS = 512

interface Write {
  readonly position: number
  readonly data: Uint8Array
  readonly done: () => void
  readonly fail: (error: unknown) => void
}

export class GatheredWrites {
  readonly #fd: number
  #waiting: Write[] = []
  #running: Promise<void> | null = null

  constructor(fd: number) {
    this.#fd = fd
  }

  /** Resolves when these bytes are in the file; they must stay as they are until then. Rejects with what the call met that wrote them. */
  write(position: number, data: Uint8Array): Promise<void> {
    return new Promise((done, fail) => {
      this.#waiting.push({ position, data, done, fail })
      this.#running ??= this.#run()
    })
  }

  /** Resolves when nothing uses the descriptor any more. */
  async idle(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    // What comes in this turn of the event loop is one run already.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#waiting.length > 0) {
      const run = this.#takeRun()
      try {
        await writeRun(this.#fd, run.map(({ data }) => data), (run[0] as Write).position)
        for (const { done } of run) done()
      } catch (error) {
        for (const { fail } of run) fail(error)
      }
    }
    this.#running = null
  }

  /** From the lowest position on; the others wait. */
  #takeRun(): Write[] {
    const sorted = this.#waiting.toSorted((a, b) => a.position - b.position)
    const run: Write[] = []
    let end = (sorted[0] as Write).position
    let bytes = 0
    for (const write of sorted) {
      if (write.position !== end || run.length === RUN_BUFFERS || (run.length > 0 && bytes + write.data.length > RUN_BYTES)) break
      run.push(write)
      end += write.data.length
      bytes += write.data.length
    }
    this.#waiting = sorted.slice(run.length)
    return run
  }
}

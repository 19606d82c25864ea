/**
 * How far the heap may grow before garbage is collected, as a share of what lives in it. V8's own rule looks at the machine's memory
 * and lets it grow fourfold: 10,000 new files made 300 MiB of a daemon that needs 170. But V8 counts the buffers that pass through a
 * connection too: with a small share and a small heap a stream of chunks has all of the heap marked for every few MiB of it, on four
 * threads, which took a quarter of all processor time of a large file. So while bytes stream the heap has room for what is on its way.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import type { Clock } from './ports.ts'

const REST_PERCENT = 60
/** For buffers that wait to be collected, beside the heap. */
const STREAM_BYTES = 64 * 1024 * 1024
/** A stream: this many bytes … */
const STREAM_STEP_BYTES = 8 * 1024 * 1024
/** … since it was last looked, which is done this often while one goes on. */
const LOOK_MS = 1000

export class HeapRoom {
  readonly #clock: Clock
  readonly #setPercent: (percent: number) => void
  readonly #heapBytes: () => number
  #bytes = 0
  #stop: (() => void) | null = null

  constructor(clock: Clock, setPercent = setGrowth, heapBytes = (): number => getHeapStatistics().used_heap_size) {
    this.#clock = clock
    this.#setPercent = setPercent
    this.#heapBytes = heapBytes
    setPercent(REST_PERCENT)
  }

  /** So many bytes came from a device, or went to one. Called often. */
  streamed(bytes: number): void {
    this.#bytes += bytes
    if (this.#stop !== null || this.#bytes < STREAM_STEP_BYTES) return
    this.#bytes = 0
    this.#setPercent(Math.max(REST_PERCENT, Math.ceil((STREAM_BYTES / this.#heapBytes()) * 100)))
    this.#stop = this.#clock.after(LOOK_MS, () => this.#look())
  }

  close(): void {
    this.#stop?.()
    this.#stop = null
  }

  #look(): void {
    this.#stop = null
    if (this.#bytes >= STREAM_STEP_BYTES) return this.streamed(0)
    this.#bytes = 0
    this.#setPercent(REST_PERCENT)
  }
}

/** V8 reads it at the end of each collection. */
function setGrowth(percent: number): void {
  setFlagsFromString(`--heap-growing-percent=${percent}`)
}

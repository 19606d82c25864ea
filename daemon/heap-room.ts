/**
 * How far the heap may grow before garbage is collected, as a share of what lives in it. V8's own rule looks at the machine's memory
 * and lets it grow fourfold: 10,000 new files made 300 MiB of a daemon that needs 170. But V8 counts the buffers that pass through a
 * connection too: with a small share and a small heap a stream of chunks has all of the heap marked for every few MiB of it, on four
 * threads, which took a quarter of all processor time of a large file. So while bytes stream the heap has room for what is on its way;
 * and while small files come or go, as long as it is small, for what is made of them: with 60 % each few hundred files had all of the
 * heap marked and swept, a twelfth of all processor time of 10,000 new files.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import type { Clock } from './ports.ts'

const REST_PERCENT = 60
/** For buffers that wait to be collected, beside the heap. */
const STREAM_BYTES = 64 * 1024 * 1024
/** A stream: this many bytes … */
const STREAM_STEP_BYTES = 8 * 1024 * 1024
/** Some hundred small files, or more. */
const FLOW_STEP_BYTES = 1024 * 1024
/** Of the heap, while they flow; it costs some 15 MiB of the peak. */
const FLOW_PERCENT = 130
/** A large heap does not grow by more than this at once because of them: that of 100,000 new files would come to more than the peak may be. */
const FLOW_BYTES = 64 * 1024 * 1024
/** … since it was last looked, which is done this often while one goes on. */
const LOOK_MS = 1000

export class HeapRoom {
  readonly #clock: Clock
  readonly #setPercent: (percent: number) => void
  readonly #heapBytes: () => number
  #bytes = 0
  #isStream = false
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
    if (this.#bytes < FLOW_STEP_BYTES || (this.#isStream && this.#stop !== null)) return
    this.#isStream = this.#bytes >= STREAM_STEP_BYTES
    if (this.#stop !== null && !this.#isStream) return
    this.#stop?.()
    this.#bytes = 0
    this.#setPercent(this.#percent())
    this.#stop = this.#clock.after(LOOK_MS, () => this.#look())
  }

  #percent(): number {
    const heap = this.#heapBytes()
    const flow = Math.min(FLOW_PERCENT, percentOf(FLOW_BYTES, heap))
    return Math.max(REST_PERCENT, flow, this.#isStream ? percentOf(STREAM_BYTES, heap) : 0)
  }

  close(): void {
    this.#stop?.()
    this.#stop = null
  }

  #look(): void {
    this.#stop = null
    this.#isStream = false
    if (this.#bytes >= FLOW_STEP_BYTES) return this.streamed(0)
    this.#bytes = 0
    this.#setPercent(REST_PERCENT)
  }
}

function percentOf(bytes: number, heap: number): number {
  return Math.ceil((bytes / heap) * 100)
}

/** V8 reads it at the end of each collection. */
function setGrowth(percent: number): void {
  setFlagsFromString(`--heap-growing-percent=${percent}`)
}

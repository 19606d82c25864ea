/**
 * Gives memory back once the daemon has come to rest. V8 collects garbage when the heap has grown, so what a large sync leaves behind
 * stays: for as long as nothing happens nothing is collected, and twice the memory that is needed is kept for days.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Clock } from './ports.ts'

/** Nothing happened for so long: a collection is in nobody's way, and what is kept for five seconds is gone (CoreMemory, RecentChunks). */
const REST_MS = 6_000
/** A twentieth of a processor: something goes on that nobody has told of, such as chunks for another device. */
const BUSY_MS = REST_MS / 20
/** More than this since the last collection may be garbage; for less it is not worth the 50 to 200 ms that it takes. */
const WORTH_BYTES = 8 * 1024 * 1024

export interface Heap {
  /** Processor time used so far by what fills it, in milliseconds. */
  workMs(): number
  /** Live or garbage, with the buffers that belong to it. */
  usedBytes(): number
  collect(): void
}

export class GiveBack {
  readonly #clock: Clock
  readonly #heap: Heap
  #lastActive = 0
  #stop: (() => void) | null = null
  /** At the last look. */
  #worked = 0
  /** After the last collection. */
  #used = 0

  constructor(clock: Clock, heap: Heap = v8Heap()) {
    this.#clock = clock
    this.#heap = heap
  }

  /** Something goes on. Called often. */
  active(): void {
    this.#lastActive = this.#clock.now()
    if (this.#stop === null) this.#later(REST_MS)
  }

  close(): void {
    this.#stop?.()
    this.#stop = null
  }

  #later(ms: number): void {
    this.#worked = this.#heap.workMs()
    this.#stop = this.#clock.after(ms, () => this.#look())
  }

  #look(): void {
    this.#stop = null
    const left = this.#lastActive + REST_MS - this.#clock.now()
    // A clock that was set back must not keep us waiting.
    if (left > 0 && left <= REST_MS) return this.#later(left)
    if (this.#heap.workMs() >= this.#worked + BUSY_MS) return this.#later(REST_MS)
    if (this.#heap.usedBytes() < this.#used + WORTH_BYTES) return
    this.#heap.collect()
    this.#used = this.#heap.usedBytes()
  }
}

export function v8Heap(): Heap {
  let gc: (() => void) | null = null
  return {
    workMs: () => {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1000
    },
    usedBytes: () => {
      const { used_heap_size: used, external_memory: external } = getHeapStatistics()
      return used + external
    },
    collect: () => {
      gc ??= collector()
      // What is held by finalizers of the first is freed by the second.
      gc()
      gc()
    }
  }
}

/** Node offers it only to those who ask for it on the command line; in a context of its own nothing else sees it. */
function collector(): () => void {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  setFlagsFromString('--no-expose-gc')
  return gc
}

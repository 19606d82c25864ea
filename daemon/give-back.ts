/**
 * Gives memory back once the daemon has come to rest. V8 collects garbage when the heap has grown, so what a large sync leaves behind
 * stays: for as long as nothing happens nothing is collected, and twice the memory that is needed is kept for days.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Clock } from './ports.ts'

/** Nothing happened for so long: a collection is in nobody's way. */
const REST_MS = 4_000
/** Work since the last collection; after less there is little to collect, and it takes 50 to 200 ms itself. */
const WORTH_WORK_MS = 2_000

export interface Heap {
  /** Processor time used so far by what fills it, in milliseconds. */
  workMs(): number
  collect(): void
}

export class GiveBack {
  readonly #clock: Clock
  readonly #heap: Heap
  #lastActive = 0
  #stop: (() => void) | null = null
  /** At the last collection. */
  #worked = 0

  constructor(clock: Clock, heap: Heap = v8Heap()) {
    this.#clock = clock
    this.#heap = heap
  }

  /** Something goes on. Called often. */
  active(): void {
    this.#lastActive = this.#clock.now()
    this.#stop ??= this.#clock.after(REST_MS, () => this.#look())
  }

  close(): void {
    this.#stop?.()
    this.#stop = null
  }

  #look(): void {
    this.#stop = null
    const left = this.#lastActive + REST_MS - this.#clock.now()
    // A clock that was set back must not keep us waiting.
    if (left > 0 && left <= REST_MS) this.#stop = this.#clock.after(left, () => this.#look())
    else if (this.#heap.workMs() >= this.#worked + WORTH_WORK_MS) {
      this.#heap.collect()
      this.#worked = this.#heap.workMs()
    }
  }
}

export function v8Heap(): Heap {
  let gc: (() => void) | null = null
  return {
    workMs: () => {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1000
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

/**
 * Gives memory back once the daemon has come to rest. V8 collects garbage when the heap has grown, RocksDB writes its buffers when they
 * are full, and the C library keeps what was freed: so what a large sync leaves behind stays for as long as nothing happens, and three
 * times the memory that is needed is kept for days (decisions/0013-memory-at-rest.md).
 */
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { messageOf } from '../base/errors.ts'
import { nativeCall, type NativeCall } from '../base/native.ts'
import type { Clock, Log } from './ports.ts'

/** Nothing happened for so long: a collection is in nobody's way, and what is kept for five seconds is gone (CoreMemory, RecentChunks). */
const REST_MS = 6_000
/** A twentieth of a processor: something goes on that nobody has told of, such as chunks for another device. */
const BUSY_MS = REST_MS / 20
/** More than this since the last time may be garbage; for less it is not worth the 50 to 200 ms that it takes. */
const WORTH_BYTES = 8 * 1024 * 1024
/** V8 of Node 22 and later: pages that a collection empties stay with the process. An earlier one knows no kinds of collection, and takes them for one of the young. */
const KEEPS_PAGES = Number.parseInt(process.versions.v8, 10) >= 12

/** What the process has of the system's memory. */
export interface Memory {
  /** Processor time used so far by what fills it, in milliseconds. */
  workMs(): number
  usedBytes(): number
  collect(): Promise<void>
}

export class GiveBack {
  readonly #clock: Clock
  readonly #memory: Memory
  #lastActive = 0
  #stop: (() => void) | null = null
  /** At the last look. */
  #worked = 0
  /** After the last collection. */
  #used = 0
  #collecting = false

  constructor(clock: Clock, memory: Memory) {
    this.#clock = clock
    this.#memory = memory
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
    this.#worked = this.#memory.workMs()
    this.#stop = this.#clock.after(ms, () => this.#look())
  }

  #look(): void {
    this.#stop = null
    const left = this.#lastActive + REST_MS - this.#clock.now()
    // A clock that was set back must not keep us waiting.
    if (left > 0 && left <= REST_MS) return this.#later(left)
    if (this.#collecting || this.#memory.workMs() >= this.#worked + BUSY_MS) return this.#later(REST_MS)
    if (this.#memory.usedBytes() >= this.#used + WORTH_BYTES) void this.#collect()
  }

  async #collect(): Promise<void> {
    this.#collecting = true
    await this.#memory.collect()
    this.#used = this.#memory.usedBytes()
    this.#collecting = false
  }
}

export interface MemoryParts {
  readonly log: Log
  /** What waits in memory to be written is written, if it is much. */
  write(): Promise<unknown>
}

/** Of this process. */
export function processMemory({ log, write }: MemoryParts): Memory {
  let parts: Promise<readonly [Collector, NativeCall | null]> | null = null
  return {
    workMs: () => {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1000
    },
    usedBytes: () => process.memoryUsage.rss(),
    collect: async () => {
      parts ??= Promise.all([collector(), nativeCall('int malloc_trim(size_t pad)')])
      const [{ collect, collectAll }, trim] = await parts
      // Buffers that cannot be written now stay.
      await write().catch((error: unknown) => log.debug({ error: messageOf(error) }, 'the store was not written at rest'))
      collect()
      // What is held by finalizers of the first is freed by the second.
      await turn()
      collectAll()
      // Without it, glibc gives back nothing but what is free at the very end of its heap.
      trim?.(0)
    }
  }
}

interface Collector {
  collect(): void
  /** And what the heap keeps of the system's memory for what comes next. */
  collectAll(): void
}

type Gc = (options?: { readonly type: 'major'; readonly execution: 'sync'; readonly flavor: 'last-resort' }) => void

/** Node offers it only to those who ask for it on the command line; in a context of its own nothing else sees it. */
function collector(): Collector {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as Gc
  setFlagsFromString('--no-expose-gc')
  const collectAll = KEEPS_PAGES ? (): void => gc({ type: 'major', execution: 'sync', flavor: 'last-resort' }) : (): void => gc()
  return { collect: () => gc(), collectAll }
}

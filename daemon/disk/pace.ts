/**
 * Whether a system call is made at once, on this thread, or through Node's pool. One that the kernel answers from memory takes 3 to
 * 10 µs, and handing it to another thread and back 20 to 50 µs of processor, so the usual call is made at once. Between slices of
 * such calls the event loop runs; a disk that lets us wait (spinning, on the network, throttled) is asked through the pool.
 */

import { eachAtMost } from './each.ts'

/** Calls in a row before the event loop runs again. */
const SLICE_MS = 4
/** A call that waited for the disk, or whose thread lost its processor: that happens to few in a row, the other to most. */
const SLOW_CALL_MS = 0.5
/** The share of slow ones among about the last REMEMBERED calls with which the disk counts as slow. */
const SLOW_SHARE = 0.4
const REMEMBERED = 16
/** One call of this length is enough. */
const STALLED_CALL_MS = 250
/** Then the pool is used for so long before it is tried again. */
const POOLED_MS = 1000

export class Pace {
  readonly #now: () => number
  #sliceBegan = 0
  #turn: Promise<void> | null = null
  #slowShare = 0
  #pooledUntil = 0

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** `atOnce` and `pooled` do the same with these values. Never throws: an error rejects. */
  run<Values extends readonly unknown[], T>(atOnce: (...values: Values) => T, pooled: (...values: Values) => Promise<T>, values: Values): Promise<T> {
    const began = this.#now()
    if (this.#turn !== null && began - this.#sliceBegan >= SLICE_MS) return this.#later(atOnce, pooled, values)
    if (began < this.#pooledUntil) return pooled(...values)
    if (this.#turn === null) this.#begin(began)
    // No async function: ten such calls are made for each small file, and most need no wait.
    try {
      return Promise.resolve(atOnce(...values))
    } catch (error) {
      return Promise.reject(error as Error)
    } finally {
      this.#took(this.#now() - began)
    }
  }

  /** The same call for each item, at most `limit` of them in the pool at once; neither way may throw. A promise for each would cost as much as the call. */
  async each<Item>(items: readonly Item[], limit: number, atOnce: (item: Item) => void, pooled: (item: Item) => Promise<void>): Promise<void> {
    for (let i = 0; i < items.length; ) {
      const began = this.#now()
      if (this.#turn !== null && began - this.#sliceBegan >= SLICE_MS) {
        await this.#turn
        continue
      }
      if (began < this.#pooledUntil) return await eachAtMost(items.slice(i), limit, pooled)
      if (this.#turn === null) this.#begin(began)
      atOnce(items[i++] as Item)
      this.#took(this.#now() - began)
    }
  }

  async #later<Values extends readonly unknown[], T>(atOnce: (...values: Values) => T, pooled: (...values: Values) => Promise<T>, values: Values): Promise<T> {
    await this.#turn
    return await this.run(atOnce, pooled, values)
  }

  #begin(now: number): void {
    this.#sliceBegan = now
    this.#turn = new Promise((resolve) => {
      setImmediate(() => {
        this.#turn = null
        resolve()
      })
    })
  }

  /** The disk lets us wait: calls are made through the pool, several at once. */
  get isPooled(): boolean {
    return this.#now() < this.#pooledUntil
  }

  /** So many calls were made at once in another thread. */
  tookElsewhere(calls: number, ms: number): void {
    if (ms > calls * SLOW_CALL_MS) this.#pool()
  }

  #took(ms: number): void {
    this.#slowShare += ((ms > SLOW_CALL_MS ? 1 : 0) - this.#slowShare) / REMEMBERED
    if (this.#slowShare < SLOW_SHARE && ms < STALLED_CALL_MS) return
    this.#pool()
  }

  #pool(): void {
    this.#slowShare = 0
    this.#pooledUntil = this.#now() + POOLED_MS
  }
}

/** Virtual time. Timers run in the order of their time, then of their setting; nothing ever waits for real. */
import type { Clock } from '../../daemon/ports.ts'

interface Timer {
  readonly at: number
  readonly run: () => void
}

/** 2026-01-01, so that times look like times. */
const START_MS = Date.UTC(2026, 0, 1)

export class FakeClock implements Clock {
  #now = START_MS
  readonly #timers: Timer[] = []

  readonly now = (): number => this.#now

  after(ms: number, run: () => void): () => void {
    const timer: Timer = { at: this.#now + Math.max(0, ms), run }
    let at = this.#timers.length
    while (at > 0 && (this.#timers[at - 1] as Timer).at > timer.at) at--
    this.#timers.splice(at, 0, timer)
    return () => {
      const found = this.#timers.indexOf(timer)
      if (found !== -1) this.#timers.splice(found, 1)
    }
  }

  /** When the next timer is due, or null. */
  get nextAt(): number | null {
    return this.#timers[0]?.at ?? null
  }

  /** Runs everything that is due up to and including `time`, with all that follows from it, and leaves the clock there. */
  async runUntil(time: number): Promise<void> {
    await drain()
    for (let next = this.#timers[0]; next !== undefined && next.at <= time; next = this.#timers[0]) {
      this.#timers.shift()
      this.#now = Math.max(this.#now, next.at)
      next.run()
      await drain()
    }
    this.#now = Math.max(this.#now, time)
  }

  async run(ms: number): Promise<void> {
    await this.runUntil(this.#now + ms)
  }
}

/** Until no promise has anything left to do: a macrotask runs only after all microtasks, those they made included. */
export function drain(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

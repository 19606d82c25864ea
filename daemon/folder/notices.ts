/** Waiting and waking of one folder: who waits for its next sign of life, and named timers of which each runs once. */
import type { Clock } from '../ports.ts'

export class Notices {
  readonly #clock: Clock
  readonly #end: AbortSignal
  readonly #waiters = new Set<() => void>()
  readonly #timers = new Map<string, () => void>()

  /** `end`: nothing waits or runs any more. */
  constructor(clock: Clock, end: AbortSignal) {
    this.#clock = clock
    this.#end = end
  }

  /** Resolves at the next `notify`, or when the signal or the folder ends. */
  next(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiters.delete(done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      this.#waiters.add(done)
      signal.addEventListener('abort', done)
      if (signal.aborted || this.#end.aborted) done()
    })
  }

  /** As `next`, for at most `ms`. */
  async nextWithin(ms: number): Promise<void> {
    const limit = new AbortController()
    const cancel = this.#clock.after(ms, () => limit.abort())
    await this.next(limit.signal)
    cancel()
  }

  /** Resolves after this time, or when the folder ends. */
  async pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(ms, () => {
        this.#end.removeEventListener('abort', done)
        resolve()
      })
      const done = (): void => {
        cancel()
        resolve()
      }
      this.#end.addEventListener('abort', done, { once: true })
      if (this.#end.aborted) done()
    })
  }

  notify(): void {
    for (const waiter of [...this.#waiters]) waiter()
  }

  isPlanned(name: string): boolean {
    return this.#timers.has(name)
  }

  /** A name that is waiting already keeps its time. */
  once(name: string, ms: number, run: () => void): void {
    if (this.#timers.has(name) || this.#end.aborted) return
    const fire = (): void => {
      this.#timers.delete(name)
      run()
    }
    this.#timers.set(name, this.#clock.after(ms, fire))
  }

  /** Forgets a timer that waits under this name. */
  drop(name: string): void {
    this.#timers.get(name)?.()
    this.#timers.delete(name)
  }

  every(name: string, ms: number, run: () => void): void {
    this.once(name, ms, () => {
      run()
      this.every(name, ms, run)
    })
  }

  cancel(): void {
    for (const stop of this.#timers.values()) stop()
    this.#timers.clear()
    this.notify()
  }
}

/** Who is told of something. A listener that throws is logged and never stops the others or the one who tells. */
import type { Log } from '../ports.ts'

export class Listeners<T extends readonly unknown[]> {
  readonly #log: Log
  readonly #what: string
  readonly #all = new Set<(...values: T) => void>()

  constructor(log: Log, what: string) {
    this.#log = log
    this.#what = what
  }

  /** Returns how to stop. */
  add(listener: (...values: T) => void): () => void {
    this.#all.add(listener)
    return () => this.#all.delete(listener)
  }

  tell(...values: T): void {
    for (const listener of [...this.#all]) {
      try {
        listener(...values)
      } catch (error) {
        this.#log.error({ err: error, event: this.#what }, 'a listener failed')
      }
    }
  }

  clear(): void {
    this.#all.clear()
  }
}

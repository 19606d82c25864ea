/**
 * The rows of paths that were read or written last, decoded. One cycle comes back to a path several times (what a pull has written is
 * reconciled, applied, compared, and heard of again from the watcher), and each time would be a read of the database.
 *
 * INVARIANT: it holds nothing but what the database holds since the last flush ended. What a read brings that began before that is
 * given to who asked and not kept.
 */
import type { PathKey } from '../sync/ids.ts'

export class RowCache<Value> {
  readonly #half: number
  /** Half of it goes at once: a map that loses its first for each new one looks for its first ever longer. */
  #young = new Map<PathKey, Value>()
  #old = new Map<PathKey, Value>()
  #age = 0

  /** @param limit of paths; those that came first go first. */
  constructor(limit: number) {
    this.#half = limit / 2
  }

  /** Of what is read from now on. */
  get age(): number {
    return this.#age
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }

  get(path: PathKey): Value | undefined {
    const value = this.#young.get(path)
    return value === undefined ? this.#old.get(path) : value
  }

  /** In the order of the paths; `read` brings those that are not here, all at once. */
  async all(paths: readonly PathKey[], read: (path: PathKey) => Promise<Value>): Promise<Value[]> {
    const values: Value[] = []
    const missing: number[] = []
    for (let i = 0; i < paths.length; i++) {
      const value = this.get(paths[i] as PathKey)
      if (value === undefined) missing.push(i)
      values.push(value as Value)
    }
    if (missing.length === 0) return values
    const found = await Promise.all(missing.map((i) => read(paths[i] as PathKey)))
    for (let i = 0; i < missing.length; i++) values[missing[i] as number] = found[i] as Value
    return values
  }

  /** What was read of the database, by a read that began at `age`. @returns it. */
  keep(age: number, path: PathKey, value: Value): Value {
    if (age === this.#age) this.#put(path, value)
    return value
  }

  /** A flush has ended: `write` tells what it wrote, or everything is forgotten. */
  renew(write: ((put: (path: PathKey, value: Value | undefined) => void) => void) | null): void {
    this.#age++
    if (write === null) this.#clear()
    else write((path, value) => (value === undefined ? this.#forget(path) : this.#put(path, value)))
  }

  #clear(): void {
    this.#young = new Map()
    this.#old = new Map()
  }

  #forget(path: PathKey): void {
    this.#young.delete(path)
    this.#old.delete(path)
  }

  #put(path: PathKey, value: Value): void {
    this.#young.set(path, value)
    if (this.#young.size < this.#half) return
    this.#old = this.#young
    this.#young = new Map()
  }
}

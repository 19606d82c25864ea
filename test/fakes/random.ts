/** A seeded generator (sfc32): the same seed gives the same draws on every machine, so that a simulation can be replayed. */

const RANGE = 2 ** 32

export class Random {
  readonly #state: Uint32Array

  constructor(seed: number | string) {
    this.#state = mix(String(seed))
    for (let i = 0; i < 12; i++) this.next()
  }

  /** 0 (inclusive) to 1 (exclusive). */
  next(): number {
    const s = this.#state as unknown as [number, number, number, number]
    const t = (s[0] + s[1] + s[3]) | 0
    s[3] = s[3] + 1
    s[0] = s[1] ^ (s[1] >>> 9)
    s[1] = s[2] + (s[2] << 3)
    s[2] = ((s[2] << 21) | (s[2] >>> 11)) + t
    return (t >>> 0) / RANGE
  }

  /** 0 (inclusive) to `limit` (exclusive), whole. */
  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  /** `from` to `to`, both inclusive, whole. */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(from: readonly T[]): T {
    const value = from[this.below(from.length)]
    if (value === undefined && from.length === 0) throw new Error('nothing to pick from')
    return value as T
  }

  /** One of the keys, as often as its weight says. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const rows = Object.entries(weights) as [K, number][]
    let left = this.next() * rows.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [key, weight] of rows) {
      left -= weight
      if (left < 0) return key
    }
    return (rows.at(-1) as [K, number])[0]
  }
}

/** Four words from any text (FNV-1a with four offsets). */
function mix(text: string): Uint32Array {
  const words = Uint32Array.of(0x811c9dc5, 0x9e3779b9, 0x243f6a88, 1)
  for (let i = 0; i < text.length; i++) {
    for (let w = 0; w < 3; w++) words[w] = Math.imul((words[w] as number) ^ (text.charCodeAt(i) + w), 0x01000193)
  }
  return words
}

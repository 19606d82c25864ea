/**
 * Which operations of a batch must wait for which: those on the same path, on a directory above, and on things below, in the order
 * given. The others overlap.
 */
import type { ApplyOp } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import { ancestorsOf } from '../sync/path.ts'

/** Runs all; `run` never rejects. At most `limit` at once. Results in the order of `ops`. */
export async function runInOrder<Result>(ops: readonly ApplyOp[], limit: number, run: (op: ApplyOp) => Promise<Result>): Promise<Result[]> {
  const gate = new Gate(limit)
  const order = new Order()
  return await Promise.all(
    ops.map((op) => {
      const { before, done } = order.enter(pathsOf(op))
      return (async () => {
        if (before.size > 0) await Promise.all(before)
        await gate.enter()
        try {
          return await run(op)
        } finally {
          gate.leave()
          done()
        }
      })()
    })
  )
}

function pathsOf(op: ApplyOp): PathKey[] {
  if (op.kind === 'link') return [op.path, op.to]
  if (op.kind === 'separate') return [op.path, op.from]
  const paths = op.kind === 'move' ? [op.path, op.from] : [op.path]
  return op.kind !== 'attributes' && op.displace.to === 'linked' ? [...paths, op.displace.at] : paths
}

class Order {
  /** The last operation at exactly this path. */
  readonly #at = new Map<PathKey, Promise<void>>()
  /** Operations at paths below this directory. */
  readonly #below = new Map<PathKey, Promise<void>[]>()

  enter(paths: readonly PathKey[]): { before: ReadonlySet<Promise<void>>; done: () => void } {
    const before = new Set<Promise<void>>()
    const above = paths.map(ancestorsOf)
    for (const [i, path] of paths.entries()) {
      this.#await(path, before)
      for (const directory of above[i] ?? []) this.#await(directory, before)
      for (const below of this.#below.get(path) ?? []) before.add(below)
    }
    let done: () => void = () => undefined
    const finished = new Promise<void>((resolve) => (done = resolve))
    for (const [i, path] of paths.entries()) {
      this.#at.set(path, finished)
      for (const directory of above[i] ?? []) this.#addBelow(directory, finished)
    }
    return { before, done }
  }

  #await(path: PathKey, before: Set<Promise<void>>): void {
    const earlier = this.#at.get(path)
    if (earlier !== undefined) before.add(earlier)
  }

  #addBelow(directory: PathKey, finished: Promise<void>): void {
    const below = this.#below.get(directory)
    if (below === undefined) this.#below.set(directory, [finished])
    else below.push(finished)
  }
}

class Gate {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(limit: number) {
    this.#free = limit
  }

  /** Resolves when there is room. */
  async enter(): Promise<void> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#free--
  }

  leave(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free++
    else next()
  }
}

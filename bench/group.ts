/** What a group of workloads gets: a fresh pair, sizes, and a place for its figures. A group builds one tree and works on it. */
import { performance } from 'node:perf_hooks'
import { assertEqual } from './files.ts'
import type { Pair } from './pair.ts'
import type { RowId } from './rows.ts'
import { flushDisk, loopbackBytes, memoryOf, sizeOf } from './system.ts'

export interface Sizes {
  readonly largeBytes: number
  readonly editBytes: number
  readonly small10: number
  readonly small100: number
  readonly million: number
  readonly deleteOf: number
  readonly deleted: number
  readonly latencyRounds: number
  readonly idleSeconds: number
  readonly settleSeconds: number
}

export interface Bench {
  readonly pair: Pair
  readonly sizes: Sizes
  record(row: RowId, value: number, limit?: number): void
}

export interface Group {
  readonly name: string
  /** Only with this option. */
  readonly needs?: 'full' | 'million'
  run(bench: Bench): Promise<void>
}

/** A million files on a slow machine that has other work take more than half an hour. */
export const TIMEOUT_MS = 2 * 3600_000
const STORE_POLL_MS = 5000
const STORE_STEADY_POLLS = 3

/** Times the run, then has both sides settle and compares their trees by hash. */
export async function timed({ pair }: Bench, run: () => Promise<void>): Promise<{ readonly seconds: number; readonly wireBytes: number; readonly files: number; readonly bytes: number }> {
  await pair.settled(TIMEOUT_MS)
  flushDisk(pair.a.path())
  const before = loopbackBytes()
  const started = performance.now()
  await run()
  const seconds = (performance.now() - started) / 1000
  const wireBytes = loopbackBytes() - before
  await pair.settled(TIMEOUT_MS)
  return { seconds, wireBytes, ...assertEqual(pair.a.path(), pair.b.path(), pair.ownNames) }
}

/** The larger of the two stores once it does not change any more, or after a minute. */
export async function settledStore({ pair, sizes }: Bench): Promise<number> {
  const size = (): number => Math.max(sizeOf(pair.a.stores), sizeOf(pair.b.stores))
  const deadline = performance.now() + sizes.settleSeconds * 1000
  let last = size()
  for (let steady = 0; steady < STORE_STEADY_POLLS && performance.now() < deadline; ) {
    await pause(STORE_POLL_MS)
    const now = size()
    steady = now === last ? steady + 1 : 0
    last = now
  }
  return last
}

/** In MB, the larger of the two. */
export function memory({ pair }: Bench): { readonly now: number; readonly peak: number } {
  const both = [pair.a, pair.b].map((peer) => memoryOf(peer.pids()))
  return { now: Math.max(...both.map((one) => one.nowBytes)) / 1e6, peak: Math.max(...both.map((one) => one.peakBytes)) / 1e6 }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(ms, 0)))
}

/** One small file at a time, both sides at rest before each: from the moment it has its name or bytes on one until the other has them. */
import { readFileSync, renameSync, watch, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { pause, timed, TIMEOUT_MS, type Bench, type Group } from '../group.ts'
import type { Peer } from '../pair.ts'

/** Between two files: long enough that nothing of the one before goes on, and no beat with any timer. */
const REST_MS = 250
const REST_JITTER_MS = 100
const PATIENCE_MS = 60_000

export const latency: Group = { name: 'latency', run }

async function run(bench: Bench): Promise<void> {
  const { pair, sizes, record } = bench
  const { a, b } = pair
  const created: number[] = []
  const edited: number[] = []
  await timed(bench, async () => {
    for (let round = 0; round < sizes.latencyRounds; round++) {
      created.push(
        await once(bench, `new-${round}.txt`, `round ${round}`, (name, text) => {
          writeFileSync(a.beside(name), text)
          return () => renameSync(a.beside(name), a.path(name))
        })
      )
      edited.push(await once(bench, 'edited.txt', `edit ${round}`, (name, text) => () => writeFileSync(a.path(name), text)))
    }
  })
  record('latency.new', median(created))
  record('latency.edit', median(edited))
  if (readFileSync(b.path('edited.txt'), 'utf8') !== `edit ${sizes.latencyRounds - 1}`) throw new Error('the last edit did not arrive')
}

async function once({ pair }: Bench, name: string, text: string, prepare: (name: string, text: string) => () => void): Promise<number> {
  for (const peer of [pair.a, pair.b]) await pair.idle(peer, TIMEOUT_MS)
  await pause(REST_MS + Math.random() * REST_JITTER_MS)
  const act = prepare(name, text)
  const seen = arrives(pair.b, name, text)
  const started = performance.now()
  act()
  pair.hint([name])
  return (await seen) - started
}

/**
 * Resolves with the time of the event after which the file has these bytes (that they are read is no part of the way); the watch is set
 * before it returns.
 */
function arrives(peer: Peer, name: string, text: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const watcher = watch(peer.path(), (_event, found) => {
      const at = performance.now()
      if (found !== name) return
      readFile(peer.path(name), 'utf8').then((now) => now === text && end(at), () => undefined)
    })
    const late = setTimeout(() => end(new Error(`${name} does not arrive`)), PATIENCE_MS)
    const end = (outcome: number | Error): void => {
      clearTimeout(late)
      watcher.close()
      if (typeof outcome === 'number') resolve(outcome)
      else reject(outcome)
    }
  })
}

function median(values: readonly number[]): number {
  return values.toSorted((x, y) => x - y)[Math.floor(values.length / 2)] ?? Number.NaN
}

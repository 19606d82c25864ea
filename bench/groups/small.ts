/** Many small files: new, their directory renamed; and what the daemons take while they do it and when they rest. */
import { renameSync, writeFileSync } from 'node:fs'
import { arrived, gone, statOf, until, writeSmall } from '../files.ts'
import { memory, pause, settledStore, timed, TIMEOUT_MS, type Bench, type Group } from '../group.ts'
import { storeLimit } from '../rows.ts'
import { ioOf, processorOf, resetPeak } from '../system.ts'

/** What it takes to forget the work that came before. */
const REST_MS = 20_000

export const small10: Group = {
  name: 'small10',
  run: async (bench) => {
    await create(bench, 'small10', bench.sizes.small10)
    await idle(bench)
    await rename(bench, 'small10', bench.sizes.small10)
  }
}

export const small100: Group = {
  name: 'small100',
  needs: 'full',
  run: async (bench) => {
    await create(bench, 'small100', bench.sizes.small100)
    await start(bench)
    await rename(bench, 'small100', bench.sizes.small100)
  }
}

export const million: Group = {
  name: 'million',
  needs: 'million',
  run: async (bench) => {
    await create(bench, 'million', bench.sizes.million)
  }
}

async function create(bench: Bench, row: 'small10' | 'small100' | 'million', count: number): Promise<void> {
  const { pair, record } = bench
  const directories = writeSmall(pair.a.beside('tree'), count, row)
  await pair.settled(TIMEOUT_MS)
  for (const peer of [pair.a, pair.b]) resetPeak(peer.pids())
  const { seconds, files, bytes } = await timed(bench, async () => {
    renameSync(pair.a.beside('tree'), pair.a.path('tree'))
    pair.hint(['tree'])
    await arrived(pair.b.path('tree'), directories, TIMEOUT_MS)
  })
  record(`${row}.new`, count / seconds)
  record(`${row}.peak-memory`, memory(bench).peak)
  record(`${row}.store`, await settledStore(bench), storeLimit(files, bytes))
  record(`${row}.idle-memory`, memory(bench).now)
}

async function rename(bench: Bench, row: 'small10' | 'small100', count: number): Promise<void> {
  const { pair, record } = bench
  const directories = Array.from({ length: count / 100 }, (_, i) => String(i))
  const { seconds } = await timed(bench, async () => {
    renameSync(pair.a.path('tree'), pair.a.path('moved'))
    pair.hint(['tree', 'moved'])
    await arrived(pair.b.path('moved'), directories, TIMEOUT_MS)
    await gone([pair.b.path('tree')], TIMEOUT_MS)
  })
  record(`${row}.rename`, seconds)
}

async function idle(bench: Bench): Promise<void> {
  const { pair, sizes, record } = bench
  await pause(REST_MS)
  const peers = [pair.a, pair.b]
  const before = peers.map((peer) => ({ processor: processorOf(peer.pids()), written: ioOf(peer.pids()).writtenBytes }))
  await pause(sizes.idleSeconds * 1000)
  const used = peers.map((peer, i) => processorOf(peer.pids()) - (before[i]?.processor ?? 0))
  const written = peers.map((peer, i) => ioOf(peer.pids()).writtenBytes - (before[i]?.written ?? 0))
  record('idle.processor', (Math.max(...used) / sizes.idleSeconds) * 100)
  record('idle.written', Math.max(...written))
}

/** One of the two starts while the other runs. */
async function start(bench: Bench): Promise<void> {
  const { pair, record } = bench
  await pair.stop(pair.a)
  const started = performance.now()
  const since = (): number => (performance.now() - started) / 1000
  await pair.start(pair.a)
  const noticed = (async () => {
    await pause(1000 - since() * 1000)
    writeFileSync(pair.a.path('after-start.txt'), 'changed early')
    await until('it arrives', TIMEOUT_MS, async () => (await statOf(pair.b.path('after-start.txt')))?.size === 13n)
    return since()
  })()
  const idle = (async () => {
    await pair.idle(pair.a, TIMEOUT_MS)
    return since()
  })()
  record('start.idle', await idle)
  record('start.noticed', await noticed)
}

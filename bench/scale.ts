/**
 * How light the daemon is at rest with many files: memory, processor and writes of an idle daemon, the time of a start until it is
 * idle, the store's bytes per file. One device, or two in one group with --pair, on loopback.
 *
 *     node dist/bench/scale.js --files 100000 [--pair] [--size 1024] [--idle 60] [--settle 20] [--rewrites 0] [--dir DIRECTORY] [--cpu-prof]
 */
import { cpus } from 'node:os'
import { mkdirSync, openSync, writeSync, closeSync, rmSync, readFileSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { daemonNodeFlags } from '../cli/start-daemon.ts'
import { createWorld, Device, pair, type Scope, type World } from '../test/e2e/harness.ts'
import { waitFor } from '../test/e2e/tree.ts'
import { projectRoot } from '../test/project-root.ts'
import { ioOf, memoryOf, processorOf, sizeOf } from './system.ts'

const MIB = 1024 * 1024
const DIRECTORIES = 1000
const TIMEOUT_MS = 3 * 3600_000

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '10000' },
    size: { type: 'string', default: '1024' },
    idle: { type: 'string', default: '60' },
    settle: { type: 'string', default: '20' },
    rewrites: { type: 'string', default: '0' },
    directories: { type: 'string', default: String(DIRECTORIES) },
    dir: { type: 'string', default: join(projectRoot, '.build', `scale-${process.pid}`) },
    pair: { type: 'boolean', default: false },
    'cpu-prof': { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false }
  }
})
const files = Number(values.files)
const size = Number(values.size)

await main()

async function main(): Promise<void> {
  const directory = values.dir
  const ends: (() => unknown)[] = []
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  if (!values.keep) process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  mkdirSync(directory, { recursive: true })
  const scope: Scope = { tmp: async () => directory, teardown: (run) => ends.push(run) }
  try {
    const world = await createWorld(scope)
    await run(scope, world)
  } finally {
    for (const end of ends.reverse()) await end()
  }
}

async function run(scope: Scope, world: World): Promise<void> {
  const prof = values['cpu-prof'] ? ['--cpu-prof', `--cpu-prof-dir=${join(values.dir, 'prof')}`] : []
  const environment = { P2PSYNC_LOG: 'info' }
  const devices = (values.pair ? ['a', 'b'] : ['a']).map((name) => new Device(scope, world, name, environment, [process.execPath, ...daemonNodeFlags(), ...(process.env['SCALE_FLAGS'] ?? '').split(' ').filter((flag) => flag !== ''), ...prof]))
  const [a] = devices as [Device, ...Device[]]
  say(`${files} files of ${size} bytes in ${values.directories} directories, ${devices.length} device(s), node ${process.version}, ${cpus().length} cores`)
  for (const device of devices) await device.start()
  await a.add()
  for (const other of devices.slice(1)) {
    await pair(a, other)
    await other.add()
  }
  if (files > 0) {
    makeTree(a.beside('data'), 0)
    await timed('first sync', async () => {
      await rename(a.beside('data'), a.path('data'))
      for (const device of devices) await isAtRest(device, files)
    })
  }
  await report(devices, 'after the first sync')
  for (let round = 1; round <= Number(values.rewrites); round++) {
    await timed(`rewrite ${round}`, async () => {
      makeTree(a.path('data'), round)
      for (const device of devices) await device.call('folders.scan', {}).catch(() => undefined)
      await sleep(1000)
      for (const device of devices) await isAtRest(device, files)
    })
    if (round % 5 === 0) await report(devices, `after ${round} rewrites`)
  }
  await idle(devices, 'idle after that')
  for (const device of devices) await timedStart(device)
  await sleep(2000)
  await idle(devices, 'idle after a start')
}

function makeTree(root: string, round: number): void {
  const perDirectory = Math.ceil(files / Number(values.directories))
  const body = Buffer.alloc(size, 'x')
  for (let i = 0; i < files; i++) {
    const directory = join(root, `directory-${Math.floor(i / perDirectory)}`)
    if (i % perDirectory === 0) mkdirSync(directory, { recursive: true })
    body.write(`${round}-${i}-`.padEnd(32, '.'))
    const fd = openSync(join(directory, `file-with-a-name-${i}.txt`), 'w')
    writeSync(fd, body)
    closeSync(fd)
  }
}

async function isAtRest(device: Device, count: number): Promise<void> {
  await waitFor(
    `${device.name} is at rest`,
    async () => {
      const { folders } = await device.call('status.get', {})
      const [folder] = folders
      return folder !== undefined && folder.state === 'idle' && folder.files === count
    },
    TIMEOUT_MS
  )
}

async function timedStart(device: Device): Promise<void> {
  await device.stop()
  const before = performance.now()
  await device.start()
  const answers = performance.now() - before
  const cpu = processorOf([device.pid])
  // Something that changes while the start goes on is noticed before it is over.
  await isAtRest(device, files)
  const { peakBytes, nowBytes } = memoryOf([device.pid])
  say(`${device.name}: start answers after ${answers.toFixed(0)} ms, idle after ${(performance.now() - before).toFixed(0)} ms, processor ${processorOf([device.pid]).toFixed(2)} s (${cpu.toFixed(2)} s until it answered), peak ${mib(peakBytes)}, now ${mib(nowBytes)}`)
}

async function report(devices: readonly Device[], what: string): Promise<void> {
  for (const device of devices) {
    const { peakBytes, nowBytes } = memoryOf([device.pid])
    const store = sizeOf([join(device.home, 'state')])
    const own = sizeOf([device.path('.p2psync')])
    say(`${device.name}: ${what}: now ${mib(nowBytes)}, peak ${mib(peakBytes)}, store ${mib(store)} = ${(store / Math.max(1, files)).toFixed(0)} B/file (limit ${mib(0.005 * files * size + 1536 * files * devices.length)}), .p2psync ${mib(own)}`)
  }
}

async function idle(devices: readonly Device[], what: string): Promise<void> {
  await sleep(Number(values.settle) * 1000)
  const seconds = Number(values.idle)
  const before = devices.map((device) => ({ cpu: processorOf([device.pid]), written: ioOf([device.pid]).writtenBytes, switches: switchesOf(device.pid) }))
  await sleep(seconds * 1000)
  for (const [i, device] of devices.entries()) {
    const was = before[i] as (typeof before)[number]
    const cpu = (processorOf([device.pid])) - was.cpu
    const written = ioOf([device.pid]).writtenBytes - was.written
    const { peakBytes, nowBytes } = memoryOf([device.pid])
    say(`${device.name}: ${what}: ${((100 * cpu) / seconds).toFixed(2)} % of a core over ${seconds} s, ${written} bytes to disk, ${switchesOf(device.pid) - was.switches} wake-ups, now ${mib(nowBytes)}, peak ${mib(peakBytes)}`)
  }
  await report(devices, 'at rest')
}

/** Voluntary context switches of the main thread. */
function switchesOf(pid: number): number {
  return Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
}

async function timed(what: string, work: () => Promise<void>): Promise<void> {
  const before = performance.now()
  await work()
  const ms = performance.now() - before
  say(`${what}: ${(ms / 1000).toFixed(1)} s (${((1000 * files) / ms).toFixed(0)} files/s)`)
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`
}

function say(text: string): void {
  console.log(text)
}

/**
 * Tries to lose data: real daemons, random users on all devices at once, daemons that are killed, stopped and paused. Then all heals
 * and nothing may be lost, mixed, left behind or said wrongly. Prints its seed; on failure it keeps the work folder.
 *
 *     npm run chaos -- [--seed N] [--seconds S] [--devices N] [--kill] [--full] [--dir PATH]
 *
 * `--full`: each device on a small file system of its own, which is filled to the last byte at times (needs root).
 */
import { execFileSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { appendFileSync, closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { errnoOf, messageOf } from '../../base/errors.ts'
import type { FolderStatus } from '../../rpc/shapes.ts'
import { createWorld, Device, pair, waitConnected, type Scope } from '../e2e/harness.ts'
import { treeOf, waitFor } from '../e2e/tree.ts'
import { Random } from '../fakes/random.ts'
import { checkLog, checkMemory, checkNoMixtures, checkNoStrays, checkNothingLost, checkStaging, checkStatus, checkTrees, contentsOf, gather } from './check.ts'
import { Ledger } from './ledger.ts'
import { User } from './user.ts'

interface Options {
  readonly seed: number
  readonly seconds: number
  readonly devices: number
  readonly kill: boolean
  readonly full: boolean
  readonly dir: string
}

const HEAL_MS = 120_000
const IDLE_MS = 15_000
/** Of each device's disk, its store included. */
const DISK_BYTES = 200 * 1024 * 1024
const NAMES = ['a', 'b', 'c', 'd', 'e']

function options(): Options {
  const { values } = parseArgs({
    options: { seed: { type: 'string' }, seconds: { type: 'string' }, devices: { type: 'string' }, kill: { type: 'boolean' }, full: { type: 'boolean' }, dir: { type: 'string' } }
  })
  return {
    seed: Number(values.seed ?? randomInt(1_000_000)),
    seconds: Number(values.seconds ?? 20),
    devices: Number(values.devices ?? 2),
    kill: values.kill ?? false,
    full: values.full ?? false,
    dir: values.dir ?? tmpdir()
  }
}

async function main(given: Options): Promise<number> {
  const work = join(given.dir, `chaos-${given.seed}-${process.pid}`)
  mkdirSync(work, { recursive: true })
  const ends: (() => unknown)[] = []
  const scope: Scope = { tmp: async () => await Promise.resolve(work), teardown: (run) => ends.push(run) }
  const called = `--seed ${given.seed} --seconds ${given.seconds} --devices ${given.devices}${given.kill ? ' --kill' : ''}${given.full ? ' --full' : ''}`
  let wrong: string[]
  try {
    wrong = await new Chaos(scope, given, work).run()
  } catch (error) {
    wrong = [`broke off: ${error instanceof Error ? error.stack : messageOf(error)}`]
  }
  for (const end of ends.reverse()) await end()
  for (const line of wrong) console.log(line)
  console.log(wrong.length === 0 ? `chaos ${called}: good` : `chaos ${called}: ${wrong.length} FAULTS, kept in ${work}`)
  if (wrong.length === 0) rmSync(work, { recursive: true, force: true })
  return wrong.length === 0 ? 0 : 1
}

/** One device with its user and what is known of its daemon. */
class Site {
  readonly device: Device
  readonly user: User
  readonly logFile: string
  busy: Promise<void> | null = null
  up = true
  peakBytes = 0
  /** Its disk is: the user does nothing that could be half done. */
  full = false

  constructor(device: Device, user: User, logFile: string) {
    this.device = device
    this.user = user
    this.logFile = logFile
    device.onLog = (text) => appendFileSync(logFile, text)
  }

  get log(): string {
    return readFileSync(this.logFile, 'utf8')
  }

  measure(): void {
    if (!this.up || this.busy !== null) return
    const found = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.device.pid}/status`, 'utf8'))
    this.peakBytes = Math.max(this.peakBytes, Number(found?.[1] ?? 0) * 1024)
  }
}

class Chaos {
  readonly #scope: Scope
  readonly #options: Options
  readonly #work: string
  readonly #random: Random
  readonly #ledger = new Ledger()
  readonly #events: string[] = []
  #sites: readonly Site[] = []

  constructor(scope: Scope, given: Options, work: string) {
    this.#scope = scope
    this.#options = given
    this.#work = work
    this.#random = new Random(`chaos/${given.seed}`)
  }

  async run(): Promise<string[]> {
    await this.#begin()
    try {
      await this.#storm()
      const wrong = await this.#heal()
      return [...wrong, ...(await this.#judge())]
    } finally {
      const lines = [...this.#events, ...this.#sites.flatMap(({ user }) => user.journal)].sort()
      writeFileSync(join(this.#work, 'journal'), `${lines.join('\n')}\n`)
    }
  }

  async #begin(): Promise<void> {
    const world = await createWorld(this.#scope)
    this.#sites = NAMES.slice(0, this.#options.devices).map((name) => {
      const device = new Device(this.#scope, world, name)
      if (this.#options.full) this.#mount(device.beside())
      mkdirSync(device.path(), { recursive: true })
      // Not on its disk, which may be full.
      const log = join(this.#work, `${name}.log`)
      writeFileSync(log, '')
      return new Site(device, new User(name, device.path(), device.beside(), this.#random, this.#ledger), log)
    })
    await Promise.all(this.#sites.map(({ device }) => device.start()))
    const [first, ...others] = this.#sites
    if (first === undefined) return
    // Some files are there before the devices know each other.
    if (this.#random.chance(0.5)) for (let i = 0; i < 20; i++) await this.#random.pick(this.#sites).user.act()
    await first.device.add()
    for (const other of others) {
      await pair(first.device, other.device)
      await other.device.add()
    }
  }

  async #storm(): Promise<void> {
    const end = Date.now() + this.#options.seconds * 1000
    let nextEvent = Date.now() + 1000
    while (Date.now() < end) {
      const site = this.#random.pick(this.#sites)
      if (!site.full) await site.user.act()
      await sleep(this.#random.chance(0.1) ? this.#random.below(400) : this.#random.below(25))
      for (const site of this.#sites) site.measure()
      if (Date.now() < nextEvent) continue
      nextEvent = Date.now() + this.#random.between(200, 4000)
      this.#disturb(this.#random.pick(this.#sites))
    }
    for (const { user } of this.#sites) await user.rest()
  }

  /** Beside the users' work. */
  #disturb(site: Site): void {
    if (site.busy !== null) return
    const kind = this.#random.weighted({ pause: 2, sync: 2, scan: 1, stop: 2, kill: this.#options.kill ? 8 : 0, fill: this.#options.full ? 8 : 0 })
    const ms = this.#random.below(2500)
    this.#note(`${site.device.name} ${kind} for ${ms} ms`)
    site.busy = this.#do(site, kind, ms)
      .catch((error: unknown) => {
        appendFileSync(site.logFile, `disturbing (${kind}): ${messageOf(error)}\n`)
      })
      .finally(() => {
        site.busy = null
        this.#note(`${site.device.name} ${kind} over`)
      })
  }

  async #do(site: Site, kind: 'pause' | 'sync' | 'scan' | 'stop' | 'kill' | 'fill', ms: number): Promise<void> {
    const { device } = site
    switch (kind) {
      case 'pause':
        await device.call('folders.pause', {})
        await sleep(ms)
        await device.call('folders.resume', {})
        return
      case 'sync':
        await device.call('folders.sync', { timeoutMs: ms + 1 })
        return
      case 'scan':
        await device.call('folders.scan', {})
        return
      case 'stop':
        await device.stop()
        await sleep(ms)
        return await device.start()
      case 'kill':
        await device.kill9()
        await sleep(ms)
        return await device.start()
      case 'fill':
        return await this.#fill(site, ms)
    }
  }

  #mount(root: string): void {
    mkdirSync(root, { recursive: true })
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', root])
    this.#scope.teardown(() => execFileSync('umount', ['--lazy', root]))
  }

  /** Nothing fits for a while, in which the daemon may die; there is room again before it starts. */
  async #fill(site: Site, ms: number): Promise<void> {
    const { device, user } = site
    site.full = true
    await user.rest()
    const ballast = device.beside('ballast')
    const rest = this.#random.pick([0, 0, 4096, 100_000])
    fill(ballast, rest)
    const dies = this.#options.kill && this.#random.chance(0.5)
    if (dies) {
      await sleep(this.#random.below(ms + 1))
      await device.kill9()
    }
    await sleep(ms)
    rmSync(ballast)
    site.full = false
    if (dies || !device.isRunning) await device.start()
  }

  async #heal(): Promise<string[]> {
    for (const site of this.#sites) await site.busy
    this.#note('heal')
    const started = Date.now()
    for (const { device } of this.#sites) await device.call('folders.resume', {})
    for (const [i, a] of this.#sites.entries()) for (const b of this.#sites.slice(i + 1)) await waitConnected(a.device, b.device)
    const wrong: string[] = []
    for (const { device } of this.#sites) {
      for (;;) {
        const { code, stderr, stdout } = await device.cli('sync', '--timeout', '30s')
        if (code === 0) break
        if (Date.now() - started < HEAL_MS && code === 4) continue
        wrong.push(`${device.name}: sync exits ${code}: ${stdout} ${stderr}`)
        break
      }
    }
    this.#note('healed')
    console.log(`healed in ${Date.now() - started} ms`)
    return wrong
  }

  async #judge(): Promise<string[]> {
    const devices = this.#sites.map((site) => site.device)
    const isIdle = async (): Promise<boolean> => {
      const folders = await Promise.all(devices.map(async (device) => (await device.call('status.get', {})).folders[0]))
      return folders.every((folder) => folder?.state === 'idle' && folder.devices.every((other) => other.inSync)) && devices.every((device) => checkStaging(device).length === 0)
    }
    await waitFor('idle', isIdle, IDLE_MS).catch((error: unknown) => this.#note(messageOf(error)))
    const trees = await Promise.all(devices.map((device) => treeOf(device.path())))
    for (const { user } of this.#sites) for (const hash of hashesBelow(user.trash)) this.#ledger.gave(hash)
    const contents = devices.map(contentsOf)
    const wrong = [...checkTrees(devices, trees), ...checkNothingLost(contents, this.#ledger), ...checkNoMixtures(contents, this.#ledger)]
    for (const [i, { device, log, peakBytes }] of this.#sites.entries()) {
      const tree = trees[i] ?? new Map<string, string>()
      // Looking again at what was displaced is work as well, for a moment.
      const status = await waitFor('idle', async () => await idleFolder(device), IDLE_MS).catch(async () => (await device.call('status.get', {})).folders[0])
      wrong.push(...checkNoStrays(device, tree, this.#ledger), ...checkStaging(device), ...checkStatus(device, status, tree), ...checkLog(device, log), ...checkMemory(device, peakBytes))
    }
    const { written, given } = this.#ledger.counts
    const kept = [...this.#ledger.kept()].length
    const peak = this.#sites.map((site) => `${site.device.name} ${Math.round(site.peakBytes / 1024 / 1024)} MiB`).join(', ')
    console.log(`${trees[0]?.size} paths, ${[...(trees[0]?.keys() ?? [])].filter((path) => path.includes('.sync-conflict-')).length} conflict copies; ${written} contents written, ${given} given up, ${kept} to be found; ${peak}`)
    return wrong
  }

  #note(text: string): void {
    this.#events.push(`${new Date().toISOString().slice(11)} -- ${text}`)
  }
}

async function idleFolder(device: Device): Promise<FolderStatus | null> {
  const folder = (await device.call('status.get', {})).folders[0]
  return folder?.state === 'idle' ? folder : null
}

/** All room but `rest` bytes. */
function fill(path: string, rest: number): void {
  const fd = openSync(path, 'w')
  try {
    for (let size = 1024 * 1024; size >= 4096; ) {
      try {
        if (writeSync(fd, Buffer.alloc(size)) < size) size /= 2
      } catch (error) {
        if (errnoOf(error) !== 'ENOSPC') throw error
        size /= 2
      }
    }
    ftruncateSync(fd, Math.max(0, fstatSync(fd).size - rest))
  } finally {
    closeSync(fd)
  }
}

function hashesBelow(directory: string): Iterable<string> {
  const found = new Map<string, string>()
  gather(directory, found, null)
  return found.keys()
}

process.exit(await main(options()))

/**
 * Two paired daemons that go on for many kill points: each cycle has a directory of its own in their folder, in which one scenario
 * happens while one or both are killed; then all is put up again, must get in sync, and is judged.
 */
import { appendFileSync, existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FolderStatus } from '../../rpc/shapes.ts'
import { checkDoctor, checkDrafts, checkLog, checkStaging, checkStatus } from '../chaos/check.ts'
import { sha256 } from '../chaos/ledger.ts'
import { waitConnected, type Device, type Scope } from '../e2e/harness.ts'
import { differences, PATIENCE, treeOf, waitFor } from '../e2e/tree.ts'
import { Random } from '../fakes/random.ts'
import { createShimmedPair, type Shimmed } from '../shim/pair.ts'
import type { Counts } from '../shim/shim.ts'
import { judgeTree } from './judge.ts'
import { Outgrowth } from './outgrowth.ts'
import { isTorn, ROLES, type Phase, type Point, type Role } from './plan.ts'
import { Scenario } from './scenario.ts'

export interface Outcome {
  /** The points at which a daemon died, each with the path of the call. */
  readonly reached: readonly { readonly point: Point; readonly path: string }[]
  /** What is wrong; empty: survived. */
  readonly wrong: readonly string[]
  readonly ms: number
}

const SETTLE_MS = 40_000 * PATIENCE
const HEAL_MS = 60_000 * PATIENCE
const PATIENCE_MS = 150_000 * PATIENCE
const STAGING_MS = 10_000
const REST_MS = 10_000
const SYNC_MS = 10_000
/** Rest, two new drives one after the other, and what the stack keeps open for a while. */
const COMPACT_MS = 120_000 * PATIENCE
/** Where a victim may die meanwhile: what is asked of the other one then ends only with its time. */
const WATCH_MS = 500
const RETRY_MS = 50

export class Rig {
  readonly #sides: Readonly<Record<Role, Shimmed>>
  readonly #seed: string
  readonly #historyHashes = new Map<string, string>()
  /** Files in history that hold what nobody wrote. */
  readonly #mixtures: string[] = []
  readonly #outgrowth: Outgrowth
  #count = 0
  #step = ''

  private constructor(sender: Shimmed, receiver: Shimmed, seed: string) {
    this.#sides = { sender, receiver }
    this.#seed = seed
    this.#outgrowth = new Outgrowth(sender.device, receiver.device)
    for (const { device } of [sender, receiver]) {
      writeFileSync(device.beside('log'), '')
      device.onLog = (text) => appendFileSync(device.beside('log'), text)
    }
  }

  static async create(scope: Scope, seed: string): Promise<Rig> {
    const [sender, receiver] = await createShimmedPair(scope)
    return new Rig(sender, receiver, seed)
  }

  /** Runs one scenario without a kill, and gives how many calls of each kind each role made in it. */
  async profile(phase: Phase): Promise<Readonly<Record<Role, Counts>>> {
    const scenario = await this.#prepared(phase)
    await this.#begun(phase, scenario, [])
    await (phase === 'compaction' ? this.#outgrowth.over(COMPACT_MS) : this.#settled())
    const counts = { sender: this.#sides.sender.shim.counts(), receiver: this.#sides.receiver.shim.counts() }
    if (phase === 'compaction') {
      scenario.act()
      await this.#settled()
    }
    for (const device of this.#devices) this.#history(device, scenario)
    return counts
  }

  /**
   * `points`: of one phase, at most one for each role. `riders`: of the phase `start`, tried where a victim is started again, if it gets
   * so far. Rejects if it takes beyond any patience, with what it was at.
   */
  async run(points: readonly Point[], riders: readonly Point[] = []): Promise<Outcome> {
    const patience = new AbortController()
    const late = sleep(points[0]?.phase === 'compaction' ? PATIENCE_MS + 2 * COMPACT_MS : PATIENCE_MS, null, { signal: patience.signal }).then(() => Promise.reject(new Error(`stuck: ${this.#step}`)))
    try {
      return await Promise.race([this.#run(points, riders), late])
    } finally {
      patience.abort()
      late.catch(() => undefined)
    }
  }

  async #run(points: readonly Point[], riders: readonly Point[]): Promise<Outcome> {
    const begun = Date.now()
    this.#step = 'preparing'
    const phase = points[0]?.phase ?? 'sync'
    const scenario = await this.#prepared(phase)
    this.#step = 'beginning'
    await this.#begun(phase, scenario, points)
    this.#step = 'waiting for the kills'
    const reached = await this.#killed(points, riders)
    this.#step = 'healing'
    const wrong = await this.#healed(phase, scenario).catch((error: unknown) => [error instanceof Error ? error.message : String(error)])
    this.#step = 'judging'
    wrong.push(...(await this.#judged(scenario)))
    return { reached, wrong, ms: Date.now() - begun }
  }

  /** Disk, index, drive and blocks of both against each other; reads all that there is, so not after each cycle. */
  async doctor(): Promise<readonly string[]> {
    return (await Promise.all(this.#devices.map(checkDoctor))).flat()
  }

  get #devices(): readonly Device[] {
    return ROLES.map((role) => this.#sides[role].device)
  }

  /** A new scenario whose beginning is everywhere. */
  async #prepared(phase: Phase): Promise<Scenario> {
    const [sender, receiver] = this.#devices as [Device, Device]
    this.#count++
    const scenario = new Scenario(`p${this.#count}`, sender.path(), receiver.path(), new Random(`${this.#seed}/${this.#count}`))
    scenario.prepare()
    const patience = phase === 'compaction' ? COMPACT_MS : SETTLE_MS
    await this.#settled(patience)
    if (phase === 'compaction') await this.#outgrowth.begin(async () => await this.#settled(patience))
    for (const device of this.#devices) writeFileSync(device.beside('log'), '')
    return scenario
  }

  /** Arms, then lets it all happen; in the phase `start` both are down meanwhile. */
  async #begun(phase: Phase, scenario: Scenario, points: readonly Point[]): Promise<void> {
    if (phase === 'start') await Promise.all(this.#devices.map(async (device) => await device.kill9()))
    for (const { shim } of Object.values(this.#sides)) shim.reset()
    for (const point of points) this.#arm(point)
    if (phase !== 'compaction') scenario.act()
    // One that is killed never answers.
    if (phase === 'start') await Promise.all(this.#devices.map(async (device) => await device.start().catch(() => undefined)))
  }

  #arm(point: Point): void {
    this.#sides[point.role].shim.arm({ fate: { kind: isTorn(point) ? 'torn' : 'kill' }, call: point.call, area: point.area, from: point.nth, count: 1 })
  }

  /** Until each victim is dead, or all is in sync without that; who dies is started again, so that the other one gets as far. */
  async #killed(points: readonly Point[], riders: readonly Point[]): Promise<Outcome['reached']> {
    const reached: { point: Point; path: string }[] = []
    const waiting = new Set(points)
    const next = new Map(riders.map((rider) => [rider.role, rider]))
    const over = new AbortController()
    const settled = new AbortController()
    const isCompaction = points[0]?.phase === 'compaction'
    const patience = isCompaction ? COMPACT_MS : SETTLE_MS
    const settling = (isCompaction ? this.#outgrowth.over(patience, over.signal) : this.#settled(patience, over.signal)).catch(() => undefined).then(() => settled.abort())
    while (waiting.size > 0 && !settled.signal.aborted) {
      await waitFor('a kill, or in sync', () => settled.signal.aborted || [...waiting].some(({ role }) => !this.#sides[role].device.isRunning), patience)
      for (const point of [...waiting].filter(({ role }) => !this.#sides[role].device.isRunning)) {
        waiting.delete(point)
        const { device, shim } = this.#sides[point.role]
        if (shim.hits > 0) reached.push({ point, path: shim.hit })
        shim.disarm()
        await device.kill9()
        const rider = next.get(point.role)
        next.delete(point.role)
        if (rider !== undefined) {
          waiting.add(rider)
          this.#arm(rider)
        }
        if (waiting.size > 0) await device.start().catch(() => undefined)
      }
    }
    over.abort()
    await settling
    for (const { shim } of Object.values(this.#sides)) shim.disarm()
    // Killed in the very moment in which all was over.
    for (const point of waiting) {
      const { device, shim } = this.#sides[point.role]
      if (shim.hits === 0) continue
      await waitFor('a kill', () => !device.isRunning, patience)
      reached.push({ point, path: shim.hit })
    }
    return reached
  }

  /** Everything that is down is started; all is in sync at last, of a compaction what comes after it as well. */
  async #healed(phase: Phase, scenario: Scenario): Promise<string[]> {
    await Promise.all(this.#devices.map(async (device) => {
      if (device.isRunning) return
      await device.kill9()
      await device.start()
    }))
    const [sender, receiver] = this.#devices as [Device, Device]
    await waitConnected(sender, receiver)
    if (phase === 'compaction') {
      await this.#outgrowth.over(COMPACT_MS)
      scenario.act()
    }
    await this.#settled(HEAL_MS)
    await waitFor('staging is empty', () => this.#devices.every((device) => checkStaging(device).length === 0), STAGING_MS).catch(() => undefined)
    return []
  }

  /** `sync` on both says that they are. Ends early once `signal` says so. */
  async #settled(timeoutMs = SETTLE_MS, signal?: AbortSignal): Promise<void> {
    const deadline = Date.now() + timeoutMs
    for (const device of this.#devices) {
      for (;;) {
        if (signal?.aborted === true) return
        // With a signal a daemon may be dead for the moment.
        const result = await device.call('folders.sync', { timeoutMs: signal === undefined ? SYNC_MS : WATCH_MS }).catch((error: unknown) => {
          if (signal === undefined) throw error
          return null
        })
        if (result?.ok === true) break
        const waits = result === null || result.outcome === 'timeout' || result.outcome === 'no-peers'
        if (Date.now() > deadline || !waits) throw new Error(`${device.name}: sync says ${JSON.stringify(result)}`)
        await sleep(RETRY_MS)
      }
    }
  }

  async #judged(scenario: Scenario): Promise<string[]> {
    const devices = this.#devices
    const folders = new Map(await Promise.all(devices.map(async (device) => [device, await atRest(device)] as const)))
    const trees = await Promise.all(devices.map(async (device) => await treeOf(device.path(scenario.name))))
    const wrong = differences(trees[0] ?? new Map(), trees[1] ?? new Map()).map((line) => `trees differ: ${line}`)
    const history = new Map(devices.flatMap((device) => [...this.#history(device, scenario)]))
    wrong.push(...this.#mixtures.splice(0))
    for (const device of devices) {
      wrong.push(...judgeTree(device.path(scenario.name), scenario, history).map((line) => `${device.name}: ${line}`))
      wrong.push(...checkStaging(device), ...checkDrafts(device), ...checkLog(device, readFileSync(device.beside('log'), 'utf8')))
      wrong.push(...checkStatus(device, folders.get(device), await treeOf(device.path(), false)))
      const strays = readdirSync(device.path()).filter((name) => name !== '.p2psync' && !/^p\d+$/.test(name))
      if (strays.length > 0) wrong.push(`${device.name} has strays: ${strays.join(' ')}`)
    }
    return wrong
  }

  /** Hash of everything in history → its file. A file there never changes, so each is read once. */
  #history(device: Device, scenario: Scenario): Map<string, string> {
    const found = new Map<string, string>()
    // Made when something is displaced for the first time.
    if (!existsSync(device.path('.p2psync', 'history'))) return found
    const root = device.path('.p2psync', 'history')
    for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
      const file = join(entry.parentPath, entry.name)
      // What lies beside the hours are our own notes.
      if (!entry.isFile() || entry.parentPath === root) continue
      const key = `${file} ${statSync(file).size}`
      const hash = this.#historyHashes.get(key) ?? this.#hashNew(file, scenario)
      this.#historyHashes.set(key, hash)
      found.set(hash, file)
    }
    return found
  }

  #hashNew(file: string, scenario: Scenario): string {
    const content = readFileSync(file)
    if (!scenario.isKnown(content)) this.#mixtures.push(`MIXTURE in history: ${file}`)
    return sha256(content)
  }
}

/** What `sync` has said stands, while a cycle may have begun since, here or there, of which nothing comes. @returns the folder as it is then, or still is. */
async function atRest(device: Device): Promise<FolderStatus | undefined> {
  const now = async (): Promise<FolderStatus | undefined> => (await device.call('status.get', {})).folders[0]
  const idle = async (): Promise<FolderStatus | null> => {
    const folder = await now()
    return folder?.state === 'idle' && folder.devices.every(({ inSync }) => inSync) ? folder : null
  }
  return await waitFor(`${device.name} and the other are idle`, idle, REST_MS).catch(now)
}

/**
 * Two paired daemons that go on for many kill points: each point has a directory of its own in their folder, in which one scenario
 * happens while one or both are killed; then all is put up again, must get in sync, and is judged.
 */
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync, appendFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkLog, checkStaging } from '../chaos/check.ts'
import { sha256 } from '../chaos/ledger.ts'
import { createPair, waitConnected, type Device, type Scope } from '../e2e/harness.ts'
import { differences, treeOf, waitFor } from '../e2e/tree.ts'
import { Random } from '../fakes/random.ts'
import { judgeTree } from './judge.ts'
import { Scenario } from './scenario.ts'
import { hitOf, isDead, launcher, readTrace, traceFile, Tracer, type Kill, type Traced } from './tracer.ts'

export type Role = 'sender' | 'receiver'

/** `sync`: as it hears of the changes, running. `start`: as it starts on them after a kill in the middle. */
export type Phase = 'sync' | 'start'

export interface Point {
  readonly phase: Phase
  readonly kills: Readonly<Partial<Record<Role, Kill>>>
}

export interface Outcome {
  /** The calls in which the daemons died; a point that was not reached has none. */
  readonly hits: readonly (Traced & { readonly role: Role })[]
  /** What is wrong; empty: survived. */
  readonly wrong: readonly string[]
  readonly ms: number
}

const ROLES: readonly Role[] = ['sender', 'receiver']
const SETTLE_MS = 40_000
const HEAL_MS = 60_000
const PATIENCE_MS = 150_000
const STAGING_MS = 10_000
/** A scenario takes about this long without strace. */
const MIDDLE_MS = 300
/** The second of two victims may wait for the first, which is dead. */
const SECOND_VICTIM_MS = 2_000

export class Rig {
  readonly #devices: Readonly<Record<Role, Device>>
  readonly #work: string
  readonly #seed: string
  readonly #historyHashes = new Map<string, string>()
  /** Files in history that hold what nobody wrote. */
  readonly #mixtures: string[] = []
  #count = 0
  #step = ''

  private constructor(sender: Device, receiver: Device, work: string, seed: string) {
    this.#devices = { sender, receiver }
    this.#work = work
    this.#seed = seed
    for (const device of [sender, receiver]) {
      writeFileSync(device.beside('log'), '')
      device.onLog = (text) => appendFileSync(device.beside('log'), text)
    }
  }

  static async create(scope: Scope, seed: string): Promise<Rig> {
    const work = await scope.tmp()
    const [sender, receiver] = await createPair(scope)
    return new Rig(sender, receiver, work, seed)
  }

  /** Runs one scenario without a kill, and gives the calls that each role made in it. */
  async profile(phase: Phase): Promise<Readonly<Record<Role, readonly Traced[]>>> {
    const traces: Record<Role, readonly Traced[]> = { sender: [], receiver: [] }
    for (const role of phase === 'sync' ? [null] : ROLES) {
      const scenario = await this.#prepared()
      const traced = role === null ? ROLES : [role]
      const ends = phase === 'sync' ? await this.#attached({}, scenario) : await this.#started({}, scenario, traced)
      await this.#settled()
      for (const one of traced) {
        traces[one] = await ends[one]?.() ?? []
        if (phase === 'start') await this.#devices[one].kill9()
      }
      await this.#healed()
      for (const device of Object.values(this.#devices)) this.#history(device, scenario)
    }
    return traces
  }

  /** Rejects if it takes beyond any patience, with what it was at. */
  async run(point: Point): Promise<Outcome> {
    const patience = new AbortController()
    const late = sleep(PATIENCE_MS, null, { signal: patience.signal }).then(() => Promise.reject(new Error(`stuck: ${this.#step}`)))
    try {
      return await Promise.race([this.#run(point), late])
    } finally {
      patience.abort()
      late.catch(() => undefined)
    }
  }

  async #run(point: Point): Promise<Outcome> {
    const begun = Date.now()
    this.#step = 'preparing'
    const scenario = await this.#prepared()
    const roles = ROLES.filter((role) => point.kills[role] !== undefined)
    const ends = point.phase === 'sync' ? await this.#attached(point.kills, scenario) : await this.#started(point.kills, scenario, roles)
    this.#step = 'waiting for the kill'
    await this.#diedOrSettled(roles)
    this.#step = 'reading the traces'
    const hits: (Traced & { role: Role })[] = []
    for (const role of roles) {
      const kill = point.kills[role]
      const hit = kill === undefined ? undefined : hitOf(await ends[role]?.() ?? [], kill)
      if (hit !== undefined && !this.#isUp(role)) hits.push({ ...hit, role })
    }
    this.#step = 'healing'
    // A tracer from the start on does not let go.
    if (point.phase === 'start') await Promise.all(roles.map(async (role) => await this.#devices[role].kill9()))
    const wrong = await this.#healed().catch((error: unknown) => [error instanceof Error ? error.message : String(error)])
    wrong.push(...(await this.#judged(scenario)))
    return { hits, wrong, ms: Date.now() - begun }
  }

  /** A new scenario whose beginning is everywhere. */
  async #prepared(): Promise<Scenario> {
    const { sender, receiver } = this.#devices
    this.#count++
    const scenario = new Scenario(`p${this.#count}`, sender.path(), receiver.path(), new Random(`${this.#seed}/${this.#count}`))
    scenario.prepare()
    await this.#settled()
    for (const device of [sender, receiver]) writeFileSync(device.beside('log'), '')
    return scenario
  }

  /** Traces what runs, then lets it all happen. */
  async #attached(kills: Point['kills'], scenario: Scenario): Promise<Ends> {
    const none = Object.keys(kills).length === 0
    const ends: Ends = {}
    for (const role of ROLES) {
      if (!none && kills[role] === undefined) continue
      const tracer = await Tracer.attach(this.#devices[role].pid, this.#traceFile(role), kills[role] ?? null, storeLogs(this.#devices[role]))
      ends[role] = async () => await tracer.end()
    }
    this.#step = 'acting'
    scenario.act()
    return ends
  }

  /** All happens while the victims are down, or are killed in the middle of it; they start again traced. */
  async #started(kills: Point['kills'], scenario: Scenario, roles: readonly Role[]): Promise<Ends> {
    const random = new Random(`${this.#seed}/${this.#count}/start`)
    if (Object.keys(kills).length === 0 || random.chance(0.6)) await Promise.all(roles.map(async (role) => await this.#devices[role].kill9()))
    scenario.act()
    await sleep(random.below(MIDDLE_MS))
    const ends: Ends = {}
    this.#step = 'starting traced'
    await Promise.all(roles.map(async (role) => {
      await this.#devices[role].kill9()
      const file = this.#traceFile(role)
      ends[role] = () => Promise.resolve(readTrace(file))
      // One that is killed never answers.
      await this.#devices[role].start(launcher(file, kills[role] ?? null)).catch(() => undefined)
    }))
    return ends
  }

  /** Until one victim is dead, and the other too if it is soon, or all is in sync with none. */
  async #diedOrSettled(roles: readonly Role[]): Promise<void> {
    const over = new AbortController()
    let settled = false
    const settling = this.#settled(SETTLE_MS, over.signal).then(() => {
      settled = !over.signal.aborted
    }, () => undefined)
    await waitFor('a kill, or in sync', () => settled || roles.some((role) => !this.#isUp(role)), SETTLE_MS * 2)
    over.abort()
    await waitFor('the other one', () => settled || roles.every((role) => !this.#isUp(role)), SECOND_VICTIM_MS).catch(() => undefined)
    if (settled) await settling
  }

  /** Everything that is down is started; all is in sync at last. */
  async #healed(): Promise<string[]> {
    const { sender, receiver } = this.#devices
    await Promise.all(ROLES.map(async (role) => {
      if (this.#isUp(role)) return
      await this.#devices[role].kill9()
      await this.#devices[role].start()
    }))
    await waitConnected(sender, receiver)
    await this.#settled(HEAL_MS)
    await waitFor('staging is empty', () => ROLES.every((role) => checkStaging(this.#devices[role]).length === 0), STAGING_MS).catch(() => undefined)
    return []
  }

  /** `sync` on both says that they are. */
  async #settled(timeoutMs = SETTLE_MS, signal?: AbortSignal): Promise<void> {
    const { sender, receiver } = this.#devices
    const deadline = Date.now() + timeoutMs
    for (const device of [sender, receiver]) {
      for (;;) {
        const result = await device.call('folders.sync', { timeoutMs: 10_000 })
        if (result.ok || signal?.aborted === true) break
        if (Date.now() > deadline || (result.outcome !== 'timeout' && result.outcome !== 'no-peers')) throw new Error(`${device.name}: sync says ${JSON.stringify(result)}`)
        await sleep(100)
      }
    }
  }

  async #judged(scenario: Scenario): Promise<string[]> {
    const { sender, receiver } = this.#devices
    const devices = [sender, receiver]
    const trees = await Promise.all(devices.map(async (device) => await treeOf(device.path(scenario.name))))
    const wrong = differences(trees[0] ?? new Map(), trees[1] ?? new Map()).map((line) => `trees differ: ${line}`)
    const history = new Map(devices.flatMap((device) => [...this.#history(device, scenario)]))
    wrong.push(...this.#mixtures.splice(0))
    for (const device of devices) {
      wrong.push(...judgeTree(device.path(scenario.name), scenario, history).map((line) => `${device.name}: ${line}`))
      wrong.push(...checkStaging(device), ...checkLog(device, readFileSync(device.beside('log'), 'utf8')))
      const status = (await device.call('status.get', {})).folders[0]
      for (const problem of status?.problems ?? []) wrong.push(`${device.name} has a problem: ${JSON.stringify(problem)}`)
      const strays = readdirSync(device.path()).filter((name) => name !== '.p2psync' && !/^p\d+$/.test(name))
      if (strays.length > 0) wrong.push(`${device.name} has strays: ${strays.join(' ')}`)
    }
    return wrong
  }

  /** Hash of everything in history → its file. A file there never changes, so each is read once. */
  #history(device: Device, scenario: Scenario): Map<string, string> {
    const found = new Map<string, string>()
    for (const entry of readdirSync(device.path('.p2psync', 'history'), { recursive: true, withFileTypes: true })) {
      const file = join(entry.parentPath, entry.name)
      if (!entry.isFile()) continue
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

  #isUp(role: Role): boolean {
    const device = this.#devices[role]
    return device.isRunning && !isDead(device.pid)
  }

  #traceFile(role: Role): string {
    const directory = join(this.#work, 'traces')
    mkdirSync(directory, { recursive: true })
    const old = traceFile(directory, role, this.#count - 1)
    rmSync(old, { force: true })
    return traceFile(directory, role, this.#count)
  }
}

function storeLogs(device: Device): string[] {
  const directory = join(device.home, 'state', 'store', 'db')
  return readdirSync(directory).filter((name) => /^\d+\.log$/.test(name)).map((name) => join(directory, name))
}

type Ends = Partial<Record<Role, () => Promise<Traced[]>>>

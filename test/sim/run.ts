/** Plays one script on fake devices and judges the end. Deterministic: the same script gives the same trace, byte for byte. */
import { createHash } from 'node:crypto'
import { FakeClock } from '../fakes/clock.ts'
import { FakeNetwork, MAX_DELAY_FACTOR } from '../fakes/network.ts'
import { Random } from '../fakes/random.ts'
import { FakeTree } from '../fakes/tree.ts'
import { FakeUser } from '../fakes/user.ts'
import { act, type UserAction } from './acts.ts'
import { checkDots, checkDrive, checkEqual, checkHistories, checkListed, checkModel, checkNoStrays, checkNothingLost, checkStatements, isKeptByIgnored } from './check.ts'
import { SimDevice } from './device.ts'
import { contentOf, Ledger } from './ledger.ts'
import { TRAVELS, type Script, type Step } from './script.ts'

/** Which promise a failure breaks; shrinking keeps to the first one. */
type Check = 'lost' | 'listed' | 'equal' | 'drive' | 'stray' | 'dots' | 'truth' | 'model' | 'statements' | 'fixpoint' | 'rest' | 'daemon'

export interface Outcome {
  /** Empty: all is well. Each begins with the name of the check in brackets. */
  readonly failures: readonly string[]
  readonly trace: readonly string[]
  /** SHA-256 of the trace, hex. */
  readonly hash: string
  /** Of the first device at the end: path and content of what has one. */
  readonly live: ReadonlyMap<string, string>
  /** Steps of users that did not apply when their turn came. */
  readonly skipped: number
}

/** A world in which nothing happens for this long, and while messages may be on their way, is at rest: longer than every retry but the full rescan. */
const QUIET_MS = 35_000
const QUIET_ROUNDS = 2
const MAX_ROUNDS = 60
const MAX_FAILURES = 12
/** More lines than this are a world that spins. */
const MAX_TRACE_LINES = 20_000
const ROUND_SLICE_MS = 1000
const MAX_DECISIONS = 12

/** `strict`: a step that does not apply ends the play at once, as not worth more (`skipped`). */
export async function runScript(script: Script, strict = false): Promise<Outcome> {
  const simulation = new Simulation(script, strict)
  const unhandled = (error: unknown): void => simulation.unhandled(error)
  process.on('unhandledRejection', unhandled)
  try {
    return await simulation.run()
  } finally {
    process.off('unhandledRejection', unhandled)
  }
}

class Simulation {
  readonly #script: Script
  readonly #strict: boolean
  #skipped = 0
  readonly #clock = new FakeClock()
  readonly #network: FakeNetwork
  readonly #devices: readonly SimDevice[]
  readonly #ledger = new Ledger()
  readonly #model: FakeUser
  readonly #trace: string[] = []
  #events = 0
  readonly #failures: string[] = []

  constructor(script: Script, strict: boolean) {
    this.#script = script
    this.#strict = strict
    const { weather } = script
    const trace = (line: string, idle = false): void => {
      this.#trace.push(`${this.#clock.now()} ${line}`)
      if (!idle) this.#events++
    }
    this.#network = new FakeNetwork({
      clock: this.#clock,
      random: new Random(`network/${script.seed}`),
      maxDelayMs: weather.maxDelayMs,
      nackChance: weather.nacks,
      lieChance: weather.lies,
      aheadChance: weather.ahead ?? 0,
      disorder: weather.disorder ?? 0,
      trace
    })
    this.#model = new FakeUser(new FakeTree(() => this.#clock.now()))
    const world = {
      clock: this.#clock,
      network: this.#network,
      weather,
      seed: String(script.seed),
      guard: script.guard ?? null,
      keeps: script.keeps === true,
      powerCuts: script.steps.some((step) => step.do === 'power'),
      ledger: this.#ledger,
      trace,
      failed: (what: string) => this.#failed('daemon', what),
      devices: () => this.#devices
    }
    this.#devices = Array.from({ length: script.devices }, (_, number) => new SimDevice(world, number))
    for (const device of this.#devices) device.meet(this.#devices)
  }

  /** It would have ended a daemon. */
  unhandled(error: unknown): void {
    this.#failed('daemon', `a rejection that nobody handles: ${error instanceof Error ? error.stack : String(error)}`)
  }

  async run(): Promise<Outcome> {
    for (const step of this.#script.before) await this.#step(step)
    for (const device of this.#devices) device.start()
    if (this.#script.calm) await this.#rest()
    for (const step of this.#script.steps) {
      if (this.#failures.length > 0 || this.#isPointless) break
      await this.#step(step)
      if (this.#script.calm) await this.#rest()
    }
    if (this.#failures.length === 0 && !this.#isPointless) await this.#end()
    const hash = createHash('sha256').update(this.#trace.join('\n')).digest('hex')
    return { failures: this.#failures, trace: this.#trace, hash, live: this.#live(), skipped: this.#skipped }
  }

  #live(): ReadonlyMap<string, string> {
    return new Map([...(this.#devices[0]?.disk.tree.walk() ?? [])].flatMap(([path, node]) => {
      const content = contentOf(node)
      return content === null ? [] : [[path, content]]
    }))
  }

  get #isPointless(): boolean {
    return this.#strict && this.#skipped > 0
  }

  async #step(step: Step): Promise<void> {
    await this.#clock.run(step.wait)
    const { wait: _wait, during, ...action } = step
    const device = 'on' in action ? (this.#devices[action.on] as SimDevice) : null
    if (action.do !== 'rest') this.#trace.push(`${this.#clock.now()} > ${JSON.stringify(action)}`)
    switch (action.do) {
      case 'rest':
        return await this.#rest()
      case 'cut':
      case 'mend':
        return this.#network[action.do]((device as SimDevice).device, (this.#devices[action.to] as SimDevice).device)
      case 'stop':
      case 'start':
      case 'forget':
      case 'cure':
      case 'unmount':
      case 'mount':
      case 'pause':
      case 'resume':
      case 'sync':
      case 'approve':
      case 'reject':
        return device?.[action.do]()
      case 'save':
      case 'wipe':
      case 'rejoin':
      case 'power':
      case 'rotate':
        return device?.[action.do]()
      case 'clone':
        return (this.#devices[action.to] as SimDevice).becomeCopyOf(device as SimDevice)
      case 'restore':
        return device?.restore(action.what)
      case 'clock':
        return device?.setClock(action.by)
      case 'deny':
        return void device?.disk.denied.add(action.path)
      case 'fail':
        return void device?.disk.failing.set(action.path, 'EIO')
      case 'full':
        if (device !== null) device.disk.full = true
        return
      case 'kill':
        return device?.killAfter(action.steps)
      case 'scan':
        return device?.folder?.localChanged('all')
      case 'write-aside':
        return device?.during(during ?? 1, () => device.writeAside(action.nth, action.text) || this.#skip())
      default:
        if (during === undefined) return this.#user(device as SimDevice, action)
        return (device as SimDevice).during(during, () => this.#user(device as SimDevice, action))
    }
  }

  #skip(): void {
    this.#skipped++
    this.#trace.push(`${this.#clock.now()} > skipped`)
  }

  #user(device: SimDevice, action: UserAction): void {
    if (device.disk.halted !== null) return
    const done = act(device.user, this.#ledger, device.name, action)
    if (!done) this.#skip()
    if (this.#script.calm && act(this.#model, this.#ledger, 'model', action) !== done) this.#failed('model', `the model disagrees on ${JSON.stringify(action)}`)
  }

  /** Until nothing is said, stated or changed any more. */
  async #rest(): Promise<void> {
    let quiet = 0
    for (let round = 0; round < MAX_ROUNDS && this.#failures.length === 0; round++) {
      const before = this.#events
      for (const device of this.#devices) device.rested()
      await this.#pass(this.#quietMs)
      if (this.#trace.length >= MAX_TRACE_LINES) break
      quiet = this.#events === before ? quiet + 1 : 0
      if (quiet >= QUIET_ROUNDS) return
    }
    this.#failed('rest', 'the world does not come to rest')
  }

  /** In slices, from one thing that is due to the next: a world that spins fills the trace and is left. */
  async #pass(ms: number): Promise<void> {
    const end = this.#clock.now() + ms
    while (this.#clock.now() < end && this.#trace.length < MAX_TRACE_LINES) {
      await this.#clock.runUntil(Math.min(end, (this.#clock.nextAt ?? end) + ROUND_SLICE_MS))
    }
  }

  get #quietMs(): number {
    return QUIET_MS + 2 * MAX_DELAY_FACTOR * this.#script.weather.maxDelayMs
  }

  async #end(): Promise<void> {
    this.#trace.push('--- healing')
    this.#network.behave()
    for (const a of this.#devices) for (const b of this.#devices) if (a !== b) this.#network.mend(a.device, b.device)
    for (const device of this.#devices) {
      device.spare()
      device.cure()
      device.mount()
      device.resume()
    }
    for (const device of this.#devices) device.start()
    await this.#clock.run(QUIET_MS)
    for (const device of this.#devices) device.start()
    await this.#rest()
    // Hints may have been lost: the hourly scan finds what they spoke of. What a fetch leaves behind goes with the next cycle.
    await this.#scanAll()
    if (await this.#decide()) await this.#scanAll()
    if (this.#failures.length > 0) return
    this.#judge('at the end')
    await this.#fixpoint()
  }

  async #scanAll(): Promise<void> {
    for (let scans = 0; scans < 2; scans++) {
      for (const device of this.#devices) device.folder?.localChanged('all')
      await this.#rest()
    }
  }

  /** Mass deletions that still wait are decided, one way or the other; that may make others wait. @returns whether any did. */
  async #decide(): Promise<boolean> {
    for (let round = 0; round < MAX_DECISIONS; round++) {
      const device = this.#devices.find(({ folder }) => folder?.activity === 'decision')
      if (device === undefined) return round > 0
      device[(this.#script.seed + round) % 3 === 0 ? 'reject' : 'approve']()
      await this.#rest()
    }
    return true
  }

  #judge(when: string): void {
    const devices = this.#devices
    const fail = (check: Check, lines: readonly string[]): void => lines.forEach((line) => this.#failed(check, `${when}: ${line}`))
    fail('lost', checkNothingLost(devices, this.#ledger, this.#travels || this.#script.steps.some((step) => step.do === 'ignore')))
    fail('lost', checkHistories(devices, this.#ledger))
    fail('listed', devices.flatMap((device) => checkListed(device)))
    fail('equal', checkEqual(devices))
    fail('drive', devices.flatMap((device) => checkDrive(device, devices)))
    fail('stray', devices.flatMap((device) => checkNoStrays(device, this.#ledger, devices)))
    fail('dots', checkDots(devices, { now: this.#travels, byPath: this.#lostStates > 1 }))
    fail('truth', devices.flatMap((device) => this.#truthful(device)))
    if (this.#script.calm && devices[0] !== undefined) fail('model', checkModel(devices[0], this.#model.tree))
    if (this.#failures.length === 0) fail('statements', checkStatements(devices))
  }

  /** Devices that forgot what they had stated. */
  get #lostStates(): number {
    return new Set(this.#script.steps.flatMap((step) => (step.do === 'restore' && step.what !== 'files' ? [step.on] : []))).size
  }

  get #travels(): boolean {
    return this.#script.steps.some((step) => TRAVELS.has(step.do))
  }

  /** R37: what is said of the state must be so. */
  #truthful(device: SimDevice): string[] {
    const { folder } = device
    if (folder === null) return [`${device.name} does not run`]
    const wrong: string[] = []
    if (folder.activity !== 'idle') wrong.push(`${device.name} is ${folder.activity}`)
    const status = folder.status()
    if (status.need.files + status.need.deletes > 0) wrong.push(`${device.name} still needs ${JSON.stringify(status.need)}`)
    const untrue = status.problems.filter(({ code, path }) => code !== 'kept-by-ignored' || !isKeptByIgnored(device, path))
    for (const problem of untrue) wrong.push(`${device.name} has a problem: ${JSON.stringify(problem)}`)
    for (const other of status.devices) if (!other.inSync) wrong.push(`${device.name} does not think that ${other.device.slice(0, 4)} is in sync: ${JSON.stringify(other.need)}`)
    return wrong
  }

  /** Scanning again and starting again change nothing. */
  async #fixpoint(): Promise<void> {
    if (this.#failures.length > 0) return
    const before = this.#devices.map((device) => device.log.length)
    for (const device of this.#devices) device.folder?.localChanged('all')
    await this.#rest()
    this.#unchanged(before, 'a scan')
    for (const device of this.#devices) device.stop()
    await this.#clock.run(QUIET_MS)
    for (const device of this.#devices) device.start()
    await this.#rest()
    this.#unchanged(before, 'a restart')
    this.#judge('after a restart')
  }

  #unchanged(before: readonly number[], after: string): void {
    for (const [i, device] of this.#devices.entries()) {
      if (device.log.length !== before[i]) this.#failed('fixpoint', `${device.name} stated something new after ${after} although nothing changed`)
    }
  }

  #failed(check: Check, what: string): void {
    if (this.#failures.length < MAX_FAILURES) this.#failures.push(`[${check}] ${what}`)
    this.#trace.push(`${this.#clock.now()} ! [${check}] ${what}`)
  }
}

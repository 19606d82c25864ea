/**
 * Kills real daemons with SIGKILL at calls that change a file system, and looks whether they come up again with nothing lost. First
 * counts the calls of one scenario on both devices, by kind and place, then tries as many of these points as it is told, with several
 * pairs of daemons at once. Prints what was tried, reached and survived, and how to replay what was not; the folders of a failed
 * point are kept.
 *
 *     npm run test:crash -- [--all | --points N] [--seed S] [--seconds S] [--pairs N] [--dir PATH] [--skip N]
 *                           [--point 'sync receiver link tree 3, sync sender write log 2'] [--times N] [--compaction]
 *
 * `--compaction`: the points of the third phase in place of the other two; each cycle waits for rest, so that more pairs cost little.
 */
import { randomInt } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { messageOf } from '../../base/errors.ts'
import type { Scope } from '../e2e/harness.ts'
import { Random } from '../fakes/random.ts'
import { whyNoShim } from '../shim/shim.ts'
import { formatPoint, parsePoints, PHASES, pointsOf, Queue, ROLES, type Point, type Profile } from './plan.ts'
import { Rig, type Outcome } from './rig.ts'

interface Options {
  readonly points: number
  readonly seconds: number
  readonly seed: string
  readonly pairs: number
  readonly dir: string
  /** Cycles of the same seed that an earlier run had. */
  readonly skip: number
  readonly point: readonly Point[] | null
  readonly times: number
  readonly compaction: boolean
}

/** Folders and history grow by some megabytes with each cycle. */
const CYCLES_PER_PAIR = 40
/** A drive is outgrown by what was stated more than once, and what was stated once becomes more with each cycle. */
const COMPACTIONS_PER_PAIR = 16
const DEFAULT_POINTS = 200

function options(): Options {
  const text = { type: 'string' } as const
  const { values } = parseArgs({ options: { all: { type: 'boolean' }, points: text, seconds: text, seed: text, pairs: text, dir: text, skip: text, point: text, times: text, compaction: { type: 'boolean' } } })
  return {
    points: values.all === true ? Infinity : Number(values.points ?? DEFAULT_POINTS),
    seconds: Number(values.seconds ?? 24 * 3600),
    seed: values.seed ?? String(randomInt(1_000_000)),
    pairs: Number(values.pairs ?? 2),
    dir: values.dir ?? tmpdir(),
    skip: Number(values.skip ?? 0),
    point: values.point === undefined ? null : parsePoints(values.point),
    times: Number(values.times ?? 1),
    compaction: values.compaction === true
  }
}

interface Tried extends Outcome {
  readonly points: readonly Point[]
}

/** `keep`: the files show a failure. */
interface Kept<T> {
  readonly result: T
  readonly keep: boolean
}

type Cycles = Pick<Queue, 'take' | 'riders' | 'giveBack'>

class Run {
  readonly #given: Options
  readonly #end: number
  readonly #tried: Tried[] = []
  #rigs = 0
  #known = 0

  constructor(given: Options) {
    this.#given = given
    this.#end = Date.now() + given.seconds * 1000
  }

  async run(): Promise<number> {
    const { point, times } = this.#given
    const cycles = point === null ? await this.#withRig(async (rig) => ({ result: await this.#planned(rig), keep: false })) : repeated(point, times)
    const lane = async (): Promise<void> => {
      for (let more = true; more; ) more = await this.#withRig(async (rig) => await this.#some(rig, cycles))
    }
    await Promise.all(Array.from({ length: this.#given.pairs }, lane))
    return this.#summary()
  }

  async #planned(rig: Rig): Promise<Cycles> {
    const profile: Profile = this.#given.compaction ? { compaction: await rig.profile('compaction') } : { sync: await rig.profile('sync'), start: await rig.profile('start') }
    const points = pointsOf(profile)
    this.#known = points.length
    for (const phase of PHASES) for (const role of ROLES) console.log(`${phase} ${role}: ${list(points.filter((point) => point.phase === phase && point.role === role).map(({ call, area }) => `${call} ${area}`))}`)
    const queue = new Queue(points, this.#given.points, new Random(this.#given.seed))
    console.log(`${points.length} kill points; trying ${queue.left} of them, seed ${this.#given.seed}`)
    for (let i = 0; i < this.#given.skip; i++) queue.riders(queue.take())
    return queue
  }

  /** Cycles of one pair of daemons. False: there are no more. */
  async #some(rig: Rig, cycles: Cycles): Promise<Kept<boolean>> {
    for (let i = 0; i < this.#cyclesPerPair; i++) {
      const points = Date.now() < this.#end ? cycles.take() : []
      if (points.length === 0) return { result: false, keep: await this.#examined(rig) }
      const riders = cycles.riders(points)
      const outcome = await rig.run(points, riders).catch((error: unknown): Outcome => ({ reached: [], wrong: [messageOf(error)], ms: 0 }))
      const idle = riders.filter((rider) => !outcome.reached.some(({ point }) => point === rider))
      cycles.giveBack(idle)
      const all = [...points, ...riders.filter((rider) => !idle.includes(rider))]
      this.#tried.push({ ...outcome, points: all })
      this.#tell(all, outcome)
      // What is broken once says nothing about the next point.
      if (outcome.wrong.length > 0) return { result: true, keep: true }
    }
    return { result: true, keep: await this.#examined(rig) }
  }

  get #cyclesPerPair(): number {
    const { compaction, point } = this.#given
    return compaction || point?.some(({ phase }) => phase === 'compaction') === true ? COMPACTIONS_PER_PAIR : CYCLES_PER_PAIR
  }

  /** True if the doctor finds something after all the cycles of a pair. */
  async #examined(rig: Rig): Promise<boolean> {
    const wrong = await rig.doctor()
    if (wrong.length > 0) this.#tried.push({ points: [], reached: [], wrong, ms: 0 })
    for (const line of wrong) console.log(`    ${line}`)
    return wrong.length > 0
  }

  /** Two daemons that are ended and whose files are removed, unless they show a failure. */
  async #withRig<T>(run: (rig: Rig) => Promise<Kept<T>>): Promise<T> {
    const name = `crash-${this.#given.seed}-${process.pid}-${this.#rigs++}`
    const work = join(this.#given.dir, name)
    mkdirSync(work, { recursive: true })
    const ends: (() => unknown)[] = []
    const scope: Scope = { tmp: async () => await Promise.resolve(work), teardown: (end) => ends.push(end) }
    let keep = true
    try {
      const done = await run(await Rig.create(scope, `${this.#given.seed}/${name}`))
      keep = done.keep
      return done.result
    } finally {
      for (const end of ends.reverse()) await end()
      if (keep) console.log(`kept: ${work}`)
      else rmSync(work, { recursive: true, force: true })
    }
  }

  #tell(points: readonly Point[], { reached, wrong, ms }: Outcome): void {
    const names = points.map(formatPoint).join(', ')
    const where = points.map((point) => reached.find((one) => one.point === point)?.path.replace(/^.*\/crash-[^/]*\//, '') ?? 'not reached').join('; ')
    console.log(`${this.#tried.length} ${wrong.length === 0 ? 'ok  ' : 'FAIL'} ${names} (${ms} ms): ${where}`)
    for (const line of wrong) console.log(`    ${line}`)
    if (wrong.length > 0) console.log(`    replay: npm run test:crash -- --pairs 1 --times 5 --point '${names}'`)
  }

  #summary(): number {
    const failed = this.#tried.filter(({ wrong }) => wrong.length > 0)
    const points = this.#tried.flatMap((cycle) => cycle.points)
    const reached = this.#tried.flatMap((cycle) => cycle.reached)
    for (const phase of PHASES) for (const role of ROLES) console.log(`reached, ${phase} ${role}: ${list(reached.filter(({ point }) => point.phase === phase && point.role === role).map(({ point }) => `${point.call} ${point.area}`))}`)
    for (const cycle of failed) console.log(`FAIL ${cycle.points.map(formatPoint).join(', ')}`)
    const lost = failed.reduce((sum, cycle) => sum + cycle.reached.length, 0)
    console.log(`kill points, seed ${this.#given.seed}: ${this.#known} known, ${points.length} tried, ${reached.length} reached, ${reached.length - lost} survived, ${failed.length} of ${this.#tried.length} cycles failed`)
    return failed.length === 0 ? 0 : 1
  }
}

/** The first of each role, with the others of the phase `start` as riders. */
function repeated(points: readonly Point[], times: number): Cycles {
  let left = times
  const first = points.filter((point, i) => points.findIndex(({ role }) => role === point.role) === i)
  return {
    take: () => (left-- > 0 ? [...first] : []),
    riders: () => points.filter((point) => !first.includes(point)),
    giveBack: () => undefined
  }
}

function list(names: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return [...counts].sort(([, a], [, b]) => b - a).map(([name, count]) => `${name} ${count}`).join(', ')
}

const unable = whyNoShim()
if (unable !== null) {
  console.log(`skip: no kill points can be had here: ${unable}`)
  process.exit(0)
}
process.exit(await new Run(options()).run())

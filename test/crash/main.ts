/**
 * Kills real daemons with SIGKILL at calls that change a file system, and looks whether they come up again with nothing lost. First
 * counts the calls of one scenario on both devices, then tries as many of these points as it is told. Prints what was tried and
 * survived, and how to replay what was not; the folders of a failed point are kept.
 *
 *     npm run test:crash -- [--points N] [--seed S] [--seconds S] [--threads N] [--dir PATH] [--point 'sync receiver:renameat2:3'] [--times N]
 */
import { randomInt } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { messageOf } from '../../base/errors.ts'
import type { Scope } from '../e2e/harness.ts'
import { Random } from '../fakes/random.ts'
import { areasOf, formatPoint, killsOf, parsePoint, planPoints, tally, type Profile } from './plan.ts'
import { Rig, type Outcome, type Point } from './rig.ts'
import { whyNotTraceable } from './tracer.ts'

interface Options {
  readonly points: number
  readonly seconds: number
  readonly seed: string
  /** Of Node's pool; one makes the counts the same in each run. */
  readonly threads: string
  readonly dir: string
  readonly point: Point | null
  readonly times: number
}

/** Folders and history grow by some megabytes with each point. */
const POINTS_PER_PAIR = 40

function options(): Options {
  const text = { type: 'string' } as const
  const { values } = parseArgs({ options: { points: text, seconds: text, seed: text, threads: text, dir: text, point: text, times: text } })
  return {
    points: Number(values.points ?? 200),
    seconds: Number(values.seconds ?? 24 * 3600),
    seed: values.seed ?? String(randomInt(1_000_000)),
    threads: values.threads ?? '1',
    dir: values.dir ?? tmpdir(),
    point: values.point === undefined ? null : parsePoint(values.point),
    times: Number(values.times ?? 1),
  }
}

interface Tried extends Outcome {
  readonly point: Point
}

async function main(given: Options): Promise<number> {
  const unable = whyNotTraceable()
  if (unable !== null) {
    console.log(`skip: no kill points, strace cannot be used here: ${unable}`)
    return 0
  }
  const tried: Tried[] = []
  const end = Date.now() + given.seconds * 1000
  let points = given.point === null ? null : Array.from({ length: given.times }, () => given.point as Point)
  for (let pair = 0; points === null || points.length > 0; pair++) {
    points = await withRig(given, pair, async (rig) => {
      const left = points ?? await planned(rig, given)
      const failures = tried.filter(({ wrong }) => wrong.length > 0).length
      while (left.length > 0 && Date.now() < end) {
        const point = left.shift() as Point
        const outcome = await rig.run(point).catch((error: unknown): Outcome => ({ hits: [], wrong: [messageOf(error)], ms: 0 }))
        tried.push({ ...outcome, point })
        tell(tried.length, point, outcome, given)
        // What is broken once says nothing about the next point.
        if (outcome.wrong.length > 0 || tried.length % POINTS_PER_PAIR === 0) break
      }
      return { left: Date.now() < end ? left : [], keep: tried.filter(({ wrong }) => wrong.length > 0).length > failures }
    })
  }
  return summary(tried, given)
}

/** Two daemons that are ended and whose files are removed, unless they show a failure. */
async function withRig(given: Options, pair: number, run: (rig: Rig) => Promise<{ left: Point[]; keep: boolean }>): Promise<Point[]> {
  const work = join(given.dir, `crash-${given.seed}-${process.pid}-${pair}`)
  mkdirSync(work, { recursive: true })
  const ends: (() => unknown)[] = []
  const scope: Scope = { tmp: async () => await Promise.resolve(work), teardown: (end) => ends.push(end) }
  let keep = true
  try {
    const result = await run(await Rig.create(scope, `${given.seed}/${pair}`))
    keep = result.keep
    return result.left
  } finally {
    for (const end of ends.reverse()) await end()
    if (keep) console.log(`kept: ${work}`)
    else rmSync(work, { recursive: true, force: true })
  }
}

async function planned(rig: Rig, given: Options): Promise<Point[]> {
  const profile: Profile = { sync: await rig.profile('sync'), start: await rig.profile('start') }
  let all = 0
  for (const phase of ['sync', 'start'] as const) {
    for (const role of ['sender', 'receiver'] as const) {
      const trace = profile[phase][role].filter(({ area }) => area !== 'other')
      all += killsOf(phase, trace).length
      console.log(`${phase} ${role}: ${trace.length} calls (${list(areasOf(trace))}), ${killsOf(phase, trace).length} kill points: ${list(tally(trace, ({ call }) => call))}`)
    }
  }
  const points = planPoints(profile, new Random(given.seed)).slice(0, given.points)
  console.log(`${all} kill points of one victim; trying ${points.length} of them and of pairs, seed ${given.seed}`)
  return points
}

function tell(count: number, point: Point, { hits, wrong, ms }: Outcome, given: Options): void {
  const where = hits.length === 0 ? 'not reached' : hits.map(({ role, area, line }) => `${role} in ${area}: ${line.slice(0, 160)}`).join('; ')
  console.log(`${count} ${wrong.length === 0 ? 'ok  ' : 'FAIL'} ${formatPoint(point)} (${ms} ms): ${where}`)
  for (const line of wrong) console.log(`    ${line}`)
  if (wrong.length > 0) console.log(`    replay: npm run test:crash -- --seed ${given.seed} --threads ${given.threads} --times 5 --point '${formatPoint(point)}'`)
}

function summary(tried: readonly Tried[], given: Options): number {
  const failed = tried.filter(({ wrong }) => wrong.length > 0)
  const reached = tried.filter(({ hits }) => hits.length > 0)
  for (const [call, count] of tally(reached.flatMap(({ hits }) => hits), ({ role, call, area }) => `${call} ${role} ${area}`)) console.log(`${String(count).padStart(5)} ${call}`)
  for (const { point } of failed) console.log(`FAIL ${formatPoint(point)}`)
  console.log(`kill points, seed ${given.seed}: ${tried.length} tried, ${reached.length} reached, ${tried.length - failed.length} survived, ${failed.length} failed`)
  return failed.length === 0 ? 0 : 1
}

function list(rows: readonly (readonly [string, number])[]): string {
  return rows.map(([name, count]) => `${name} ${count}`).join(', ')
}

process.env['UV_THREADPOOL_SIZE'] = options().threads
process.exit(await main(options()))

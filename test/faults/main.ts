/**
 * Makes the calls of real daemons fail, one kind of call in one kind of place at a time, and prints a table: fault × step → what was
 * told, and how it healed once the cause was gone.
 *
 *     npm run test:faults -- [--step PART] [--fault CODE] [--every N] [--seconds S] [--dir PATH]
 */
import { mkdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { messageOf } from '../../base/errors.ts'
import type { Scope } from '../e2e/harness.ts'
import { whyNoShim } from '../shim/shim.ts'
import { FaultRig, HEAL_GOAL_MS, type Verdict } from './rig.ts'
import { CASES, type Case } from './steps.ts'

const text = { type: 'string' } as const
const { values: given } = parseArgs({ options: { step: text, fault: text, every: text, seconds: text, dir: text } })
const end = Date.now() + Number(given.seconds ?? 24 * 3600) * 1000
/** A pair that goes on for long has many files. */
const CASES_PER_PAIR = 30

async function main(): Promise<number> {
  const every = Number(given.every ?? 1)
  const cases = CASES.filter(({ step, fault }) => step.name.includes(given.step ?? '') && fault.includes(given.fault ?? '')).filter((_, i) => i % every === 0)
  const rows: { case: Case; verdict: Verdict }[] = []
  for (let pair = 0; rows.length < cases.length && Date.now() < end; pair++) await onePair(pair, cases, rows)
  const failed = rows.filter(({ verdict }) => verdict.wrong.length > 0)
  const reached = rows.filter(({ verdict }) => verdict.outcome !== 'not reached')
  console.log(`faults: ${rows.length} of ${cases.length} cases tried, ${reached.length} reached, ${rows.length - failed.length} well, ${failed.length} failed`)
  return failed.length === 0 ? 0 : 1
}

async function onePair(pair: number, cases: readonly Case[], rows: { case: Case; verdict: Verdict }[]): Promise<void> {
  const work = join(given.dir ?? tmpdir(), `faults-${process.pid}-${pair}`)
  mkdirSync(work, { recursive: true })
  const ends: (() => unknown)[] = []
  const scope: Scope = { tmp: async () => await Promise.resolve(work), teardown: (run) => ends.push(run) }
  let keep = false
  try {
    const rig = await FaultRig.create(scope, HEAL_GOAL_MS)
    for (let i = 0; i < CASES_PER_PAIR && !keep && Date.now() < end; i++) {
      const one = cases[rows.length]
      if (one === undefined) break
      const verdict = await rig.run(one).catch((error: unknown): Verdict => ({ outcome: 'broke off', wrong: [messageOf(error)] }))
      rows.push({ case: one, verdict })
      keep = verdict.wrong.length > 0
      console.log(`${keep ? 'FAIL' : 'ok  '} ${one.step.name.padEnd(30)} ${one.fault.padEnd(7)} ${verdict.outcome}`)
      for (const line of verdict.wrong) console.log(`       ${line}`)
    }
  } finally {
    for (const run of ends.reverse()) await run()
    if (keep) console.log(`       kept: ${work}`)
    else rmSync(work, { recursive: true, force: true })
  }
}

const unable = whyNoShim()
if (unable !== null) {
  console.log(`skip: no faults can be made here: ${unable}`)
  process.exit(0)
}
process.exit(await main())

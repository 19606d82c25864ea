/**
 * Cuts the power of one of two devices at chosen moments of a recorded sync, and of a device in its first minute, and looks whether
 * they come up with nothing lost. Of the cuts a quarter is of the first minute.
 *
 *     npm run test:power -- [--cuts N] [--seed S] [--seconds S] [--cut 'receiver 0.5 SEED'] [--dir PATH]
 *                           [--without 'fdatasync .log']
 *
 * `--without CALL PART`: as if the daemon did not make this call on paths with that part; to see that the cuts notice.
 */
import { randomInt } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { messageOf } from '../../base/errors.ts'
import type { Scope } from '../e2e/harness.ts'
import type { Op } from '../shim/journal.ts'
import { whyNoShim } from '../shim/shim.ts'
import { cutsOf } from './cuts.ts'
import { FirstStartRig } from './first.ts'
import { PowerRig, type Cut, type Outcome } from './rig.ts'

const text = { type: 'string' } as const
const { values: given } = parseArgs({ options: { cuts: text, seed: text, seconds: text, cut: text, dir: text, without: text } })

async function main(): Promise<number> {
  const seed = given.seed ?? String(randomInt(1_000_000))
  const end = Date.now() + Number(given.seconds ?? 24 * 3600) * 1000
  const work = join(given.dir ?? tmpdir(), `power-${process.pid}`)
  mkdirSync(work, { recursive: true })
  const ends: (() => unknown)[] = []
  const scope: Scope = { tmp: async () => await Promise.resolve(work), teardown: (run) => ends.push(run) }
  const [call, part = ''] = (given.without ?? '').split(' ')
  const forget = (op: Op): boolean => op.call === call && op.path.includes(part)
  let [tried, failed] = [0, 0]
  try {
    const rig = await PowerRig.create(scope, seed)
    console.log(`${rig.calls} calls in the sync, seed ${seed}`)
    for (const cut of given.cut === undefined ? cutsOf(Number(given.cuts ?? 40), seed) : [parseCut(given.cut)]) {
      if (Date.now() > end) break
      const { at, wrong } = await rig.run(cut, forget).catch((error: unknown): Outcome => ({ at: 0, wrong: [messageOf(error)] }))
      tried++
      if (wrong.length > 0) failed++
      console.log(`${tried} ${wrong.length === 0 ? 'ok  ' : 'FAIL'} ${cut.victim} ${cut.share} ${cut.seed} after ${at} calls`)
      for (const line of wrong) console.log(`    ${line}`)
      if (wrong.length > 0) console.log(`    replay: npm run test:power -- --seed ${seed} --cut '${cut.victim} ${cut.share} ${cut.seed}'`)
    }
    if (given.cut === undefined) {
      const first = await firstMinute(scope, Math.ceil(Number(given.cuts ?? 40) / 4), seed, end)
      tried += first.tried
      failed += first.failed
    }
  } finally {
    for (const run of ends.reverse()) await run()
    rmSync(work, { recursive: true, force: true })
  }
  console.log(`power cuts, seed ${seed}: ${tried} tried, ${tried - failed} survived, ${failed} failed`)
  return failed === 0 ? 0 : 1
}

async function firstMinute(scope: Scope, count: number, seed: string, end: number): Promise<{ tried: number; failed: number }> {
  const rig = await FirstStartRig.create({ ...scope, tmp: async () => await scope.tmp().then((work) => join(work, 'first')) })
  console.log(`${rig.calls} calls in the first minute`)
  let [tried, failed] = [0, 0]
  for (; tried < count && Date.now() < end; tried++) {
    const share = Number(((tried + 0.5) / count).toFixed(4))
    const wrong = await rig.run(share, `${seed}-${tried}`)
    if (wrong.length > 0) failed++
    console.log(`${wrong.length === 0 ? 'ok  ' : 'FAIL'} first minute ${share}`)
    for (const line of wrong) console.log(`    ${line}`)
  }
  return { tried, failed }
}

function parseCut(words: string): Cut {
  const [victim, share, seed] = words.split(' ')
  if (victim !== 'sender' && victim !== 'receiver') throw new Error(`not "sender|receiver SHARE SEED": ${words}`)
  return { victim, share: Number(share), seed: seed ?? '' }
}

const unable = whyNoShim()
if (unable !== null) {
  console.log(`skip: power cuts cannot be recorded here: ${unable}`)
  process.exit(0)
}
process.exit(await main())

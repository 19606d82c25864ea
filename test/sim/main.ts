/**
 * npm run sim                      1,000 seeds
 * npm run sim -- --seeds N [--from M]
 * npm run sim -- --seed N          one, with its trace
 * npm run sim -- --seed N --quiet  one, without
 *     --twice                      each seed twice: both must be the same, byte for byte
 *     --keep                       goes on after a failure
 * npm run sim -- --exhaustive      all histories of up to three operations on two devices; --part K --parts N: by their first operation
 */
import { parseArgs } from 'node:util'
import { playAll } from './exhaustive.ts'
import { runScript, type Outcome } from './run.ts'
import { makeScript, type Script } from './script.ts'
import { shrink } from './shrink.ts'

const DEFAULT_SEEDS = 1000
const MAX_SHOWN = 5

await main()

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { seed: { type: 'string' }, seeds: { type: 'string' }, from: { type: 'string' }, quiet: { type: 'boolean' }, keep: { type: 'boolean' }, twice: { type: 'boolean' }, exhaustive: { type: 'boolean' }, length: { type: 'string' }, part: { type: 'string' }, parts: { type: 'string' } } })
  if (values.exhaustive === true) process.exitCode = await exhaust(whole(values.length, 3), whole(values.part, 0), whole(values.parts, 1))
  else if (values.seed !== undefined) process.exitCode = await replay(whole(values.seed, 1), values.quiet !== true)
  else process.exitCode = await search(whole(values.from, 1), whole(values.seeds, DEFAULT_SEEDS), values.keep === true, values.twice === true)
}

function whole(given: string | undefined, otherwise: number): number {
  if (given === undefined) return otherwise
  if (!/^\d+$/.test(given)) throw new Error(`${given} is no whole number`)
  return Number(given)
}

async function replay(seed: number, verbose: boolean): Promise<number> {
  const script = makeScript(seed)
  const outcome = await runScript(script)
  if (verbose) for (const line of outcome.trace) console.log(line)
  console.log(`seed ${seed}: ${outcome.failures.length === 0 ? 'well' : 'FAILED'}, trace ${outcome.hash}`)
  if (outcome.failures.length > 0) await explain(script, outcome)
  return outcome.failures.length === 0 ? 0 : 1
}

/** Stops at the first failing seed, or, with `keep`, counts them. */
async function search(from: number, count: number, keep: boolean, twice: boolean): Promise<number> {
  const failing: number[] = []
  let played = 0
  const start = performance.now()
  for (let seed = from; seed < from + count; seed++) {
    const script = makeScript(seed)
    const outcome = await runScript(script)
    played++
    const again = twice || seed % 50 === 0 ? await runScript(script) : outcome
    if (again.hash !== outcome.hash) console.log(`seed ${seed} gives two traces: ${outcome.hash} ${again.hash}`)
    if (outcome.failures.length === 0 && again.hash === outcome.hash) continue
    failing.push(seed)
    console.log(`seed ${seed} FAILED: ${outcome.failures[0] ?? 'not deterministic'}\n  npm run sim -- --seed ${seed}`)
    if (!keep) {
      await explain(script, outcome)
      break
    }
  }
  const seconds = (performance.now() - start) / 1000
  console.log(`${played - failing.length} seeds well, ${failing.length} failed, ${seconds.toFixed(1)} s`)
  return failing.length === 0 ? 0 : 1
}

async function exhaust(length: number, part: number, parts: number): Promise<number> {
  const start = performance.now()
  const { played, void: skipped, failed } = await playAll(length, { part, parts })
  for (const { script, failure } of failed.slice(0, MAX_SHOWN)) console.log(`FAILED: ${failure}\n${printScript(script)}`)
  console.log(`${played - failed.length} histories well, ${failed.length} failed, ${skipped} not played (an operation does not apply), ${((performance.now() - start) / 1000).toFixed(1)} s`)
  return failed.length === 0 ? 0 : 1
}

async function explain(script: Script, outcome: Outcome): Promise<void> {
  for (const failure of outcome.failures) console.log(`  ${failure}`)
  const small = await shrink(script, outcome.failures[0] ?? '')
  const last = await runScript(small)
  console.log('shrunk to:')
  console.log(printScript(small))
  for (const failure of last.failures) console.log(`  ${failure}`)
}

/** As it can be pasted into regressions.test.ts. */
function printScript(script: Script): string {
  const rows = (steps: Script['steps']): string => steps.map((step) => `    ${literal(step)}`).join(',\n')
  const weather = `weather: ${literal(script.weather)}`
  const guard = `${script.guard === undefined ? '' : ` guard: ${script.guard},`}${script.keeps === true ? ' keeps: true,' : ''}`
  return `{\n  seed: ${script.seed}, devices: ${script.devices}, calm: ${script.calm},${guard}\n  ${weather},\n  before: [\n${rows(script.before)}\n  ],\n  steps: [\n${rows(script.steps)}\n  ]\n}`
}

function literal(value: object): string {
  return `{ ${Object.entries(value).map(([key, inner]) => `${key}: ${typeof inner === 'string' ? `'${inner}'` : String(inner)}`).join(', ')} }`
}

/**
 * npm run sim                      1,000 seeds
 * npm run sim -- --seeds N [--from M]
 * npm run sim -- --seed N          one, with its trace
 * npm run sim -- --seed N --quiet  one, without
 */
import { parseArgs } from 'node:util'
import { runScript, type Outcome } from './run.ts'
import { makeScript, type Script } from './script.ts'
import { shrink } from './shrink.ts'

const DEFAULT_SEEDS = 1000

await main()

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { seed: { type: 'string' }, seeds: { type: 'string' }, from: { type: 'string' }, quiet: { type: 'boolean' }, keep: { type: 'boolean' } } })
  if (values.seed !== undefined) process.exitCode = await replay(Number(values.seed), values.quiet !== true)
  else process.exitCode = await search(Number(values.from ?? 1), Number(values.seeds ?? DEFAULT_SEEDS), values.keep === true)
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
async function search(from: number, count: number, keep: boolean): Promise<number> {
  const failing: number[] = []
  const start = performance.now()
  for (let seed = from; seed < from + count; seed++) {
    const script = makeScript(seed)
    const outcome = await runScript(script)
    const again = seed % 50 === 0 ? await runScript(script) : outcome
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
  console.log(`${count - failing.length} seeds well, ${failing.length} failed, ${seconds.toFixed(1)} s`)
  return failing.length === 0 ? 0 : 1
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
  return `{\n  seed: ${script.seed}, devices: ${script.devices}, calm: ${script.calm},\n  ${weather},\n  before: [\n${rows(script.before)}\n  ],\n  steps: [\n${rows(script.steps)}\n  ]\n}`
}

function literal(value: object): string {
  return `{ ${Object.entries(value).map(([key, inner]) => `${key}: ${typeof inner === 'string' ? `'${inner}'` : String(inner)}`).join(', ')} }`
}

/** Reads what a brittle test file printed: its tests, and whether it came to its end. */

export interface TapSummary {
  readonly passed: number
  readonly failed: number
  /** Names of tests that were not run. */
  readonly skipped: readonly string[]
  /** True if the plan line came and agrees with the tests seen. */
  readonly complete: boolean
}

const RESULT = /^(not )?ok \d+ - (.*)$/
const NOT_RUN = /\s# (SKIP|TODO)\b/
const PLAN = /^1\.\.(\d+)$/

/** Counts top-level tests only; assertions are indented. */
export function readTap(output: string): TapSummary {
  let passed = 0
  let failed = 0
  let planned: number | null = null
  const skipped: string[] = []
  for (const line of output.split('\n')) {
    const plan = PLAN.exec(line)
    if (plan !== null) planned = Number(plan[1])
    const result = RESULT.exec(line)
    if (result === null) continue
    const name = result[2] ?? ''
    if (NOT_RUN.test(name)) skipped.push(name.replace(NOT_RUN, '').trim())
    else if (result[1] === undefined) passed++
    else failed++
  }
  return { passed, failed, skipped, complete: planned === passed + failed + skipped.length }
}

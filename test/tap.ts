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

/** So many lines of one failure are shown again at the end of a run. */
const FAILURE_LINES = 40
/** Of a file that broke off, its last lines. */
const BROKEN_LINES = 30

/**
 * The failures of a file in short: each `not ok` assertion under its test's name, with what it says of itself. A file that failed without
 * one (it threw, or was ended) gives the end of its output.
 */
export function readFailures(output: string): string[][] {
  const lines = output.split('\n')
  const failures: string[][] = []
  let name = ''
  for (const [i, line] of lines.entries()) {
    if (line.startsWith('# ')) name = line
    if (/^\s+not ok \d+/.test(line)) failures.push([name, ...assertion(lines.slice(i))].slice(0, FAILURE_LINES))
  }
  return failures.length > 0 ? failures : [[name, ...output.trimEnd().split('\n').slice(-BROKEN_LINES)]]
}

/** The `not ok` line and the YAML block below it. */
function assertion(lines: readonly string[]): string[] {
  if (lines[1]?.trim() !== '---') return lines.slice(0, 1)
  const end = lines.findIndex((line) => line.trim() === '...')
  return lines.slice(0, end === -1 ? FAILURE_LINES : end)
}

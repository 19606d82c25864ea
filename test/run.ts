/**
 * Runs the built test files, each in a process of its own with an empty home and no way to the outside, and ends with the line
 * `N passed, N failed`. Before that each failure is told once more in short: records of long runs lose their middle. Arguments: parts of file names; only files that contain one of them are run, and none that contains a
 * part given with a leading `!`.
 */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { messageOf } from '../base/errors.ts'
import { projectRoot } from './project-root.ts'
import { readFailures, readTap } from './tap.ts'

/** Of a file; many times what one takes on a quiet machine. */
const UNIT_TIMEOUT_MS = 300_000
const E2E_TIMEOUT_MS = 600_000
/** Before each file: how long a test may take. */
const PATIENCE = './dist/test/patience.js'
const UNIT_JOBS = 2

interface Ending {
  readonly output: string
  /** Why it did not end by itself with exit code 0, or null. */
  readonly failure: string | null
  readonly ms: number
}

interface Counts {
  passed: number
  failed: number
  skipped: number
  /** What is told again at the end. */
  readonly again: string[]
}

/** Everything that is told again has at most so many lines; the first of many failures say the most. */
const AGAIN_LINES = 400

const builtTests = dirname(fileURLToPath(import.meta.url))

await main(process.argv.slice(2))

async function main(filters: readonly string[]): Promise<void> {
  const wanted = testFiles().filter((file) => isWanted(file, filters))
  const counts: Counts = { passed: 0, failed: 0, skipped: 0, again: [] }
  await runAll(wanted.filter((file) => !isEndToEnd(file)), UNIT_JOBS, counts)
  await runAll(wanted.filter(isEndToEnd), 1, counts)
  if (wanted.length === 0) {
    console.log(`no test file matches: ${filters.join(' ')}`)
    counts.failed++
  }
  if (counts.again.length > 0) console.log(['', 'again, in short:', ...counts.again.slice(0, AGAIN_LINES), 'end of what failed', ''].join('\n'))
  if (counts.skipped > 0) console.log(`${counts.skipped} skipped`)
  console.log(`${counts.passed} passed, ${counts.failed} failed`)
  process.exitCode = counts.failed === 0 ? 0 : 1
}

/** Paths below test/, by their source names: what an earlier build left behind is not run, what was not built fails. */
function testFiles(): string[] {
  const sources = join(projectRoot, 'test')
  return readdirSync(sources, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => file.split(sep).join('/').replace(/\.ts$/, '.js'))
    .sort()
}

function isWanted(file: string, filters: readonly string[]): boolean {
  const only = filters.filter((part) => !part.startsWith('!'))
  if (filters.some((part) => part.startsWith('!') && file.includes(part.slice(1)))) return false
  return only.length === 0 || only.some((part) => file.includes(part))
}

function isEndToEnd(file: string): boolean {
  return file.startsWith('e2e/')
}

async function runAll(files: readonly string[], jobs: number, counts: Counts): Promise<void> {
  const queue = [...files]
  const work = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) report(file, await runFile(file), counts)
  }
  await Promise.all(Array.from({ length: jobs }, work))
}

function report(file: string, ending: Ending, counts: Counts): void {
  const tap = readTap(ending.output)
  const failure = ending.failure ?? (tap.complete ? null : 'ended without a complete TAP plan')
  const failed = tap.failed > 0 || failure === null ? tap.failed : 1
  counts.passed += tap.passed
  counts.failed += failed
  counts.skipped += tap.skipped.length
  const mark = failed === 0 ? 'ok  ' : 'FAIL'
  console.log(`${mark} ${file}: ${tap.passed} passed, ${failed} failed (${(ending.ms / 1000).toFixed(1)} s)`)
  for (const name of tap.skipped) console.log(`skip ${file}: ${name}`)
  if (failed === 0) return
  console.log(ending.output.trimEnd())
  if (failure !== null) console.log(`FAIL ${file}: ${failure}`)
  for (const lines of readFailures(ending.output)) counts.again.push(`FAIL ${file}${failure === null ? '' : `: ${failure}`}`, ...lines)
}

async function runFile(file: string): Promise<Ending> {
  const home = await mkdtemp(join(tmpdir(), 'p2psync-test-'))
  const started = Date.now()
  try {
    const ending = await runProcess(join(builtTests, file), home, isEndToEnd(file) ? E2E_TIMEOUT_MS : UNIT_TIMEOUT_MS)
    return { ...ending, ms: Date.now() - started }
  } catch (error) {
    return { output: '', failure: messageOf(error), ms: Date.now() - started }
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

function runProcess(path: string, home: string, timeoutMs: number): Promise<{ output: string; failure: string | null }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', PATIENCE, relative(projectRoot, path)], {
      cwd: projectRoot,
      env: environment(home),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true
    })
    const parts: Buffer[] = []
    let late = false
    const timer = setTimeout(() => {
      late = true
      endGroup(child.pid)
    }, timeoutMs)
    child.stdout.on('data', (data: Buffer) => parts.push(data))
    child.stderr.on('data', (data: Buffer) => parts.push(data))
    child.on('error', reject)
    child.on('exit', () => endGroup(child.pid))
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      const reason = late ? `not done after ${timeoutMs / 1000} s` : code === 0 ? null : `exit ${code ?? signal}`
      resolve({ output: Buffer.concat(parts).toString(), failure: reason })
    })
  })
}

/** The test file and whatever it started and left behind. */
function endGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

function environment(home: string): NodeJS.ProcessEnv {
  const { XDG_CONFIG_HOME: _config, XDG_STATE_HOME: _state, XDG_RUNTIME_DIR: _runtime, P2PSYNC_HOME: _home, ...inherited } = process.env
  return { ...inherited, HOME: home, P2PSYNC_TEST: '1', P2PSYNC_BOOTSTRAP: 'none', P2PSYNC_LAN: 'off', P2PSYNC_AUTOSTART: 'off' }
}

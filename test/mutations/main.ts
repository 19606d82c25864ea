/**
 * npm run test:mutations                 every planted bug
 * npm run test:mutations -- WORD…        those whose description or file contains a word
 *
 * Works on copies of the built tree in a temporary folder, never on the checkout. Each bug is planted in a copy, the tests that are
 * named for it are run there, and one of them must fail: with `not ok`, or as the one in which the file came to a bad end.
 */
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errnoOf } from '../../base/errors.ts'
import { projectRoot } from '../project-root.ts'
import { NamedResult } from './named-result.ts'
import type { Catcher, Mutation } from './mutation.ts'
import { MUTATIONS } from './mutations.ts'

/** As many as a small machine has cores; each has a copy of its own. */
const WORKERS = 2
const TEST_TIMEOUT_MS = 120_000
const ATTEMPTS = 3
/** Of what a run printed that told nothing. */
const LAST_WORDS = 1000

type Verdict = { readonly kind: 'caught'; readonly by: string } | { readonly kind: 'survived' } | { readonly kind: 'unreached' } | { readonly kind: 'lost' }

/** What one run of a test file says of the named test; `end`: its last words. */
interface Run {
  readonly verdict: NamedResult['verdict']
  readonly end: string
}

process.exitCode = await main(process.argv.slice(2))

async function main(words: readonly string[]): Promise<number> {
  const chosen = MUTATIONS.filter(({ bug, file }) => words.length === 0 || words.some((word) => bug.includes(word) || file.includes(word)))
  const start = performance.now()
  const queue = [...chosen]
  const counts = { caught: 0, survived: 0, unreached: 0, lost: 0 }
  const again: string[] = []
  const work = async (): Promise<void> => {
    const copy = makeCopy()
    try {
      for (let mutation = queue.shift(); mutation !== undefined; mutation = queue.shift()) {
        const verdict = await plant(copy, mutation)
        counts[verdict.kind]++
        const line = `${sentence(verdict)}: ${mutation.bug} (${mutation.file})`
        console.log(line)
        if (verdict.kind !== 'caught') again.push(line)
      }
    } finally {
      rmSync(copy, { recursive: true, force: true })
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, work))
  // Records of long runs lose their middle.
  if (again.length > 0) console.log(['', 'again, in short:', ...again, ''].join('\n'))
  console.log(`${counts.caught} of ${chosen.length} planted bugs caught, ${counts.survived} survived, ${counts.unreached} whose test was not reached, ${counts.lost} with a text that is not there, ${((performance.now() - start) / 1000).toFixed(1)} s`)
  return chosen.length > 0 && counts.caught === chosen.length ? 0 : 1
}

function sentence(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'caught':
      return `caught by "${verdict.by}"`
    case 'survived':
      return 'SURVIVED'
    case 'unreached':
      return 'NOT REACHED (the named test was not come to, or did not end)'
    case 'lost':
      return 'NOT FOUND (the code has moved: find the place again)'
  }
}

function makeCopy(): string {
  const copy = mkdtempSync(join(tmpdir(), 'p2psync-mutant-'))
  cpSync(join(projectRoot, 'dist'), join(copy, 'dist'), { recursive: true })
  // Golden files are read from the sources.
  cpSync(join(projectRoot, 'test'), join(copy, 'test'), { recursive: true })
  cpSync(join(projectRoot, 'package.json'), join(copy, 'package.json'))
  symlinkSync(join(projectRoot, 'node_modules'), join(copy, 'node_modules'))
  return copy
}

async function plant(copy: string, { file, find, replace, caughtBy }: Mutation): Promise<Verdict> {
  const path = join(copy, 'dist', file.replace(/\.ts$/, '.js'))
  const original = readFileSync(path, 'utf8')
  if (!original.includes(find)) return { kind: 'lost' }
  writeFileSync(path, original.replace(find, () => replace))
  try {
    let survived = false
    for (const catcher of caughtBy) {
      const verdict = await attempt(copy, catcher)
      if (verdict === 'failed') return { kind: 'caught', by: `${catcher.file}: ${catcher.test}` }
      survived ||= verdict === 'passed'
    }
    return { kind: survived ? 'survived' : 'unreached' }
  } finally {
    writeFileSync(path, original)
  }
}

/** A run that ended before the named test was reached says nothing of it: once more. */
async function attempt(copy: string, catcher: Catcher): Promise<Run['verdict']> {
  for (let tried = 1; ; tried++) {
    const { verdict, end } = await runNamed(copy, catcher)
    if (verdict !== 'unreached') return verdict
    console.log(`not reached: "${catcher.file}: ${catcher.test}"; it ended with:\n${end}`)
    if (tried === ATTEMPTS) return verdict
  }
}

/** Ends as soon as the named test has. */
function runNamed(copy: string, { file, test }: Catcher): Promise<Run> {
  const home = mkdtempSync(join(tmpdir(), 'p2psync-mutant-home-'))
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join('dist/test', `${file}.test.js`)], { cwd: copy, env: environment(home), stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    const timer = setTimeout(() => end(child.pid), TEST_TIMEOUT_MS)
    const result = new NamedResult(test)
    let errors = ''
    const done = (verdict: Run['verdict'], why: string): void => {
      clearTimeout(timer)
      end(child.pid)
      endDaemons(copy)
      rmSync(home, { recursive: true, force: true })
      resolve({ verdict, end: why })
    }
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      result.take(text)
      if (result.verdict !== 'unreached') end(child.pid)
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-LAST_WORDS)))
    child.on('error', (error) => done('unreached', error.message))
    child.on('close', (code, signal) => done(result.ended(code), `${result.output.trimEnd().slice(-LAST_WORDS)}\n${errors.trimEnd()}\nexit ${code ?? signal}`))
  })
}

/** The test and whatever it started. */
function end(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

/** They lead sessions of their own, and run from the copy, which is this run's alone. */
function endDaemons(copy: string): void {
  const main = join(copy, 'dist/daemon/main.js')
  for (const pid of process.platform !== 'linux' ? [] : readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(main)) process.kill(Number(pid), 'SIGKILL')
    } catch (error) {
      if (!['ENOENT', 'ESRCH', 'EACCES'].includes(errnoOf(error) ?? '')) throw error // it has ended meanwhile, or is another user's
    }
  }
}

function environment(home: string): NodeJS.ProcessEnv {
  const { XDG_CONFIG_HOME: _config, XDG_STATE_HOME: _state, XDG_RUNTIME_DIR: _runtime, P2PSYNC_HOME: _home, ...inherited } = process.env
  return { ...inherited, HOME: home, P2PSYNC_TEST: '1', P2PSYNC_BOOTSTRAP: 'none', P2PSYNC_LAN: 'off', P2PSYNC_AUTOSTART: 'off' }
}

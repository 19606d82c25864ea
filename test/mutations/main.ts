/**
 * npm run test:mutations                 every planted bug
 * npm run test:mutations -- WORD…        those whose description or file contains a word
 *
 * Works on copies of the built tree in a temporary folder, never on the checkout. Each bug is planted in a copy, the tests that are
 * named for it are run there, and one of them must fail: with `not ok`, or as the one in which the file came to a bad end.
 */
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { projectRoot } from '../project-root.ts'
import { MUTATIONS, type Catcher, type Mutation } from './mutations.ts'

/** As many as a small machine has cores; each has a copy of its own. */
const WORKERS = 2
const TEST_TIMEOUT_MS = 120_000
const ATTEMPTS = 3

type Verdict = { readonly kind: 'caught'; readonly by: string } | { readonly kind: 'survived' } | { readonly kind: 'lost' }

process.exitCode = await main(process.argv.slice(2))

async function main(words: readonly string[]): Promise<number> {
  const chosen = MUTATIONS.filter(({ bug, file }) => words.length === 0 || words.some((word) => bug.includes(word) || file.includes(word)))
  const start = performance.now()
  const queue = [...chosen]
  const counts = { caught: 0, survived: 0, lost: 0 }
  const work = async (): Promise<void> => {
    const copy = makeCopy()
    try {
      for (let mutation = queue.shift(); mutation !== undefined; mutation = queue.shift()) {
        const verdict = await plant(copy, mutation)
        counts[verdict.kind]++
        console.log(`${sentence(verdict)}: ${mutation.bug} (${mutation.file})`)
      }
    } finally {
      rmSync(copy, { recursive: true, force: true })
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, work))
  console.log(`${counts.caught} of ${chosen.length} planted bugs caught, ${counts.survived} survived, ${counts.lost} with a text that is not there, ${((performance.now() - start) / 1000).toFixed(1)} s`)
  return chosen.length > 0 && counts.caught === chosen.length ? 0 : 1
}

function sentence(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'caught':
      return `caught by "${verdict.by}"`
    case 'survived':
      return 'SURVIVED'
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
    for (const catcher of caughtBy) if (await fails(copy, catcher)) return { kind: 'caught', by: `${catcher.file}: ${catcher.test}` }
    return { kind: 'survived' }
  } finally {
    writeFileSync(path, original)
  }
}

/** A run that ended before the named test was reached says nothing of it: once more. */
async function fails(copy: string, catcher: Catcher): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    const { reached, failed, end } = await runNamed(copy, catcher)
    if (reached || failed) return failed
    console.log(`not reached: "${catcher.file}: ${catcher.test}"; it ended with: ${end}`)
    if (attempt === ATTEMPTS) return false
  }
}

/** Ends as soon as the named test has. */
function runNamed(copy: string, { file, test }: Catcher): Promise<{ readonly reached: boolean; readonly failed: boolean; readonly end: string }> {
  const home = mkdtempSync(join(tmpdir(), 'p2psync-mutant-home-'))
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join('dist/test', `${file}.test.js`)], { cwd: copy, env: environment(home), stdio: ['ignore', 'pipe', 'ignore'], detached: true })
    const timer = setTimeout(() => end(child.pid), TEST_TIMEOUT_MS)
    let output = ''
    let failed = false
    let reached = false
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString()
      const line = output.split('\n').find((each) => /^(not )?ok \d+ - /.test(each) && each.replace(/^(not )?ok \d+ - /, '').startsWith(`${test} #`))
      failed = line?.startsWith('not ok') === true
      reached = line !== undefined
      if (line !== undefined) end(child.pid)
    })
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(timer)
      end(child.pid)
      const last = output.split('\n').findLast((line) => line.startsWith('# '))
      if (code !== null && code !== 0 && last === `# ${test}`) failed = true
      rmSync(home, { recursive: true, force: true })
      resolve({ reached, failed, end: output.trimEnd().slice(-200) })
    })
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

function environment(home: string): NodeJS.ProcessEnv {
  const { XDG_CONFIG_HOME: _config, XDG_STATE_HOME: _state, XDG_RUNTIME_DIR: _runtime, P2PSYNC_HOME: _home, ...inherited } = process.env
  return { ...inherited, HOME: home, P2PSYNC_TEST: '1', P2PSYNC_BOOTSTRAP: 'none', P2PSYNC_LAN: 'off', P2PSYNC_AUTOSTART: 'off' }
}

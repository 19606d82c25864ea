/** Runs the command against a home of the test: as a process of its own, or here where that says the same and is faster. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { run } from '../../cli/program.ts'

export const cliMain = fileURLToPath(new URL('../../cli/main.js', import.meta.url))

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** Standard output as JSON; undefined if it is none. */
  readonly json: Record<string, unknown> | undefined
  /** The error document on standard error. */
  readonly error: { readonly code: string; readonly message: string } | undefined
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** On standard input. */
  readonly input?: string
  /** Called as output comes; lets a test stop a stream. */
  readonly onOutput?: (text: string, kill: (signal: NodeJS.Signals) => void) => void
}

/** Autostart is off unless `env` says otherwise. */
export function runCli(home: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const env = environment(home, options.env)
  const child = spawn(process.execPath, [cliMain, ...args], { env, cwd: options.cwd ?? home, stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.end(options.input ?? '')
  return new Promise((resolve, reject) => {
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      options.onOutput?.(stdout, (signal) => child.kill(signal))
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr, json: object(stdout), error: object(stderr)?.['error'] as Ran['error'] }))
  })
}

/** The same without a process; nothing that ends by a signal, and no daemon, can be run so. */
export async function runHere(home: string, args: readonly string[], options: Pick<RunOptions, 'env' | 'cwd'> = {}): Promise<Ran> {
  let stdout = ''
  let stderr = ''
  const code = await run(args, {
    env: environment(home, options.env),
    cwd: options.cwd ?? home,
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
  })
  return { code, stdout, stderr, json: object(stdout), error: object(stderr)?.['error'] as Ran['error'] }
}

function environment(home: string, extra: Readonly<Record<string, string>> = {}): Record<string, string | undefined> {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('P2PSYNC_') && name !== 'NO_COLOR'))
  return { ...inherited, P2PSYNC_TEST: '1', P2PSYNC_HOME: home, P2PSYNC_AUTOSTART: 'off', ...extra }
}

function object(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return undefined // text for people
  }
}

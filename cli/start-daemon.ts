/** Starts the daemon as a process of its own and waits until it answers, or says why it does not. */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync, readSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { errnoOf, messageOf, P2psyncError } from '../base/errors.ts'
import type { Client } from '../rpc/client.ts'
import type { Result } from '../rpc/schema.ts'
import type { Context } from './context.ts'

/** Opening a large store after a crash takes seconds. After this the user is told what it waits for. */
const PATIENCE_MS = 30_000
/** A start that is at work for longer than this is left to itself: it may still come up. */
export const MAX_START_MS = 5 * 60_000
const POLL_MS = 40
/** Most calls wait for an fsync; with Node's four threads 10,000 new files took three times as long. Only the environment of a new process sets it. */
const FILE_THREADS = '16'
/** The C library would keep freed memory for each of some thirty threads. */
const MALLOC_ARENAS = '2'
/** In MiB. What lives for a slice of the cycle is copied by each collection: 4 costs an eighth more processor than 8 (docs/performance.md), 16 nothing less. */
const YOUNG_MIB = 8
/** V8's own four threads beside the main one wait for each other where garbage is collected; with one, Node 24 has a larger peak (docs/performance.md). */
const GARBAGE_THREADS = 2
const NODE_FLAGS: readonly string[] = [`--max-semi-space-size=${YOUNG_MIB}`, `--v8-pool-size=${GARBAGE_THREADS}`]
/** A start that lost against another command's: that one answers soon, or is at work. */
const OTHER_START_MS = 10_000
/** The end of what the daemon printed is enough for its last sentence. */
const MAX_OUTPUT_BYTES = 64 * 1024

export const daemonMain = fileURLToPath(new URL('../daemon/main.js', import.meta.url))

/** @param patienceMs for a start of which the user is told nothing. Throws NOT_RUNNING with the daemon's own sentence. */
export async function startInBackground(context: Context, client: Client, patienceMs: number = PATIENCE_MS): Promise<Result<'daemon.status'>> {
  const output = openOutput(context.paths.logFile)
  try {
    // The file system root keeps no directory busy; detached: no signal of this terminal reaches it.
    const child = spawn(process.execPath, [...NODE_FLAGS, daemonMain, '--background'], { detached: true, cwd: '/', stdio: ['ignore', output.fd, output.fd], env: daemonEnv(context) })
    child.unref()
    return await waitForAnswer(context, client, { child, output, patienceMs })
  } finally {
    closeSync(output.fd)
  }
}

/** What only the environment of a new process sets. The systemd units set the same. */
export function daemonEnvironment(): Readonly<Record<string, string>> {
  return { UV_THREADPOOL_SIZE: FILE_THREADS, MALLOC_ARENA_MAX: MALLOC_ARENAS }
}

/** Arguments of `node`. */
export function daemonNodeFlags(): readonly string[] {
  return NODE_FLAGS
}

/** The daemon resolves P2PSYNC_HOME against another directory than ours. */
function daemonEnv(context: Context): NodeJS.ProcessEnv {
  const { kind, home } = context.paths
  const env = { ...daemonEnvironment(), ...context.env }
  return kind === 'home' ? { ...env, P2PSYNC_HOME: home } : env
}

interface OutputFile {
  readonly fd: number
  /** Where this start begins. */
  readonly from: number
}

function openOutput(logFile: string): OutputFile {
  try {
    mkdirSync(dirname(logFile), { recursive: true, mode: 0o700 })
    const fd = openSync(logFile, 'a+', 0o600)
    return { fd, from: fstatSync(fd).size }
  } catch (error) {
    throw new P2psyncError('NOT_RUNNING', `cannot start the daemon: ${messageOf(error)}`, { cause: error })
  }
}

interface Start {
  readonly child: ChildProcess
  readonly output: OutputFile
  readonly patienceMs: number
}

async function waitForAnswer(context: Context, client: Client, start: Start): Promise<Result<'daemon.status'>> {
  const { child, output } = start
  let failure: Error | null = null
  child.once('error', (error) => (failure = error))
  const begun = Date.now()
  let deadline = begun + start.patienceMs
  /** The process that takes long; the user was told. */
  let awaited: number | null = null
  let ended: P2psyncError | null = null
  for (;;) {
    const status = await client.call('daemon.status').catch(() => null)
    if (status !== null) {
      // Another one was first. Ours, still on its way, would come up when that one is stopped.
      if (status.pid !== child.pid) child.kill()
      return status
    }
    if (failure !== null) throw new P2psyncError('NOT_RUNNING', `cannot start the daemon: ${messageOf(failure)}`, { cause: failure })
    if (ended === null && (child.exitCode !== null || child.signalCode !== null)) {
      ended = startError(child, output)
      if (!lostToAnother(ended)) throw ended
      if (awaited === null) deadline = Math.min(deadline, Date.now() + OTHER_START_MS)
    }
    if (awaited !== null && awaited !== child.pid && isGone(awaited)) throw new P2psyncError('NOT_RUNNING', 'the daemon that was starting ended before it answered; see `p2psync log`')
    if (Date.now() >= deadline) {
      awaited = awaited === null ? atWork(context, start, ended !== null) : null
      if (awaited === null) throw ended ?? lateError(Date.now() - begun)
      context.out.warn(`p2psync: the daemon, process ${awaited}, is still opening its store; waiting for it (\`p2psync log\` shows what it does)`)
      deadline = begun + MAX_START_MS
    }
    await sleep(POLL_MS)
  }
}

/** The process that is opening its store: ours, once it has logged something, or the one that holds the home. Null if there is none. */
function atWork(context: Context, { child, output }: Start, isLost: boolean): number | null {
  if (!isLost) return fstatSync(output.fd).size > output.from ? (child.pid ?? null) : null
  const pid = holderOf(context.paths.lockFile)
  return pid !== null && !isGone(pid) ? pid : null
}

/** The daemon that holds a home writes its process id into the lock. */
function holderOf(lockFile: string): number | null {
  try {
    const pid = Number(readFileSync(lockFile, 'utf8').trim())
    return Number.isInteger(pid) && pid > 0 ? pid : null
  } catch {
    return null // no lock, or not ours to read
  }
}

/** Also true of a zombie: in a container nobody may collect it. */
export function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return errnoOf(error) === 'ESRCH'
  }
  try {
    return /\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false // no /proc: kill has said that it is there
  }
}

function lateError(ms: number): P2psyncError {
  return new P2psyncError('NOT_RUNNING', `the daemon did not answer within ${Math.round(ms / 1000)} s; see \`p2psync log\``)
}

/** Another command or a service has just started one; its socket may need a moment. */
function lostToAnother(error: P2psyncError): boolean {
  const cause = error.cause
  return cause instanceof P2psyncError && (cause.code === 'ALREADY_RUNNING' || cause.code === 'STORE_LOCKED')
}

function startError(child: ChildProcess, output: OutputFile): P2psyncError {
  const cause = lastError(readFrom(output), child.pid)
  const why = cause?.message ?? `it ended with ${child.signalCode ?? `exit code ${child.exitCode}`}; see \`p2psync log\``
  return new P2psyncError('NOT_RUNNING', `the daemon could not be started: ${why}`, { cause })
}

function readFrom(output: OutputFile): string {
  const size = fstatSync(output.fd).size
  const from = Math.max(output.from, size - MAX_OUTPUT_BYTES)
  const buffer = Buffer.alloc(Math.max(0, size - from))
  const read = readSync(output.fd, buffer, 0, buffer.length, from)
  return buffer.toString('utf8', 0, read)
}

/** The daemon's last line `{"error":{"code","message"},"pid"}`; other commands' daemons may have written theirs after it. */
export function lastError(text: string, pid: number | undefined): P2psyncError | null {
  for (const line of text.split('\n').reverse()) {
    const error = line.startsWith('{"error":') ? parseError(line, pid) : null
    if (error !== null) return error
  }
  return null
}

function parseError(line: string, pid: number | undefined): P2psyncError | null {
  try {
    const said = JSON.parse(line) as { error: { code: P2psyncError['code']; message: string }; pid: number }
    return said.pid === pid ? new P2psyncError(said.error.code, said.error.message) : null
  } catch {
    return null // a line cut off by a crash is no error document
  }
}

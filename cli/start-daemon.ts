/** Starts the daemon as a process of its own and waits until it answers, or says why it does not. */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { closeSync, fstatSync, mkdirSync, openSync, readSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { messageOf, P2psyncError } from '../base/errors.ts'
import type { Client } from '../rpc/client.ts'
import type { Result } from '../rpc/schema.ts'
import type { Context } from './context.ts'

/** Opening a large store after a crash takes seconds. */
const START_TIMEOUT_MS = 30_000
const POLL_MS = 40
/** Most calls wait for an fsync; with Node's four threads 10,000 new files took three times as long. Only the environment of a new process sets it. */
const FILE_THREADS = '16'
/** The C library would keep freed memory for each of some thirty threads. */
const MALLOC_ARENAS = '2'
/** In MiB. What lives for a slice of the cycle is copied by each collection: 4 costs an eighth more processor than 8 (docs/performance.md), 16 nothing less. */
const NODE_FLAGS: readonly string[] = ['--max-semi-space-size=8']
/** A start that lost against another command's: that one answers soon. */
const OTHER_START_MS = 10_000
/** The end of what the daemon printed is enough for its last sentence. */
const MAX_OUTPUT_BYTES = 64 * 1024

export const daemonMain = fileURLToPath(new URL('../daemon/main.js', import.meta.url))

/** Throws NOT_RUNNING with the daemon's own sentence. */
export async function startInBackground(context: Context, client: Client): Promise<Result<'daemon.status'>> {
  const output = openOutput(context.paths.logFile)
  try {
    // The file system root keeps no directory busy; detached: no signal of this terminal reaches it.
    const child = spawn(process.execPath, [...NODE_FLAGS, daemonMain, '--background'], { detached: true, cwd: '/', stdio: ['ignore', output.fd, output.fd], env: daemonEnv(context) })
    child.unref()
    return await waitForAnswer(client, child, output)
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

async function waitForAnswer(client: Client, child: ChildProcess, output: OutputFile): Promise<Result<'daemon.status'>> {
  const failed = new Promise<Error>((resolve) => child.once('error', resolve))
  let failure: Error | null = null
  void failed.then((error) => (failure = error))
  let deadline = Date.now() + START_TIMEOUT_MS
  let ended: P2psyncError | null = null
  while (Date.now() < deadline) {
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
      deadline = Math.min(deadline, Date.now() + OTHER_START_MS)
    }
    await sleep(POLL_MS)
  }
  throw ended ?? new P2psyncError('NOT_RUNNING', `the daemon did not answer within ${START_TIMEOUT_MS / 1000} s; see \`p2psync log\``)
}

/** Another command or a service has just started one; its socket may need a moment. */
function lostToAnother(error: P2psyncError): boolean {
  const cause = error.cause
  return cause instanceof P2psyncError && (cause.code === 'ALREADY_RUNNING' || cause.code === 'STORE_LOCKED')
}

function startError(child: ChildProcess, output: OutputFile): P2psyncError {
  const cause = lastError(readFrom(output))
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

/** The daemon's last line `{"error":{"code","message"}}`. */
export function lastError(text: string): P2psyncError | null {
  for (const line of text.split('\n').reverse()) {
    const error = line.startsWith('{"error":') ? parseError(line) : null
    if (error !== null) return error
  }
  return null
}

function parseError(line: string): P2psyncError | null {
  try {
    const { error } = JSON.parse(line) as { error: { code: P2psyncError['code']; message: string } }
    return new P2psyncError(error.code, error.message)
  } catch {
    return null // a line cut off by a crash is no error document
  }
}

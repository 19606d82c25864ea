/**
 * strace on a daemon: kills it with SIGKILL as one of its threads enters the n-th system call of one name, and tells which calls it
 * made. The call that is killed is not carried out. Counts are per thread, so `nth` means: the first thread that comes so far.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { errnoOf } from '../../base/errors.ts'
import { waitFor } from '../e2e/tree.ts'

/** What changes a file system, or promises that a change is on the medium. `openat` is traced whole, but counts only if it may create. */
export const CALLS = [
  'openat', 'write', 'pwrite64', 'writev', 'pwritev', 'copy_file_range', 'sendfile', 'ftruncate', 'fallocate', 'fsync', 'fdatasync', 'sync_file_range',
  'rename', 'renameat', 'renameat2', 'link', 'linkat', 'unlink', 'unlinkat', 'mkdir', 'mkdirat', 'rmdir', 'symlink', 'symlinkat',
  'chmod', 'fchmod', 'fchmodat', 'utimensat'
] as const

export type Call = (typeof CALLS)[number]

/** Where a process dies. */
export interface Kill {
  readonly call: Call
  readonly nth: number
}

/** What a call touched: a synced name, staging or history or the marker in `.p2psync`, the state directory, or no file of ours. */
export type Area = 'tree' | 'staging' | 'history' | 'marker' | 'state' | 'other'

export interface Traced {
  readonly call: Call
  readonly area: Area
  /** How many calls of this name its thread had made, with this one. */
  readonly nth: number
  readonly line: string
}

const ATTACH_TIMEOUT_MS = 20_000
const LET_GO_MS = 1_000
/** Nearly all other writes wake a thread of the same process. */
const STORE_LOG = /^\d+<[^>]*\/state\/store\/db\/\d+\.log>/
const LINE = /^(\d+) +([a-z_0-9]+)\((.*)$/

/** Null if daemons can be traced here, else why not. */
export function whyNotTraceable(): string | null {
  const sleeper = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
  try {
    // Ends at once: `timeout` stops strace, which lets go of the process.
    const tried = spawnSync('timeout', ['0.3', 'strace', '-f', '-o', '/dev/null', '-e', 'trace=fsync', '-e', 'inject=fsync:signal=KILL:when=1', '-p', String(sleeper.pid)], { encoding: 'utf8' })
    if (tried.error !== undefined) return tried.error.message
    if (/attached/.test(tried.stderr)) return null
    return tried.stderr.trim().split('\n')[0] ?? 'strace does not attach'
  } finally {
    sleeper.kill('SIGKILL')
  }
}

/** The head of a command line that runs a program traced; the process that is started stays the program. */
export function launcher(file: string, kill: Kill | null): readonly string[] {
  writeFileSync(file, '')
  // Not `--seccomp-bpf`, which would be faster: it injects nothing in some versions.
  return ['strace', '-D', '-f', ...options(file, kill)]
}

/** strace on all threads of a running process. */
export class Tracer {
  readonly #child: ChildProcess
  readonly #file: string

  private constructor(child: ChildProcess, file: string) {
    this.#child = child
    this.#file = file
  }

  /** Resolves once every thread is traced. `logs`: of the store, the only files whose `write` counts. */
  static async attach(pid: number, file: string, kill: Kill | null, logs: readonly string[]): Promise<Tracer> {
    writeFileSync(file, '')
    const only = kill?.call === 'write' ? logs.flatMap((log) => ['-P', log]) : []
    const child = spawn('strace', ['-f', ...options(file, kill), ...only, '-p', String(pid)], { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
    await waitFor('strace is attached', () => said.includes('attached'), ATTACH_TIMEOUT_MS)
    return new Tracer(child, file)
  }

  /** Lets go of the process, if it still is, and gives what it did. */
  async end(): Promise<Traced[]> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = new Promise((resolve) => this.#child.once('exit', resolve))
      this.#child.kill('SIGTERM')
      // It sometimes waits for ever on a process that is dead already, and keeps it from its parent.
      const late = setTimeout(() => this.#child.kill('SIGKILL'), LET_GO_MS)
      await ended
      clearTimeout(late)
    }
    return readTrace(this.#file)
  }
}

function options(file: string, kill: Kill | null): string[] {
  const inject = kill === null ? [] : ['-e', `inject=${kill.call}:signal=KILL:when=${kill.nth}`]
  return ['-y', '-s', '0', '-o', file, '-e', `trace=${CALLS.join(',')}`, ...inject]
}

/** The calls in a file that strace wrote; those that only read are left out, but counted. */
export function readTrace(file: string): Traced[] {
  const counts = new Map<string, number>()
  const found: Traced[] = []
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const [, thread, name, rest] = LINE.exec(line) ?? []
    if (thread === undefined || name === undefined || rest === undefined) continue
    if (name === 'write' && !STORE_LOG.test(rest)) continue
    const key = `${thread} ${name}`
    const nth = (counts.get(key) ?? 0) + 1
    counts.set(key, nth)
    const call = CALLS.find((known) => known === name)
    if (call === undefined || (call === 'openat' && !/O_CREAT|O_TRUNC/.test(rest))) continue
    found.push({ call, area: areaOf(rest), nth, line: `${name}(${rest}` })
  }
  return found
}

/** The call that killed: the first that came to the count. Undefined: the process was not killed by it. */
export function hitOf(trace: readonly Traced[], kill: Kill): Traced | undefined {
  return trace.find(({ call, nth }) => call === kill.call && nth === kill.nth)
}

function areaOf(rest: string): Area {
  if (rest.includes('/home/state')) return 'state'
  if (/\/\.p2psync\/staging|staging\//.test(rest)) return 'staging'
  if (/\/\.p2psync\/history/.test(rest)) return 'history'
  if (rest.includes('/.p2psync')) return 'marker'
  return rest.includes('/docs') || rest.includes('/proc/self/fd/') ? 'tree' : 'other'
}

/** Also true while a tracer has not let go of what is left of it. */
export function isDead(pid: number): boolean {
  try {
    return /^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return true
    throw error
  }
}

/** A file for a trace, in a directory that exists. */
export function traceFile(directory: string, device: string, attempt: number): string {
  return join(directory, `${basename(device)}-${attempt}.trace`)
}

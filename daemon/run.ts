/** The daemon in its process: opens it, and again when its disk takes writes again, until it is told to stop. No logic. */
import { CLOSE_TIMEOUT_MS, STORE_RETRY_MS } from '../base/limits.ts'
import { createLog, type RootLog } from '../base/log.ts'
import type { Paths } from '../base/paths.ts'
import { ConfigStore } from './config.ts'
import { Daemon } from './daemon.ts'
import type { EarlyLook } from './disk/early-look.ts'
import { exitAtOnce, exitWith, prepareEnd } from './last-resort.ts'
import { nextWait, probing, takesWrites } from './takes-writes.ts'
import { compileAtOnce } from './tiering.ts'

/** Longer than closing takes, and shorter than who asked for the end waits for it. */
const END_S = 10

export interface RunOptions {
  readonly paths: Paths
  /** Log to the state directory instead of standard error. */
  readonly background: boolean
  readonly early: EarlyLook | null
}

/** Rejects if the daemon cannot start (a P2psyncError says why); else resolves with the exit code once it has stopped. */
export async function run({ paths, background, early }: RunOptions): Promise<number> {
  const stopped = signalled()
  const config = ConfigStore.load(paths.configFile)
  const log = createLog({ file: background ? paths.logFile : null })
  // Whatever the level: the command that started it waits on for a daemon that has come so far.
  if (background) log.info({ pid: process.pid }, 'opening')
  log.level = config.current.logLevel
  sayBugs(log)
  for (let waitMs = STORE_RETRY_MS; ; ) {
    const ended = await runUntil((onStoreFailure) => new Daemon({ paths, config, log, early, stop: stopped.stop, onStoreFailure }), stopped.promise, waitMs)
    if (ended.kind === 'stopped') return 0
    log.info({}, 'the disk of the store takes writes again; starting anew')
    waitMs = nextWait(waitMs, ended.ranMs, ended.shown)
  }
}

/** `failed`: the store could not be written, and can again; it had taken writes for `ranMs`. `shown`: as of `takesWrites`. */
type Ended = { readonly kind: 'stopped' } | { readonly kind: 'failed'; readonly ranMs: number; readonly shown: boolean }

async function runUntil(make: (onStoreFailure: () => void) => Daemon, stop: Promise<void>, waitMs: number): Promise<Ended> {
  let fail: () => void = () => undefined
  const failed = new Promise<void>((resolve) => (fail = resolve))
  const daemon = make(fail)
  const { log, paths } = daemon.options
  try {
    await daemon.open()
  } catch (error) {
    prepareEnd(END_S)
    const closed = daemon.close().catch((closing: unknown) => log.warn({ error: closing }, 'closing after a failed start'))
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, CLOSE_TIMEOUT_MS))])
    throw error
  }
  log.info({ pid: process.pid }, 'started')
  compileAtOnce()
  const begun = performance.now()
  const over = new AbortController()
  const failure = async (): Promise<Ended> => {
    await failed
    const ranMs = performance.now() - begun
    return { kind: 'failed', ranMs, shown: await takesWrites(probing(paths.stateDir, over.signal), waitMs) }
  }
  const ended = await Promise.race([stop.then((): Ended => ({ kind: 'stopped' })), failure()])
  over.abort()
  prepareEnd(ended.kind === 'stopped' ? END_S : null)
  const limit = setTimeout(() => exitAtOnce(ended.kind === 'stopped' ? 0 : 1), CLOSE_TIMEOUT_MS - 500)
  await daemon.close()
  clearTimeout(limit)
  log.info({ pid: process.pid }, 'stopped')
  return ended
}

function sayBugs(log: RootLog): void {
  process.on('unhandledRejection', (error) => log.error({ error }, 'a bug: an unhandled rejection'))
  process.on('uncaughtException', (error) => {
    log.error({ error }, 'a bug: an uncaught exception; the daemon stops')
    prepareEnd(END_S)
    void exitWith(1, 0)
  })
}

function signalled(): { readonly promise: Promise<void>; readonly stop: () => void } {
  let stop: () => void = () => undefined
  const promise = new Promise<void>((resolve) => {
    stop = () => setImmediate(resolve)
  })
  process.on('SIGTERM', () => stop())
  process.on('SIGINT', () => stop())
  return { promise, stop: () => stop() }
}

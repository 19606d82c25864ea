/**
 * The daemon as a process: environment, signals, exit code; no logic. `--background`: log to the state directory instead of
 * standard error. A start that fails prints one sentence on standard error and exits 1.
 */
import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { messageOf, P2psyncError } from '../base/errors.ts'
import { CLOSE_TIMEOUT_MS, STORE_RETRY_MS } from '../base/limits.ts'
import { createLog, type RootLog } from '../base/log.ts'
import { resolvePaths } from '../base/paths.ts'
import { ConfigStore } from './config.ts'
import { Daemon } from './daemon.ts'
import { giveWay } from './low-priority.ts'
import { nextWait, probing, takesWrites } from './takes-writes.ts'
import { optimizeLater } from './tiering.ts'

/** Rejects if the daemon cannot start (a P2psyncError says why); else resolves with the exit code once it has stopped. */
export async function runDaemon(options: { readonly background: boolean }): Promise<number> {
  giveWay()
  optimizeLater()
  const stopped = signalled()
  refuseUnsafeTest(process.env)
  const paths = resolvePaths()
  const config = ConfigStore.load(paths.configFile)
  const log = createLog({ file: options.background ? paths.logFile : null })
  // Whatever the level: the command that started it waits on for a daemon that has come so far.
  if (options.background) log.info({ pid: process.pid }, 'opening')
  log.level = config.current.logLevel
  sayBugs(log)
  for (let waitMs = STORE_RETRY_MS; ; ) {
    const ended = await runUntil((onStoreFailure) => new Daemon({ paths, config, log, stop: stopped.stop, onStoreFailure }), stopped.promise, waitMs)
    if (ended.kind === 'stopped') return 0
    log.info({}, 'the disk of the store takes writes again; starting anew')
    waitMs = nextWait(waitMs, ended.ranMs, ended.shown)
  }
}

/** One line that the starting command reads: `{"error":{"code","message"},"pid"}`. */
async function main(): Promise<number> {
  try {
    return await runDaemon({ background: process.argv.includes('--background') })
  } catch (error) {
    const code = error instanceof P2psyncError ? error.code : 'INTERNAL'
    process.stderr.write(`${JSON.stringify({ error: { code, message: messageOf(error) }, pid: process.pid })}\n`)
    return 1
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
    await daemon.close().catch((closing: unknown) => log.warn({ error: closing }, 'closing after a failed start'))
    throw error
  }
  log.info({ pid: process.pid }, 'started')
  const begun = performance.now()
  const over = new AbortController()
  const failure = async (): Promise<Ended> => {
    await failed
    const ranMs = performance.now() - begun
    return { kind: 'failed', ranMs, shown: await takesWrites(probing(paths.stateDir, over.signal), waitMs) }
  }
  const ended = await Promise.race([stop.then((): Ended => ({ kind: 'stopped' })), failure()])
  over.abort()
  const limit = setTimeout(() => process.exit(ended.kind === 'stopped' ? 0 : 1), CLOSE_TIMEOUT_MS - 500)
  await daemon.close()
  clearTimeout(limit)
  log.info({ pid: process.pid }, 'stopped')
  return ended
}

function sayBugs(log: RootLog): void {
  process.on('unhandledRejection', (error) => log.error({ error }, 'a bug: an unhandled rejection'))
  process.on('uncaughtException', (error) => {
    log.error({ error }, 'a bug: an uncaught exception; the daemon stops')
    process.exit(1)
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

/** A test must never reach the public DHT or send multicast. */
function refuseUnsafeTest(env: NodeJS.ProcessEnv): void {
  if (env['P2PSYNC_TEST'] !== '1' || (env['P2PSYNC_BOOTSTRAP'] && env['P2PSYNC_LAN'])) return
  throw new P2psyncError('UNSAFE_TEST', 'P2PSYNC_TEST=1 needs P2PSYNC_BOOTSTRAP and P2PSYNC_LAN to be set, so that a test reaches no public network')
}

function startedDirectly(): boolean {
  const script = process.argv[1]
  return script !== undefined && realpathSync(script) === fileURLToPath(import.meta.url)
}

if (startedDirectly()) process.exit(await main())

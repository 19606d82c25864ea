/** `p2psync daemon`, `start`, `stop`, `restart` */
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { P2psyncError } from '../../base/errors.ts'
import { toP2psyncError } from '../../rpc/errors.ts'
import type { Client } from '../../rpc/client.ts'
import type { Result } from '../../rpc/schema.ts'
import type { Command, Context } from '../context.ts'
import { nobodyThere, plainClient } from '../daemon-client.ts'
import { EXIT } from '../exit-code.ts'
import { managedBy, systemctl, trySystemctl, type Manager } from '../service.ts'
import { daemonMain, isGone, MAX_START_MS, startInBackground } from '../start-daemon.ts'

/** An orderly stop takes at most 5 s; after a service manager's own patience nothing more comes. */
const STOP_TIMEOUT_MS = 12_000
const POLL_MS = 30
/** Each one asks systemctl. */
const LONG_POLL_MS = 1000

interface DaemonModule {
  /** Rejects with a P2psyncError if the daemon cannot start; else resolves with the exit code once it has stopped. */
  runDaemon(options: { readonly background: boolean }): Promise<number>
  /** Ends the process, whatever the daemon left open. */
  endDaemon(code: number): Promise<never>
}

/** In the foreground, in this very process: whoever kills the command kills the daemon. The only place that loads it, and lazily. */
export const daemon: Command<[]> = async ({ out }) => {
  const { runDaemon, endDaemon } = (await import(pathToFileURL(daemonMain).href)) as DaemonModule
  try {
    await endDaemon(await runDaemon({ background: false }))
  } catch (error) {
    const ours = toP2psyncError(error)
    out.error(ours)
    return ours.code === 'ALREADY_RUNNING' ? EXIT.failed : EXIT.notRunning
  }
}

export const start: Command<[]> = async (context) => {
  const running = await statusOf(plainClient(context))
  const status = running ?? (await startNow(context))
  context.out.document({ started: running === null, pid: status.pid, version: status.version })
  context.out.line(running === null ? `Started, process ${status.pid}.` : `Runs already, process ${status.pid}.`)
}

export const stop: Command<[]> = async (context) => {
  const pid = await stopNow(context)
  context.out.document({ stopped: pid !== null, pid })
  context.out.line(pid === null ? 'Was not running.' : 'Stopped.')
}

export const restart: Command<[]> = async (context) => {
  const before = await stopNow(context)
  const status = await startNow(context)
  context.out.document({ started: true, restarted: before !== null, pid: status.pid, version: status.version })
  context.out.line(`Started, process ${status.pid}.`)
}

/** Null if none runs. */
async function statusOf(client: Client): Promise<Result<'daemon.status'> | null> {
  try {
    return await client.call('daemon.status')
  } catch (error) {
    if (nobodyThere(error)) return null
    throw error
  }
}

async function startNow(context: Context): Promise<Result<'daemon.status'>> {
  const service = managedBy(context)
  if (service === null) return startInBackground(context, plainClient(context))
  if (service.system && process.getuid?.() !== 0) {
    throw new P2psyncError('NOT_RUNNING', `the service ${service.unit} runs the daemon; type ${service.startHint}`)
  }
  await systemctl(service.system, 'start', service.unit)
  return waitUntilUp(context, service)
}

/** As long as the service runs it, a start that takes long is waited for. Throws NOT_RUNNING. */
export async function waitUntilUp(context: Context, { unit, system }: Manager, patienceMs: number = STOP_TIMEOUT_MS): Promise<Result<'daemon.status'>> {
  const client = plainClient(context)
  const begun = Date.now()
  for (let isLong = false; ; await sleep(isLong ? LONG_POLL_MS : POLL_MS)) {
    const status = await statusOf(client)
    if (status !== null) return status
    if (Date.now() - begun < patienceMs) continue
    const isOver = Date.now() - begun >= MAX_START_MS || (await trySystemctl(system, 'is-active', unit)).code !== 0
    if (isOver) throw new P2psyncError('NOT_RUNNING', `the service ${unit} was started, but the daemon does not answer; see \`journalctl ${system ? '' : '--user '}-u ${unit}\``)
    if (!isLong) context.out.warn(`p2psync: the daemon of the service ${unit} is still opening its store; waiting for it`)
    isLong = true
  }
}

/** The process that was stopped, or null if none ran; resolves when it is gone. */
export async function stopNow(context: Context): Promise<number | null> {
  const client = plainClient(context)
  const status = await statusOf(client)
  if (status === null) return null
  await client.call('daemon.stop').catch((error: unknown) => {
    // It may go before its answer is out; that is what was asked for.
    if (!(error instanceof P2psyncError) || error.code !== 'NOT_RUNNING') throw error
  })
  for (const deadline = Date.now() + STOP_TIMEOUT_MS; Date.now() < deadline; await sleep(POLL_MS)) if (isGone(status.pid)) return status.pid
  throw new P2psyncError('TIMEOUT', `the daemon, process ${status.pid}, did not stop within ${STOP_TIMEOUT_MS / 1000} s; see \`p2psync log\``)
}

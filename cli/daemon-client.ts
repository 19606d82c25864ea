/**
 * A client that starts the daemon when nobody answers on the socket, if the environment and the machine leave that to us. The
 * call itself is the probe, so a running daemon costs no extra round trip.
 */
import { errnoOf, P2psyncError } from '../base/errors.ts'
import { version } from '../base/version.ts'
import type { Client } from '../rpc/client.ts'
import { createClient } from '../rpc/client.ts'
import type { Method } from '../rpc/schema.ts'
import type { Context } from './context.ts'
import { printable } from './output.ts'

/** They change nothing, so they may be asked twice: what only GET reaches (rpc/rest.ts). */
export const questions: ReadonlySet<Method> = new Set<Method>([
  'config.get',
  'daemon.doctor',
  'daemon.status',
  'devices.list',
  'folders.conflicts',
  'folders.history',
  'folders.ignored',
  'folders.list',
  'status.get',
])

export function connect(context: Context): Client {
  const client = plainClient(context)
  const once = startOnce(context, client)
  return {
    call: async (method, ...rest) => {
      try {
        return await client.call(method, ...rest)
      } catch (error) {
        if (!nobodyThere(error)) throw error
        await once(error)
        return client.call(method, ...rest)
      }
    },
    async *events(options) {
      // The stream has no first answer to retry on; a cheap call starts the daemon.
      await client.call('daemon.status').catch(async (error: unknown) => {
        if (!nobodyThere(error)) throw error
        await once(error)
      })
      yield* client.events(options)
    },
  }
}

/** Never starts anything. A daemon that is being killed still takes connections: what went with it is asked once more, if it is a question. */
export function plainClient(context: Context): Client {
  const client = createClient({
    socketPath: context.paths.socket,
    version: version(),
    onVersionMismatch: (theirs) => context.out.warn(`the daemon is version ${printable(theirs)}, this command ${version()}; run \`p2psync restart\``),
  })
  return {
    call: async (method, ...rest) => {
      try {
        return await client.call(method, ...rest)
      } catch (error) {
        if (!questions.has(method) || !wentAway(error)) throw error
        return client.call(method, ...rest)
      }
    },
    events: (options) => client.events(options),
  }
}

/** True if no process listens on the socket, as opposed to one that went while it answered. */
export function nobodyThere(error: unknown): boolean {
  const errno = unreachedBy(error)
  return errno === 'ENOENT' || errno === 'ECONNREFUSED' || errno === 'ENOTDIR'
}

/** True if a process took the call and ended with it unanswered: whether it was carried out is not known. */
function wentAway(error: unknown): boolean {
  const errno = unreachedBy(error)
  return errno === 'ECONNRESET' || errno === 'EPIPE'
}

function unreachedBy(error: unknown): string | null {
  return error instanceof P2psyncError && error.code === 'NOT_RUNNING' ? errnoOf(error.cause) : null
}

function startOnce(context: Context, client: Client): (cause: unknown) => Promise<void> {
  let starting: Promise<void> | null = null
  return (cause) => (starting ??= start(context, client, cause))
}

async function start(context: Context, client: Client, cause: unknown): Promise<void> {
  if (context.env['P2PSYNC_AUTOSTART'] === 'off') {
    throw new P2psyncError('NOT_RUNNING', 'the daemon is not running, and P2PSYNC_AUTOSTART=off keeps this command from starting it; run `p2psync start`', { cause })
  }
  const { managedBy } = await import('./service.ts')
  const service = managedBy(context)
  if (service !== null) throw new P2psyncError('NOT_RUNNING', `the daemon is not running; the service ${service.unit} runs it: ${service.startHint}`, { cause })
  const { startInBackground } = await import('./start-daemon.ts')
  await startInBackground(context, client)
}

/**
 * HTTP on the Unix socket: JSON-RPC, REST, events, metrics. Knows the contract and nothing of what a daemon does; both ways of
 * calling end in the same handlers.
 */
import { getRequestListener } from '@hono/node-server'
import type { Context } from 'hono'
import { Hono } from 'hono'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { P2psyncError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { version } from '../base/version.ts'
import { VERSION_HEADER, withBody } from './body.ts'
import { createDispatch } from './dispatch.ts'
import type { Dispatch } from './dispatch.ts'
import type { EventSource } from './events.ts'
import { createJsonRpc } from './json-rpc.ts'
import { metricsText } from './metrics.ts'
import { openApiDocument } from './openapi.ts'
import { errorResponse, mountRest, refuseQuery } from './rest.ts'
import type { CallContext, Handlers, StatusDocument } from './schema.ts'
import { listenOnSocket } from './socket.ts'
import { acceptUpgrades } from './upgrade.ts'
import { eventStream } from './sse.ts'

/** Calls under way get this long when the server closes. */
export const CLOSE_GRACE_MS = 1000

export interface ServerOptions {
  readonly socketPath: string
  readonly handlers: Handlers
  readonly events: EventSource
  readonly log: Log
  /** A Hypercore replication stream of our own drive of a folder, for `GET /v1/folders/{id}/replicate` with `Connection: Upgrade`. */
  readonly replicate?: (folder: string) => Promise<Duplex>
  /** Hold results against the contract; default: where P2PSYNC_TEST=1. */
  readonly checkResults?: boolean
}

export interface RpcServer {
  /** Ends event streams, lets calls finish for a moment, then cuts them off. Idempotent. */
  close(): Promise<void>
}

/** Throws SOCKET_PATH_TOO_LONG, PATH_DENIED, PATH_RESERVED or ALREADY_RUNNING. */
export async function startServer(options: ServerOptions): Promise<RpcServer> {
  const closing = new AbortController()
  const app = createApp(options, closing.signal)
  const server = createServer(withBody(getRequestListener(app.fetch, { overrideGlobalObjects: false })))
  const upgrades = acceptUpgrades(server, options)
  await listenOnSocket(server, options.socketPath)
  options.log.info({ socket: options.socketPath }, 'listening')
  let closed: Promise<void> | null = null
  return {
    close: () => {
      upgrades.close()
      return (closed ??= close(server, closing))
    }
  }
}

function createApp(options: ServerOptions, closing: AbortSignal): Hono {
  const app = new Hono()
  const checkResults = options.checkResults ?? process.env['P2PSYNC_TEST'] === '1'
  const dispatch = createDispatch({ handlers: options.handlers, log: options.log, checkResults })
  const contextOf = (c: Context): CallContext => ({ signal: AbortSignal.any([c.req.raw.signal, closing]) })

  app.use(async (c, next) => {
    await next()
    c.header(VERSION_HEADER, version())
  })
  mountRpc(app, dispatch, contextOf)
  mountRest(app, dispatch, contextOf)
  app.get('/v1/events', (c) => {
    refuseQuery(c, 'the header Last-Event-ID says after which event to begin')
    return eventStream(options.events, c.req.header('last-event-id') ?? null, contextOf(c).signal)
  })
  app.get('/v1/openapi.json', (c) => c.json(openApiDocument(version())))
  app.get('/healthz', (c) => c.json({ ok: true, version: version() }))
  app.get('/metrics', async (c) => {
    const status = (await dispatch('status.get', {}, contextOf(c))) as StatusDocument
    return c.text(metricsText(status, version()), 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
  })
  app.notFound((c) => refusal(404, 'USAGE', `there is no ${c.req.method} ${c.req.path}; GET /v1/openapi.json lists what there is`))
  app.onError((error) => errorResponse(error))
  return app
}

function mountRpc(app: Hono, dispatch: Dispatch, contextOf: (c: Context) => CallContext): void {
  const answer = createJsonRpc(dispatch)
  app.post('/rpc', async (c) => {
    const { status, body } = await answer(await c.req.text(), contextOf(c))
    return body === null ? new Response(null, { status }) : Response.json(body, { status })
  })
}

function refusal(status: number, code: P2psyncError['code'], message: string): Response {
  return Response.json({ error: { code, message } }, { status })
}

async function close(server: Server, closing: AbortController): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  closing.abort(new P2psyncError('NOT_RUNNING', 'the daemon is stopping'))
  server.closeIdleConnections()
  const cut = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS)
  await closed
  clearTimeout(cut)
}

/**
 * The methods as REST: one table from verb and path to method. Parameters come from the path, the query (GET) and the JSON body (the other verbs),
 * and go through the same parse and the same handler as JSON-RPC.
 */
import type { Context, Hono } from 'hono'
import { messageOf, P2psyncError } from '../base/errors.ts'
import type { Dispatch } from './dispatch.ts'
import { httpStatusOf, toP2psyncError } from './errors.ts'
import type { CallContext, Method, StatusDocument } from './schema.ts'

export interface Route {
  readonly verb: 'get' | 'post' | 'patch' | 'put' | 'delete'
  /** hono's syntax; the `:name` parts are parameters of the method. */
  readonly path: string
  /** Several: the first whose keys the body has, see `choose`. */
  readonly method: Method
  /** Where the body selects the method: turns it into the call to make. */
  readonly choose?: (params: Record<string, unknown>) => { readonly method: Method; readonly params: Record<string, unknown> }
  /** Body properties of a `choose` route, for the OpenAPI document. */
  readonly body?: Readonly<Record<string, unknown>>
  /** Takes the wanted part of the result. */
  readonly pick?: (result: unknown) => unknown
  readonly status?: 201
}

export const routes: readonly Route[] = [
  { verb: 'get', path: '/v1/daemon', method: 'daemon.status' },
  { verb: 'post', path: '/v1/daemon/stop', method: 'daemon.stop' },
  { verb: 'get', path: '/v1/doctor', method: 'daemon.doctor' },
  { verb: 'get', path: '/v1/status', method: 'status.get' },
  { verb: 'get', path: '/v1/folders', method: 'folders.list' },
  { verb: 'post', path: '/v1/folders', method: 'folders.add', status: 201 },
  { verb: 'get', path: '/v1/folders/:folder', method: 'status.get', pick: (result) => (result as StatusDocument).folders[0] },
  { verb: 'delete', path: '/v1/folders/:folder', method: 'folders.remove' },
  { verb: 'patch', path: '/v1/folders/:folder', method: 'folders.pause', choose: pauseOrResume, body: { paused: { type: 'boolean' } } },
  { verb: 'post', path: '/v1/folders/:folder/scan', method: 'folders.scan' },
  { verb: 'post', path: '/v1/folders/:folder/sync', method: 'folders.sync' },
  { verb: 'post', path: '/v1/folders/:folder/check', method: 'folders.check' },
  { verb: 'get', path: '/v1/folders/:folder/conflicts', method: 'folders.conflicts' },
  { verb: 'post', path: '/v1/folders/:folder/resolve', method: 'folders.resolve' },
  { verb: 'get', path: '/v1/folders/:folder/history', method: 'folders.history' },
  { verb: 'post', path: '/v1/folders/:folder/restore', method: 'folders.restore' },
  { verb: 'post', path: '/v1/folders/:folder/restore-tree', method: 'folders.restoreTree' },
  { verb: 'post', path: '/v1/folders/:folder/approve', method: 'folders.approve' },
  { verb: 'post', path: '/v1/folders/:folder/reject', method: 'folders.reject' },
  { verb: 'get', path: '/v1/folders/:folder/ignore', method: 'folders.ignore' },
  { verb: 'post', path: '/v1/folders/:folder/ignore', method: 'folders.ignore' },
  { verb: 'get', path: '/v1/ignored', method: 'folders.ignored' },
  { verb: 'get', path: '/v1/devices', method: 'devices.list' },
  { verb: 'patch', path: '/v1/devices/:device', method: 'devices.rename' },
  { verb: 'put', path: '/v1/devices/:device/address', method: 'devices.address' },
  { verb: 'delete', path: '/v1/devices/:device', method: 'devices.remove' },
  { verb: 'post', path: '/v1/invites', method: 'invites.create', status: 201 },
  { verb: 'post', path: '/v1/join', method: 'invites.join' },
  { verb: 'get', path: '/v1/config', method: 'config.get' },
  { verb: 'put', path: '/v1/config/:key', method: 'config.set' },
  { verb: 'get', path: '/v1/log', method: 'log.level' },
  { verb: 'put', path: '/v1/log', method: 'log.level' },
]

export function mountRest(app: Hono, dispatch: Dispatch, contextOf: (c: Context) => CallContext): void {
  for (const route of routes) {
    app.on(route.verb.toUpperCase(), route.path, async (c) => {
      const inPath: Record<string, string> = c.req.param()
      const params = { ...(await given(c, route, inPath)), ...inPath }
      const call = route.choose === undefined ? { method: route.method, params } : route.choose(params)
      const result = await dispatch(call.method, call.params, contextOf(c))
      return c.json((route.pick === undefined ? result : route.pick(result)) as object, route.status ?? 200)
    })
  }
}

/** `{ "error": { "code", "message" } }` with the status that the code stands for. */
export function errorResponse(error: unknown): Response {
  const ours = toP2psyncError(error)
  return Response.json({ error: { code: ours.code, message: ours.message } }, { status: httpStatusOf(ours.code) })
}

function pauseOrResume(params: Record<string, unknown>): { method: Method; params: Record<string, unknown> } {
  const { paused, ...rest } = params
  if (typeof paused !== 'boolean') throw new P2psyncError('USAGE', 'folders: paused must be true or false')
  return { method: paused ? 'folders.pause' : 'folders.resume', params: rest }
}

/** What the caller gave besides the path. The query is for GET only; what stands in the path stands nowhere else. Throws USAGE. */
async function given(c: Context, route: Route, inPath: Readonly<Record<string, string>>): Promise<Record<string, unknown>> {
  const query = queryOf(c)
  if (route.verb !== 'get') refuseUnknown(query.map(([key]) => key), ` in the query; the fields of a ${route.verb.toUpperCase()} stand in its body`)
  const fields = route.verb === 'get' ? Object.fromEntries(query.map(([key, text]) => [key, fromQuery(text)])) : await bodyOf(c)
  refuseUnknown(Object.keys(fields).filter((key) => Object.hasOwn(inPath, key)), '; it stands in the path')
  return fields
}

/** Throws USAGE for a field that stands there twice: one of the two would be ignored. */
function queryOf(c: Context): [key: string, text: string][] {
  return Object.entries(c.req.queries()).map(([key, texts]) => {
    if (texts.length > 1) throw new P2psyncError('USAGE', `${key} is given more than once`)
    return [key, texts[0] ?? '']
  })
}

/** For a path that takes no query. Throws USAGE. */
export function refuseQuery(c: Context, hint: string): void {
  refuseUnknown(Object.keys(c.req.queries()), ` in the query; ${hint}`)
}

function refuseUnknown(keys: readonly string[], where: string): void {
  if (keys.length > 0) throw new P2psyncError('USAGE', `unknown field ${keys.map((key) => JSON.stringify(key)).join(', ')}${where}`)
}

async function bodyOf(c: Context): Promise<Record<string, unknown>> {
  const text = await c.req.text()
  if (text.trim() === '') return {}
  const body = parseBody(text)
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new P2psyncError('USAGE', 'the body must be a JSON object')
  return { ...body }
}

/** No method takes "true" or "false" as a text from a query. */
function fromQuery(text: string): unknown {
  return text === 'true' ? true : text === 'false' ? false : text
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new P2psyncError('USAGE', `the body is not valid JSON: ${messageOf(error)}`, { cause: error })
  }
}

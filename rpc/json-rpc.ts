/** JSON-RPC 2.0 as of jsonrpc.org/specification, over one HTTP body: single calls, notifications and batches. */
import type { JSONRPCErrorResponse, JSONRPCID, JSONRPCRequest, JSONRPCResponse } from 'json-rpc-2.0'
import { createJSONRPCErrorResponse, JSONRPCServer } from 'json-rpc-2.0'
import { z } from 'zod'
import { messageOf } from '../base/errors.ts'
import type { Dispatch } from './dispatch.ts'
import { httpStatusOfRpc, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, toP2psyncError, toRpcError } from './errors.ts'
import type { CallContext, Method } from './schema.ts'
import { methods } from './schema.ts'

/** Calls of a batch run at once; more are refused. */
export const MAX_BATCH_CALLS = 100

/** Other names of methods, which INTERFACE.md gives. */
export const ALIASES: Readonly<Record<string, Method>> = { 'folders.status': 'status.get', 'devices.invite': 'invites.create' }

export interface RpcAnswer {
  readonly status: number
  /** Null: nothing but notifications came. */
  readonly body: JSONRPCResponse | readonly JSONRPCResponse[] | null
}

const envelope = z.object({
  jsonrpc: z.literal('2.0'),
  method: z.string(),
  // Passed on as it is: a copy would lose a field called __proto__ instead of refusing it.
  params: z.custom<object>((value) => typeof value === 'object' && value !== null).optional(),
  id: z.union([z.string(), z.number(), z.null()]).optional(),
})

/** @returns a function from the text of a body to the answer; it never rejects. */
export function createJsonRpc(dispatch: Dispatch): (text: string, context: CallContext) => Promise<RpcAnswer> {
  const server = createServer(dispatch)
  return async (text, context) => {
    const parsed = parse(text)
    if (parsed.kind === 'malformed') return single(failure(null, PARSE_ERROR, `the body is not valid JSON: ${parsed.why}`))
    if (!Array.isArray(parsed.value)) return single(await answer(server, parsed.value, context))
    if (parsed.value.length === 0) return single(failure(null, INVALID_REQUEST, 'the batch is empty'))
    if (parsed.value.length > MAX_BATCH_CALLS) return single(failure(null, INVALID_REQUEST, `a batch holds at most ${MAX_BATCH_CALLS} calls`))
    const answers = await Promise.all(parsed.value.map((call) => answer(server, call, context)))
    const body = answers.filter((response) => response !== null)
    return body.length === 0 ? { status: 204, body: null } : { status: 200, body }
  }
}

function createServer(dispatch: Dispatch): JSONRPCServer<CallContext> {
  const server = new JSONRPCServer<CallContext>({ errorListener: () => undefined /* the dispatch has logged it */ })
  for (const name of Object.keys(methods) as Method[]) server.addMethod(name, (params: unknown, context: CallContext) => dispatch(name, params, context))
  for (const [name, method] of Object.entries(ALIASES)) server.addMethod(name, (params: unknown, context: CallContext) => dispatch(method, params, context))
  server.mapErrorToJSONRPCErrorResponse = (id: JSONRPCID, error: unknown): JSONRPCErrorResponse => {
    const { code, message, data } = toRpcError(toP2psyncError(error))
    return createJSONRPCErrorResponse(id, code, message, data)
  }
  server.handleMethodNotFound = async (request) =>
    request.id === undefined ? null : failure(request.id, METHOD_NOT_FOUND, `unknown method ${JSON.stringify(request.method)}; GET /v1/openapi.json lists them`)
  return server
}

async function answer(server: JSONRPCServer<CallContext>, value: unknown, context: CallContext): Promise<JSONRPCResponse | null> {
  const call = envelope.safeParse(value)
  if (!call.success) return failure(idOf(value), INVALID_REQUEST, 'not a JSON-RPC 2.0 request: it needs "jsonrpc": "2.0", a method, and params by name')
  return server.receive(call.data as JSONRPCRequest, context)
}

function idOf(value: unknown): JSONRPCID {
  if (typeof value !== 'object' || value === null || !('id' in value)) return null
  return typeof value.id === 'string' || typeof value.id === 'number' ? value.id : null
}

function failure(id: JSONRPCID, code: number, message: string): JSONRPCErrorResponse {
  return createJSONRPCErrorResponse(id, code, message, { code: 'USAGE' })
}

function single(body: JSONRPCResponse | null): RpcAnswer {
  if (body === null) return { status: 204, body }
  return { status: body.error === undefined ? 200 : httpStatusOfRpc(body.error.code), body }
}

function parse(text: string): { readonly kind: 'value'; readonly value: unknown } | { readonly kind: 'malformed'; readonly why: string } {
  try {
    return { kind: 'value', value: JSON.parse(text) as unknown }
  } catch (error) {
    return { kind: 'malformed', why: messageOf(error) }
  }
}

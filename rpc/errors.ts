/** One table of what a failure is outside: P2psyncError ↔ JSON-RPC error object ↔ HTTP status. */
import type { z } from 'zod'
import type { ErrorCode } from '../base/errors.ts'
import { P2psyncError } from '../base/errors.ts'

/** JSON-RPC 2.0, section 5.1. */
export const PARSE_ERROR = -32700
export const INVALID_REQUEST = -32600
export const METHOD_NOT_FOUND = -32601
export const INVALID_PARAMS = -32602
export const INTERNAL_ERROR = -32603
/** Ours: the first of the range kept for servers; `data.code` says which. */
export const OPERATION_FAILED = -32000

export interface RpcErrorObject {
  readonly code: number
  readonly message: string
  readonly data: { readonly code: ErrorCode }
}

const HTTP_STATUS: Readonly<Partial<Record<ErrorCode, number>>> = {
  USAGE: 400,
  CONFIG_UNKNOWN_KEY: 400,
  CONFIG_INVALID: 400,
  INVITE_INVALID: 400,
  PATH_NOT_DIRECTORY: 400,
  PATH_RESERVED: 400,
  PATH_DENIED: 403,
  REMOVED_FROM_GROUP: 403,
  FOLDER_UNKNOWN: 404,
  DEVICE_UNKNOWN: 404,
  CONFLICT_UNKNOWN: 404,
  VERSION_UNKNOWN: 404,
  PATH_MISSING: 404,
  TIMEOUT: 408,
  INVITE_USED: 410,
  INVITE_EXPIRED: 410,
  INTERNAL: 500,
  STORE_DAMAGED: 500,
  NOT_SUPPORTED: 501,
  NOT_RUNNING: 503,
  GROUP_UNREACHABLE: 504,
}

/** Anything not in the table is a conflict with what is there. */
export function httpStatusOf(code: ErrorCode): number {
  return HTTP_STATUS[code] ?? 409
}

/** The HTTP status of a single JSON-RPC answer: 4xx for what the caller wrote wrongly, else 200 (the error is in the body). */
export function httpStatusOfRpc(code: number): number {
  if (code === METHOD_NOT_FOUND) return 404
  return code === PARSE_ERROR || code === INVALID_REQUEST || code === INVALID_PARAMS ? 400 : 200
}

/** A bug's message is no sentence for users: the log has it. */
export function toP2psyncError(error: unknown): P2psyncError {
  if (error instanceof P2psyncError) return error
  return new P2psyncError('INTERNAL', 'the daemon met an internal error; see `p2psync log`', { cause: error })
}

export function toRpcError(error: P2psyncError): RpcErrorObject {
  return { code: rpcCodeOf(error.code), message: error.message, data: { code: error.code } }
}

function rpcCodeOf(code: ErrorCode): number {
  if (code === 'USAGE') return INVALID_PARAMS
  return code === 'INTERNAL' ? INTERNAL_ERROR : OPERATION_FAILED
}

/** What a client makes of an error object of JSON-RPC or REST; one it does not understand is INTERNAL with its message. */
export function fromRpcError(error: { readonly code?: unknown; readonly message?: unknown; readonly data?: unknown }): P2psyncError {
  const message = typeof error.message === 'string' ? error.message : 'the daemon answered with an error that has no message'
  const data = error.data
  const rest = typeof error.code === 'string' ? error.code : null
  const ours = typeof data === 'object' && data !== null && 'code' in data && typeof data.code === 'string' ? data.code : rest
  // SAFETY: a newer daemon may send a code that this version does not list; it is only compared and printed.
  return new P2psyncError((ours ?? 'INTERNAL') as ErrorCode, message)
}

/** USAGE with a sentence made of the first thing that is wrong. */
export function invalidParams(error: z.ZodError): P2psyncError {
  const issue = error.issues[0]
  return new P2psyncError('USAGE', issue === undefined ? 'invalid parameters' : sentence(issue))
}

function sentence(issue: z.core.$ZodIssue): string {
  const at = issue.path.map(String).join('.')
  if (issue.code === 'unrecognized_keys') {
    return `unknown field ${issue.keys.map((key) => JSON.stringify(key)).join(', ')}${at === '' ? '' : ` in ${at}`}`
  }
  if (issue.code === 'invalid_type' && at !== '' && issue.message.endsWith('received undefined')) return `${at} is missing`
  return `${at === '' ? 'parameters' : at}: ${issueText(issue)}`
}

const NOUNS: Readonly<Record<string, string>> = { string: 'text', number: 'a number', int: 'a whole number', boolean: 'true or false', array: 'a list', object: 'an object' }

/** What a value must be, in words. */
export function issueText(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'too_small':
      return bound(issue.origin, issue.minimum, 'least')
    case 'too_big':
      return bound(issue.origin, issue.maximum, 'most')
    case 'invalid_type':
      return `must be ${NOUNS[issue.expected] ?? issue.expected}`
    case 'invalid_value':
      return `must be ${oneOf(issue.values.map(String))}`
    default:
      return issue.message.replace(/^Invalid input: /, '')
  }
}

function oneOf(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}

function bound(origin: string, limit: number | bigint, end: 'least' | 'most'): string {
  if (origin === 'string') return end === 'least' && limit === 1 ? 'must not be empty' : `must have at ${end} ${limit} characters`
  return origin === 'array' ? `must have at ${end} ${limit} items` : `must be at ${end} ${limit}`
}

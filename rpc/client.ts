/** The typed client of the socket, for the CLI, the page's bridge and tests. Imports the contract as types only: it must load fast. */
import { statSync } from 'node:fs'
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { dirname } from 'node:path'
import { errnoOf, messageOf, P2psyncError } from '../base/errors.ts'
import { fromRpcError } from './errors.ts'
import type { DaemonEvent, Method, Params, Result } from './schema.ts'

export interface ClientOptions {
  readonly socketPath: string
  /** Called once if the daemon says another version than `version`. */
  readonly version?: string
  readonly onVersionMismatch?: (daemon: string) => void
}

export interface CallOptions {
  readonly signal?: AbortSignal
}

export interface Client {
  /** Rejects with the daemon's P2psyncError, or NOT_RUNNING. No time-out of its own: the daemon's calls are bounded. */
  call<M extends Method>(method: M, ...params: Record<never, never> extends Params<M> ? [Params<M>?, CallOptions?] : [Params<M>, CallOptions?]): Promise<Result<M>>
  /** From now on, or after an id; ends when the daemon stops or the signal aborts. */
  events(options?: { readonly after?: string; readonly signal?: AbortSignal }): AsyncGenerator<DaemonEvent, void, void>
}

export function createClient(options: ClientOptions | string): Client {
  return new SocketClient(typeof options === 'string' ? { socketPath: options } : options)
}

class SocketClient implements Client {
  readonly #options: ClientOptions
  #compared = false

  constructor(options: ClientOptions) {
    this.#options = options
  }

  async call<M extends Method>(method: M, ...rest: [Params<M>?, CallOptions?]): Promise<Result<M>> {
    const [params, options] = rest
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: params ?? {} })
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const response = await this.#send({ method: 'POST', path: '/rpc', headers, body, signal: options?.signal })
    const answer = parseAnswer(await textOf(response))
    if ('error' in answer) throw fromRpcError(answer.error)
    // SAFETY: the daemon is of this user and speaks the contract; a version mismatch was reported.
    return answer.result as Result<M>
  }

  async *events(options: { readonly after?: string; readonly signal?: AbortSignal } = {}): AsyncGenerator<DaemonEvent, void, void> {
    const headers = options.after === undefined ? {} : { 'last-event-id': options.after }
    const response = await this.#send({ method: 'GET', path: '/v1/events', headers, body: '', signal: options.signal })
    response.setEncoding('utf8')
    let text = ''
    try {
      for await (const part of response) {
        const blocks = (text + String(part)).split('\n\n')
        text = blocks.pop() ?? ''
        for (const block of blocks) {
          const event = parseBlock(block)
          if (event !== null) yield event
        }
      }
    } catch (error) {
      // An aborted reader and a daemon that goes both end the stream; that is what the caller sees.
      if (options.signal?.aborted !== true && errnoOf(error) !== 'ECONNRESET') throw error
    } finally {
      response.destroy()
    }
  }

  #send(what: {
    readonly method: string
    readonly path: string
    readonly headers: Record<string, string | number>
    readonly body: string
    readonly signal: AbortSignal | undefined
  }): Promise<IncomingMessage> {
    const { socketPath } = this.#options
    return new Promise((resolve, reject) => {
      refuseForeign(socketPath)
      const signal = what.signal === undefined ? {} : { signal: what.signal }
      const outgoing = request({ socketPath, method: what.method, path: what.path, headers: { host: 'localhost', ...what.headers }, agent: false, ...signal })
      outgoing.once('response', (response) => {
        this.#compareVersion(response)
        resolve(response)
      })
      outgoing.once('error', (error) => reject(what.signal?.aborted === true ? error : unreachable(error, socketPath)))
      outgoing.end(what.body)
    })
  }

  #compareVersion(response: IncomingMessage): void {
    const theirs = response.headers['x-p2psync-version']
    if (this.#compared || this.#options.version === undefined || typeof theirs !== 'string') return
    this.#compared = true
    if (theirs !== this.#options.version) this.#options.onVersionMismatch?.(theirs)
  }
}

/** A directory of another user (below /tmp anyone may make one) could hold a socket that only pretends. */
function refuseForeign(socketPath: string): void {
  const uid = process.getuid?.()
  const owner = statSync(dirname(socketPath), { throwIfNoEntry: false })?.uid
  if (uid === undefined || owner === undefined || owner === uid || uid === 0) return
  throw new P2psyncError('PATH_DENIED', `the directory of the daemon's socket, ${dirname(socketPath)}, belongs to another user`)
}

function unreachable(error: unknown, socketPath: string): P2psyncError {
  switch (errnoOf(error)) {
    case 'ENOENT':
    case 'ECONNREFUSED':
    case 'ENOTDIR':
      return new P2psyncError('NOT_RUNNING', 'the daemon is not running; start it with `p2psync start`', { cause: error })
    case 'ECONNRESET':
    case 'EPIPE':
      return new P2psyncError('NOT_RUNNING', 'the daemon stopped before it answered; see `p2psync log`', { cause: error })
    case 'EACCES':
    case 'EPERM':
      return new P2psyncError('PATH_DENIED', `no permission to use the daemon's socket ${socketPath}; it belongs to another user`, { cause: error })
    default:
      return new P2psyncError('NOT_RUNNING', `cannot reach the daemon: ${messageOf(error)}`, { cause: error })
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  try {
    for await (const part of response) parts.push(part as Buffer)
  } catch (error) {
    throw new P2psyncError('NOT_RUNNING', 'the daemon stopped while it answered; see `p2psync log`', { cause: error })
  }
  return Buffer.concat(parts).toString('utf8')
}

function parseAnswer(text: string): { readonly result: unknown } | { readonly error: Record<string, unknown> } {
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch (error) {
    throw new P2psyncError('INTERNAL', 'what answers on the daemon\'s socket is not a p2psync daemon', { cause: error })
  }
  if (typeof answer !== 'object' || answer === null) throw new P2psyncError('INTERNAL', 'the daemon gave an answer that is none')
  if ('error' in answer && typeof answer.error === 'object' && answer.error !== null) return { error: { ...answer.error } }
  return { result: 'result' in answer ? answer.result : null }
}

function parseBlock(block: string): DaemonEvent | null {
  const data = block
    .split('\n')
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(5).trimStart())
  return data.length === 0 ? null : (JSON.parse(data.join('\n')) as DaemonEvent)
}

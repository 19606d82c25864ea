/** Plain HTTP on a Unix socket, as any program would speak it. */
import { request } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** The body, parsed; undefined if it is not JSON. */
  readonly json: unknown
}

export function http(socketPath: string, method: string, path: string, body?: unknown): Promise<Answer> {
  const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, method, path, agent: false, headers: { 'content-length': Buffer.byteLength(text) } }, (response) => {
      let received = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => (received += part))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text: received, json: parse(received) }))
      response.on('error', reject)
    })
    outgoing.on('error', reject)
    outgoing.end(text)
  })
}

/** One JSON-RPC call; `params` as given. */
export function rpc(socketPath: string, method: string, params?: unknown, id: unknown = 1): Promise<Answer> {
  return http(socketPath, 'POST', '/rpc', { jsonrpc: '2.0', id, method, ...(params === undefined ? {} : { params }) })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined // not JSON
  }
}

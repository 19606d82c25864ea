/**
 * The body of a request, read to its end before anything answers. One that is too large is read on and thrown away, so that the refusal
 * reaches a client that sends first and listens afterwards: an answer on a connection that is closed while data comes is lost to most.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { version } from '../base/version.ts'

/** Larger request bodies are refused. */
export const MAX_BODY_BYTES = 1024 * 1024
/** So much of a body that is refused is read; whoever sends more is cut off. */
const MAX_DRAINED_BYTES = 64 * 1024 * 1024
/** Tells a client of another version that it is one. */
export const VERSION_HEADER = 'x-p2psync-version'

type Listener = (request: IncomingMessage, response: ServerResponse) => unknown

/** `listener` gets requests whose body is here (`rawBody`, as the adapter of hono knows it), and none that is too large. */
export function withBody(listener: Listener): Listener {
  return (request, response) => {
    if (!hasBody(request)) return listener(request, response)
    const parts: Buffer[] = []
    let bytes = 0
    request.on('data', (part: Buffer) => {
      bytes += part.length
      if (bytes <= MAX_BODY_BYTES) parts.push(part)
      else parts.length = 0
      if (bytes > MAX_DRAINED_BYTES) request.destroy()
    })
    request.on('end', () => {
      if (bytes > MAX_BODY_BYTES) return refuse(response)
      listener(Object.assign(request, { rawBody: Buffer.concat(parts) }), response)
    })
    // Without its end there is nobody to answer.
    request.on('error', () => response.destroy())
  }
}

function hasBody(request: IncomingMessage): boolean {
  return request.headers['transfer-encoding'] !== undefined || (request.headers['content-length'] ?? '0') !== '0'
}

function refuse(response: ServerResponse): void {
  const body = JSON.stringify({ error: { code: 'USAGE', message: `the body is larger than ${MAX_BODY_BYTES} bytes` } })
  response.writeHead(413, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), [VERSION_HEADER]: version() })
  response.end(body)
}

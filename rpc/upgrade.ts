/**
 * `GET /v1/folders/{id}/replicate` with `Connection: Upgrade`: after `101 Switching Protocols` the connection is a Hypercore
 * replication stream (the daemon is the responder) of this device's drive, for a stock Hyperdrive on this machine.
 */
import type { IncomingMessage, Server } from 'node:http'
import { pipeline, type Duplex } from 'node:stream'
import { messageOf, P2psyncError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { httpStatusOf } from './errors.ts'

export interface UpgradeOptions {
  readonly replicate?: (folder: string) => Promise<Duplex>
  readonly log: Log
}

const ROUTE = /^\/v1\/folders\/([^/?]+)\/replicate$/

/** @returns what ends all upgraded connections. */
export function acceptUpgrades(server: Server, options: UpgradeOptions): { close(): void } {
  const open = new Set<Duplex>()
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    socket.on('error', () => socket.destroy())
    if (head.length > 0) socket.unshift(head)
    upgrade(request, socket, options).catch((error: unknown) => refuse(socket, error))
  })
  return {
    close() {
      for (const socket of open) socket.destroy()
    }
  }
}

async function upgrade(request: IncomingMessage, socket: Duplex, options: UpgradeOptions): Promise<void> {
  const folder = ROUTE.exec(request.url ?? '')?.[1]
  if (folder === undefined || options.replicate === undefined) throw new P2psyncError('USAGE', `there is nothing to upgrade at ${request.url ?? ''}`)
  const stream = await options.replicate(decodeURIComponent(folder))
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: hypercore\r\n\r\n')
  pipeline(socket, stream, socket, (error) => {
    if (error) options.log.debug({ error: messageOf(error) }, 'a stock reader went')
  })
}

function refuse(socket: Duplex, error: unknown): void {
  const status = error instanceof P2psyncError ? httpStatusOf(error.code) : 500
  const body = JSON.stringify({ error: { code: error instanceof P2psyncError ? error.code : 'INTERNAL', message: messageOf(error) } })
  socket.end(`HTTP/1.1 ${status} Refused\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`)
}

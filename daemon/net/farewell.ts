/**
 * A removed device that was away when it happened dials its former group for ever. It is told, once for each connection, with the
 * records that prove it, and nothing else: not even the session or the digest that a member's hello has.
 */
import c from 'compact-encoding'
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import type { Clock } from '../ports.ts'
import { Channel } from './channel.ts'
import { DISMISS_MS, MAX_GOODBYE_RECORDS } from './limits.ts'
import { CONTROL_PROTOCOL, goodbye, hello, PROTOCOL_VERSION } from './protocol.ts'
import type { SignedRecord } from './records.ts'

/** Between hello and goodbye on the control channel. */
const MESSAGES_BETWEEN = 6
const NOBODY = { version: PROTOCOL_VERSION, session: '00'.repeat(16), port: 0, digest: Buffer.alloc(32) }

/** Ends the stream. What the device says meanwhile is not read. */
export function sayFarewell(stream: NoiseSecretStream, records: readonly SignedRecord[], clock: Clock): void {
  stream.on('error', () => undefined) // It may be gone before it was told.
  const end = clock.after(DISMISS_MS, () => stream.destroy())
  stream.on('close', end)
  const channel: Channel = new Channel(stream, {
    protocol: CONTROL_PROTOCOL,
    onOpen: () => {
      greet(NOBODY)
      part({ records: records.slice(0, MAX_GOODBYE_RECORDS) })
      stream.end()
    },
    onClose: () => undefined,
    onFault: () => stream.destroy()
  })
  const greet = channel.message(hello, () => undefined)
  for (let i = 0; i < MESSAGES_BETWEEN; i++) channel.message(c.raw, () => undefined)
  const part = channel.message(goodbye, () => undefined)
  channel.start()
}

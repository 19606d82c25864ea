/** The sending thread of streams.ts. */
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { workerData } from 'node:worker_threads'
import NoiseSecretStream from '@hyperswarm/secret-stream'
import DHT from 'hyperdht'
import type { Order } from './streams.ts'

const WRITE_BYTES = 256 * 1024

const order = workerData as Order
const stream = open()
stream.on('error', () => undefined) // The receiver ends it when it has all.
const data = Buffer.alloc(WRITE_BYTES, 1)
for (let sent = 0; sent < order.bytes; sent += WRITE_BYTES) {
  if (!stream.write(data)) await new Promise((resolve) => stream.once('drain', resolve))
}

function open(): Duplex {
  if (order.by === 'tcp') return new NoiseSecretStream(true, connect({ port: order.port, host: '127.0.0.1', noDelay: true }))
  return new DHT({ bootstrap: [...order.bootstrap] }).connect(Buffer.from(order.key, 'hex'))
}

/** How fast one encrypted connection on loopback is, by TCP and by UDX: received here, sent by a thread of its own (stream-sender.ts). */
import { createServer, type AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import NoiseSecretStream from '@hyperswarm/secret-stream'
import DHT from 'hyperdht'
import createTestnet from 'hyperdht/testnet.js'

export type Order = { readonly bytes: number } & (
  | { readonly by: 'tcp'; readonly port: number }
  | { readonly by: 'udx'; readonly key: string; readonly bootstrap: readonly { readonly host: string; readonly port: number }[] }
)

/** Seconds from the first byte to the last. */
export async function receive(by: 'tcp' | 'udx', bytes: number): Promise<number> {
  return by === 'tcp' ? await receiveTcp(bytes) : await receiveUdx(bytes)
}

async function receiveTcp(bytes: number): Promise<number> {
  const server = createServer({ noDelay: true })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const arrived = new Promise<number>((resolve, reject) => {
    server.once('connection', (socket) => counted(new NoiseSecretStream(false, socket), bytes).then(resolve, reject))
  })
  try {
    return await sentBy({ by: 'tcp', bytes, port: (server.address() as AddressInfo).port }, arrived)
  } finally {
    server.close()
  }
}

async function receiveUdx(bytes: number): Promise<number> {
  const testnet = await createTestnet(3)
  const node = new DHT({ bootstrap: testnet.bootstrap })
  try {
    let connected: (stream: Duplex) => void = () => undefined
    const arrived = new Promise<Duplex>((resolve) => (connected = resolve)).then(async (stream) => await counted(stream, bytes))
    const server = node.createServer({}, (stream) => connected(stream))
    const keys = DHT.keyPair()
    await server.listen(keys)
    return await sentBy({ by: 'udx', bytes, key: keys.publicKey.toString('hex'), bootstrap: testnet.bootstrap }, arrived)
  } finally {
    await node.destroy()
    await testnet.destroy()
  }
}

async function sentBy(order: Order, arrived: Promise<number>): Promise<number> {
  const worker = new Worker(fileURLToPath(new URL('stream-sender.js', import.meta.url)), { workerData: order })
  const failed = new Promise<never>((_, reject) => worker.once('error', reject))
  try {
    return await Promise.race([arrived, failed])
  } finally {
    await worker.terminate()
  }
}

function counted(stream: Duplex, bytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let got = 0
    let started = 0
    stream.on('error', reject)
    stream.on('data', (data: Buffer) => {
      if (got === 0) started = performance.now()
      got += data.length
      if (got >= bytes) resolve((performance.now() - started) / 1000)
    })
  })
}

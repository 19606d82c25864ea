/** What a member may make another device hold in memory. */
import { createHash } from 'node:crypto'
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import c from 'compact-encoding'
import { connect } from 'node:net'
import HyperDHT from 'hyperdht'
import Protomux from 'protomux'
import type { Channel } from 'protomux'
import test from 'brittle'
import type { Assert } from 'brittle'
import { signRecord } from '../../daemon/net/records.ts'
import * as wire from '../../daemon/net/protocol.ts'
import { CHUNK_PROTOCOL, CONTROL_PROTOCOL, JOIN_PROTOCOL, PROTOCOL_VERSION } from '../../daemon/net/protocol.ts'
import type { DeviceId, FolderId, ObjectId } from '../../daemon/sync/ids.ts'
import { must, openDevice, pair } from './helpers.ts'
import type { Device } from './helpers.ts'

const MIB = 1024 * 1024

function dial(t: Assert, device: Device, keyPair: { publicKey: Buffer; secretKey: Buffer }): NoiseSecretStream {
  const node = new HyperDHT({ bootstrap: [], nodes: [], host: '127.0.0.1', port: 30_000 + Math.floor(Math.random() * 10_000) })
  t.teardown(() => node.destroy({ force: true }))
  const stream = node.connect(device.group.self.keyPair.publicKey, { keyPair: { ...keyPair }, relayAddresses: [{ host: '127.0.0.1', port: device.network.listenPort }] })
  stream.on('error', () => undefined)
  return stream
}

interface Raw { readonly channel: Channel; send(type: number, bytes: Buffer): boolean }

async function rawChannel(stream: NoiseSecretStream, protocol: string, types: number): Promise<Raw> {
  const channel = must(Protomux.from(stream).createChannel({ protocol }))
  const messages = Array.from({ length: types }, () => channel.addMessage({ encoding: c.raw, onmessage: () => undefined }))
  channel.open()
  await channel.fullyOpened()
  return { channel, send: (type, bytes) => must(messages[type]).send(bytes) }
}

async function evilMember(t: Assert): Promise<{ a: Device; keyPair: { publicKey: Buffer; secretKey: Buffer }; id: DeviceId }> {
  const a = await openDevice(t, { name: 'a', bootstrap: 'none', handlers: { serve: async () => null } })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none' })
  await pair(a, b)
  const { keyPair, id } = b.group.self
  await b.close()
  return { a, keyPair, id }
}

function hello(a: Device): Buffer {
  return c.encode(wire.hello, { version: PROTOCOL_VERSION, session: createHash('md5').update(String(Math.random())).digest('hex'), port: 0, digest: a.group.digest() })
}

/** A member that has said hello, and says what it likes. */
async function greeted(t: Assert): Promise<{ readonly stream: NoiseSecretStream; readonly raw: Raw }> {
  const { a, keyPair } = await evilMember(t)
  const stream = dial(t, a, keyPair)
  const raw = await rawChannel(stream, CONTROL_PROTOCOL, 13)
  raw.send(0, hello(a))
  await settled(200)
  return { stream, raw }
}

function heap(): number {
  global.gc?.()
  const { heapUsed, arrayBuffers, external } = process.memoryUsage()
  return (heapUsed + Math.max(arrayBuffers, external)) / MIB
}

const settled = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

test('records without bytes, with more to come for ever, are not gathered without end', { timeout: 120_000 }, async (t) => {
  const { a, keyPair } = await evilMember(t)
  const stream = dial(t, a, keyPair)
  const raw = await rawChannel(stream, CONTROL_PROTOCOL, 13)
  raw.send(0, hello(a))
  const empty = { body: Buffer.alloc(0), signature: Buffer.alloc(0) }
  const message = c.encode(wire.records, { more: true, records: Array.from({ length: 50_000 }, () => empty) })
  const before = heap()
  let sent = 0
  for (let i = 0; i < 60 && !stream.destroying; i++) {
    raw.send(2, message)
    sent += message.length
    await settled(40)
  }
  await settled(1500)
  const grown = heap() - before
  t.comment(`${(sent / MIB).toFixed(1)} MiB sent, ${grown.toFixed(0)} MiB held by the other`)
  t.ok(stream.destroying || grown < 64, 'the connection is ended, or little is held')
})

/** Of the smallest that pass for records. */
function small(count: number): { readonly body: Buffer; readonly signature: Buffer }[] {
  return Array.from({ length: count }, () => ({ body: Buffer.alloc(0), signature: Buffer.alloc(64) }))
}

test('a record without a whole signature ends the connection', { timeout: 120_000 }, async (t) => {
  const { stream, raw } = await greeted(t)
  raw.send(7, c.encode(wire.goodbye, { records: [{ body: Buffer.from('{}'), signature: Buffer.alloc(0) }] }))
  await settled(1000)
  t.ok(stream.destroying)
})

test('goodbye is said once, and of little', { timeout: 120_000 }, async (t) => {
  for (const [records, times] of [[1000, 40], [20_000, 1]] as const) {
    const { stream, raw } = await greeted(t)
    const message = c.encode(wire.records, { more: false, records: small(records) }).subarray(1)
    for (let i = 0; i < times; i++) raw.send(7, message)
    await settled(1500)
    t.ok(stream.destroying, `${times} of ${records} records`)
  }
})

test('messages that come faster than they are handled are few, in bytes too', { timeout: 120_000 }, async (t) => {
  const { stream, raw } = await greeted(t)
  const message = c.encode(wire.records, { more: false, records: small(14_000) })
  const before = heap()
  let sent = 0
  let most = 0
  for (let i = 0; i < 200 && !stream.destroying; i++) {
    raw.send(2, message)
    sent += message.length
    await settled(5)
    most = Math.max(most, process.memoryUsage().heapUsed / MIB - before)
  }
  await settled(1500)
  t.comment(`${(sent / MIB).toFixed(1)} MiB sent, ${most.toFixed(0)} MiB held at most`)
  t.ok(stream.destroying, 'the connection is ended')
})

test('have, asked again and again by a member that reads nothing, does not pile up answers', { timeout: 120_000 }, async (t) => {
  const { a, keyPair, id } = await evilMember(t)
  // What it may state: some hundred records with large bodies.
  const accepted = Array.from({ length: 5000 }, (_, i) => createHash('sha256').update(String(i)).digest('base64url')).sort() as never
  const dead = (i: number): DeviceId => createHash('sha256').update(`dead${i}`).digest('hex') as DeviceId
  await a.group.merge(Array.from({ length: 40 }, (_, i) => signRecord(a.group.groupId, { kind: 'device-removed', device: dead(i), accepted, author: id, seq: 100 + i }, keyPair.secretKey)))
  const bytes = a.group.records().reduce((sum, { body }) => sum + body.length, 0)
  const stream = dial(t, a, keyPair)
  const raw = await rawChannel(stream, CONTROL_PROTOCOL, 13)
  raw.send(0, hello(a))
  await settled(300)
  stream.pause()
  const before = heap()
  for (let i = 0; i < 50; i++) raw.send(1, c.encode(wire.have, { hashes: [] }))
  await settled(3000)
  const grown = heap() - before
  t.comment(`a log of ${(bytes / MIB).toFixed(1)} MiB; 50 messages of 2 bytes sent, ${grown.toFixed(0)} MiB held by the other`)
  t.ok(stream.destroying || grown < 64)
  stream.destroy()
})

test('the handover, asked again and again on one connection, does not pile up', { timeout: 120_000 }, async (t) => {
  const { a, keyPair, id } = await evilMember(t)
  const accepted = Array.from({ length: 5000 }, (_, i) => createHash('sha256').update(String(i)).digest('base64url')).sort() as never
  const dead = (i: number): DeviceId => createHash('sha256').update(`dead${i}`).digest('hex') as DeviceId
  await a.group.merge(Array.from({ length: 40 }, (_, i) => signRecord(a.group.groupId, { kind: 'device-removed', device: dead(i), accepted, author: id, seq: 100 + i }, keyPair.secretKey)))
  const stream = dial(t, a, keyPair)
  const raw = await rawChannel(stream, CONTROL_PROTOCOL, 13)
  raw.send(0, hello(a))
  const before = heap()
  let opened = 0
  for (let i = 0; i < 40 && !stream.destroying; i++) {
    const channel = Protomux.from(stream).createChannel({ protocol: JOIN_PROTOCOL })
    if (channel === null) break
    channel.addMessage({ encoding: c.raw, onmessage: () => undefined })
    channel.open()
    const ok = await Promise.race([channel.fullyOpened(), settled(1000).then(() => 'late')])
    if (ok !== true) break
    opened++
    channel.close()
  }
  stream.pause()
  await settled(1000)
  t.comment(`${opened} handovers, ${(heap() - before).toFixed(0)} MiB held (both ends)`)
  t.ok(opened <= 2, 'once for each connection')
  stream.destroy()
})

test('wants that are refused do not pile up for a member that reads nothing', { timeout: 120_000 }, async (t) => {
  const { a, keyPair, id } = await evilMember(t)
  const stream = dial(t, a, keyPair)
  const control = await rawChannel(stream, CONTROL_PROTOCOL, 13)
  const raw = await rawChannel(stream, CHUNK_PROTOCOL, 4)
  control.send(0, hello(a))
  const ids = Array.from({ length: 4096 }, (_, i) => createHash('sha256').update(String(i)).digest('base64url') as ObjectId)
  await settled(300)
  const ours = must(a.network.link(id)).stream as unknown as { readonly _writableState: { readonly buffered: number } }
  stream.pause()
  let sent = 0
  for (let i = 0; i < 400 && !stream.destroying; i++) {
    const message = c.encode(wire.want, { id: i, folder: 'f'.repeat(64) as FolderId, ids })
    sent += message.length
    if (!raw.send(0, message)) await new Promise<void>((resolve) => (stream.once('drain', () => resolve()), setTimeout(resolve, 40)))
  }
  await settled(1000)
  const held = ours._writableState.buffered / MIB
  t.comment(`${(sent / MIB).toFixed(0)} MiB sent, ${held.toFixed(0)} MiB held by the other; closed: ${stream.destroying}`)
  t.ok(stream.destroying || held < 32)
  stream.destroy()
})

/** A stranger on the network: no key of the group at all. */
test('a stranger that sends a long first frame over TCP is not given memory for it', { timeout: 60_000 }, async (t) => {
  const a = await openDevice(t, { name: 'a', bootstrap: 'none' })
  const before = process.memoryUsage().arrayBuffers
  const part = Buffer.alloc(12 * MIB, 1)
  const sockets = await Promise.all(Array.from({ length: 40 }, async () => {
    const socket = connect({ host: '127.0.0.1', port: a.network.listenPort })
    socket.on('error', () => undefined)
    socket.write(Buffer.from([0xff, 0xff, 0xff]))
    socket.write(part)
    await settled(1)
    return socket
  }))
  let most = 0
  for (let i = 0; i < 25; i++) {
    await settled(100)
    most = Math.max(most, process.memoryUsage().arrayBuffers - before)
  }
  for (const socket of sockets) socket.destroy()
  t.comment(`${(most / MIB).toFixed(0)} MiB in buffers for 40 strangers`)
  t.ok(most < 64 * MIB)
})

test('TCP comes about between two members all the same', { timeout: 60_000 }, async (t) => {
  const a = await openDevice(t, { name: 'a', bootstrap: 'none' })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none' })
  await pair(a, b)
  const link = (from: Device, to: Device): string | undefined => from.network.link(to.group.self.id)?.transport
  for (let i = 0; i < 100 && (link(a, b) !== 'tcp' || link(b, a) !== 'tcp'); i++) await settled(100)
  t.is(link(a, b), 'tcp')
  t.is(link(b, a), 'tcp')
})

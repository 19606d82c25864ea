/** What a peer may send, and that none of it gets through. */
import { randomBytes } from 'node:crypto'
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import c from 'compact-encoding'
import HyperDHT from 'hyperdht'
import Protomux from 'protomux'
import type { Channel } from 'protomux'
import test from 'brittle'
import type { Assert } from 'brittle'
import { keyPairOf } from '../../daemon/net/crypto.ts'
import type { KeyPair } from '../../daemon/net/crypto.ts'
import { Group } from '../../daemon/net/group.ts'
import { signRecord } from '../../daemon/net/records.ts'
import * as wire from '../../daemon/net/protocol.ts'
import { CHUNK_PROTOCOL, CONTROL_PROTOCOL, JOIN_PROTOCOL, PROTOCOL_VERSION } from '../../daemon/net/protocol.ts'
import { MAX_OFFERS } from '../../daemon/net/limits.ts'
import * as runs from '../../daemon/net/run-protocol.ts'
import type { DriveRuns } from '../../daemon/ports.ts'
import type { DriveKey, FolderId, ObjectId } from '../../daemon/sync/ids.ts'
import { announce, driveNamed, connected, must, openDevice, pair, testLog } from './helpers.ts'
import type { Device } from './helpers.ts'

const FOLDER = 'f'.repeat(64) as FolderId

/** A node of nobody, to speak to a device with whatever key and words. */
function stranger(t: Assert): HyperDHT {
  const node = new HyperDHT({ bootstrap: [], nodes: [], host: '127.0.0.1', port: 30_000 + Math.floor(Math.random() * 10_000) })
  t.teardown(() => node.destroy({ force: true }))
  return node
}

function dial(node: HyperDHT, device: Device, keyPair: KeyPair): NoiseSecretStream {
  return node.connect(device.group.self.keyPair.publicKey, { keyPair: { ...keyPair }, relayAddresses: [{ host: '127.0.0.1', port: device.network.listenPort }] })
}

function closed(stream: NoiseSecretStream): Promise<void> {
  return new Promise((resolve) => stream.on('close', resolve))
}

/** A channel that sends raw bytes as message `type`, after a proper start. */
interface Raw {
  readonly channel: Channel
  listen(listener: (type: number, bytes: Buffer) => void): void
  send(type: number, bytes: Buffer): void
}

async function rawChannel(stream: NoiseSecretStream, protocol: string, types: number): Promise<Raw> {
  const channel = must(Protomux.from(stream).createChannel({ protocol }))
  let listener = (_type: number, _bytes: Buffer): void => undefined
  const messages = Array.from({ length: types }, (_, type) => channel.addMessage({ encoding: c.raw, onmessage: (bytes) => listener(type, Buffer.from(bytes)) }))
  channel.open()
  await channel.fullyOpened()
  return { channel, listen: (listen) => void (listener = listen), send: (type, bytes) => void must(messages[type]).send(bytes) }
}

function helloOf(device: Device): Buffer {
  return c.encode(wire.hello, { version: PROTOCOL_VERSION, session: '00'.repeat(16), port: 0, digest: device.group.digest() })
}

test('invariant 7: a stranger gets no connection, not one byte, and no ban grows from it', async (t) => {
  const a = await openDevice(t, { name: 'a', bootstrap: 'none' })
  const node = stranger(t)
  let peers = 0
  a.network.onPeer(() => peers++)
  for (let i = 0; i < 3; i++) {
    const stream = dial(node, a, keyPairOf(randomBytes(32)))
    stream.on('data', () => t.fail('data'))
    let failure = ''
    stream.on('error', (error) => {
      failure = String(error)
    })
    setTimeout(() => stream.destroy(), 700)
    await closed(stream)
    t.absent(stream.connected, failure)
  }
  t.is(peers, 0)
  t.is(a.network.links().length, 0)
})

test('invariant 7: a removed device gets the proof of its removal, once for each connection, and nothing else', async (t) => {
  const a = await openDevice(t, { name: 'a', bootstrap: 'none', handlers: { serve: async () => t.fail('served') as never, heads: async () => t.fail('heads') as never } })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none' })
  await pair(a, b)
  const link = await connected(a, b)
  const gone = new Promise<void>((resolve) => link.onClose(resolve))
  const { keyPair } = b.group.self
  await b.close()
  await gone
  await a.group.removeDevice(b.group.self.id)
  const stream = dial(stranger(t), a, keyPair)
  stream.on('error', () => undefined)
  const control = await rawChannel(stream, CONTROL_PROTOCOL, 13)
  const received: [type: number, bytes: Buffer][] = []
  control.listen((type, bytes) => received.push([type, bytes]))
  for (const type of [1, 3, 5, 8, 10]) control.send(type, randomBytes(40))
  await closed(stream)
  t.alike(received.map(([type]) => type), [0, 7])
  t.alike(c.decode(wire.hello, received[0]?.[1] as Buffer), { version: PROTOCOL_VERSION, session: '00'.repeat(16), port: 0, digest: Buffer.alloc(32) })
  const { records } = c.decode(wire.goodbye, received[1]?.[1] as Buffer)
  t.alike(records.map((record) => record.body), a.group.removalsOf(b.group.self.id).map((record) => record.body))
  t.is(a.network.links().length, 0)
})

test('a member that breaks the protocol loses its connection, and the daemon lives', async (t) => {
  const a = await openDevice(t, { name: 'a', bootstrap: 'none', handlers: { serve: async () => Buffer.alloc(8) } })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none' })
  await pair(a, b)
  const { keyPair } = b.group.self
  await b.close()
  const node = stranger(t)
  const ids = [randomBytes(32).toString('base64url') as ObjectId]
  const junk = [Buffer.alloc(0), Buffer.from([255]), randomBytes(3), randomBytes(200), Buffer.alloc(400, 255)]
  for (let type = 0; type < 8; type++) {
    for (const bytes of junk) {
      const stream = dial(node, a, keyPair)
      stream.on('error', () => undefined)
      const control = await rawChannel(stream, CONTROL_PROTOCOL, 8)
      if (type > 0) control.send(0, helloOf(a))
      control.send(type, bytes)
      setTimeout(() => stream.destroy(), 30)
      await closed(stream)
    }
  }
  for (let type = 0; type < 4; type++) {
    for (const bytes of junk) {
      const stream = dial(node, a, keyPair)
      stream.on('error', () => undefined)
      const chunks = await rawChannel(stream, CHUNK_PROTOCOL, 4)
      chunks.send(type, bytes)
      setTimeout(() => stream.destroy(), 30)
      await closed(stream)
    }
  }
  const faults: [string, (control: Raw) => void][] = [
    ['a message before the hello', (raw) => raw.send(1, c.encode(wire.have, { hashes: [] }))],
    ['two hellos', (raw) => [1, 2].forEach(() => raw.send(0, helloOf(a)))],
    ['another version', (raw) => raw.send(0, c.encode(wire.hello, { version: 9, session: '00'.repeat(16), port: 0, digest: a.group.digest() }))],
  ]
  for (const [name, act] of faults) {
    const stream = dial(node, a, keyPair)
    stream.on('error', () => undefined)
    act(await rawChannel(stream, CONTROL_PROTOCOL, 8))
    await closed(stream)
    t.is(a.network.isOfOtherVersion(b.group.self.id), name === 'another version', name)
  }
  const flood = dial(node, a, keyPair)
  flood.on('error', () => undefined)
  const chunks = await rawChannel(flood, CHUNK_PROTOCOL, 4)
  const answers = new Promise<void>((resolve) => {
    let count = 0
    flood.on('data', () => {
      if (++count > 40) resolve()
    })
  })
  for (let id = 0; id < 200; id++) chunks.send(0, c.encode(wire.want, { id, folder: FOLDER, ids }))
  await answers
  t.pass('too many wants are refused, not piled up')
  chunks.send(1, c.encode(wire.data, { id: 5, objects: [[must(ids[0]), Buffer.alloc(10)]] }))
  chunks.send(2, c.encode(wire.nack, { id: 5, ids }))
  chunks.send(3, c.encode(wire.cancel, { id: 5 }))
  chunks.send(0, c.encode(wire.want, { id: 999, folder: FOLDER, ids }))
  flood.destroy()
  await closed(flood)
  const join = dial(node, a, keyPair)
  join.on('error', () => undefined)
  const handover = await rawChannel(join, JOIN_PROTOCOL, 1)
  handover.send(0, randomBytes(50))
  setTimeout(() => join.destroy(), 50)
  await closed(join)
  t.is(a.group.members().length, 2)
  const again = await openDevice(t, { name: 'b', bootstrap: 'none', stateDir: b.stateDir })
  await connected(again, a)
  t.pass('and the honest one connects as before')
})

test('R30: a first message with our own key, which may be one that was sent before, halts nobody', async (t) => {
  const a = await openDevice(t, { name: 'a', bootstrap: 'none' })
  const cloned: string[] = []
  a.network.onCloned((device) => cloned.push(device))
  const stream = dial(stranger(t), a, a.group.self.keyPair)
  const failed = new Promise<void>((resolve) => stream.on('error', () => resolve()))
  await Promise.all([failed, new Promise<void>((resolve) => stream.on('close', resolve))])
  t.alike(cloned, [])
})

test('R30: two living daemons of one key are noticed', async (t) => {
  const a = await openDevice(t, { name: 'a', bootstrap: 'none' })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none' })
  await pair(a, b)
  const { keyPair } = b.group.self
  await b.close()
  const cloned: string[] = []
  a.network.onCloned((device) => cloned.push(device))
  const node = stranger(t)
  const greet = async (session: string): Promise<NoiseSecretStream> => {
    const stream = dial(node, a, keyPair)
    stream.on('error', () => undefined)
    const control = await rawChannel(stream, CONTROL_PROTOCOL, 8)
    const ready = new Promise<void>((resolve) => {
      const stop = a.network.onPeer(() => {
        stop()
        resolve()
      })
    })
    control.send(0, c.encode(wire.hello, { version: PROTOCOL_VERSION, session, port: 0, digest: a.group.digest() }))
    await ready
    return stream
  }
  await greet('11'.repeat(16))
  await greet('22'.repeat(16))
  t.alike(cloned, [], 'a restart is no clone')
  await greet('11'.repeat(16))
  t.alike(cloned, [b.group.self.id])
})

test('R45: a member that states records without end is removed all the same, and every device starts again', async (t) => {
  const open = async (name: string, stateDir: string): Promise<Group> => await Group.open({ stateDir, deviceName: name, log: testLog })
  const [dirA, dirB, dirC] = [await t.tmp(), await t.tmp(), await t.tmp()]
  const [a, b, c] = [await open('a', dirA), await open('b', dirB), await open('c', dirC)]
  for (const newcomer of [b, c]) {
    await a.addDevice(newcomer.self.id, newcomer.self.name)
    await newcomer.adopt(a.handover())
  }
  await a.merge(c.records())
  const folder = await a.createFolder('docs')
  await announce(a, folder, 1, driveNamed('a'))
  const flood = Array.from({ length: 6000 }, (_, i) =>
    signRecord(a.groupId, { kind: 'folder', folder: i.toString(16).padStart(64, '0') as FolderId, generation: 1, name: 'x', author: b.self.id, seq: i }, b.self.keyPair.secretKey),
  )
  await c.merge(flood)
  await a.merge(flood.toReversed())
  // Each makes keys for what is left of it.
  for (let round = 0; round < 2; round++) {
    await c.merge(a.records())
    await a.merge(c.records())
  }
  t.alike(a.digest(), c.digest(), 'the same ones are dropped, in whatever order they come')
  t.absent(await a.merge(flood), 'and nothing is new in what was dropped')
  await a.removeDevice(b.self.id)
  await c.merge(a.records())
  t.absent(c.isMember(b.self.id))
  t.ok(c.folder(folder)?.devices.includes(a.self.id))
  for (const [name, dir] of [['a', dirA], ['c', dirC]] as const) {
    const again = await open(name, dir)
    t.absent(again.isMember(b.self.id), `${name} starts again`)
    t.is(again.folder(folder)?.name, 'docs')
  }
})

test('runs: a member that sends junk, asks without end or offers without end gets nothing and takes no more than its connection', async (t) => {
  const drives: DriveRuns = {
    state: () => null,
    read: async () => t.fail('read') as never,
    take: async () => t.fail('took') as never,
    hold: () => t.fail('held'),
    watch: () => undefined
  }
  const a = await openDevice(t, { name: 'a', bootstrap: 'none', handlers: { runs: drives, takeFresh: () => t.fail('took what came ahead') } })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none' })
  await pair(a, b)
  const { keyPair } = b.group.self
  await b.close()
  const node = stranger(t)
  const speak = async (): Promise<{ stream: NoiseSecretStream; raw: Raw }> => {
    const stream = dial(node, a, keyPair)
    stream.on('error', () => undefined)
    return { stream, raw: await rawChannel(stream, runs.RUNS_PROTOCOL, 7) }
  }
  for (let type = 0; type < 7; type++) {
    for (const bytes of [Buffer.alloc(0), Buffer.from([255]), randomBytes(40), Buffer.alloc(400, 255)]) {
      const { stream, raw } = await speak()
      raw.send(type, bytes)
      setTimeout(() => stream.destroy(), 30)
      await closed(stream)
    }
  }
  const asking = await speak()
  const answers = new Promise<void>((resolve) => {
    let count = 0
    asking.raw.listen((type) => {
      if (type === 4 && ++count === 300) resolve()
    })
  })
  const drive = 'ab'.repeat(32) as DriveKey
  for (let id = 0; id < 300; id++) asking.raw.send(1, c.encode(runs.ask, { id, drive, fork: 0, start: 0, signer: true }))
  await answers
  t.pass('each ask is answered with none')
  asking.raw.send(2, c.encode(runs.blocks, { id: 5, blocks: [Buffer.alloc(10)] }))
  asking.raw.send(3, c.encode(runs.end, { id: 5, signature: Buffer.alloc(64), signer: null }))
  // Blocks that nobody signed, of a drive that is not the sender's, and beyond and before the end of a log.
  for (const start of [0, 1, 2, 2 ** 40]) {
    asking.raw.send(5, c.encode(runs.push, { drive, fork: 0, start, blocks: [Buffer.alloc(10)], signature: Buffer.alloc(64) }))
    asking.raw.send(6, c.encode(runs.ahead, { drive, files: [{ bytes: Buffer.alloc(10), mode: 0o600, mtime: '0' }] }))
  }
  asking.stream.destroy()
  await closed(asking.stream)
  const offering = await speak()
  for (let i = 0; i <= MAX_OFFERS; i++) {
    offering.raw.send(0, c.encode(runs.offer, { drive: i.toString(16).padStart(64, '0') as DriveKey, fork: 0, length: 2 ** 40 }))
  }
  await closed(offering.stream)
  t.pass('offers of too many drives end the connection')
})

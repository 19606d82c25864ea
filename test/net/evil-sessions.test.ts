/** R30: who can make a device believe that its key lives on a second machine. */
import { randomBytes } from 'node:crypto'
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import c from 'compact-encoding'
import HyperDHT from 'hyperdht'
import Protomux from 'protomux'
import test from 'brittle'
import type { Assert } from 'brittle'
import type { KeyPair } from '../../daemon/net/crypto.ts'
import * as wire from '../../daemon/net/protocol.ts'
import { isLife, Sessions, signLife } from '../../daemon/net/sessions.ts'
import type { Life } from '../../daemon/net/sessions.ts'
import { must, openDevice, pair, until } from './helpers.ts'
import type { Device } from './helpers.ts'

const HELLO = 0
const CLONED = 12
const SEEN = 13
const LIVING = 14
const S1 = '11'.repeat(16)
const S2 = '22'.repeat(16)

/** A daemon that has the keys of a member, and says what it likes. */
interface Raw {
  readonly stream: NoiseSecretStream
  readonly closed: Promise<void>
  send(type: number, bytes: Buffer): void
  /** The next message of this type. */
  next(type: number): Promise<Buffer>
}

/** A device that has just started may not listen yet. */
async function dial(node: HyperDHT, to: Device, keyPair: KeyPair): Promise<NoiseSecretStream> {
  for (;;) {
    const stream = node.connect(to.group.self.keyPair.publicKey, { keyPair: { ...keyPair }, relayAddresses: [{ host: '127.0.0.1', port: to.network.listenPort }] })
    stream.on('error', () => undefined)
    const isOpen = await new Promise<boolean>((resolve) => {
      stream.on('open', () => resolve(true))
      stream.on('close', () => resolve(false))
      setTimeout(() => resolve(false), 500)
    })
    if (isOpen) return stream
    stream.destroy()
  }
}

async function speak(t: Assert, to: Device, keyPair: KeyPair, session = S1): Promise<Raw> {
  const node = new HyperDHT({ bootstrap: [], nodes: [], host: '127.0.0.1', port: 30_000 + Math.floor(Math.random() * 10_000) })
  t.teardown(() => node.destroy({ force: true }))
  const stream = await dial(node, to, keyPair)
  const closed = new Promise<void>((resolve) => stream.on('close', () => resolve()))
  const channel = must(Protomux.from(stream).createChannel({ protocol: wire.CONTROL_PROTOCOL }))
  const come: [type: number, bytes: Buffer][] = []
  const listeners = new Set<() => void>()
  const messages = Array.from({ length: 15 }, (_, type) =>
    channel.addMessage({
      encoding: c.raw,
      onmessage: (bytes) => {
        come.push([type, Buffer.from(bytes)])
        for (const listener of listeners) listener()
      },
    }),
  )
  channel.open()
  await channel.fullyOpened()
  const ready = new Promise<void>((resolve) => {
    const stop = to.network.onPeer(() => {
      stop()
      resolve()
    })
  })
  messages[HELLO]?.send(c.encode(wire.hello, { version: wire.PROTOCOL_VERSION, session, port: 0, digest: to.group.digest() }))
  await ready
  const subscribe = (listener: () => void): (() => void) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }
  const take = (type: number): Buffer | null => {
    const at = come.findIndex(([other]) => other === type)
    return at === -1 ? null : must(come.splice(at, 1)[0])[1]
  }
  return { stream, closed, send: (type, bytes) => void must(messages[type]).send(bytes), next: async (type) => await until(subscribe, () => take(type)) }
}

interface World {
  readonly a: Device
  /** Of the member that turned evil. */
  readonly evil: KeyPair
  readonly told: string[]
}

async function world(t: Assert): Promise<World> {
  const a = await openDevice(t, { name: 'a', bootstrap: 'none' })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none' })
  await pair(a, b)
  const { keyPair } = b.group.self
  await b.close()
  const told: string[] = []
  a.network.onCloned((device) => told.push(device))
  return { a, evil: keyPair, told }
}

/** What this device says of itself to anybody who asks. */
async function lifeOf(raw: Raw, device: Device, other: string): Promise<Life> {
  raw.send(SEEN, c.encode(wire.seen, { other }))
  const { signature } = c.decode(wire.living, await raw.next(LIVING))
  return { session: device.network.session, signature }
}

test('R30: a member that only says that this device is cloned halts nobody, and goes on', async (t) => {
  const { a, evil, told } = await world(t)
  const raw = await speak(t, a, evil)
  for (let i = 0; i < 3; i++) raw.send(CLONED, Buffer.alloc(0))
  // Handled in order: by its answer the words before it are known.
  await lifeOf(raw, a, S2)
  t.alike(told, [])
  t.is(a.network.links().length, 1)
})

test('R30: what a member signed itself, or what this device said of its own session, shows nothing and ends the connection', async (t) => {
  const { a, evil, told } = await world(t)
  const { groupId, self } = a.group
  const first = await speak(t, a, evil)
  const own = await lifeOf(first, a, a.network.session)
  t.ok(isLife(groupId, self.keyPair.publicKey, await lifeOf(first, a, S2), S2), 'for another session it would be one')
  const false_: readonly (readonly [string, Life])[] = [
    ['of its own session', own],
    ['by the key of the member', signLife(groupId, evil, S2, a.network.session)],
    ['of another group', signLife('ab'.repeat(32) as typeof groupId, self.keyPair, S2, a.network.session)],
    ['for another session', signLife(groupId, self.keyPair, S2, S1)],
    ['noise', { session: S2, signature: randomBytes(64) }],
  ]
  for (const [what, life] of false_) {
    const raw = await speak(t, a, evil)
    raw.send(CLONED, c.encode(wire.cloned, life))
    await raw.closed
    t.alike(told, [], what)
  }
})

test('R30: what this device signed before it was started again, or before its state was put back, shows nothing', async (t) => {
  const { a, evil, told } = await world(t)
  const { stateDir } = a
  const before = await speak(t, a, evil)
  const life = await lifeOf(before, a, S2)
  const former = a.network.session
  await a.close()
  const again = await openDevice(t, { name: 'a', bootstrap: 'none', stateDir })
  again.network.onCloned((device) => told.push(device))
  const after = await speak(t, again, evil)
  // It signs for the session before as well, as it does for any: that is no proof to itself either.
  const now = await lifeOf(after, again, former)
  for (const replayed of [life, now, { session: former, signature: now.signature }]) {
    const raw = await speak(t, again, evil)
    raw.send(CLONED, c.encode(wire.cloned, replayed))
    await raw.closed
  }
  t.alike(told, [])
})

test('R30: a device that is shown what a second daemon with its key signed for this start believes it', async (t) => {
  const { a, evil, told } = await world(t)
  const raw = await speak(t, a, evil)
  raw.send(CLONED, c.encode(wire.cloned, signLife(a.group.groupId, a.group.self.keyPair, S2, a.network.session)))
  await lifeOf(raw, a, S2)
  t.alike(told, [a.group.self.id])
})

test('R30: of two sessions that take turns each is asked, and each is shown what the other signed', async (t) => {
  const { a, evil } = await world(t)
  const { groupId } = a.group
  const answer = async (raw: Raw, session: string, other: string): Promise<void> => {
    t.is(c.decode(wire.seen, await raw.next(SEEN)).other, other)
    raw.send(LIVING, c.encode(wire.living, { other, signature: signLife(groupId, evil, session, other).signature }))
    await lifeOf(raw, a, S1)
  }
  const shown = async (raw: Raw): Promise<Life> => must(c.decode(wire.cloned, await raw.next(CLONED)))
  await speak(t, a, evil, S1)
  await answer(await speak(t, a, evil, S2), S2, S1)
  const first = await speak(t, a, evil, S1)
  t.ok(isLife(groupId, evil.publicKey, await shown(first), S1), 'the first, at once when it comes back')
  await answer(first, S1, S2)
  const second = await speak(t, a, evil, S2)
  t.ok(isLife(groupId, evil.publicKey, await shown(second), S2), 'and the second')
})

test('R30: a sign of life that is false, that nobody asked for, or that is asked for without end, ends the connection', async (t) => {
  const { a, evil } = await world(t)
  const unasked = await speak(t, a, evil, S1)
  for (const other of ['aa', 'bb']) unasked.send(LIVING, c.encode(wire.living, { other: other.repeat(16), signature: randomBytes(64) }))
  await unasked.closed
  const wrong = await speak(t, a, evil, S2)
  const { other } = c.decode(wire.seen, await wrong.next(SEEN))
  wrong.send(LIVING, c.encode(wire.living, { other, signature: randomBytes(64) }))
  await wrong.closed
  const asking = await speak(t, a, evil, S2)
  for (let i = 0; i < 20; i++) asking.send(SEEN, c.encode(wire.seen, { other: S1 }))
  await asking.closed
  t.pass()
})

test('R30: sessions: a start is no clone, and what was signed for a session goes with it', (t) => {
  const sessions = new Sessions()
  const device = 'ab'.repeat(32) as Device['group']['self']['id']
  const life = { session: S2, signature: Buffer.alloc(64) }
  t.alike(sessions.note(device, S1), { before: null, returned: false, proof: null })
  t.alike(sessions.note(device, S1), { before: null, returned: false, proof: null }, 'a connection anew')
  t.alike(sessions.note(device, S2), { before: S1, returned: false, proof: null })
  sessions.keep(device, S1, life)
  t.alike(sessions.note(device, S1), { before: S2, returned: true, proof: life })
  for (let i = 0; i < 16; i++) sessions.note(device, i.toString(16).padStart(32, '0'))
  t.alike(sessions.note(device, S1).proof, null)
})

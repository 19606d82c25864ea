/** What a channel holds for a peer that does not read. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import NoiseSecretStream from '@hyperswarm/secret-stream'
import test from 'brittle'
import type { Assert } from 'brittle'
import c from 'compact-encoding'
import { Channel, waitingIn } from '../../daemon/net/channel.ts'
import { MAX_WAITING_BYTES } from '../../daemon/net/limits.ts'
import { connected, openDevice, pair } from './helpers.ts'

const MIB = 1024 * 1024

interface Pair {
  readonly near: NoiseSecretStream
  /** The far end reads no more, or goes on. */
  pause(): void
  resume(): void
}

/** The streams of a link. */
async function overUdx(t: Assert): Promise<Pair & { readonly far: NoiseSecretStream }> {
  const a = await openDevice(t, { name: 'a', bootstrap: 'none' })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none' })
  await pair(a, b)
  const [near, far] = [(await connected(a, b)).stream, (await connected(b, a)).stream]
  return ended(t, near, far, { pause: () => far.pause(), resume: () => far.resume() })
}

/** As the fast path for bytes. */
async function overTcp(t: Assert): Promise<Pair & { readonly far: NoiseSecretStream }> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const other = await accepted
  return ended(t, new NoiseSecretStream(true, socket), new NoiseSecretStream(false, other), { pause: () => other.pause(), resume: () => other.resume() })
}

function ended(t: Assert, near: NoiseSecretStream, far: NoiseSecretStream, reading: Pick<Pair, 'pause' | 'resume'>): Pair & { readonly far: NoiseSecretStream } {
  for (const end of [near, far]) end.on('error', () => undefined)
  t.teardown(() => [near, far].forEach((end) => end.destroy()))
  return { near, far, ...reading }
}

interface Ends {
  readonly channel: Channel
  readonly faults: string[]
  send(bytes: number): boolean
  readonly received: () => number
}

async function opened({ near, far }: { readonly near: NoiseSecretStream; readonly far: NoiseSecretStream }): Promise<Ends> {
  const faults: string[] = []
  let received = 0
  const open = (stream: NoiseSecretStream): { channel: Channel; send: (data: Buffer) => boolean; ready: Promise<void> } => {
    let onOpen = (): void => undefined
    const ready = new Promise<void>((resolve) => {
      onOpen = resolve
    })
    const channel = new Channel(stream, { protocol: 'test', onOpen: () => onOpen(), onClose: () => undefined, onFault: (error) => void faults.push(String(error)) })
    const send = channel.message(c.raw, (data: Buffer) => {
      received += data.length
    })
    channel.start()
    return { channel, send, ready }
  }
  const [here, there] = [open(near), open(far)]
  await Promise.all([here.ready, there.ready])
  return { channel: here.channel, faults, send: (bytes) => here.send(Buffer.alloc(bytes)), received: () => received }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

for (const [name, make] of [['UDX', overUdx], ['TCP', overTcp]] as const) {
  test(`over ${name} a peer that never reads is let go once too much waits for it, and not before`, async (t) => {
    const ends = await make(t)
    const { faults, send } = await opened(ends)
    ends.pause()
    await turn()
    for (let sent = 0; sent < MAX_WAITING_BYTES - 4 * MIB; sent += MIB) send(MIB)
    await turn()
    t.alike(faults, [])
    t.ok(waitingIn(ends.near) > MAX_WAITING_BYTES / 2, 'it waits here')
    for (let i = 0; i < 100; i++) send(MIB)
    await turn()
    t.is(faults.length, 1, 'once')
    t.ok(waitingIn(ends.near) <= MAX_WAITING_BYTES + 2 * MIB, 'and nothing more is taken for it')
  })

  test(`over ${name} who waits for room after each message is never let go`, async (t) => {
    const ends = await make(t)
    const { channel, faults, send, received } = await opened(ends)
    ends.pause()
    setTimeout(() => ends.resume(), 100)
    let most = 0
    for (let i = 0; i < 200; i++) {
      if (!send(MIB)) await channel.drained()
      most = Math.max(most, waitingIn(ends.near))
    }
    while (received() < 200 * MIB) await turn()
    t.alike(faults, [])
    t.ok(most <= 4 * MIB, `${(most / MIB).toFixed(1)} MiB`)
  })
}

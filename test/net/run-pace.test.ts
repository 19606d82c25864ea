/** How long a device may hold a drive with a run that it sends, true or not. */
import type { Duplex } from 'node:stream'
import NoiseSecretStream from '@hyperswarm/secret-stream'
import test from 'brittle'
import type { Assert } from 'brittle'
import c from 'compact-encoding'
import Protomux from 'protomux'
import { MAX_MESSAGE_BYTES, RUN_IDLE_MS, RUN_PACE_MS } from '../../daemon/net/limits.ts'
import { LateError, RunLane } from '../../daemon/net/run-lane.ts'
import * as wire from '../../daemon/net/run-protocol.ts'
import type { BlockRun } from '../../daemon/ports.ts'
import type { DriveKey } from '../../daemon/sync/ids.ts'
import { FakeClock } from '../fakes/clock.ts'
import { must, testLog } from './helpers.ts'

const DRIVE = 'cd'.repeat(32) as DriveKey
const ASK = 1
const JUST_IN_TIME_MS = RUN_IDLE_MS - 1

interface Asked {
  readonly clock: FakeClock
  /** What has become of it. */
  outcome: 'under way' | 'late' | 'failed' | BlockRun
  /** One message of one block, and so many bytes behind its end; resolves once it was read. */
  give(bytes: number, behind?: number): Promise<void>
  end(): Promise<void>
}

/** A run is asked of a device that knows the protocol and takes its time. */
async function asked(t: Assert): Promise<Asked> {
  const ends = [new NoiseSecretStream(true), new NoiseSecretStream(false)] as const
  // SAFETY: without a socket given they are streams.
  const [near, far] = ends.map((end) => end.rawStream as unknown as Duplex) as [Duplex, Duplex]
  near.pipe(far).pipe(near)
  for (const end of ends) end.on('error', () => undefined)
  t.teardown(() => ends.forEach((end) => end.destroy()))
  const clock = new FakeClock()
  let open = (): void => undefined
  let heard = (): void => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  const lane = new RunLane({
    stream: ends[0],
    clock,
    log: testLog,
    allowed: () => true,
    read: async () => null,
    onOpen: () => open(),
    onClose: () => undefined,
    onOffer: () => heard(),
    onPush: () => undefined,
    onAhead: () => undefined,
    onGiven: () => undefined,
    onFault: (error) => t.fail(String(error))
  })
  const channel = must(Protomux.from(ends[1]).createChannel({ protocol: wire.RUNS_PROTOCOL }))
  let wanted = (_ask: Buffer): void => undefined
  const ask = new Promise<Buffer>((resolve) => {
    wanted = resolve
  })
  const messages = Array.from({ length: 7 }, (_, type) => channel.addMessage({ encoding: c.raw, onmessage: (bytes) => type === ASK && wanted(Buffer.from(bytes)) }))
  channel.open()
  await opened
  // An offer behind it tells that it was read.
  const say = async (type: number, bytes: Buffer): Promise<void> => {
    const read = new Promise<void>((resolve) => {
      heard = resolve
    })
    messages[type]?.send(bytes)
    messages[0]?.send(c.encode(wire.offer, { drive: DRIVE, fork: 0, length: 1 }))
    await read
  }
  const run = lane.ask(DRIVE, { fork: 0, start: 0, signer: false })
  const { id } = c.decode(wire.ask, await ask)
  const state: Asked = {
    clock,
    outcome: 'under way',
    give: async (bytes, behind = 0) => await say(2, Buffer.concat([c.encode(wire.blocks, { id, blocks: bytes === 0 ? [] : [Buffer.alloc(bytes)] }), Buffer.alloc(behind)])),
    end: async () => await say(3, c.encode(wire.end, { id, signature: Buffer.alloc(64), signer: null }))
  }
  run.then(
    (result) => {
      state.outcome = result ?? 'failed'
    },
    (error: unknown) => {
      state.outcome = error instanceof LateError ? 'late' : 'failed'
    }
  )
  return state
}

for (const bytes of [0, 100, 64 * 1024]) {
  test(`runs: a run of which ${bytes} bytes come in each message, just in time, is late within ${RUN_PACE_MS} ms`, async (t) => {
    const run = await asked(t)
    for (let ms = 0; ms < RUN_PACE_MS; ms += JUST_IN_TIME_MS) {
      await run.clock.run(JUST_IN_TIME_MS)
      if (run.outcome === 'under way') await run.give(bytes)
    }
    t.is(run.outcome, 'late')
  })
}

test('runs: a slow device that sends what a message holds, just in time, is heard to the end', async (t) => {
  const run = await asked(t)
  // Two in turn are more than a message holds; the first of them may be small.
  for (const bytes of [64 * 1024, 512 * 1024, 512 * 1024, 64 * 1024, 512 * 1024, 512 * 1024, 512 * 1024, 1]) {
    await run.clock.run(JUST_IN_TIME_MS)
    t.is(run.outcome, 'under way')
    await run.give(Math.min(bytes, MAX_MESSAGE_BYTES))
  }
  await run.end()
  t.ok(typeof run.outcome === 'object' && run.outcome.blocks.length === 8)
  t.is(run.clock.nextAt, null, 'and nothing waits any more')
})

test('what is kept of a run are its blocks, and not what was sent along with them', async (t) => {
  const run = await asked(t)
  for (let i = 0; i < 4; i++) await run.give(500, 4 * MAX_MESSAGE_BYTES)
  await run.end()
  const { outcome } = run
  if (typeof outcome === 'string') return t.fail(outcome)
  t.alike(outcome.blocks.map((block) => block.length), [500, 500, 500, 500])
  t.ok(outcome.blocks.every((block) => block.buffer.byteLength <= Buffer.poolSize))
})

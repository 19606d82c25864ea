/** Logs in runs: what of Hypercore they lean on, and that nothing but what the drive's key signed is ever taken in. */
import type { Duplex } from 'node:stream'
import NoiseSecretStream from '@hyperswarm/secret-stream'
import test from 'brittle'
import type { Assert } from 'brittle'
import type Hypercore from 'hypercore'
import { MAX_RUN_BLOCKS, RUN_BLOCKS } from '../../base/limits.ts'
import type { Drives } from '../../daemon/drive/drives.ts'
import type { Own } from '../../daemon/drive/own.ts'
import { decodeEnd, encodeEnd } from '../../daemon/drive/run-ends.ts'
import { holdStock, readRun, takeRun } from '../../daemon/drive/runs.ts'
import type { BlockRun } from '../../daemon/ports.ts'
import type { DriveKey } from '../../daemon/sync/ids.ts'
import type { Remote } from '../../daemon/drive/remote.ts'
import { Contents, DEVICE, FOLDER, FOLDER_KEY, SELF, directory, openDrives, openStore } from './fixtures.ts'

async function author(t: Assert, entries: number, seed = 1): Promise<{ drives: Drives; own: Own }> {
  const { drives } = await openDrives(t, seed)
  const own = await drives.openOwn({ folder: FOLDER, device: SELF, folderKey: FOLDER_KEY, generation: 0 })
  await grow(own, entries)
  return { drives, own }
}

async function grow(own: Own, entries: number): Promise<void> {
  for (let done = 0; done < entries; ) {
    const now = Math.min(1000, entries - done)
    const first = own.length
    await own.publish(Array.from({ length: now }, (_, i) => directory(`d${first + i}`, first + i + 1)), new Contents().read)
    done += now
  }
}

async function replica(t: Assert, own: Own, seed: number): Promise<{ drives: Drives; core: Hypercore; read: () => Promise<number> }> {
  const { drives } = await openDrives(t, seed)
  const remote = await drives.openRemote({ folder: FOLDER, folderKey: FOLDER_KEY, device: DEVICE, driveKey: own.key, generation: 0, onGrow: () => undefined })
  const read = async (): Promise<number> => {
    let entries = 0
    for await (const batch of remote.changes(null, new AbortController().signal)) entries += batch.changes.length
    return entries
  }
  return { drives, core: (remote as Remote).db, read }
}

/** Both drives replicate this log over a Noise stream in this process. */
function connect(t: Assert, left: Drives, right: Drives, key: DriveKey): void {
  const [a, b] = streams(t)
  left.replicate(key, a)
  right.replicate(key, b)
}

function streams(t: Assert): readonly [NoiseSecretStream, NoiseSecretStream] {
  const ends = [new NoiseSecretStream(true), new NoiseSecretStream(false)] as const
  for (const stream of ends) stream.on('error', () => undefined)
  const [a, b] = ends.map((stream) => stream.rawStream as unknown as Duplex) as [Duplex, Duplex]
  a.pipe(b).pipe(a)
  t.teardown(() => ends.forEach((stream) => stream.destroy()))
  return ends
}

async function run(core: Hypercore, start: number, signer = true): Promise<BlockRun> {
  const read = await readRun(core, { fork: 0, start, signer })
  if (read === null) throw new Error('the test expected a run')
  return read
}

async function refused(taking: Promise<unknown>): Promise<boolean> {
  return await taking.then(
    () => false,
    () => true
  )
}

test('runs: a log goes over whole, in parts that the author signs, and reads as it was written', async (t) => {
  const { own } = await author(t, RUN_BLOCKS + 500)
  const { core, read } = await replica(t, own, 2)
  const first = await run(own.db, 0)
  t.is(first.blocks.length, RUN_BLOCKS)
  t.is(await takeRun(core, first), 'taken')
  t.is(core.length, RUN_BLOCKS)
  t.is(await takeRun(core, await run(own.db, core.length, false)), 'taken')
  t.is(core.length, own.length)
  t.is(core.contiguousLength, own.length)
  t.is(await read(), RUN_BLOCKS + 500)
  t.is(await readRun(own.db, { fork: 0, start: own.length, signer: false }), null, 'there is no more')
})

test('runs: any device that holds the whole log can give it, with the signature that it was given', async (t) => {
  const { own } = await author(t, 300)
  const b = await replica(t, own, 2)
  await takeRun(b.core, await run(own.db, 0))
  const c = await replica(t, own, 3)
  t.is(await takeRun(c.core, await run(b.core, 0)), 'taken')
  t.is(await c.read(), 300)
  await grow(own, 10)
  await takeRun(b.core, await run(own.db, b.core.length))
  t.is(await takeRun(c.core, await run(b.core, c.core.length, false)), 'taken')
  t.is(c.core.length, own.length)
})

test('runs: what is not what the drive’s key signed is refused, and nothing of it stays', async (t) => {
  const { own } = await author(t, 50)
  const other = await author(t, 50, 4)
  const { core, read } = await replica(t, own, 2)
  const good = await run(own.db, 0)
  const flipped = good.blocks.map((block) => Buffer.from(block))
  ;(flipped[7] as Buffer)[3] = ((flipped[7] as Buffer)[3] as number) ^ 1
  const foreign = await run(other.own.db, 0)
  const bad: [string, BlockRun][] = [
    ['no signer', { ...good, signer: null }],
    ['a signer that is noise', { ...good, signer: Buffer.alloc(40, 9) }],
    ['another drive’s signer', { ...good, signer: foreign.signer }],
    ['a bit', { ...good, blocks: flipped }],
    ['a block less', { ...good, blocks: good.blocks.slice(0, -1) }],
    ['a block more', { ...good, blocks: [...good.blocks, Buffer.from('x')] }],
    ['another order', { ...good, blocks: good.blocks.toReversed() }],
    ['no block', { ...good, blocks: [] }],
    ['another drive', { ...foreign, signer: good.signer }],
    ['no signature', { ...good, signature: Buffer.alloc(0) }],
    ['a signature that is noise', { ...good, signature: Buffer.alloc(good.signature.length, 5) }]
  ]
  for (const [name, forged] of bad) {
    t.ok(await refused(takeRun(core, forged)), name)
    t.is(core.length, 0, `${name}: nothing was written`)
  }
  t.is(await takeRun(core, { ...good, fork: 1 }), 'moved', 'another fork')
  t.is(await takeRun(core, { ...good, start: 3 }), 'moved', 'another start')
  t.is(core.length, 0)
  t.is(await takeRun(core, good), 'taken', 'the true one is taken all the same')
  t.is(await takeRun(core, good), 'moved', 'but once')
  t.is(await read(), 50)
})

test('runs: while it is held a log does not grow by Hypercore’s replication; let go, it does at once', async (t) => {
  const { drives, own } = await author(t, 20)
  const b = await replica(t, own, 2)
  holdStock(b.core, true)
  connect(t, drives, b.drives, own.key)
  await new Promise<void>((resolve) => b.core.on('peer-add', resolve))
  await takeRun(b.core, await run(own.db, 0))
  await grow(own, 20)
  // A round trip of Hypercore's own on the same connection: whatever it wanted to ask for, it has asked by then.
  await b.core.update({ wait: false })
  t.is(b.core.length, 21)
  t.is(b.core.core.replicator.stats.wireData.rx, 0)
  const grown = new Promise<void>((resolve) => b.core.on('append', resolve))
  holdStock(b.core, false)
  await grown
  t.is(b.core.length, own.length)
})

test('runs: a log that grew by Hypercore’s replication meanwhile takes no run of the same blocks', async (t) => {
  const { drives, own } = await author(t, 20)
  const b = await replica(t, own, 2)
  const early = await run(own.db, 0)
  const grown = new Promise<void>((resolve) => b.core.on('append', resolve))
  connect(t, drives, b.drives, own.key)
  await grown
  t.is(await takeRun(b.core, early), 'moved')
  t.is(b.core.length, own.length)
})

test('runs: a log with gaps is given to nobody', async (t) => {
  const { drives, own } = await author(t, 200)
  const store = await openStore(t, 2)
  const sparse = store.corestore.get({ key: own.db.key })
  await sparse.ready()
  const [a, b] = streams(t)
  drives.replicate(own.key, a)
  sparse.replicate(b)
  await sparse.update({ wait: true })
  t.is(sparse.length, own.length)
  t.ok(sparse.contiguousLength < sparse.length)
  t.is(await readRun(sparse, { fork: 0, start: 0, signer: true }), null)
  t.is(await readRun(own.db, { fork: 1, start: 0, signer: true }), null, 'nor one of another fork')
})

test('runs: who is not the author gives a long log in the parts that it came in, and so does the next', async (t) => {
  const { own } = await author(t, MAX_RUN_BLOCKS + 100)
  const b = await replica(t, own, 2)
  await copy(own.db, b.core)
  const c = await replica(t, own, 3)
  t.is(await copy(b.core, c.core), Math.ceil(own.length / RUN_BLOCKS) - 1, 'the last two go together')
  const d = await replica(t, own, 4)
  await copy(c.core, d.core)
  for (const { core } of [b, c, d]) t.alike([core.length, core.contiguousLength], [own.length, own.length])
  t.is(await d.read(), MAX_RUN_BLOCKS + 100)
})

test('runs: a noted end that is not what the author signed is refused', async (t) => {
  const { own } = await author(t, 2 * RUN_BLOCKS + 100)
  const b = await replica(t, own, 2)
  await copy(own.db, b.core)
  await b.core.setUserData('p2psync/end/1/0', encodeEnd({ fork: 0, length: RUN_BLOCKS - 1, signature: Buffer.alloc(64, 1) }))
  const c = await replica(t, own, 3)
  const bad = await run(b.core, 0)
  t.is(bad.blocks.length, RUN_BLOCKS - 1)
  t.ok(await refused(takeRun(c.core, bad)))
  t.is(c.core.length, 0)
})

test('runs: a noted end is a format of its own', (t) => {
  const end = { fork: 1, length: 70_000, signature: Buffer.from('signature') }
  t.is(encodeEnd(end).toString('hex'), '01fe701101007369676e6174757265')
  t.alike(decodeEnd(encodeEnd(end)), end)
  t.is(decodeEnd(Buffer.alloc(0)), null)
})

/** All of a log, in runs. @returns how many. */
async function copy(from: Hypercore, to: Hypercore): Promise<number> {
  let runs = 0
  for (; to.length < from.length; runs++) if ((await takeRun(to, await run(from, to.length))) !== 'taken') throw new Error('the test expected it to fit')
  return runs
}

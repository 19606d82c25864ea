/** Logs of drives between two members: in runs where both know them, by Hypercore's own replication wherever runs fail. */
import { randomBytes } from 'node:crypto'
import test from 'brittle'
import type { Assert } from 'brittle'
import type Hypercore from 'hypercore'
import { FRESH_CHUNK_BYTES, FRESH_CHUNKS } from '../../base/limits.ts'
import type { Drives } from '../../daemon/drive/drives.ts'
import type { Own } from '../../daemon/drive/own.ts'
import type { Remote } from '../../daemon/drive/remote.ts'
import { waitingIn } from '../../daemon/net/channel.ts'
import { MAX_WAITING_PUSHES_BYTES, RUN_IDLE_MS, RUN_SLOW_MS } from '../../daemon/net/limits.ts'
import type { NetworkHandlers } from '../../daemon/net/swarm.ts'
import type { BlockRun, Clock, DriveRuns, FreshFile, RunRequest } from '../../daemon/ports.ts'
import type { DriveKey, FolderId } from '../../daemon/sync/ids.ts'
import { Contents, directory, openDrives } from '../drive/fixtures.ts'
import { announce, connected, groupHas, must, openDevice, pair, realClock, type Device } from './helpers.ts'

const FOLDER_KEY = randomBytes(32)

interface Node {
  readonly device: Device
  readonly drives: Drives
  /** What came ahead of statements, and how long the log was here by then. */
  readonly taken: { readonly from: string; readonly text: string; readonly length: number }[]
}

/** A device that offers what it has open, as the daemon does. `runs`: what it does instead of the truth; null: it is an older one. */
async function open(t: Assert, name: string, seed: number, runs: ((real: DriveRuns) => DriveRuns) | null, clock?: Clock): Promise<Node> {
  const { drives } = await openDrives(t, seed)
  const taken: Node['taken'] = []
  const handlers: Partial<NetworkHandlers> = {
    attach: (drive, stream) => drives.replicate(drive, stream),
    takeFresh: (from, drive, files) => {
      for (const { bytes } of files) taken.push({ from, text: String(bytes), length: drives.runs.state(drive)?.length ?? 0 })
    },
    ...(runs === null ? {} : { runs: runs(drives.runs) })
  }
  const device = await openDevice(t, { name, bootstrap: 'none', handlers, ...(clock === undefined ? {} : { clock }) })
  return { device, drives, taken }
}

const truth = (real: DriveRuns): DriveRuns => real

interface Scene {
  readonly a: Node
  readonly b: Node
  readonly folder: FolderId
  readonly own: Own
  /** b's copy of a's log. */
  readonly core: Hypercore
}

/** a has a drive with 3,000 entries before b meets it. */
async function scene(t: Assert, ofA: ((real: DriveRuns) => DriveRuns) | null, ofB: ((real: DriveRuns) => DriveRuns) | null = truth, clock?: Clock, meet = both): Promise<Scene> {
  const a = await open(t, 'a', 1, ofA)
  const b = await open(t, 'b', 2, ofB, clock)
  const folder = await a.device.group.createFolder('docs')
  const own = await a.drives.openOwn({ folder, device: a.device.group.self.id, folderKey: FOLDER_KEY, generation: 0 })
  await publish(own, 3000)
  await announce(a.device.group, folder, 0, own.key, own.keyPair)
  await pair(a.device, b.device)
  await groupHas(b.device, () => (b.device.group.folder(folder)?.drives.length ?? 0) > 0)
  const core = await follow(b, a, folder, own.key)
  await meet([a, b], folder)
  return { a, b, folder, own, core }
}

async function follow(node: Node, author: Node, folder: FolderId, driveKey: DriveKey): Promise<Hypercore> {
  const remote = await node.drives.openRemote({ folder, folderKey: FOLDER_KEY, device: author.device.group.self.id, driveKey, generation: 0, onGrow: () => undefined })
  return (remote as Remote).db
}

/** As when the folder opens on each. */
async function both(nodes: readonly Node[], folder: FolderId): Promise<void> {
  for (const { device } of nodes) await device.network.refresh(folder)
}

async function publish(own: Own, count: number): Promise<void> {
  const first = own.length
  await own.publish(Array.from({ length: count }, (_, i) => directory(`d${first + i}`, first + i + 1)), new Contents().read)
}

/** Resolves when all of the log is there. */
async function caughtUp(core: Hypercore, own: Own): Promise<void> {
  await new Promise<void>((resolve) => {
    const look = (): void => {
      if (core.contiguousLength < own.length) return
      core.off('append', look)
      core.off('download', look)
      resolve()
    }
    core.on('append', look)
    core.on('download', look)
    look()
  })
}

/** Blocks that Hypercore's own replication brought. */
function stock(core: Hypercore): number {
  return core.core.replicator.stats.wireData.rx
}

test('runs: a device catches up by runs alone, and so it stays', async (t) => {
  const { own, core } = await scene(t, truth)
  await caughtUp(core, own)
  t.is(core.length, 3001)
  for (const count of [1, 500, 1]) {
    await publish(own, count)
    await caughtUp(core, own)
  }
  t.is(core.length, own.length)
  t.is(stock(core), 0, 'not one block came by itself')
})

function fresh(text: string): FreshFile {
  return { bytes: Buffer.from(text), mode: 0o644, mtime: '0' }
}

/** Runs that the device asks the other for, from now on. */
function asks(of: Node, other: Node): { count: number } {
  const link = must(of.device.network.link(other.device.group.self.id))
  const real = link.askRun.bind(link)
  const asked = { count: 0 }
  link.askRun = async (...args) => {
    asked.count++
    return await real(...args)
  }
  return asked
}

test('runs: what a log grows by in a small change is pushed, with the bytes of tiny files; more is asked for', async (t) => {
  const { a, b, own, core } = await scene(t, truth)
  await caughtUp(core, own)
  const asked = asks(b, a)
  const lengths: number[] = []
  for (let round = 0; round < 5; round++) {
    lengths.push(own.length)
    a.device.network.ahead(own.key, [fresh(`file ${round}`)])
    await publish(own, 3)
    await caughtUp(core, own)
  }
  t.is(asked.count, 0)
  t.alike(b.taken, lengths.map((length, i) => ({ from: a.device.group.self.id, text: `file ${i}`, length })), 'before the statements, of the one who makes them')
  await publish(own, 100)
  await caughtUp(core, own)
  t.ok(asked.count > 0)
  t.is(stock(core), 0)
})

test('runs: R52: bytes go ahead to those alone who have the drive nearly whole, and of our own drive only', async (t) => {
  const { a, b, folder, own, core } = await scene(t, truth)
  await caughtUp(core, own)
  const other = await b.drives.openOwn({ folder, device: b.device.group.self.id, folderKey: FOLDER_KEY, generation: 0 })
  b.device.network.ahead(own.key, [fresh('of a drive that is not ours')])
  b.device.network.ahead(other.key, [fresh('of a drive that nobody has attached')])
  const link = must(a.device.network.link(b.device.group.self.id))
  const offer = link.offerRun.bind(link)
  const offered = new Promise<void>((resolve) => {
    link.offerRun = (run) => {
      link.offerRun = offer
      // Too many for a push: it has to be asked for, and until then the device lags behind.
      a.device.network.ahead(own.key, [fresh('to one who lags behind')])
      offer(run)
      resolve()
    }
  })
  await publish(own, 100)
  await offered
  await caughtUp(core, own)
  t.alike([a.taken, b.taken], [[], []])
  a.device.network.ahead(own.key, [fresh('now')])
  await publish(own, 1)
  await caughtUp(core, own)
  t.alike(b.taken.map(({ text }) => text), ['now'])
})

test('runs: a device that does not keep up is sent nothing unasked, and catches up by what it is offered', { timeout: 120_000 }, async (t) => {
  const { a, b, own, core } = await scene(t, truth)
  await caughtUp(core, own)
  const link = must(a.device.network.link(b.device.group.self.id))
  const full = Array.from({ length: FRESH_CHUNKS }, () => fresh('x'.repeat(FRESH_CHUNK_BYTES)))
  // All in one turn, in which nothing leaves.
  for (let i = 0; i < 500; i++) a.device.network.ahead(own.key, full)
  t.ok(link.isBehind)
  t.ok(waitingIn(link.stream) < 2 * MAX_WAITING_PUSHES_BYTES, `${waitingIn(link.stream)} bytes wait`)
  let [pushed, offered] = [0, 0]
  const [push, offer] = [link.pushRun.bind(link), link.offerRun.bind(link)]
  link.pushRun = (run) => (pushed++, push(run))
  link.offerRun = (run) => (offered++, offer(run))
  // As where the line takes nothing for longer.
  Object.defineProperty(link, 'isBehind', { value: true, configurable: true })
  for (let round = 0; round < 5; round++) {
    await publish(own, 1)
    await caughtUp(core, own)
  }
  t.alike([pushed, offered], [0, 5])
  t.is(stock(core), 0)
  Reflect.deleteProperty(link, 'isBehind')
  await publish(own, 1)
  await caughtUp(core, own)
  t.is(pushed, 1, 'from then on it is pushed again')
})

test('runs: several small changes at once arrive, whichever push overtakes another', async (t) => {
  const slowly = reading(async (real, drive, request) => {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 30))
    return await real.read(drive, request)
  })
  const { own, core } = await scene(t, slowly)
  await caughtUp(core, own)
  for (let round = 0; round < 20; round++) await publish(own, 1)
  await caughtUp(core, own)
  t.is(core.length, own.length)
  t.is(stock(core), 0)
})

test('runs: a device that came back up to date is pushed the next small change', async (t) => {
  const { a, b, folder, own, core } = await scene(t, truth)
  await caughtUp(core, own)
  const before = must(b.device.network.link(a.device.group.self.id))
  const gone = new Promise<void>((resolve) => before.onClose(resolve))
  before.close()
  await gone
  await Promise.all([connected(a.device, b.device), connected(b.device, a.device)])
  await both([a, b], folder)
  const asked = asks(b, a)
  await publish(own, 1)
  await caughtUp(core, own)
  t.is(core.length, own.length)
  t.is(stock(core), 0)
  t.ok(asked.count <= 1)
})

test('runs: a third device gets the log from one that is not its author', async (t) => {
  const { a, b, folder, own, core } = await scene(t, truth)
  await caughtUp(core, own)
  const c = await open(t, 'c', 3, truth)
  await pair(b.device, c.device)
  await a.device.close()
  await groupHas(c.device, () => (c.device.group.folder(folder)?.drives.length ?? 0) > 0)
  const copy = await follow(c, a, folder, own.key)
  await both([b, c], folder)
  await caughtUp(copy, own)
  t.is(stock(copy), 0)
})

for (const [who, ofA, ofB] of [
  ['the sender', null, truth],
  ['the receiver', truth, null]
] as const) {
  test(`runs: ${who} is an older device: blocks come one by one`, async (t) => {
    const { own, core } = await scene(t, ofA, ofB)
    await caughtUp(core, own)
    await publish(own, 100)
    await caughtUp(core, own)
    t.is(core.length, own.length)
    t.ok(stock(core) > 0)
  })
}

/** The same, but for how it reads. */
function reading(read: (real: DriveRuns, drive: DriveKey, request: RunRequest) => Promise<BlockRun | null>) {
  return (real: DriveRuns): DriveRuns => ({
    state: (drive) => real.state(drive),
    read: (drive, request) => read(real, drive, request),
    take: (drive, run) => real.take(drive, run),
    hold: (drive, held) => real.hold(drive, held),
    watch: (listener) => real.watch(listener)
  })
}

async function changed(real: DriveRuns, drive: DriveKey, request: RunRequest, change: (run: BlockRun) => BlockRun): Promise<BlockRun> {
  return change(must(await real.read(drive, request)))
}

const LIES: readonly [string, ReturnType<typeof reading>][] = [
  ['has no run', reading(async () => null)],
  ['fails to read', reading(async () => Promise.reject(new Error('disk')))],
  ['sends a wrong signature', reading((real, drive, request) => changed(real, drive, request, (run) => ({ ...run, signature: randomBytes(run.signature.length) })))],
  ['sends another block', reading((real, drive, request) => changed(real, drive, request, (run) => ({ ...run, blocks: [randomBytes(50), ...run.blocks.slice(1)] })))],
  ['sends none of the blocks', reading((real, drive, request) => changed(real, drive, request, (run) => ({ ...run, blocks: [] })))],
  ['sends blocks from elsewhere', reading((real, drive, request) => changed(real, drive, { ...request, start: request.start + 7 }, (run) => run))],
  ['does not say who signs', reading((real, drive, request) => changed(real, drive, request, (run) => ({ ...run, signer: null })))]
]

for (const [what, lie] of LIES) {
  test(`runs: a device ${what}: blocks come one by one, and the connection stays`, async (t) => {
    const { a, b, own, core } = await scene(t, lie)
    const link = must(b.device.network.link(a.device.group.self.id))
    await caughtUp(core, own)
    await publish(own, 10)
    await caughtUp(core, own)
    t.is(core.length, own.length)
    t.ok(stock(core) > 0)
    t.absent(link.closed)
  })
}

test('runs: a device offers a run and sends nothing: after a while blocks come one by one', async (t) => {
  // The receiver's patience passes at once.
  const hasty: Clock = { now: realClock.now, after: (ms, run) => realClock.after(ms === RUN_IDLE_MS ? 50 : ms, run) }
  const { own, core } = await scene(t, reading(async () => await new Promise(() => undefined)), truth, hasty)
  await caughtUp(core, own)
  t.is(core.length, 3001)
})

test('runs: a device that was late once is asked again when its blocks came by other ways', async (t) => {
  let patient = false
  const hasty: Clock = { now: realClock.now, after: (ms, run) => realClock.after(ms === RUN_IDLE_MS && !patient ? 50 : ms, run) }
  let release = (): void => undefined
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  const slow = reading(async (real, drive, request) => {
    await gate
    return await real.read(drive, request)
  })
  const { own, core } = await scene(t, slow, truth, hasty)
  await caughtUp(core, own)
  const before = stock(core)
  t.ok(before > 0, 'the first came one by one')
  patient = true
  release()
  // More than is pushed unasked.
  await publish(own, 1000)
  await caughtUp(core, own)
  t.is(stock(core), before, 'the others in runs')
})

test('runs: who held a run back until its connection ended holds nothing back on the next one', async (t) => {
  // So that it is held back for long at once.
  const hasty: Clock = { now: realClock.now, after: (ms, run) => realClock.after(ms === RUN_SLOW_MS ? 20 : ms, run) }
  let asked = 0
  let held = (): void => undefined
  const isHeld = new Promise<void>((resolve) => {
    held = resolve
  })
  const never = reading(async () => {
    asked++
    held()
    return await new Promise(() => undefined)
  })
  const { a, b, own, core } = await scene(t, never, truth, hasty)
  await isHeld
  await new Promise<void>((resolve) => realClock.after(200, resolve))
  must(b.device.network.link(a.device.group.self.id)).close()
  await caughtUp(core, own)
  t.is(core.length, own.length)
  t.is(asked, 1, 'its blocks come one by one')
})

test('runs: a run that is longer than any may be ends the connection, and is not kept', async (t) => {
  const many = Array.from({ length: 60 }, () => Buffer.alloc(400 * 1024))
  const long = reading((real, drive, request) => changed(real, drive, request, (run) => ({ ...run, blocks: many })))
  let ended = Promise.resolve()
  const { core } = await scene(t, long, truth, realClock, async (nodes, folder) => {
    const link = must(must(nodes[1]).device.network.link(must(nodes[0]).device.group.self.id))
    ended = new Promise((resolve) => link.onClose(resolve))
    await both(nodes, folder)
  })
  await ended
  t.is(core.length, 0)
})

test('invariant 7: a drive that is not attached to a connection is told of to nobody and given to nobody', async (t) => {
  const asked: DriveKey[] = []
  const noting = reading(async (real, drive, request) => {
    asked.push(drive)
    return await real.read(drive, request)
  })
  const { a, b, own, core } = await scene(t, noting)
  await caughtUp(core, own)
  const secret = await a.drives.openOwn({ folder: 'e'.repeat(64) as FolderId, device: a.device.group.self.id, folderKey: FOLDER_KEY, generation: 0 })
  await publish(secret, 10)
  const before = asked.length
  const link = must(b.device.network.link(a.device.group.self.id))
  t.is(await link.askRun(secret.key, { fork: 0, start: 0, signer: true }), null)
  t.is(asked.length, before, 'it was not even read')
})

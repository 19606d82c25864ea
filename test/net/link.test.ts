/** One connection between two members: reports, wants, heads. */
import { randomBytes } from 'node:crypto'
import test from 'brittle'
import { chunkId } from '../../daemon/sync/content.ts'
import type { FolderReport } from '../../daemon/ports.ts'
import type { DriveKey, FolderId, ObjectId } from '../../daemon/sync/ids.ts'
import { FolderPeersAdapter } from '../../daemon/net/peers.ts'
import { systemClock } from '../../daemon/system-clock.ts'
import type { ForkEvidence } from '../../daemon/net/replication.ts'
import { forkOf } from '../../daemon/net/replication.ts'
import { announce, codeOf, connected, driveNamed, groupHas, must, NEVER, openDevice, pair, testnet, until, type Device } from './helpers.ts'

const FOLDER = 'f'.repeat(64) as FolderId
function report(length: number): FolderReport {
  return { state: 'idle', dirty: false, drive: driveNamed('d'), length, blocked: ['a/b'] }
}

function content(count: number, size: number): Map<ObjectId, Buffer> {
  const all = new Map<ObjectId, Buffer>()
  for (let i = 0; i < count; i++) {
    const bytes = randomBytes(size)
    all.set(chunkId(bytes) as string as ObjectId, bytes)
  }
  return all
}

test('chunks: 20 MiB arrive whole, several wants at once, missing ones as nacks', async (t) => {
  const objects = content(160, 128 * 1024)
  const a = await openDevice(t, { name: 'a', bootstrap: 'none', handlers: { serve: async (_device, _folder, id) => objects.get(id) ?? null } })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none' })
  await pair(a, b)
  const link = await connected(b, a)
  const ids = [...objects.keys()]
  const absent = chunkId(Buffer.from('nowhere')) as string as ObjectId
  let good = 0
  const nacked: ObjectId[] = []
  const start = performance.now()
  await Promise.all(
    [0, 1, 2, 3, 4].map((part) =>
      link.want(FOLDER, [...ids.slice(part * 32, part * 32 + 32), absent], (id, data) => {
        if (data === null) nacked.push(id)
        else if (chunkId(data) === (id as string) && objects.get(id)?.equals(data)) good++
      }, NEVER),
    ),
  )
  const seconds = (performance.now() - start) / 1000
  t.is(good, 160)
  t.alike(nacked, [absent, absent, absent, absent, absent])
  t.comment(`${(20 / seconds).toFixed(0)} MiB/s verified over UDX on loopback`)
  t.ok(link.rxBytes > 20 * 1024 * 1024)
})

test('who has left a folder has no report of it any more, though it stays connected', async (t) => {
  const a = await openDevice(t, { name: 'a', bootstrap: 'none' })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none' })
  const folder = await a.group.createFolder('docs')
  await pair(a, b)
  await announce(b.group, folder, 1, driveNamed('d'))
  b.network.report(folder, report(1))
  const peers = new FolderPeersAdapter({ network: a.network, folder, onChange: () => undefined, settleHandler: async () => report(1) })
  t.teardown(() => peers.close())
  await until((check) => a.network.onReport(check), () => peers.connected()[0]?.report)
  await b.group.leaveFolder(folder)
  await groupHas(a, () => a.group.folder(folder)?.devices.length === 0)
  t.alike(peers.connected(), [{ device: b.group.self.id, report: null }])
})

test('chunks: many small objects, more than one message may name', async (t) => {
  const objects = content(5000, 200)
  const a = await openDevice(t, { name: 'a', bootstrap: 'none', handlers: { serve: async (_device, _folder, id) => objects.get(id) ?? null } })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none' })
  await pair(a, b)
  const link = await connected(b, a)
  let good = 0
  await link.want(FOLDER, [...objects.keys(), ...objects.keys()], (id, data) => {
    if (data?.equals(must(objects.get(id)))) good++
  }, NEVER)
  t.is(good, 5000)
  await link.want(FOLDER, [], () => t.fail(), NEVER)
})

test('chunks: a want can be given up, and ends with the connection', async (t) => {
  const absent = chunkId(Buffer.from('nowhere')) as string as ObjectId
  let asked = 0
  let start = (): void => undefined
  const started = new Promise<void>((resolve) => {
    start = resolve
  })
  let release = (): void => undefined
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  const a = await openDevice(t, {
    name: 'a',
    bootstrap: 'none',
    handlers: {
      serve: async (_device, _folder, id) => {
        if (id === absent) return null
        asked++
        start()
        await gate
        return Buffer.alloc(1000)
      },
    },
  })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none' })
  await pair(a, b)
  const link = await connected(b, a)
  const ids = [...content(1000, 10).keys()]
  const giveUp = new AbortController()
  const first = codeOf(link.want(FOLDER, ids, () => t.fail('nothing comes'), giveUp.signal))
  await started
  giveUp.abort(Object.assign(new Error('enough'), { code: 'ENOUGH' }))
  t.is(await first, 'ENOUGH')
  await link.want(FOLDER, [absent], () => undefined, NEVER)
  release()
  const full = (): void => {
    throw Object.assign(new Error('disk full'), { code: 'ENOSPC' })
  }
  t.is(await codeOf(link.want(FOLDER, ids.slice(0, 1), full, NEVER)), 'ENOSPC', 'a consumer that fails ends its want only')
  t.ok(asked < 100, 'what was given up is not read')
  let served = 0
  await link.want(FOLDER, ids.slice(0, 3), (_id, data) => (data === null ? 0 : served++), NEVER)
  t.is(served, 3, 'the connection goes on')
  const last = link.want(FOLDER, ids, () => link.close(), NEVER)
  t.ok((await codeOf(last)).includes('ended'))
  t.ok((await codeOf(link.want(FOLDER, ids, () => undefined, NEVER))).includes('not connected'))
})

test('chunks: a serving side that fails answers with a nack', async (t) => {
  const a = await openDevice(t, { name: 'a', bootstrap: 'none', handlers: { serve: async () => Promise.reject(new Error('EIO')) } })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none' })
  await pair(a, b)
  const link = await connected(b, a)
  const ids = [...content(3, 10).keys()]
  const got: (Buffer | null)[] = []
  await link.want(FOLDER, ids, (_id, data) => got.push(data), NEVER)
  t.alike(got, [null, null, null])
})

test('control: reports and settling, the latest report wins and late ones are told too', async (t) => {
  const a = await openDevice(t, { name: 'a', bootstrap: 'none' })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none' })
  let changes = 0
  const listeners = new Set<() => void>()
  const onA = new FolderPeersAdapter({ network: a.network, folder: FOLDER, onChange: () => undefined, settleHandler: async () => report(77) })
  const onB = new FolderPeersAdapter({
    network: b.network,
    folder: FOLDER,
    onChange: () => {
      changes++
      for (const listener of listeners) listener()
    },
    settleHandler: async () => Promise.reject(new Error('the folder is halted')),
  })
  onA.report(report(1))
  await pair(a, b)
  const told = (check: () => void): (() => void) => {
    listeners.add(check)
    return () => listeners.delete(check)
  }
  await until(told, () => onB.connected()[0]?.report?.length === 1)
  for (let length = 2; length <= 500; length++) onA.report(report(length))
  await until(told, () => onB.connected()[0]?.report?.length === 500)
  t.alike(onB.connected(), [{ device: a.group.self.id, report: report(500) }])
  t.ok(changes < 520)
  t.is((await onB.settle(a.group.self.id, NEVER)).length, 77)
  t.is(await codeOf(onA.settle(b.group.self.id, NEVER)), 'Error: the folder is halted')
  onA.close()
  t.ok((await codeOf(onB.settle(a.group.self.id, NEVER))).includes('does not have the folder'))
  await a.close()
  await until(told, () => onB.connected().length === 0)
  t.ok((await codeOf(onB.settle(a.group.self.id, NEVER))).includes('not connected'))
})

test('R17: cores are attached after both told their heads, new drives later too, forks never', async (t) => {
  const names = new Map(['1', '2', '3'].map((name) => [driveNamed(name), name]))
  const head = (name: string, length: number, hash = 'a'): { key: DriveKey; length: number; fork: number; treeHash: string } => ({ key: driveNamed(name), length, fork: 0, treeHash: hash.repeat(64) })
  const attached = { a: [] as string[], b: [] as string[] }
  const evidence: ForkEvidence[] = []
  const waiting = new Set<() => void>()
  const note = (who: 'a' | 'b', drive: DriveKey): boolean => {
    attached[who].push(must(names.get(drive)))
    for (const check of waiting) check()
    return true
  }
  const show = (found: ForkEvidence): void => {
    evidence.push(found)
    for (const check of waiting) check()
  }
  const on = (check: () => void): (() => void) => {
    waiting.add(check)
    return () => waiting.delete(check)
  }
  const a = await openDevice(t, { name: 'a', bootstrap: 'none', handlers: { heads: async () => [head('1', 5), head('3', 2)], treeHash: async () => null, attach: (drive) => note('a', drive), onForkEvidence: show } })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none', handlers: { heads: async () => [head('1', 9), head('3', 2)], treeHash: async () => 'a'.repeat(64), attach: (drive) => note('b', drive), onForkEvidence: show } })
  const folder = await a.group.createFolder('docs')
  await announce(a.group, folder, 1, driveNamed('1'))
  await pair(a, b)
  await until(on, () => attached.b.includes('1') && evidence.length > 0)
  t.is(evidence[0]?.reason, 'longer', 'our own log is longer elsewhere')
  t.ok(evidence[0]?.own)
  t.absent(attached.a.includes('1'))
  await announce(a.group, folder, 2, driveNamed('2'))
  await announce(b.group, folder, 1, driveNamed('3'))
  await until(on, () => ['2', '3'].every((drive) => attached.a.includes(drive) && attached.b.includes(drive)))
  t.is(new Set(attached.b).size, attached.b.length, 'each once')
})

test('heads: a folder that closes stays attached while a peer goes on talking, until its drives are closed', async (t) => {
  const key = driveNamed('d')
  const heads = async (): Promise<{ key: DriveKey; length: number; fork: number; treeHash: string }[]> => [{ key, length: 1, fork: 0, treeHash: 'a'.repeat(64) }]
  let attached = 0
  const a = await openDevice(t, { name: 'a', bootstrap: 'none', handlers: { heads, attach: () => true } })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none', handlers: { heads, attach: () => ++attached > 0 } })
  const folder = await a.group.createFolder('docs')
  await announce(a.group, folder, 1, key)
  await pair(a, b)
  await Promise.all([connected(a, b), connected(b, a)])
  /** Heads are handled before the report that follows them. */
  const talk = async (length: number): Promise<void> => {
    await a.network.refresh(folder)
    a.network.report(folder, report(length))
    await until((check) => b.network.onReport(check), () => b.network.link(a.group.self.id)?.report(folder)?.length === length)
  }
  await talk(1)
  const peers = new FolderPeersAdapter({ network: b.network, folder, onChange: () => undefined, settleHandler: async () => report(1) })
  t.is(attached, 1)
  peers.close()
  await talk(2)
  t.is(attached, 1, 'or what is about to be closed would count as attached when it opens again')
  b.network.release(folder)
  await talk(3)
  t.is(attached, 2)
})

test('R17: what a fork is', async (t) => {
  const head = (length: number, hash: string, fork = 0): { key: DriveKey; length: number; fork: number; treeHash: string } => ({ key: 'd'.repeat(64) as DriveKey, length, fork, treeHash: hash })
  const at = (hash: string | null) => async (): Promise<string | null> => hash
  t.is(await forkOf(false, head(5, 'x'), head(5, 'x'), at(null)), null, 'equal')
  t.is(await forkOf(false, head(5, 'x'), head(5, 'y'), at(null)), 'different')
  t.is(await forkOf(false, head(5, 'x'), head(9, 'y'), at(null)), null, 'the other is ahead')
  t.is(await forkOf(true, head(5, 'x'), head(9, 'y'), at(null)), 'longer', 'with our own drive')
  t.is(await forkOf(true, head(9, 'x'), head(5, 'y'), at('y')), null, 'a prefix')
  t.is(await forkOf(true, head(9, 'x'), head(5, 'y'), at('z')), 'different')
  t.is(await forkOf(false, head(9, 'x'), head(5, 'y'), at(null)), null, 'cannot be told')
  t.is(await forkOf(true, head(0, 'x'), head(0, 'y'), at(null)), null, 'both empty')
  t.is(await forkOf(true, head(0, 'x'), head(1, 'y'), at(null)), 'longer', 'lost')
  t.is(await forkOf(false, head(5, 'x', 1), head(5, 'x', 0), at(null)), 'fork')
})

test('group: a change reaches all that are connected; who is removed is shown why and let go', async (t) => {
  const bootstrap = await testnet(t)
  const a = await openDevice(t, { name: 'a', bootstrap })
  const b = await openDevice(t, { name: 'b', bootstrap })
  const c = await openDevice(t, { name: 'c', bootstrap })
  await pair(a, b)
  await pair(a, c)
  await Promise.all([connected(b, c), connected(c, b)])
  const link = await connected(a, c)
  const records = c.group.records().length
  const gone = new Promise<void>((resolve) => link.onClose(resolve))
  const folder = await a.group.createFolder('docs')
  await groupHas(c, () => c.group.folder(folder) !== null)
  await a.group.removeDevice(c.group.self.id)
  await gone
  await groupHas(b, () => b.group.members().length === 2)
  await groupHas(c, () => c.group.removedSelf)
  // The new key may come in another message than the removal.
  await sameTopic(a, b)
  t.alike(b.group.topic(), a.group.topic())
  t.unlike(c.group.topic(), a.group.topic())
  t.ok(c.group.records().length < records + 6, 'only the folder and the removal')
  t.is(b.network.link(c.group.self.id), null)
  t.is(a.network.link(c.group.self.id), null)
})

/** Whichever of them learns of the other's key last. */
async function sameTopic(a: Device, b: Device): Promise<void> {
  const subscribe = (check: () => void): (() => void) => {
    const stops = [a.group.onChange(check), b.group.onChange(check)]
    return () => stops.forEach((stop) => stop())
  }
  await until(subscribe, () => b.group.topic()?.equals(a.group.topic() ?? Buffer.alloc(0)) === true)
}

test('R20: a device that was away when it was removed learns it when it is back', async (t) => {
  const a = await openDevice(t, { name: 'a', bootstrap: 'none' })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none' })
  await pair(a, b)
  await connected(a, b)
  const { stateDir } = b
  await b.close()
  await a.group.removeDevice(b.group.self.id)
  const back = await openDevice(t, { name: 'b', bootstrap: 'none', stateDir })
  await groupHas(back, () => back.group.removedSelf)
  t.alike(back.group.members().map((member) => member.name), ['a'])
  t.is(a.network.links().length, 0)
})

test('a machine that slept: connections from before are given up at once and made anew, younger ones stay', async (t) => {
  let ahead = 0
  const clock = { now: () => Date.now() + ahead, after: (ms: number, run: () => void) => systemClock.after(ms, run) }
  const a = await openDevice(t, { name: 'a', bootstrap: 'none' })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none', clock })
  await pair(a, b)
  const before = await connected(b, a)
  b.network.node.emit('wakeup')
  t.absent(before.closed, 'made since')
  ahead = 60_000
  b.network.node.emit('wakeup')
  t.ok(before.closed)
  const after = await connected(b, a)
  t.not(after, before)
  t.absent(after.closed)
})

test('after a change of the network a connection that gives no sign is made anew, and one that does stays', async (t) => {
  const a = await openDevice(t, { name: 'a', bootstrap: 'none' })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none' })
  await pair(a, b)
  const before = await connected(b, a)
  t.ok(await before.answers(), 'it does')
  // As if nothing came by the old network any more.
  Object.defineProperty(before.stream.rawStream, 'packetsReceived', { value: 1 })
  b.network.node.emit('network-change')
  await new Promise<void>((resolve) => before.onClose(resolve))
  const after = await connected(b, a)
  t.not(after, before)
  b.network.node.emit('network-change')
  t.ok(await after.answers())
  await new Promise((resolve) => setTimeout(resolve, 5_000))
  t.absent(after.closed)
})

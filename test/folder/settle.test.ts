/** R38 with devices that say little: who is asked, and what is waited for, before it is said that all are equal. */
import test from 'brittle'
import type { Folder } from '../../daemon/folder.ts'
import { syncWithPeers } from '../../daemon/folder/settle.ts'
import type { FolderPeers, FolderReport } from '../../daemon/ports.ts'
import type { DeviceId } from '../../daemon/sync/ids.ts'
import { FakeClock } from '../fakes/clock.ts'

const NEVER = new AbortController().signal
const OTHER = 'b' as DeviceId
const THIRD = 'c' as DeviceId
const IDLE: FolderReport = { state: 'idle', dirty: false, drive: null, length: 1, blocked: [] }

/** A folder at rest that knows of nobody else, and one connected device that has not spoken of it. */
class Bench {
  report: FolderReport | null = null
  connected = true
  equal = false
  /** A second device, connected and with the folder. */
  third: FolderReport | null = null
  /** The first one has left the folder. */
  left = false
  readonly asked: DeviceId[] = []
  readonly clock = new FakeClock()
  answer: () => Promise<FolderReport> = () => new Promise(() => undefined)
  #wake: () => void = () => undefined

  readonly peers = {
    connected: () => [...(this.connected ? [{ device: OTHER, report: this.report }] : []), ...(this.third === null ? [] : [{ device: THIRD, report: this.third }])],
    has: (device: DeviceId) => device === THIRD || !this.left,
    settle: async (device: DeviceId) => {
      this.asked.push(device)
      return await this.answer()
    }
  } as unknown as FolderPeers

  readonly folder = {
    activity: 'idle',
    closing: false,
    scan: async () => undefined,
    inSyncWith: () => this.equal,
    divergentWith: () => [],
    nextNotice: () => new Promise<void>((resolve) => (this.#wake = resolve)),
    peersChanged: () => this.notice(),
    // It is a while until then.
    noteSettleFailure: () => void setImmediate(() => this.notice())
  } as unknown as Folder

  get hasOthers(): boolean {
    return this.report !== null
  }

  notice(): void {
    this.#wake()
  }

  sync(signal: AbortSignal = NEVER): ReturnType<typeof syncWithPeers> {
    return syncWithPeers(this.folder, this.peers, this.clock, signal)
  }
}

function bench(): Bench {
  const made = new Bench()
  Object.defineProperty(made.folder, 'hasOthers', { get: () => made.hasOthers })
  return made
}

/** What the sync has come to once all that can happen by itself has happened. */
async function soon<T>(work: Promise<T>): Promise<T | 'waits'> {
  const turns = async (): Promise<'waits'> => {
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
    return 'waits'
  }
  return await Promise.race([work, turns()])
}

test('R38: a connected device that has not spoken of the folder is asked before all are called equal', async (t) => {
  const made = bench()
  let answer = (_report: FolderReport): void => undefined
  made.answer = () => new Promise((resolve) => (answer = resolve))
  const syncing = made.sync()
  t.is(await soon(syncing), 'waits')
  t.alike(made.asked, [OTHER])
  made.report = IDLE
  answer(IDLE)
  t.is(await soon(syncing), 'waits', 'it has the folder, and not all of it')
  made.equal = true
  made.notice()
  t.alike(await syncing, { outcome: 'in-sync', blocked: [], devices: [OTHER], paused: [] })
})

test('R38: a device that does not have the folder keeps nobody waiting', async (t) => {
  const made = bench()
  made.answer = async () => Promise.reject(new Error('this device does not have the folder'))
  t.alike(await made.sync(), { outcome: 'in-sync', blocked: [], devices: [], paused: [] })
})

test('R38: an answer that comes before the report is no equality yet', async (t) => {
  const made = bench()
  made.answer = async () => IDLE
  const syncing = made.sync()
  t.is(await soon(syncing), 'waits')
  made.equal = true
  made.report = IDLE
  made.notice()
  const outcome = await syncing
  t.alike([outcome.outcome, outcome.devices], ['in-sync', [OTHER]])
})

test('R38: one that did not have it, and has it before the end, is asked again', async (t) => {
  const made = bench()
  let refuse = (_error: Error): void => undefined
  made.answer = () => new Promise((_resolve, reject) => (refuse = reject))
  const syncing = made.sync()
  t.is(await soon(syncing), 'waits')
  made.answer = async () => IDLE
  // It refused, and reports the folder before that is heard.
  made.report = IDLE
  refuse(new Error('this device does not have the folder'))
  made.equal = true
  const outcome = await syncing
  t.alike([outcome.outcome, outcome.devices, made.asked], ['in-sync', [OTHER], [OTHER, OTHER]])
})

test('R38: one whose connection ends before it answers keeps nobody waiting', async (t) => {
  const made = bench()
  let refuse = (_error: Error): void => undefined
  made.answer = () => new Promise((_resolve, reject) => (refuse = reject))
  const syncing = made.sync()
  t.is(await soon(syncing), 'waits')
  made.connected = false
  refuse(new Error('the connection to the device ended'))
  t.alike((await syncing).outcome, 'in-sync', 'nobody is connected, and nobody is known to have it')
  t.alike(made.asked, [OTHER])
})

test('a folder that is paused while it is waited for ends the waiting', async (t) => {
  const b = bench()
  b.report = IDLE
  b.answer = async () => await Promise.resolve(IDLE)
  const work = b.sync()
  t.is(await soon(work), 'waits', 'the other device is not equal yet')
  Object.assign(b.folder, { activity: 'paused' })
  b.notice()
  t.is((await soon(work) as { outcome: string }).outcome, 'halted')
})

/** Three devices are equal, and the first of the others has not settled when its connection ends. */
async function dropping(signal: AbortSignal = NEVER): Promise<{ made: Bench; syncing: ReturnType<typeof syncWithPeers> }> {
  const made = bench()
  Object.assign(made, { report: IDLE, equal: true, third: IDLE })
  let lose = (_error: Error): void => undefined
  Object.assign(made.peers, {
    settle: (device: DeviceId) => {
      made.asked.push(device)
      if (device === THIRD) return Promise.resolve(IDLE)
      return made.asked.length > 2 ? made.answer() : new Promise((_resolve, reject) => (lose = reject))
    }
  })
  const syncing = made.sync(signal)
  await soon(syncing)
  made.connected = false
  made.answer = async () => IDLE
  lose(new Error('the connection to the device ended'))
  return { made, syncing }
}

test('R38: a device whose connection ends while it is waited for is waited for, and asked anew', async (t) => {
  const { made, syncing } = await dropping()
  t.is(await soon(syncing), 'waits', 'the others are equal')
  await made.clock.run(14_000)
  t.is(await soon(syncing), 'waits')
  Object.assign(made, { connected: true, report: IDLE })
  made.notice()
  const { outcome, devices } = await syncing
  t.alike([outcome, devices], ['in-sync', [OTHER, THIRD]])
  t.alike(made.asked, [OTHER, THIRD, OTHER])
  t.is(made.clock.nextAt, null, 'no timer is left')
})

test('R38: one that is back and still opens its folders is waited for until it speaks of this one', async (t) => {
  const { made, syncing } = await dropping()
  await soon(syncing)
  Object.assign(made, { connected: true, report: null })
  made.answer = async () => Promise.reject(new Error('this device does not have the folder'))
  made.notice()
  t.is(await soon(syncing), 'waits', 'it refuses, as one that never had it')
  made.connected = false
  made.notice()
  t.is(await soon(syncing), 'waits', 'it drops once more')
  made.answer = async () => IDLE
  Object.assign(made, { connected: true, report: IDLE })
  made.notice()
  t.alike((await syncing).devices, [OTHER, THIRD])
})

test('R38: a connection that another one replaces at once is no refusal', async (t) => {
  const made = bench()
  Object.assign(made, { report: IDLE, equal: true, third: IDLE })
  const refused: ((error: Error) => void)[] = []
  made.answer = () => new Promise((_resolve, reject) => refused.push(reject))
  const syncing = made.sync()
  await soon(syncing)
  made.report = null
  made.answer = async () => IDLE
  made.notice()
  for (const refuse of refused) refuse(new Error('the connection to the device ended'))
  t.is(await soon(syncing), 'waits', 'it has said nothing on the new one')
  made.notice()
  t.is(await soon(syncing), 'waits')
  made.report = IDLE
  made.notice()
  t.alike((await syncing).devices, [OTHER, THIRD])
})

test('R38: a device that has gone for good is waited for no longer than a connection takes to come back', async (t) => {
  const { made, syncing } = await dropping()
  t.is(await soon(syncing), 'waits')
  await made.clock.run(15_000)
  const done = await soon(syncing)
  t.not(done, 'waits')
  if (done !== 'waits') t.alike([done.outcome, done.devices], ['in-sync', [THIRD]])
})

test('R38: at the time-out those that are connected count, whoever dropped', async (t) => {
  const limit = new AbortController()
  const { made, syncing } = await dropping(limit.signal)
  t.is(await soon(syncing), 'waits')
  limit.abort(new Error('the time-out'))
  made.notice()
  const { outcome, devices } = await syncing
  t.alike([outcome, devices], ['in-sync', [THIRD]])
  t.is(made.clock.nextAt, null, 'no timer is left')
})

test('R38: who leaves the folder or the group meanwhile keeps nobody waiting', async (t) => {
  const { made, syncing } = await dropping()
  t.is(await soon(syncing), 'waits')
  made.left = true
  made.notice()
  t.not(await soon(syncing), 'waits')
  t.alike((await syncing).devices, [THIRD], 'not connected any more')
  t.is(made.clock.nextAt, null, 'no timer is left')

  const still = bench()
  Object.assign(still, { report: IDLE, third: IDLE })
  still.answer = async () => IDLE
  const waiting = still.sync()
  t.is(await soon(waiting), 'waits', 'both have settled, and are not equal')
  Object.assign(still, { left: true, report: null, equal: true })
  still.notice()
  t.is(await soon(waiting), 'waits', 'it may have come a moment ago')
  still.answer = async () => Promise.reject(new Error('this device does not have the folder'))
  still.notice()
  t.alike((await waiting).devices, [THIRD], 'connected')
})

test('R38: a decision on another device is told at once, whoever dropped', async (t) => {
  const { made, syncing } = await dropping()
  t.is(await soon(syncing), 'waits')
  made.third = { ...IDLE, state: 'decision' }
  made.notice()
  t.is((await soon(syncing) as { outcome: string }).outcome, 'decision')
})

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
  third = false
  readonly asked: DeviceId[] = []
  readonly clock = new FakeClock()
  answer: () => Promise<FolderReport> = () => new Promise(() => undefined)
  #wake: () => void = () => undefined

  readonly peers = {
    connected: () => [...(this.connected ? [{ device: OTHER, report: this.report }] : []), ...(this.third ? [{ device: THIRD, report: IDLE }] : [])],
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
    noteSettleFailure: () => this.notice()
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

/** Two devices are equal, one of them after it has settled; its connection ends before. */
async function dropping(signal: AbortSignal = NEVER): Promise<{ made: Bench; syncing: ReturnType<typeof syncWithPeers> }> {
  const made = bench()
  Object.assign(made, { report: IDLE, equal: true, third: true })
  const lost: ((error: Error) => void)[] = []
  Object.assign(made.peers, {
    settle: (device: DeviceId) => {
      made.asked.push(device)
      return device === THIRD || made.asked.length > 2 ? Promise.resolve(IDLE) : new Promise((_resolve, reject) => lost.push(reject))
    }
  })
  const syncing = made.sync(signal)
  await soon(syncing)
  made.connected = false
  for (const lose of lost) lose(new Error('the connection to the device ended'))
  return { made, syncing }
}

test('R38: a device whose connection ends while it is waited for is waited for, and asked anew', async (t) => {
  const { made, syncing } = await dropping()
  t.is(await soon(syncing), 'waits', 'the others are equal')
  await made.clock.run(14_000)
  t.is(await soon(syncing), 'waits')
  made.connected = true
  made.report = null
  made.notice()
  t.is(await soon(syncing), 'waits', 'it is there again and has said nothing')
  made.report = IDLE
  made.notice()
  const { outcome, devices } = await syncing
  t.alike([outcome, devices], ['in-sync', [OTHER, THIRD]])
  t.alike(made.asked, [OTHER, THIRD, OTHER])
  t.is(made.clock.nextAt, null, 'no timer is left')
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

/**
 * Power cuts: one real sync of two daemons is written down, call by call; then both disks are put back as they may be found after a
 * cut at some moment, the victim's without what no sync covers, the other's whole. Both daemons are started on that, must get in sync,
 * and are judged: nothing lost, no mixture, no zeros, and nothing that was announced is gone (no drive had to take over, R16).
 */
import { appendFileSync, lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkDoctor, checkDrafts, checkLog, checkStaging, gatherHistory } from '../chaos/check.ts'
import { judgeTree } from '../crash/judge.ts'
import { Scenario } from '../crash/scenario.ts'
import { waitConnected, type Device, type Scope } from '../e2e/harness.ts'
import { differences, PATIENCE, treeOf, waitFor } from '../e2e/tree.ts'
import { Random } from '../fakes/random.ts'
import { readJournal, type Op } from '../shim/journal.ts'
import { createShimmedPair, type Shimmed } from '../shim/pair.ts'
import { asOfThisDisk, roundTimes } from './disks.ts'
import { Disk } from './model.ts'

export interface Cut {
  readonly victim: 'sender' | 'receiver'
  /** Of all calls, how many had happened: 0 to 1. */
  readonly share: number
  /** Of what is lost. */
  readonly seed: string
}

export interface Outcome {
  readonly at: number
  readonly wrong: readonly string[]
}

const SETTLE_MS = 60_000 * PATIENCE
const SYNC_MS = 5_000
const STAGING_MS = 10_000

export class PowerRig {
  readonly #sender: Shimmed
  readonly #receiver: Shimmed
  readonly #scenario: Scenario
  readonly #disks: readonly Disk[]
  readonly #journals: readonly (readonly Op[])[]

  private constructor(sender: Shimmed, receiver: Shimmed, scenario: Scenario, disks: readonly Disk[], journals: readonly (readonly Op[])[]) {
    this.#sender = sender
    this.#receiver = receiver
    this.#scenario = scenario
    this.#disks = disks
    this.#journals = journals
  }

  /** Runs the one sync that all cuts are of. */
  static async create(scope: Scope, seed: string): Promise<PowerRig> {
    const [sender, receiver] = await createShimmedPair(scope)
    const both = [sender, receiver]
    for (const { device } of both) {
      writeFileSync(device.beside('log'), '')
      device.onLog = (text) => appendFileSync(device.beside('log'), text)
    }
    const scenario = new Scenario('p1', sender.device.path(), receiver.device.path(), new Random(seed))
    scenario.prepare()
    for (const { device } of both) roundTimes(device.path())
    await settled(both)
    await Promise.all(both.map(async ({ device }) => await device.stop()))
    // What users did before is on the disks: only what a daemon does is in doubt.
    scenario.act()
    for (const { device } of both) roundTimes(device.path())
    const disks = both.map(({ device }) => new Disk([device.path(), device.home]))
    for (const { shim } of both) shim.record(true)
    await Promise.all(both.map(async ({ device }) => await device.start()))
    await waitConnected(sender.device, receiver.device)
    await settled(both)
    await Promise.all(both.map(async ({ device }) => await device.kill9()))
    for (const { shim } of both) shim.record(false)
    return new PowerRig(sender, receiver, scenario, disks, both.map(({ shim }) => readJournal(shim.journal())))
  }

  get calls(): number {
    return this.#journals.reduce((sum, journal) => sum + journal.length, 0)
  }

  /** `forget`: calls that are taken for not made, as by a daemon that skips them. */
  async run({ victim, share, seed }: Cut, forget: (op: Op) => boolean = () => false): Promise<Outcome> {
    const both = [this.#sender, this.#receiver]
    const at = Math.floor(share * this.calls)
    await Promise.all(both.map(async ({ device }) => await device.kill9()))
    for (const [i, disk] of this.#disks.entries()) {
      const isVictim = (victim === 'sender') === (i === 0)
      disk.restore((this.#journals[i] ?? []).filter((op) => op.seq < at && !forget(op)), isVictim ? new Random(seed) : null)
      const { device } = both[i] as Shimmed
      asOfThisDisk(device.home)
      writeFileSync(device.beside('log'), '')
    }
    const wrong = await this.#started().catch((error: unknown) => [error instanceof Error ? error.message : String(error)])
    return { at, wrong: wrong.length > 0 ? wrong : await this.#judged() }
  }

  async #started(): Promise<string[]> {
    const both = [this.#sender, this.#receiver]
    await Promise.all(both.map(async ({ device }) => await device.start()))
    await waitConnected(this.#sender.device, this.#receiver.device)
    await settled(both)
    await waitFor('staging is empty', () => both.every(({ device }) => checkStaging(device).length === 0), STAGING_MS).catch(() => undefined)
    return []
  }

  async #judged(): Promise<string[]> {
    const devices: readonly Device[] = [this.#sender.device, this.#receiver.device]
    const trees = await Promise.all(devices.map(async (device) => await treeOf(device.path())))
    const wrong = differences(trees[0] ?? new Map(), trees[1] ?? new Map()).map((line) => `trees differ: ${line}`)
    const history = new Map<string, string>()
    for (const device of devices) gatherHistory(device.path('.p2psync', 'history'), history)
    for (const file of history.values()) if (lstatSync(file).isFile() && !this.#scenario.isKnown(readFileSync(file))) wrong.push(`MIXTURE in history: ${file}`)
    for (const device of devices) {
      wrong.push(...judgeTree(device.path(this.#scenario.name), this.#scenario, history).map((line) => `${device.name}: ${line}`))
      const log = readFileSync(device.beside('log'), 'utf8')
      wrong.push(...checkStaging(device), ...checkDrafts(device), ...checkLog(device, log), ...(await checkDoctor(device)))
      if (/a new drive takes over|has a new drive/.test(log)) wrong.push(`${device.name}: what was announced is gone: ${/.*new drive.*/.exec(log)?.[0] ?? ''}`)
      const state = join(device.home, 'state')
      for (const name of readdirSync(state)) if (name.includes('damaged')) wrong.push(`${device.name}: the store was set aside`)
    }
    return wrong
  }
}

async function settled(both: readonly Shimmed[]): Promise<void> {
  const deadline = Date.now() + SETTLE_MS
  for (const { device } of both) {
    for (;;) {
      const result = await device.call('folders.sync', { timeoutMs: SYNC_MS })
      if (result.ok) break
      if (Date.now() > deadline) throw new Error(`${device.name}: sync says ${JSON.stringify(result)}; ${JSON.stringify((await device.call('status.get', {})).folders[0])}`)
      await sleep(50)
    }
  }
}

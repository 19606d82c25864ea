/**
 * Two paired daemons in which one kind of call fails for a while, again and again. While it does: what it hits is told as a problem
 * or a halt with a reason, everything else goes on, and what stood there is whole. Once it is over: both get equal by themselves.
 */
import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { chunkId, contentList } from '../../daemon/sync/content.ts'
import type { FolderStatus } from '../../rpc/shapes.ts'
import { checkDoctor, checkDrafts, checkStaging, gatherHistory } from '../chaos/check.ts'
import { sha256 } from '../chaos/ledger.ts'
import { waitConnected, type Device, type Scope } from '../e2e/harness.ts'
import { differences, PATIENCE, treeOf, waitFor } from '../e2e/tree.ts'
import { createShimmedPair, type Shimmed } from '../shim/pair.ts'
import type { Rule } from '../shim/shim.ts'
import type { Case } from './steps.ts'

export interface Verdict {
  /** For the table: `ENOSPC told, healed in 1.2 s`, `unnoticed`, … */
  readonly outcome: string
  /** What is wrong; empty: as it must be. */
  readonly wrong: readonly string[]
}

/** In this time a fault must be told or all be done. */
const TOLD_MS = 12_000 * PATIENCE
const BYSTANDER_MS = 12_000
/** After the cause is gone. */
const HEAL_MS = 45_000
/** Longer than this is no healing "within seconds". */
export const HEAL_GOAL_MS = 20_000
const SETTLE_MS = 40_000 * PATIENCE
const POLL_MS = 25
const STAGING_MS = 3_000
const INTERRUPTED = 3
/** So many at once that the other device is told that the directory is gone (R48). */
const GONE_FILES = 230
/** Of them are in history when it is killed. */
const GONE_BEFORE_KILL = 5
const ASIDE = '/staging/aside/'
const DIES_MS = 20_000
const UNGUARDED = 1_000_000
/** New in one moment, so that they are staged together. */
const MANY = 40

export class FaultRig {
  readonly #author: Shimmed
  readonly #follower: Shimmed
  readonly #goalMs: number
  #count = 0

  private constructor(author: Shimmed, follower: Shimmed, goalMs: number) {
    this.#goalMs = goalMs
    this.#author = author
    this.#follower = follower
    for (const { device } of [author, follower]) {
      writeFileSync(device.beside('log'), '')
      device.onLog = (text) => appendFileSync(device.beside('log'), text)
    }
  }

  /** `goalMs`: healing that takes longer is a fault; absent: the machine may have other work. */
  static async create(scope: Scope, goalMs = Infinity): Promise<FaultRig> {
    const [author, follower] = await createShimmedPair(scope)
    // Many are deleted within a minute, and nobody is there to be asked.
    for (const { device } of [author, follower]) {
      await device.call('config.set', { key: 'guardMinFiles', value: UNGUARDED })
      await device.restart()
    }
    await waitConnected(author.device, follower.device)
    return new FaultRig(author, follower, goalMs)
  }

  async run({ step, fault }: Case): Promise<Verdict> {
    const name = `case-${++this.#count}-`
    const text = `${name} new\n`
    const scans = step.area === 'marker'
    const victim = step.role === 'author' ? this.#author : this.#follower
    // How long it waits after a failure of its store depends on those before.
    if (step.store === true || step.fresh === true) await this.#restart(victim)
    this.#prepare(name, step.scene !== undefined)
    await this.#settled(SETTLE_MS)
    const match = { directory: `${name}`, content: cidOf(text), aside: ASIDE, none: '' }[step.match]
    const fate: Rule['fate'] = fault === 'short' ? { kind: 'short' } : { kind: 'fail', errno: fault }
    // A signal interrupts a few calls; what is tried again at once would be for ever.
    const rule: Rule = { fate, call: step.call, area: step.area, match, ...(fault === 'EINTR' ? { count: INTERRUPTED } : {}) }
    try {
      if (step.scene === 'left') await this.#leave(victim, name, rule)
      else victim.shim.arm(rule)
      this.#act(name, text)
      const told = await this.#told(victim, scans)
      const wrong = [...this.#intact(name, text), ...(step.match === 'none' || step.scene === 'left' ? [] : await this.#bystanders(name))]
      const hits = victim.shim.hits
      victim.shim.disarm()
      const begun = Date.now()
      const healing = await this.#healed(victim, step.store === true)
      await waitFor('staging is empty', () => [this.#author, this.#follower].every(({ device }) => checkStaging(device).length === 0), STAGING_MS).catch(() => undefined)
      wrong.push(...healing.wrong, ...this.#done(name, text), ...(await this.#equal()), ...(step.scene === undefined ? [] : await this.#kept(name)))
      if (hits === 0) return { outcome: 'not reached', wrong }
      if (told === 'silent') wrong.push('neither told nor done')
      const seconds = ((Date.now() - begun) / 1000).toFixed(1)
      const told2 = told === 'done' ? 'borne' : told
      return { outcome: `${told2}${told === 'done' ? '' : `; healed in ${seconds} s${healing.restarted ? ' after a restart' : ''}`}`, wrong }
    } finally {
      victim.shim.disarm()
    }
  }

  async #restart({ device }: Shimmed): Promise<void> {
    await device.restart()
    await waitConnected(this.#author.device, this.#follower.device)
  }

  /** It is killed in the middle of what is set aside, and has to put back the rest when it starts. */
  async #leave(victim: Shimmed, name: string, rule: Rule): Promise<void> {
    victim.shim.arm({ fate: { kind: 'kill' }, call: 'rename', area: 'history', match: ASIDE, from: GONE_BEFORE_KILL })
    this.#takeAway(name)
    await waitFor('it is killed', () => !victim.device.isRunning, DIES_MS)
    victim.shim.arm(rule)
    await victim.device.start()
    await waitConnected(this.#author.device, this.#follower.device)
  }

  #prepare(name: string, large: boolean): void {
    const at = (...parts: readonly string[]): string => this.#author.device.path(name, ...parts)
    mkdirSync(at('emptied'), { recursive: true })
    for (const path of ['edited', `${name}deleted`, 'mode', 'link']) writeFileSync(at(path), `${name} old\n`)
    writeFileSync(at('old name'), renamed(name))
    if (!large) return
    mkdirSync(at('gone'))
    for (let i = 0; i < GONE_FILES; i++) writeFileSync(at('gone', `${i}`), `${name} gone ${i}`)
  }

  #act(name: string, text: string): void {
    const at = (...parts: readonly string[]): string => this.#author.device.path(name, ...parts)
    writeFileSync(at('edited.new'), text)
    renameSync(at('edited.new'), at('edited'))
    renameSync(at('old name'), at('new name'))
    writeFileSync(at('made'), `made: ${text}`)
    // All in one moment, so that they are staged together.
    mkdirSync(this.#author.device.beside(`${name}many`))
    for (let i = 0; i < MANY; i++) writeFileSync(this.#author.device.beside(`${name}many`, String(i)), `${i} of many: ${text}`)
    renameSync(this.#author.device.beside(`${name}many`), at('many'))
    rmSync(at(`${name}deleted`))
    chmodSync(at('mode'), 0o600)
    mkdirSync(at('directory'))
    rmSync(at('emptied'), { recursive: true })
    if (existsSync(at('gone'))) this.#takeAway(name)
    rmSync(at('link'))
    symlinkSync('nowhere', at('link'))
    writeFileSync(this.#author.device.path(`bystander ${this.#count}`), text.toUpperCase())
  }

  /** At once, so that a scan finds it gone whole. */
  #takeAway(name: string): void {
    renameSync(this.#author.device.path(name, 'gone'), this.#author.device.beside(`${name}gone`))
  }

  /** How the fault shows: the codes that a status tells, that all is done in spite of it, or neither. */
  async #told(victim: Shimmed, scans: boolean): Promise<string> {
    const deadline = Date.now() + TOLD_MS
    while (Date.now() < deadline) {
      // What only a full scan does, after something was published.
      if (scans && victim.shim.hits === 0) await victim.device.call('folders.scan', {}).catch(() => undefined)
      if (!victim.device.isRunning) return 'daemon ended'
      const status = await this.#status(victim.device)
      if (status?.state === 'halted') return `halted: ${status.reason?.code ?? '?'}`
      const codes = new Set((status?.problems ?? []).map((problem) => problem.code))
      if (codes.size > 0) {
        for (const problem of status?.problems ?? []) if (problem.message.length < 20) return `told without a sentence: ${problem.code}`
        return `told: ${[...codes].join(' ')}`
      }
      if (status?.state === 'idle' && (!scans || victim.shim.hits > 0) && checkStaging(victim.device, false).length === 0 && (await this.#equal()).length === 0) return 'done'
      await sleep(POLL_MS)
    }
    return 'silent'
  }

  async #isWell(): Promise<boolean> {
    for (const { device } of [this.#author, this.#follower]) {
      const status = await this.#status(device)
      if (status === undefined || status.state !== 'idle' || status.problems.length > 0) return false
    }
    return (await this.#equal()).length === 0
  }

  async #status(device: Device): Promise<FolderStatus | undefined> {
    return await device.call('status.get', {}).then((status) => status.folders[0], () => undefined)
  }

  /** On the device that follows, what stood there is the old or the new, whole. */
  #intact(name: string, text: string): string[] {
    const file = this.#follower.device.path(name, 'edited')
    const found = readOrNull(file)
    return found === text || found === `${name} old\n` ? [] : [`edited holds ${JSON.stringify(found)} while the fault lasts`]
  }

  async #bystanders(name: string): Promise<string[]> {
    const path = this.#follower.device.path(`bystander ${this.#count}`)
    return await waitFor('a bystander arrives', () => readOrNull(path) !== null, BYSTANDER_MS).then(() => [], () => [`another file did not get through while ${name} had its fault`])
  }

  async #healed(victim: Shimmed, mayRestart: boolean): Promise<{ wrong: string[]; restarted: boolean }> {
    const begun = Date.now()
    try {
      if (victim.device.isRunning) {
        // Nobody asks for anything: it must come to it by itself.
        await waitFor('equal, without a problem', async () => await this.#isWell(), HEAL_MS)
        const ms = Date.now() - begun
        return { wrong: ms > this.#goalMs ? [`healed only after ${(ms / 1000).toFixed(1)} s`] : [], restarted: false }
      }
    } catch (error) {
      if (!mayRestart) return { wrong: [`did not heal: ${String(error)}`, JSON.stringify((await this.#status(victim.device))?.problems)], restarted: false }
    }
    await victim.device.kill9()
    await victim.device.start()
    await waitConnected(this.#author.device, this.#follower.device)
    const wrong = await this.#settled(HEAL_MS * PATIENCE).then(() => [], (error: unknown) => [`did not heal after a restart: ${String(error)}`])
    return { wrong: mayRestart ? wrong : [...wrong, 'healed only with a restart'], restarted: true }
  }

  /** What the users did is everywhere, and what was replaced or deleted is in history. */
  #done(name: string, text: string): string[] {
    const wrong: string[] = []
    for (const { device } of [this.#author, this.#follower]) {
      const at = (path: string): string => join(device.path(name), path)
      if (readOrNull(at('edited')) !== text || readOrNull(at('made')) !== `made: ${text}`) wrong.push(`${device.name} does not have the new content`)
      if (readOrNull(at('new name')) !== renamed(name) || readOrNull(at('old name')) !== null) wrong.push(`${device.name} does not have the renamed file under its new name`)
      if (readOrNull(at(`${name}deleted`)) !== null) wrong.push(`${device.name} still has the deleted file`)
      wrong.push(...checkStaging(device), ...checkDrafts(device))
    }
    return wrong
  }

  /** Each of the many that were deleted is in history, and listed there. */
  async #kept(name: string): Promise<string[]> {
    const { device } = this.#follower
    const found = new Map<string, string>()
    gatherHistory(device.path('.p2psync', 'history'), found)
    const lost = Array.from({ length: GONE_FILES }, (_each, i) => i).filter((i) => !found.has(sha256(Buffer.from(`${name} gone ${i}`))))
    const wrong = lost.length === 0 ? [] : [`${lost.length} of ${GONE_FILES} deleted files are not in history`]
    return [...wrong, ...(await checkDoctor(device))]
  }

  async #equal(): Promise<string[]> {
    const [a, b] = await Promise.all([this.#author, this.#follower].map(async ({ device }) => await treeOf(device.path())))
    return differences(a ?? new Map(), b ?? new Map()).map((line) => `trees differ: ${line}`)
  }

  async #settled(timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs
    for (const { device } of [this.#author, this.#follower]) {
      for (;;) {
        const result = await device.call('folders.sync', { timeoutMs: 1_000 }).catch((error: unknown) => ({ ok: false, outcome: String(error) }))
        if (result.ok) break
        if (Date.now() > deadline) throw new Error(`${device.name}: sync says ${JSON.stringify(result)}`)
        await sleep(POLL_MS * 2)
      }
    }
  }
}

function cidOf(text: string): string {
  const bytes = Buffer.from(text)
  return contentList(0, [{ id: chunkId(bytes), length: bytes.length }]).cid
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null // not there, or no file
  }
}

/** Of several chunks: they are looked for before they are asked for. */
function renamed(name: string): string {
  return `${name} renamed\n`.repeat(20_000)
}

/**
 * One folder's cycle: the only place that acts. Watchers, peers, timers and calls mark work and wake it; it scans, publishes,
 * pulls, reconciles and applies, one step after the other, until nothing is left. It sees ports only.
 */
import { GATHER_MS, RESCAN_MS } from '../base/limits.ts'
import { messageOf, P2psyncError } from '../base/errors.ts'
import { busyAbortController } from '../base/abort.ts'
import { Resource } from '../base/resource.ts'
import { Acts } from './folder/acts.ts'
import { AskAgain } from './folder/ask-again.ts'
import { createContext } from './folder/create-context.ts'
import { Counter, type FolderContext } from './folder/context.ts'
import { awaitMetadata } from './folder/first-metadata.ts'
import { checkFolder, nothingChecked, type CheckReport } from './folder/check.ts'
import { applyRules, doubtRules } from './folder/apply-rules.ts'
import { lookAgain, lookAgainAtAll } from './folder/displaced.ts'
import { loadDivergent } from './folder/divergence.ts'
import { laterScans, type LaterScans } from './folder/later-scans.ts'
import { scanAndPublish } from './folder/local.ts'
import { endHints, forgetTold, isHintDue, isHinted, tendHints, toldHints } from './folder/hints.ts'
import { endAside, endAsideOr } from './folder/aside.ts'
import { reconcileAndApply } from './folder/merge.ts'
import type { FolderOptions } from './folder/options.ts'
import { Permission } from './folder/permission.ts'
import { holdDeletions, isBehind, pullAll } from './folder/pull.ts'
import { isPrunable, pruneGone, pruneSuperseded } from './folder/prune.ts'
import { hearForetold, takeAhead } from './folder/foretold.ts'
import { servable, type Servable } from './folder/foretelling.ts'
import { firstCheckpoint, ROTATING, Times } from './folder/recover.ts'
import { takeMore, takeSlice, type Flood } from './folder/more.ts'
import { Reporter } from './folder/reporter.ts'
import type { Rest } from './folder/resting.ts'
import { Retries } from './folder/retries.ts'
import { Rules } from './folder/rules.ts'
import { syncWithPeers, type SyncOutcome } from './folder/settle.ts'
import { Notices } from './folder/notices.ts'
import { DEFAULT_RETENTION, expireHistory } from './folder/retention.ts'
import { Standing, type Divergence, type FolderStatus } from './folder/standing.ts'
import { Tally } from './folder/tally.ts'
import { dropStaged, Tidying } from './folder/tidy.ts'
import { listFailed } from './folder/unlisted.ts'
import { UserActs } from './folder/user.ts'
import { Work } from './folder/work.ts'
import type { FolderActivity, FolderInbox, FolderReport, FreshFile } from './ports.ts'
import type { ChunkId, DeviceId, PathKey } from './sync/ids.ts'

/** The root is looked at again after this when it is not ours. */
const RECHECK_MS = 5_000
/** A device that could not settle is asked again after this. */
const SETTLE_RETRY_MS = 500
/** What looks wrong to the checker is looked at again after this: longer than a watcher's hint and a retry take. */
const CONFIRM_MS = 1_500
/** What was published is asked for by the others within this, or read from the disk again. */
const RECENT_MS = 5_000
const MAX_REPORTED_BLOCKED = 200
/** What a device says of a directory that moves may end without a word. */
const MOVES_MS = 500
const FIRST_RETENTION_MS = 15 * 60_000
const RETENTION_MS = 60 * 60_000

export class Folder extends Resource implements FolderInbox {
  readonly #options: FolderOptions
  readonly #work = new Work()
  readonly #acts = new Acts()
  readonly #tally = new Tally()
  readonly #retries = new Retries()
  readonly #rules = new Rules()
  readonly #tidying = new Tidying()
  readonly #abort = busyAbortController()
  readonly #notices: Notices
  readonly #reporter: Reporter
  readonly #flood: Flood
  #context: FolderContext | null = null
  #standing: Standing | null = null
  #running: Promise<void> | null = null
  #background: Promise<void> = Promise.resolve()
  #again = false
  /** Calls under way that a user waits for. */
  #awaited = 0
  #scanning = false
  /** Cycles that threw. */
  #failures = 0
  readonly #permission: Permission
  readonly #times: Times
  #firstScanDone = false
  readonly #later: LaterScans
  readonly #askAgain: AskAgain
  /** By the clock, which may be set. */
  #notBefore = 0
  /** Ends a scan or a pull under way: the folder is paused or closed. */
  #reading = busyAbortController()

  constructor(options: FolderOptions) {
    super()
    this.#options = options
    this.#permission = new Permission(options.paused === true, options.halted ?? null)
    this.#times = new Times(options.recovery)
    this.#notices = new Notices(options.clock, this.#abort.signal)
    this.#later = laterScans(options.clock, this.#notices, (paths) => this.#mark(() => this.#work.markScan(paths)))
    this.#askAgain = new AskAgain(this.#notices)
    this.#reporter = new Reporter(options.peers, this.#notices, () => this.report())
    this.#flood = { sliceDeletions: options.sliceDeletions, notices: this.#notices, signal: () => this.#reading.signal, stopped: () => this.#stopped || !this.#acts.empty }
  }

  get id() {
    return this.#options.id
  }

  /** The bytes of a chunk that was just read or received. */
  recentChunk(id: ChunkId): Buffer | null {
    return this.#context?.recent.get(id) ?? null
  }

  /** What other devices may be served. */
  get servable(): Servable {
    return servable(this.#options.index, this.#context)
  }

  /** What another device is about to state. */
  takeAhead(device: DeviceId, files: readonly FreshFile[]): void {
    if (!this.#stopped && this.#context !== null) takeAhead(this.#context, device, files)
  }

  // ------------------------------------------------------------------------------------------- lifecycle

  protected async onOpen(): Promise<void> {
    const { index, own } = this.#options
    const fresh = index.own === null || index.own.length === 0 || index.own.writer !== own.writer
    this.#context = this.#makeContext(new Counter(index.own ?? firstCheckpoint(own)))
    this.#standing = new Standing(this.#context)
    this.#firstScanDone = !fresh
    this.#background = this.#standing.loadConflicts()
    this.#work.markPull()
    this.#work.markRules()
    this.#work.markScan('all')
    this.#notices.every('rescan', this.#options.rescanMs ?? RESCAN_MS, () => this.#mark(() => this.#work.markScan('all')))
    this.#notices.once('first-retention', FIRST_RETENTION_MS, () => this.#expire())
    this.#notices.every('retention', RETENTION_MS, () => this.#expire())
    this.wake()
  }

  protected async onClose(): Promise<void> {
    this.#abort.abort()
    this.#reading.abort()
    this.#notices.cancel()
    await this.#running
    await this.#putBack()
    this.#acts.refuse(new P2psyncError('NOT_RUNNING', 'the daemon stops; try again when it runs'))
    await this.#background
    await this.#options.watcher.close()
    await this.#options.disk.close()
  }

  #makeContext(counter: Counter): FolderContext {
    return createContext(this.#options, {
      work: this.#work,
      tally: this.#tally,
      rules: this.#rules,
      signal: this.#abort.signal,
      counter,
      resting: this.#later.resting,
      held: () => this.#stopped,
      mark: (mark) => this.#mark(mark),
      wake: () => this.wake(),
      tell: () => this.#report(),
      sync: async () => await this.#options.recovery?.sync(),
      unread: (paths) => this.#later.moved.readLater(paths),
      changed: (changes) => {
        this.#standing?.noteChanges(changes)
        this.#options.onChanges?.(changes)
      }
    })
  }

  // ------------------------------------------------------------------------------------------- inbox

  localChanged(paths: 'all' | readonly PathKey[]): void {
    this.#mark(() => this.#work.markScan(paths))
  }

  remoteChanged(): void {
    this.#mark(() => this.#work.markPull())
  }

  peersChanged(): void {
    this.#mark(() => {
      const context = this.#context
      if (context === null) return
      this.#askAgain.heard(context.ports.peers, context.fetcher)
      if (isHintDue(context)) this.#work.markMoves()
      if (hearForetold(context) || isPrunable(context) || this.#options.remotes.list().some((drive) => isBehind(context, drive))) this.#work.markPull()
    })
  }

  #mark(mark: () => void): void {
    if (this.#abort.signal.aborted) return
    mark()
    this.#planRetry()
    this.#notices.notify()
    // A cycle without work would tell others of itself, and each of them us in turn.
    if (this.#work.empty) this.#report()
    else this.wake()
  }

  #planRetryAnew(): void {
    if (this.#context !== null && this.#retries.isStale(this.#context)) this.#notices.drop('retry')
    this.#planRetry()
  }

  #planRetry(): void {
    const context = this.#context
    if (context === null || this.#notices.isPlanned('retry')) return
    const ms = this.#retries.next(context)
    if (ms !== null) this.#notices.once('retry', ms, () => this.#mark(() => this.#retries.markAndSlow(context)))
  }

  // ------------------------------------------------------------------------------------------- the cycle

  /** Starts the cycle unless it runs; the first event acts at once, those that follow are gathered. */
  wake(): void {
    if (this.#abort.signal.aborted || this.#context === null || this.#permission.paused) return
    if (this.#running !== null) {
      this.#again = true
      return
    }
    // No wait that we set is longer: the clock was set back, which must not keep what changed from being seen.
    const wait = Math.min(this.#notBefore - this.#options.clock.now(), RECHECK_MS)
    if (wait > 0 && this.#work.localDoubt) this.#notices.once('gather', wait, () => this.#start())
    else this.#start()
  }

  #start(): void {
    if (this.#running !== null || this.#abort.signal.aborted || this.#permission.paused) return
    this.#running = this.#run()
      .then(() => GATHER_MS, (error: unknown) => this.#failed(error))
      .then((wait) => {
        this.#running = null
        this.#notBefore = this.#options.clock.now() + wait
        this.#planRetryAnew()
        this.#lookAgainLater()
        if (isHinted(this.#context)) this.#notices.once('moves', MOVES_MS, () => this.#mark(() => this.#work.markMoves()))
        this.#report()
        this.#notices.notify()
        if (this.#again || (!this.#work.empty && this.#permission.halted === null)) this.#resume()
      })
  }

  #resume(): void {
    this.#again = false
    this.wake()
  }

  /** A cycle that threw met something nobody foresaw for one path or port: said aloud, tried again later. @returns when, in milliseconds. */
  #failed(error: unknown): number {
    if (this.#abort.signal.aborted) return RECHECK_MS
    this.#options.log.error({ error: messageOf(error), stack: error instanceof Error ? error.stack : null }, 'a folder cycle failed; it is tried again')
    this.#context?.problems.set('', { path: '', code: 'cycle-failed', message: `a step failed and is tried again: ${messageOf(error)}` })
    this.#failures++
    this.#permission.forgetRoot()
    this.#work.markRules()
    this.#work.markScan('all')
    this.#work.markPull()
    return RECHECK_MS
  }

  async #run(): Promise<void> {
    const context = this.#context as FolderContext
    this.#again = false
    if (!(await this.#rootReady()) || !(await this.#isOfOneTime(context))) return this.#acts.refuse(this.#permission.refusal())
    this.#report()
    while (!(this.#work.empty && this.#acts.empty) && !this.#stopped) await this.#stepOrHalt(context)
    if (this.#stopped) this.#acts.refuse(this.#permission.refusal())
    if (!this.#stopped) await this.#tidy(context)
  }

  get #stopped(): boolean {
    return this.#abort.signal.aborted || this.#permission.refused
  }

  async #isOfOneTime(context: FolderContext): Promise<boolean> {
    const isFirst = !this.#times.recovered
    const outcome = await this.#times.check(context, this.#permission.epoch)
    if (outcome === 'rotate') this.#permission.hold(ROTATING)
    if (outcome === 'ready' && isFirst) await loadDivergent(context)
    return outcome === 'ready'
  }

  /** R35 */
  #lookAgainLater(): void {
    const ms = this.#context?.displaced.dueIn(this.#options.clock.now()) ?? null
    if (ms === null) return
    this.#notices.once('displaced', ms, () => {
      this.act(lookAgain).catch((error: unknown) => this.#options.log.debug({ error: messageOf(error) }, 'what was displaced is looked at later'))
    })
  }

  /** The root may stop being ours at any moment; once it is back, all is looked at again. One that is back already: as any cycle that failed. */
  async #stepOrHalt(context: FolderContext): Promise<void> {
    try {
      await this.#step(context)
    } catch (error) {
      if (!(error instanceof P2psyncError) || error.code !== 'FOLDER_HALTED' || (await this.#rootReady())) throw error
    }
  }

  async #step(context: FolderContext): Promise<void> {
    await this.#acts.run()
    const rulesChanged = this.#work.takeRules()
    if (rulesChanged) await endHints(context)
    if (rulesChanged) await applyRules(context)
    await listFailed(context)
    if (!this.#firstScanDone) return await this.#firstMetadata(context)
    const scan = this.#work.takeScan()
    if (scan !== null) await this.#scan(context, scan)
    if (this.#stopped) return
    if (this.#work.takeMoves()) await tendHints(context)
    if (this.#work.takePull()) await pullAll(context, this.#reading.signal, () => this.#work.localDoubt || !this.#acts.empty)
    if (!this.#stopped) await pruneGone(context)
    await holdDeletions(context)
    const dirty = takeSlice(context, this.#flood)
    if (dirty !== null) await this.#reconcile(context, dirty)
    if (!this.#stopped && this.#work.dirtyCount === 0) await pruneSuperseded(context)
    if (isHinted(context) && this.#work.dirtyCount === 0) await tendHints(context)
    this.#options.onState?.()
  }

  /** No scan and no pull would find again what a failure leaves undone. */
  async #reconcile(context: FolderContext, dirty: ReadonlySet<PathKey>): Promise<void> {
    try {
      await reconcileAndApply(context, dirty, async () => await takeMore(context, this.#flood))
    } catch (error) {
      this.#work.markDirty(dirty)
      throw error
    }
    // What was found not to be needed any more is not told by the fetcher.
    if (context.pullRoom.resumes()) this.#work.markPull()
  }

  async #scan(context: FolderContext, scan: NonNullable<ReturnType<Work['takeScan']>>): Promise<void> {
    if (scan.paths === 'all') await this.#times.raise(context, this.#permission.epoch)
    this.#scanning = true
    this.#options.onState?.()
    try {
      const { unstable } = await scanAndPublish(context, scan, this.#reading.signal)
      this.#later.unstable.readLater(unstable)
      await doubtRules(context, scan, unstable)
    } finally {
      this.#scanning = false
      forgetTold(context)
    }
    if ((await this.#rootReady()) && scan.paths === 'all') await lookAgainAtAll(context, this.#options.rescanMs ?? RESCAN_MS)
  }

  async #firstMetadata(context: FolderContext): Promise<void> {
    if (this.#options.expectOthers === true) await awaitMetadata(context, this.#notices, () => this.#stopped)
    this.#firstScanDone = true
  }

  async #rootReady(): Promise<boolean> {
    const look = await this.#permission.look(this.#options.disk)
    if (look === 'halted') this.#notices.once('recheck', RECHECK_MS, () => this.#start())
    if (look === 'back') {
      this.#context?.fetcher.peersChanged()
      this.#work.markRules()
      this.#work.markScan('all')
    }
    return look === 'ready' || look === 'back'
  }

  async #tidy(context: FolderContext): Promise<void> {
    const again = await this.#tidying.run(context)
    if (again !== null) this.#notices.once('tidy', again, () => this.wake())
    if (!context.recent.empty) this.#notices.once('recent', RECENT_MS, () => context.recent.clear())
    await dropStaged(context)
  }

  // ------------------------------------------------------------------------------------------- control

  /** A scan or a transfer under way is broken off; it goes on when the folder is resumed. */
  async pause(): Promise<void> {
    this.#permission.paused = true
    this.#reading.abort()
    this.#notices.notify()
    await this.#running
    await this.#putBack()
    this.#report()
  }

  /** Nothing is set aside while nothing is done. In place of the cycle, which must not run meanwhile. */
  async #putBack(): Promise<void> {
    if (this.#context === null || this.#running !== null || !this.#context.aside.active) return
    await (this.#running = endAsideOr(this.#context))
    this.#running = null
    if (this.#again || !this.#work.empty) this.#resume()
  }

  /** From outside: nothing is scanned, published or sent (R29) until `halt(null)`. */
  async halt(reason: FolderStatus['reason']): Promise<void> {
    this.#permission.hold(reason)
    this.#notices.notify()
    if (reason === null) this.#start()
    await this.#running
    this.#report()
  }

  resume(): void {
    if (!this.#permission.paused) return
    this.#permission.paused = false
    this.#reading = busyAbortController()
    this.#context?.fetcher.peersChanged()
    this.#work.markRules()
    this.#work.markScan('all')
    this.#work.markPull()
    this.#report()
    this.wake()
  }

  /** Runs between the steps of the cycle. Throws FOLDER_HALTED where nothing may be changed now. */
  async act<T>(run: (context: FolderContext) => Promise<T>): Promise<T> {
    const context = this.#context
    if (context === null || this.#stopped) throw this.#permission.refusal()
    const done = this.#acts.add(async () => await run(context))
    this.wake()
    return await done
  }

  /** What a user does about single paths and held deletions. */
  get user(): UserActs {
    if (this.#context === null) throw this.#permission.refusal()
    return new UserActs(this.#context, async (run) => await this.act(run), () => this.conflicts)
  }

  #expire(): void {
    this.act(async (context) => await expireHistory(context, this.#options.retention?.() ?? DEFAULT_RETENTION)).catch((error: unknown) => this.#options.log.debug({ error: messageOf(error) }, 'history is looked at later'))
  }

  /** Full scan now; resolves when it and what follows from it is done, or the folder cannot. */
  async scan(rehash: boolean, signal: AbortSignal): Promise<void> {
    if (this.#context !== null) this.#retries.mark(this.#context)
    this.#mark(() => this.#work.markScan('all', rehash))
    await this.settled(signal)
  }

  /** Resolves when no work is marked (contents may still be on the way), or the folder is paused or halted. Rejects if its cycle keeps failing. */
  async settled(signal: AbortSignal): Promise<void> {
    const before = this.#failures
    while (!this.#stopped && (this.#running !== null || !this.#work.empty || isHinted(this.#context))) {
      if (signal.aborted) throw new P2psyncError('TIMEOUT', 'the folder did not come to rest in time; try again with a longer time-out')
      if (this.#failures > before + 1) throw new P2psyncError('TIMEOUT', `the folder does not come to rest: ${this.#context?.problems.get('')?.message ?? 'a step fails'}`)
      await this.nextNotice(signal)
    }
  }

  /** See folder/check.ts. Rejects with FOLDER_HALTED where nothing may be changed now. */
  async check(repair: boolean, signal: AbortSignal): Promise<CheckReport> {
    const { context, end } = this.#checkable(signal)
    const whole = async (): Promise<void> => await this.act(endAside)
    await whole()
    // What a scan notices is no finding.
    await this.scan(false, end)
    const rest = async (): Promise<void> => {
      await whole()
      await this.settled(end)
      await this.#notices.nextWithin(CONFIRM_MS)
      await this.settled(end)
    }
    return await this.#awaitedBy(checkFolder({ context, act: async (run) => await this.act(run), rest, signal: end, checked: nothingChecked() }, repair))
  }

  #checkable(signal: AbortSignal): { readonly context: FolderContext; readonly end: AbortSignal } {
    if (this.#context === null || this.#stopped) throw this.#permission.refusal()
    return { context: this.#context, end: AbortSignal.any([signal, this.#abort.signal]) }
  }

  /** Full scan here, then scan and settle on each connected device, until all trees are equal (R38). */
  async sync(signal: AbortSignal): Promise<SyncOutcome> {
    return await this.#awaitedBy(syncWithPeers(this, this.#options.peers, this.#options.clock, signal))
  }

  async #awaitedBy<T>(work: Promise<T>): Promise<T> {
    this.#awaited++
    return await work.finally(() => this.#awaited--)
  }

  /** Another device asks to scan and settle. */
  async settleForPeer(signal: AbortSignal): Promise<FolderReport> {
    await this.scan(false, signal)
    return this.report()
  }

  // ------------------------------------------------------------------------------------------- telling

  get activity(): FolderActivity {
    if (this.#permission.paused) return 'paused'
    if (this.#permission.halted !== null) return 'halted'
    if (this.#context?.guard.deciding === true) return 'decision'
    if (this.#scanning || this.#work.localDoubt || !this.#firstScanDone) return 'scanning'
    return this.#busy ? 'syncing' : 'idle'
  }

  /** Idle, as the connected devices are, nothing is wrong, and nobody waits for what it does. */
  get quiet(): boolean {
    const isWell = this.#context !== null && this.#context.blocked.size === 0 && this.#context.problems.size === 0 && this.#context.misstated.isEmpty
    return this.activity === 'idle' && isWell && !this.awaited && this.#options.peers.connected().every(({ report }) => report === null || report.state === 'paused' || (report.state === 'idle' && !report.dirty))
  }

  get awaited(): boolean {
    return this.#awaited > 0
  }

  get #busy(): boolean {
    const context = this.#context
    if (context === null || this.#running !== null || !this.#work.empty) return true
    const unavailable = context.fetcher.unavailable
    return context.fetcher.open > unavailable
  }

  report(): FolderReport {
    const { own } = this.#options
    return {
      state: this.activity,
      dirty: this.#scanning || this.#work.localDoubt || !this.#firstScanDone || (this.#context?.guard.missing ?? 0) > 0 || this.#later.resting.any || isHinted(this.#context),
      drive: own.key,
      length: own.length,
      blocked: [...(this.#context?.blocked.keys() ?? [])].slice(0, MAX_REPORTED_BLOCKED),
      ...toldHints(this.#context)
    }
  }

  #report(): void {
    this.#reporter.tell()
    this.#options.onState?.()
  }

  /** Why it is halted; null while it is not. */
  get reason(): FolderStatus['reason'] {
    const { id, name, index } = this.#options
    return this.#permission.halted ?? this.#context?.guard.reason(name ?? id.slice(0, 8), index.totals.files) ?? null
  }

  status(): FolderStatus {
    return this.#here.status(this.activity, this.reason, this.#settled)
  }

  /** R37. */
  inSyncWith(device: DeviceId): boolean {
    return this.#settled && this.#here.inSyncWith(device)
  }

  /** Paths at which the device differs from us. */
  divergentWith(device: DeviceId): PathKey[] {
    return this.#here.divergentWith(device)
  }

  whyDivergent(path: PathKey): Divergence {
    return this.#here.whyDivergent(path)
  }

  get #settled(): boolean {
    return !this.report().dirty && this.#work.empty && !this.#later.unstable.any
  }

  get #here(): Standing {
    if (this.#standing === null) throw new Error('the folder is not open')
    return this.#standing
  }

  get rules(): Rules {
    return this.#rules
  }

  /** Files that were written to and are not read yet, because that happens again and again. */
  get resting(): readonly Rest[] {
    return this.#later.resting.list
  }

  /** Paths of live conflict copies here. */
  get conflicts(): ReadonlySet<PathKey> {
    return this.#here.conflicts
  }

  /** Other devices have this folder too. */
  get hasOthers(): boolean {
    return this.#options.remotes.list().length > 0
  }

  noteSettleFailure(device: DeviceId, reason: string): void {
    this.#options.log.debug({ device, reason }, 'a device did not settle')
    this.#notices.once('settle-retry', SETTLE_RETRY_MS, () => this.#notices.notify())
  }

  // ------------------------------------------------------------------------------------------- waiting

  /** Resolves at the next sign of life of this folder: work marked, a cycle ended, a device reported. */
  nextNotice(signal: AbortSignal): Promise<void> {
    return this.#notices.next(signal)
  }
}

/**
 * Statements → disk: reconciles marked paths, carries out the plan level by level, and publishes what was reached. A step whose
 * content is not here yet is left to the fetcher; its path is marked again when the content is staged.
 */
import type { ApplyOp, ApplyResult, AsidePlace, Displace, HistoryRow, Problem, Row } from '../ports.ts'
import type { ContentList } from '../sync/content.ts'
import { assertNever } from '../../base/errors.ts'
import type { Entry, FileEntry } from '../sync/entry.ts'
import { hasBytes, isLive, sameContent, sameEntry, treeEqual } from '../sync/entry-compare.ts'
import type { ContentId, DeviceId, PathKey } from '../sync/ids.ts'
import { attributesAfterMove } from '../sync/moves.ts'
import { plan } from '../sync/plan.ts'
import { reconcile, type Step } from '../sync/reconcile.ts'
import { commit, release, type Change } from './commit.ts'
import type { FolderContext } from './context.ts'
import { giversOfLast, twinsOf } from './givers.ts'
import { isIgnoreFile } from './rules.ts'
import { separateCopies } from './separate-copies.ts'
import { isPlainBirth, isPlainEnd, stateEnds } from './unstated.ts'
import { LoadedView } from './view.ts'

/** The closure of one slice grows with each answer; more rounds than a path can have components is a bug. */
const MAX_LOAD_ROUNDS = 10_000

/** Takes further paths to be done before anything is stated, if there are any and nothing else comes first. */
export type More = () => Promise<ReadonlySet<PathKey> | null>

export async function reconcileAndApply(context: FolderContext, marked: ReadonlySet<PathKey>, more: More): Promise<void> {
  const { ports, unstated, work } = context
  const taken = new Set<PathKey>()
  try {
    await reconcileSlice(context, marked)
    while (unstated.mayWait(ports.clock.now())) {
      const paths = await more()
      if (paths === null) break
      for (const path of paths) taken.add(path)
      // What happens next to such a path may be anything.
      if (unstated.hasAny(paths)) await stateEnds(context)
      await reconcileSlice(context, paths)
    }
  } catch (error) {
    work.markDirty(taken)
    throw error
  } finally {
    await stateEndsOr(context, taken)
  }
}

/** No scan and no pull would find again what a failure leaves undone. */
async function stateEndsOr(context: FolderContext, taken: ReadonlySet<PathKey>): Promise<void> {
  try {
    await stateEnds(context)
  } catch (error) {
    context.work.markDirty(taken)
    throw error
  }
}

async function reconcileSlice(context: FolderContext, marked: ReadonlySet<PathKey>): Promise<void> {
  const dirty = withBases(context, marked)
  const view = new LoadedView(context)
  await view.load([...dirty], [])
  const givers = [...(await twinsOf(context, view, dirty)), ...(await giversOfLast(context, view, dirty))]
  for (const path of givers) dirty.add(path)
  try {
    await carryOut(context, view, dirty)
  } catch (error) {
    context.work.markDirty(givers)
    throw error
  }
}

async function carryOut(context: FolderContext, view: LoadedView, dirty: ReadonlySet<PathKey>): Promise<void> {
  const steps = plan(await resolve(dirty, view), (path) => (context.moving.isNew(path) ? context.moving.twin(path) : null))
  for (const path of dirty) context.tally.settle(path)
  for (const step of steps) {
    const { path, own, target } = step.resolution
    if (treeEqual(own, target)) context.tally.settle(path)
    else context.tally.expect(path, target)
  }
  const execution = new Execution(context, view, steps)
  await execution.run()
  const waiting = new Map(steps.map((step) => [step.resolution.path, execution.awaited(step)]))
  for (const path of new Set([...dirty, ...waiting.keys()])) context.fetcher.keep(path, waiting.get(path) ?? null)
  // What was to be done there is wanted no more: a copy of a conflict that a decision has ended.
  for (const path of dirty) if (!waiting.has(path) && context.blocked.has(path)) release(context, path)
}

/**
 * A copy that nobody states yet follows only from the path whose content it keeps: that one is looked at with it, and what waits for
 * both, because the path may be a copy itself that another one makes.
 */
function withBases({ copyBases, followers }: FolderContext, marked: ReadonlySet<PathKey>): Set<PathKey> {
  const dirty = new Set(marked)
  for (const [copy, base] of copyBases) {
    if (!marked.has(copy) && !marked.has(base)) continue
    // A set goes on over what is added to it.
    const chain = new Set([copy, base])
    for (const path of chain) for (const waiting of followers.get(path) ?? []) chain.add(waiting)
    for (const path of chain) dirty.add(path)
    copyBases.delete(copy)
  }
  return dirty
}

async function resolve(dirty: ReadonlySet<PathKey>, view: LoadedView) {
  for (let round = 0; round < MAX_LOAD_ROUNDS; round++) {
    const outcome = reconcile(dirty, view)
    if (outcome.kind === 'resolved') return outcome.resolutions
    await view.load(outcome.paths, outcome.directories)
  }
  throw new Error('reconcile asked for more than a tree can hold')
}

/** In a row, before a path counts as busy. */
const MAX_REFUSALS = 5

type Outcome = 'done' | 'stopped'

class Execution {
  readonly #context: FolderContext
  readonly #view: LoadedView
  readonly #steps: ReadonlyMap<PathKey, Step>
  #left: readonly Step[]
  readonly #outcomes = new Map<PathKey, Outcome>()
  #unpublished: Change[] = []
  /** All of that may be stated later. */
  #mayWait = true
  readonly #justDone = new Map<PathKey, Entry>()
  /** Paths that end, whose file another path of the plan gets → that path. */
  readonly #givers = new Map<PathKey, PathKey>()
  /** Those among them that nothing stands at any more. */
  readonly #given = new Set<PathKey>()
  /** Paths of a directory that moved on a device's word which are stated to end (R46). */
  readonly #ending = new Set<PathKey>()
  /** Its new places that live by what is stated. */
  readonly #living = new Set<PathKey>()

  /** Conflict copies that are second names. */
  readonly #linked = new Set<PathKey>()
  /** Names in history of what was displaced. */
  readonly #kept: string[] = []

  constructor(context: FolderContext, view: LoadedView, steps: readonly Step[]) {
    this.#context = context
    this.#view = view
    this.#steps = new Map(steps.map((step) => [step.resolution.path, step]))
    this.#left = steps
    for (const { action, resolution } of steps) if (action.kind === 'move') this.#givers.set(action.from, resolution.path)
    const { moving } = context
    for (const { resolution } of steps) {
      const { path, target } = resolution
      const twin = moving.twin(path)
      if (twin === null) continue
      if (moving.isNew(path)) this.#givers.set(twin, path)
      else if (target.kind === 'tombstone') this.#ending.add(path)
      if (moving.isNew(path) && isLive(target)) this.#living.add(path)
    }
  }

  async run(): Promise<void> {
    try {
      await this.#run()
    } catch (error) {
      this.#context.displaced.failed(this.#kept)
      throw error
    } finally {
      await separateCopies(this.#context, this.#copiesLeft(), this.#linked)
    }
  }

  async #run(): Promise<void> {
    while (this.#left.length > 0 && !this.#context.signal.aborted) {
      const ready = this.#takeReady()
      if (ready.length === 0) break
      // R8: the copies are stated before what replaces their content is.
      if (ready.some((step) => step.resolution.copies.length > 0)) await this.#publish()
      await this.#level(ready.filter((step) => this.#follows(step)))
    }
    // An end that the move before it has brought about is stated in any case.
    for (const step of this.#left) if (this.#given.has(step.resolution.path)) this.#adopt(step, null)
    await this.#stateLater()
    await this.#publish()
    for (const step of this.#left) this.#context.work.markDirty([step.resolution.path])
  }

  /** Of paths that the winner does not have. */
  #copiesLeft(): ReadonlyMap<PathKey, PathKey> {
    const left = [...this.#steps.values()].filter(({ resolution }) => resolution.copies.length > 0 && this.#outcomes.get(resolution.path) !== 'done')
    return new Map(left.flatMap(({ resolution: { path, copies } }) => copies.map((copy): [PathKey, PathKey] => [copy, path])))
  }

  /** The content that the step could not be done without, or null. */
  awaited({ resolution, action }: Step): ContentId | null {
    const { path, target } = resolution
    return (action.kind === 'write' || action.kind === 'move') && target.kind === 'file' && this.#outcomes.get(path) !== 'done' ? target.cid : null
  }

  /** Steps all of whose predecessors are done; those with a stopped one are stopped too and follow it later. */
  #takeReady(): Step[] {
    const ready: Step[] = []
    const left: Step[] = []
    const givers: Step[] = []
    for (const step of this.#left) {
      const stopper = step.after.find((path) => this.#outcomes.get(path) === 'stopped')
      if (stopper !== undefined) this.#stop(step, stopper)
      else if (this.#context.guard.holds(step.resolution.path, step.resolution.target)) this.#stop(step, null)
      else if (!step.after.every((path) => this.#outcomes.get(path) === 'done')) left.push(step)
      else if (this.#isAwaited(step.resolution.path)) givers.push(step)
      else ready.push(step)
    }
    // They come after those that take their files; unless these wait for them by another way.
    if (ready.length === 0) ready.push(...givers)
    else left.push(...givers)
    const progressed = left.length < this.#left.length
    this.#left = left
    return ready.length === 0 && progressed && left.length > 0 ? this.#takeReady() : ready
  }

  /** Another path shall still get the file that stands here. */
  #isAwaited(path: PathKey): boolean {
    const taker = this.#givers.get(path)
    return taker !== undefined && !this.#outcomes.has(taker)
  }

  /** False once a copy that was thought published was not (its bytes changed meanwhile). */
  #follows(step: Step): boolean {
    const stopper = step.after.find((path) => this.#outcomes.get(path) === 'stopped')
    if (stopper !== undefined) this.#stop(step, stopper)
    return stopper === undefined
  }

  #stop(step: Step, follows: PathKey | null): void {
    const { path, copyOf } = step.resolution
    this.#outcomes.set(path, 'stopped')
    if (copyOf !== null) this.#context.copyBases.set(path, copyOf)
    if (follows === null) return
    const { followers } = this.#context
    let waiting = followers.get(follows)
    if (waiting === undefined) followers.set(follows, (waiting = new Set()))
    waiting.add(path)
  }

  async #level(steps: readonly Step[]): Promise<void> {
    const work: { step: Step; op: ApplyOp; list: ContentList | null }[] = []
    for (const step of steps) {
      if (sameEntry(step.resolution.own, step.resolution.target)) {
        this.#unchanged(step)
        continue
      }
      const op = this.#prepare(step)
      if (op === 'nothing') this.#adopt(step, await this.#knownList(step.resolution.target))
      else if (op === 'wait') this.#stop(step, null)
      else work.push({ step, op, list: op.kind === 'file' ? this.#context.fetcher.listOf(op.cid) : null })
    }
    if (work.length === 0) return
    const results = await this.#context.ports.disk.apply(work.map((item) => item.op), this.#context.rules.ignored)
    for (const result of results) if (result.kind === 'done' && result.kept !== null) this.#kept.push(result.kept)
    for (const [i, { step, op, list }] of work.entries()) await this.#finish(step, op, results[i] as ApplyResult, list)
  }

  /** The disk operation of a step; `nothing` if the disk is already right; `wait` if it cannot be done yet. */
  #prepare(step: Step): ApplyOp | 'nothing' | 'wait' {
    const { resolution, action } = step
    const { path, target } = resolution
    const row = this.#view.row(path)
    const aside = this.#context.aside.at(path)
    if (aside !== null) return this.#prepareAside(step, row, aside)
    if (this.#context.moving.concerns(path)) return this.#isForetold(step, row) ? 'nothing' : this.#waitForEnd(path)
    if (action.kind === 'preserve' && this.#context.moving.concerns(action.from)) return this.#waitForEnd(path)
    if (action.kind === 'preserve' && this.#context.aside.at(action.from) !== null) return this.#waitAside(path)
    if (action.kind === 'adopt') return this.#confirm(step, row)
    if (target.kind === 'tombstone' && (row === null || row.entry.kind === 'tombstone' || this.#given.has(path))) return 'nothing'
    const expect = row?.seen ?? null
    if (row !== null && row.entry.kind !== 'tombstone' && expect === null) return this.#lookFirst(path)
    const displace = this.#displace(step)
    switch (action.kind) {
      case 'preserve': {
        const from = this.#view.row(action.from)?.seen ?? null
        if (from === null) return this.#lookFirst(path, action.from)
        return this.#mustStay(action.from) ? 'wait' : { kind: 'link', path: action.from, expect: from, to: path }
      }
      case 'attributes':
        return expect === null ? this.#lookFirst(path) : { kind: 'attributes', path, expect, mode: action.mode, mtime: action.mtime }
      case 'remove':
        return expect === null ? 'nothing' : { kind: 'remove', path, expect, displace }
      case 'directory':
        if (target.kind !== 'directory') throw new Error('a directory step without a directory')
        if (row?.shadow === true && expect !== null) return { kind: 'attributes', path, expect, mode: target.mode, mtime: null }
        return { kind: 'directory', path, expect, mode: target.mode, displace }
      case 'symlink':
        if (target.kind !== 'symlink') throw new Error('a symlink step without a symlink')
        return { kind: 'symlink', path, expect, target: target.target, mtime: target.mtime, displace }
      case 'write':
        if (target.kind !== 'file') throw new Error('a write step without a file')
        return this.#prepareWrite(step, target, expect, displace)
      case 'move':
        return this.#prepareMove(step, action.from, expect, displace)
      default:
        return assertNever(action)
    }
  }

  /**
   * R46: the disk is as the step wants it already. New places are adopted where what stood at the old one is stated there, to the
   * letter, and (files) is stated to have ended at the old one; old places end after that. Where the new place is stated to have
   * ended as well, something stands there still, which only the end of it all can remove.
   */
  #isForetold({ resolution, action }: Step, row: Row | null): boolean {
    const { moving, guard } = this.#context
    const { path, own, target, copies, copyOf, toHistory } = resolution
    const twin = moving.twin(path)
    if (twin === null || copies.length > 0 || copyOf !== null || toHistory.length > 0) return false
    if (action.kind === 'adopt') return true
    const other = this.#view.row(twin)
    if (!moving.isNew(path)) {
      const isStated = (own?.kind === 'directory' && other?.entry.kind === 'directory') || this.#outcomes.get(twin) === 'done'
      return target.kind === 'tombstone' && (this.#given.has(path) || (isStated && this.#living.has(twin)))
    }
    if (isLive(own) || row?.shadow === true || !isLive(target) || other === null || other.seen === null || !treeEqual(other.entry, target)) return false
    if (target.kind === 'directory') return true
    if (!this.#ending.has(twin) || guard.holds(twin, { kind: 'tombstone', vv: {}, dots: [] })) return false
    this.#given.add(twin)
    return true
  }

  /** R48: an end of what is set aside is carried out there; anything else waits until it is back. */
  #prepareAside({ resolution, action }: Step, row: Row | null, aside: AsidePlace): ApplyOp | 'nothing' | 'wait' {
    const { path, target, copies, copyOf, toHistory } = resolution
    if (target.kind !== 'tombstone' || copies.length > 0 || copyOf !== null || toHistory.length > 0) return this.#waitAside(path)
    if (row === null || (row.entry.kind === 'tombstone' && row.shadow !== true)) return 'nothing'
    if (action.kind !== 'remove' || row.seen === null) return this.#waitAside(path)
    return { kind: 'remove', path, expect: row.seen, displace: { to: 'history' }, aside }
  }

  #waitAside(path: PathKey): 'wait' {
    this.#context.aside.waiting.add(path)
    return 'wait'
  }

  #waitForEnd(path: PathKey): 'wait' {
    this.#context.moving.waiting.add(path)
    return 'wait'
  }

  /** The last live bytes of a losing content may be the copy that is here already: it must still be there before they are displaced. */
  #confirm({ resolution }: Step, row: Row | null): ApplyOp | 'nothing' {
    const { path, copyOf } = resolution
    if (copyOf === null || !hasBytes(row?.entry ?? null) || !row?.seen) return 'nothing'
    return { kind: 'attributes', path, expect: row.seen, mode: null, mtime: null }
  }

  /**
   * Whether what stands at a path cannot be replaced yet: bytes of the winner, or of another loser, are to come. Then it gets no second
   * name: what the user writes into it meanwhile would stand under both. What is missing is asked for.
   */
  #mustStay(base: PathKey): boolean {
    const step = this.#steps.get(base)
    if (step === undefined) return false
    const needed = [step, ...step.after.flatMap((path) => this.#steps.get(path) ?? [])]
    return needed.map((each) => this.#lacksBytes(each)).includes(true)
  }

  #lacksBytes(step: Step): boolean {
    const { path, target } = step.resolution
    const outcome = this.#outcomes.get(path)
    if (step.action.kind !== 'write' || target.kind !== 'file' || outcome === 'done') return outcome === 'stopped'
    return outcome === 'stopped' || this.#prepareWrite(step, target, null, { to: 'history' }) === 'wait'
  }

  /** Its own bytes, if they were brought here already, or what stood there is gone or held back. */
  #prepareMove(step: Step, from: PathKey, expect: Row['seen'], displace: Displace): ApplyOp | 'wait' {
    const { path, target } = step.resolution
    const { fetcher, guard, ports } = this.#context
    const giver = this.#view.row(from)
    const isStaged = target.kind === 'file' && fetcher.listOf(target.cid) !== null && ports.disk.isStaged(target.cid)
    const stands = !this.#context.moving.concerns(from) && this.#context.aside.at(from) === null && giver !== null && giver.seen !== null && sameContent(giver.entry, target) && this.#outcomes.get(from) === undefined
    if (stands && giver.seen !== null && !isStaged && !guard.holds(from, { kind: 'tombstone', vv: {}, dots: [] })) {
      return { kind: 'move', path, expect, from, source: giver.seen, ...attributesAfterMove(giver.entry, target), displace }
    }
    if (target.kind === 'file') return this.#prepareWrite(step, target, expect, displace)
    if (target.kind !== 'symlink') throw new Error('a move step without a file or symlink')
    return { kind: 'symlink', path, expect, target: target.target, mtime: target.mtime, displace }
  }

  #prepareWrite(step: Step, target: FileEntry, expect: Row['seen'], displace: Displace): ApplyOp | 'wait' {
    const { path } = step.resolution
    const { fetcher, ports } = this.#context
    if (fetcher.listOf(target.cid) === null || !ports.disk.isStaged(target.cid)) {
      fetcher.request({ path, entry: target, sources: this.#sources(step, target) })
      return 'wait'
    }
    fetcher.claim(path, target.cid)
    return { kind: 'file', path, expect, cid: target.cid, size: target.size, mode: target.mode, mtime: target.mtime, displace }
  }

  /** Devices whose drives name this content here, or at the path that a conflict copy comes from. */
  #sources(step: Step, target: FileEntry): readonly DeviceId[] {
    const { path, copyOf } = step.resolution
    const rows = [...this.#view.remotes(path), ...(copyOf === null ? [] : this.#view.remotes(copyOf))]
    return [...new Set(rows.filter((row) => row.entry.kind === 'file' && row.entry.cid === target.cid).map((row) => row.device))]
  }

  #displace(step: Step): Displace {
    const own = step.resolution.own
    const copy = step.resolution.copies.find((path) => holdsContent(this.#justDone.get(path) ?? this.#view.row(path)?.entry ?? null, own))
    return copy === undefined ? { to: 'history' } : { to: 'linked', at: copy }
  }

  /** The index has not seen what is on disk there: scan, then come back; a scan that cannot read it says the same each time. */
  #lookFirst(path: PathKey, at: PathKey = path): 'wait' {
    this.#refused(path, [at])
    return 'wait'
  }

  async #knownList(entry: Entry): Promise<ContentList | null> {
    if (entry.kind !== 'file') return null
    const { fetcher, ports, unstated } = this.#context
    return (await ports.index.content(entry.cid))?.list ?? unstated.listOf(entry.cid) ?? fetcher.listOf(entry.cid)
  }

  /** Our statement is the target already: nothing to do, and whatever waited for it may go on. */
  #unchanged(step: Step): void {
    this.#outcomes.set(step.resolution.path, 'done')
    release(this.#context, step.resolution.path)
  }

  #adopt(step: Step, list: ContentList | null): void {
    const { path, target } = step.resolution
    const before = this.#view.row(path)
    if (target.kind === 'file' && list === null) {
      this.#lookFirst(path)
      this.#stop(step, null)
      return
    }
    const stood = this.#context.moving.isNew(path) && !isLive(before?.entry ?? null) ? this.#view.row(this.#context.moving.twin(path) ?? path) : before
    const row: Row = { entry: target, seen: target.kind === 'tombstone' && before?.shadow !== true ? null : (stood?.seen ?? null), ...(before?.shadow === true && target.kind === 'tombstone' ? { shadow: true } : {}) }
    this.#done(step, { path, before, entry: target, row, list, kept: null, from: 'remote' })
  }

  async #finish(step: Step, op: ApplyOp, result: ApplyResult, staged: ContentList | null): Promise<void> {
    const { path, target } = step.resolution
    const before = this.#view.row(path)
    if (op.kind === 'remove' && op.aside !== undefined && !this.#isDoneAside(path, result)) return this.#stop(step, null)
    switch (result.kind) {
      case 'done': {
        // Its own event may come before its row is there, and a scan does not enter directories that it knows.
        if (op.kind === 'directory') await this.#context.ports.watcher.watch([path])
        if (op.kind === 'link') this.#linked.add(path)
        if (op.kind === 'move') this.#given.add(op.from)
        const list = staged ?? (await this.#knownList(target))
        const kept = result.kept === null ? null : { name: result.kept, reason: reasonOf(target) }
        this.#done(step, { path, before, entry: target, row: { entry: target, seen: result.seen }, list, kept, from: 'remote' })
        return
      }
      case 'kept-by-ignored':
        if (target.kind !== 'tombstone') return this.#keptByIgnored(step)
        this.#done(step, { path, before, entry: target, row: { entry: target, seen: before?.seen ?? null, shadow: true }, list: null, kept: null, from: 'remote' })
        return
      case 'changed':
        this.#refused(path, [...result.paths, ...(result.stray === null ? [] : [result.stray])])
        this.#stop(step, null)
        return
      case 'not-staged':
        if (op.kind === 'move') this.#copyInstead(step)
        else this.#context.work.markDirty([path])
        this.#stop(step, null)
        return
      case 'problem':
        this.#block(path, result.problem)
        this.#stop(step, null)
        return
      default:
        assertNever(result)
    }
  }

  /** What is not as it was, or cannot go, is back in the tree soon, and is dealt with there. */
  #isDoneAside(path: PathKey, result: ApplyResult): boolean {
    const { aside, ports, work } = this.#context
    if (result.kind !== 'done') {
      this.#waitAside(path)
      return false
    }
    // Whatever the user made under its name meanwhile.
    if (aside.ended(path)) work.markScan([path])
    aside.heard(null, ports.clock.now())
    return true
  }

  /** The file system cannot give it the other name: its bytes are brought here as any others. */
  #copyInstead({ resolution, action }: Step): void {
    const { path, target } = resolution
    if (target.kind !== 'file') return this.#refused(path, [path])
    this.#context.fetcher.request({ path, entry: target, sources: this.#sources({ resolution, action, after: [] }, target) })
  }

  /** R13: the path is scanned and reconciled again; one that never agrees waits for the next retry instead of spinning. */
  #refused(path: PathKey, paths: readonly PathKey[]): void {
    const { refusals, work } = this.#context
    const count = (refusals.get(path) ?? 0) + 1
    refusals.set(path, count)
    work.markScan([path, ...paths])
    if (count < MAX_REFUSALS) work.markDirty([path])
    else this.#block(path, this.#context.problems.get(path) ?? { path, code: 'busy', message: `cannot change ${path}: it keeps changing; it is tried again later` })
  }

  /** R39: what takes the name of a directory cannot, while ignored things keep it. */
  #keptByIgnored(step: Step): void {
    const { path } = step.resolution
    this.#block(path, { path, code: 'kept-by-ignored', message: `cannot put the new ${step.resolution.target.kind} at ${path}: ignored files keep the directory there; move or delete them` })
    this.#stop(step, null)
  }

  #block(path: PathKey, problem: Problem): void {
    this.#context.blocked.set(path, problem)
    this.#context.problems.set(path, problem)
  }

  #done(step: Step, change: Change): void {
    this.#outcomes.set(change.path, 'done')
    this.#unpublished.push(change)
    this.#mayWait &&= isPlainEnd(change) || this.#isAgreed(step, change)
    this.#justDone.set(change.path, change.row.entry)
    if (isIgnoreFile(change.path)) this.#context.work.markRules()
    if ((step.action.kind === 'write' || step.action.kind === 'move') && change.row.entry.kind === 'file') this.#context.fetcher.consumed(change.row.entry.cid)
    this.#context.fetcher.keep(change.path, null)
  }

  /** It came to be just as another device states it, and nothing else follows from it or waits for it. */
  #isAgreed({ resolution }: Step, change: Change): boolean {
    const { blocked, copyBases, followers, guard } = this.#context
    const { path, target, copies, copyOf, toHistory } = resolution
    if (!isPlainBirth(change) || copies.length > 0 || copyOf !== null || toHistory.length > 0 || copyBases.size > 0) return false
    if (isIgnoreFile(path) || blocked.has(path) || followers.has(path) || guard.isRecalled(path)) return false
    return this.#view.remotes(path).some(({ entry }) => sameEntry(entry, target))
  }

  /** Of nothing but deletions, or what is new, the statements wait a moment for what else comes in. */
  async #stateLater(): Promise<void> {
    const { aside, moving, ports, tally, unstated } = this.#context
    if (moving.current !== null || !this.#mayWait || this.#unpublished.length === 0) return
    // R48: what was set aside is held against rows.
    if (aside.active && this.#unpublished.some(({ row }) => row.entry.kind !== 'tombstone')) return
    // What is stated of a path follows what was stated before.
    if (unstated.hasAny(this.#unpublished.map(({ path }) => path))) await stateEnds(this.#context)
    unstated.keep(this.#unpublished, ports.clock.now())
    for (const { path } of this.#unpublished) tally.settle(path)
    this.#unpublished = []
  }

  async #publish(): Promise<void> {
    if (this.#unpublished.length === 0) return
    const changes = this.#unpublished
    this.#unpublished = []
    this.#mayWait = true
    // In the order done: the end of a directory after what was in it.
    await stateEnds(this.#context)
    const unreadable = await commit(this.#context, changes)
    this.#noteMoved(changes, unreadable)
    for (const path of unreadable) {
      this.#outcomes.set(path, 'stopped')
      if (this.#context.moving.concerns(path)) {
        this.#waitForEnd(path)
        continue
      }
      this.#context.work.markScan([path])
      this.#context.work.markDirty([path])
    }
  }

  /** What is stated at its new place is not to be moved back. */
  #noteMoved(changes: readonly Change[], unreadable: readonly PathKey[]): void {
    const { moving, ports } = this.#context
    if (moving.current === null) return
    const failed = new Set(unreadable)
    for (const { path, row, before } of changes) if (row.entry.kind === 'tombstone' && isLive(before?.entry ?? null) && !failed.has(path)) moving.ended(path, ports.clock.now())
  }
}

function holdsContent(copy: Entry | null, own: Entry | null): boolean {
  if (copy === null || own === null) return false
  if (copy.kind === 'file') return own.kind === 'file' && own.cid === copy.cid
  return copy.kind === 'symlink' && own.kind === 'symlink' && own.target === copy.target
}

function reasonOf(target: Entry): HistoryRow['reason'] {
  return target.kind === 'tombstone' ? 'deleted' : 'replaced'
}

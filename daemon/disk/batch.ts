/** What the operations of one apply share: the open read-only directories, what must be fsynced, and the common looks and moves. */
import type { ApplyOp, ApplyResult, Displace, Log, ScanRequest, SeenStat } from '../ports.ts'
import type { ContentId, PathKey } from '../sync/ids.ts'
import { joinPath, nameOf, parentOf } from '../sync/path.ts'
import type { ApplyHooks, Mover, Prepared } from './atomic.ts'
import type { Displaced } from './displaced.ts'
import type { Folding } from './folding.ts'
import { historySlot, moveToHistory, parseHistoryName, type HistorySlot } from './history.ts'
import type { HistoryNotes, Leaving } from './history-notes.ts'
import { FETCH_DIR, SWAP_DIR } from './layout.ts'
import { listDirectory } from './listing.ts'
import { Modes } from './modes.ts'
import type { Relinked } from './relinked.ts'
import { at, type Directory, type Roots } from './roots.ts'
import { kindOf, kindOfMode, MODE_BITS, sameSeen, toSeen } from './seen.ts'
import type { Staging } from './stage.ts'
import { lstat, lstatOrNull, rename, rmdir, unlink, type Stat } from './sys.ts'

export interface ApplyParts {
  readonly roots: Roots
  readonly staging: Staging
  readonly mover: Mover
  readonly folding: Folding
  readonly displaced: Displaced
  readonly notes: HistoryNotes
  readonly now: () => Date
  readonly relinked: Relinked
  readonly hooks: ApplyHooks
  readonly log: Log
  /** An operation ended half-way. `leaving`: what it meant to displace; `kept`: a name in history that something got. */
  readonly onFailure?: (leaving: Leaving | null, kept?: string) => void
}

export class Batch {
  readonly parts: ApplyParts
  readonly modes: Modes
  /** Directories (ours included) in which a name changed. */
  readonly touched = new Set<string>()
  /** Contents that several operations of this batch want: each gets a copy. */
  readonly shared: ReadonlySet<ContentId>
  readonly #ignored: ScanRequest['ignored']
  readonly #slots = new Map<ApplyOp, HistorySlot>()

  constructor(parts: ApplyParts, ignored: ScanRequest['ignored'], shared: ReadonlySet<ContentId>) {
    this.parts = parts
    this.modes = new Modes(parts.roots)
    this.shared = shared
    this.#ignored = ignored
  }

  /** With the directory that holds the path, opened up if its owner may not write in it. */
  async inParent<T>(path: PathKey, run: (parent: Directory, name: string) => Promise<T>): Promise<T> {
    return await this.parts.roots.use(parentOf(path), async (parent) => await run(parent, nameOf(path)), this.modes.visit)
  }

  // ------------------------------------------------------------------------------------------- before

  /** What the operations may displace gets its places in history, which are written down with where it stands. */
  async reserve(ops: readonly ApplyOp[]): Promise<void> {
    const displacing = ops.flatMap((op) => {
      const leaving = leavingOf(op)
      return leaving === null ? [] : [{ op, leaving }]
    })
    const slots = await this.parts.notes.reserve(displacing.map(({ leaving }) => leaving), this.parts.now())
    for (const [i, { op }] of displacing.entries()) this.#slots.set(op, slots[i] as HistorySlot)
  }

  slot(op: Extract<ApplyOp, { readonly displace: Displace }>): HistorySlot {
    return this.#slots.get(op) ?? historySlot(op.path, this.parts.now())
  }

  // ------------------------------------------------------------------------------------------- looking

  /** INVARIANT 3: what stands there is what the index saw. */
  agrees(stat: Stat | null, expect: SeenStat | null, path: PathKey): boolean {
    if (stat === null || expect === null) return stat === null && expect === null
    const seen = toSeen(stat)
    return sameSeen(seen, this.#openedExpect(path, expect)) || this.parts.relinked.isSame(expect, seen)
  }

  /** The same of what came out of a move, which changes the ctime. */
  isExpected(stat: Stat, expect: SeenStat, path: PathKey): boolean {
    return this.parts.displaced.isExpected(stat, this.#openedExpect(path, expect))
  }

  /** What stands there is not what the index saw: a directory that is ignored as one is no news, and stays (R39); of anything else a scan tells. */
  refused(stat: Stat | null, expect: SeenStat | null, path: PathKey): ApplyResult {
    const isIgnored = expect === null && stat !== null && kindOf(stat) === 'directory' && this.#ignored(path, true)
    return isIgnored ? { kind: 'kept-by-ignored' } : changed(path)
  }

  /** What keeps a directory from being removed; null if it is empty (R10). */
  async obstacle(path: PathKey): Promise<ApplyResult | null> {
    const found = await this.#childrenOf(path)
    if (found.all === 0) return null
    return found.synced.length === 0 ? { kind: 'kept-by-ignored' } : { kind: 'changed', paths: [path, ...found.synced], stray: null }
  }

  async statInSwap(name: string): Promise<Stat> {
    return await this.parts.roots.useOwn(SWAP_DIR, async (swap) => await lstat(at(swap, name)))
  }

  /** A directory that this batch opened up has another mode than the index saw. */
  #openedExpect(path: PathKey, expect: SeenStat): SeenStat {
    return this.modes.finalMode(path) === (expect.mode & MODE_BITS) ? { ...expect, mode: expect.mode | 0o700 } : expect
  }

  async #childrenOf(path: PathKey): Promise<{ readonly all: number; readonly synced: readonly PathKey[] }> {
    const { listing, device } = await this.parts.roots.use(path, async (directory) => ({ listing: await listDirectory(directory, path), device: directory.device }), this.modes.visit)
    const synced: PathKey[] = [...listing.vanished, ...listing.unreadable.map((child) => child.path)]
    for (const child of listing.children) {
      const kind = kindOf(child.stat)
      if (kind === 'special' || this.#ignored(child.path, kind === 'directory')) continue
      if (kind === 'directory' && (child.stat.dev !== device || (await this.#isKeptByIgnored(child.path)))) continue
      synced.push(joinPath(path, child.name))
    }
    return { all: listing.children.length + listing.invalid.length + listing.unreadable.length, synced }
  }

  /** A directory that holds nothing but ignored, special and mounted things counts as one of them. */
  async #isKeptByIgnored(path: PathKey): Promise<boolean> {
    const { all, synced } = await this.#childrenOf(path)
    return all > 0 && synced.length === 0
  }

  // ------------------------------------------------------------------------------------------- what came out

  /** As expected. `out` is in staging/swap. */
  async keep(out: string, stat: Stat, op: Extract<ApplyOp, { readonly displace: Displace }>): Promise<string | null> {
    const kept = await this.parts.displaced.keep(out, stat, op.path, op.displace, this.slot(op))
    await this.parts.mover.forgetOut(out)
    const slot = kept === null ? null : parseHistoryName(kept)
    if (slot !== null) this.touched.add(slot.directory)
    return kept
  }

  /** Ours, and it had a name in the tree: into history. */
  async retire(out: string, stat: Stat, path: PathKey): Promise<void> {
    const { roots, displaced } = this.parts
    const slot = await displaced.slot(path, stat)
    await roots.useOwn(SWAP_DIR, async (swap) => await moveToHistory(roots, swap, out, slot))
    this.touched.add(slot.directory)
  }

  /** Not as expected: the user's bytes. `stands`: as of `rehome`; then no name of them is in the tree yet. */
  async stray(area: string, out: string, path: PathKey, stands: Directory | null = null): Promise<ApplyResult> {
    const home = await this.parts.displaced.rehome(area, out, path, this.modes.visit, stands)
    await this.parts.mover.forgetOut(out)
    this.touched.add(stands?.path ?? parentOf(path))
    return { kind: 'changed', paths: [path], stray: stands === null && 'at' in home ? home.at : null }
  }

  // ------------------------------------------------------------------------------------------- what was prepared

  /** It has its name now. */
  used(prepared: Prepared): void {
    if (prepared.cid !== null) this.parts.staging.forget(prepared.cid)
  }

  /** If it was not used it goes back, or away; whatever else stands under its name by now (what came out) is left alone. */
  async discard(prepared: Prepared): Promise<void> {
    if (prepared.area !== SWAP_DIR) return
    const { roots, staging } = this.parts
    await roots.useOwn(SWAP_DIR, async (swap) => {
      const there = await lstatOrNull(at(swap, prepared.name))
      if (there === null || there.ino !== prepared.stat.ino) return
      const { cid } = prepared
      if (prepared.kind === 'directory') await rmdir(at(swap, prepared.name))
      else if (cid === null || there.nlink !== 1n) await unlink(at(swap, prepared.name))
      else {
        await roots.useOwn(FETCH_DIR, async (fetch) => await rename(at(swap, prepared.name), at(fetch, cid)))
        staging.readmit(cid)
      }
    })
  }
}

/** Null for what displaces no bytes. */
export function leavingOf(op: ApplyOp): Leaving | null {
  if (!('displace' in op) || op.expect === null || kindOfMode(op.expect.mode) === 'directory') return null
  return { path: op.path, reason: op.kind === 'remove' ? 'deleted' : 'replaced', ino: op.expect.ino }
}

export function changed(path: PathKey): ApplyResult {
  return { kind: 'changed', paths: [path], stray: null }
}

/**
 * The stat for the index. If someone wrote to the file after it got its name, the stat is the one from before, so that the next
 * scan sees the difference.
 */
export async function seenAfter(prepared: Stat, parent: Directory, name: string): Promise<SeenStat> {
  const now = await lstatOrNull(at(parent, name))
  const before = toSeen(prepared)
  if (now === null) return before
  const seen = toSeen(now)
  return sameSeen({ ...seen, ctimeNs: before.ctimeNs }, before) ? seen : before
}

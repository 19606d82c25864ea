/**
 * The guard against mass deletion (R27–R29) of one folder: which deletions wait for the user. `here`: a scan missed the files, and
 * nothing of it is published; `elsewhere`: other devices state the deletion, and nothing of it is applied. What waits is flagged in
 * its index row as well, so that a restart finds it waiting; the flag goes with the next row of that path.
 */
import type { Row } from '../ports.ts'
import { contentKey, hasBytes, sameContent } from '../sync/entry-compare.ts'
import type { Entry, LiveEntry } from '../sync/entry.ts'
import type { PathKey } from '../sync/ids.ts'
import { ancestorsOf } from '../sync/path.ts'
import { DeletionWindow, type FileChange, type GuardLimits } from '../sync/safety.ts'
import { compareVersions } from '../sync/version.ts'

export type Side = 'here' | 'elsewhere'

/** What the index row of a waiting path says in `blocked`. */
export const FLAG: Readonly<Record<Side, string>> = { here: 'mass-deletion', elsewhere: 'mass-deletion-elsewhere' }

/** Something that a scan missed at a path that our drive states. */
export interface Gone {
  readonly path: PathKey
  /** What we state there. */
  readonly entry: LiveEntry
  /** Its row says that it waits. */
  readonly flagged: boolean
  /** A file or symlink has taken the place of the directory. */
  readonly replaced: boolean
}

export class Guard {
  /** Published, but not on disk; with their contents, directories with null. */
  #here: Map<PathKey, string | null> = new Map()
  readonly #elsewhere = new Set<PathKey>()
  readonly #approved: Readonly<Record<Side, Set<PathKey>>> = { here: new Set(), elsewhere: new Set() }
  /** Rejected here: to be fetched back as the other devices state them. */
  readonly #recalled = new Set<PathKey>()
  readonly #incoming = new Map<PathKey, FileChange>()
  /** Stated to end elsewhere, judged to go, and not gone yet: they are among today's files still. */
  readonly #going = new Set<PathKey>()
  readonly #windows: Readonly<Record<Side, DeletionWindow>>

  constructor(limits: Partial<GuardLimits> = {}) {
    this.#windows = { here: new DeletionWindow(limits), elsewhere: new DeletionWindow(limits) }
  }

  get deciding(): boolean {
    return this.#here.size + this.#elsewhere.size > 0
  }

  held(side: Side): readonly PathKey[] {
    return [...(side === 'here' ? this.#here : this.#elsewhere).keys()]
  }

  /** Paths that our drive states and the disk lacks. */
  get missing(): number {
    return this.#here.size + this.#recalled.size
  }

  /** The step for this path has to wait: what shall become of it is not known yet. */
  holds(path: PathKey, target: Entry): boolean {
    return this.#here.has(path) || (target.kind === 'tombstone' && this.#elsewhere.has(path))
  }

  /** Our statement of it counts for nothing until its bytes are back. */
  isRecalled(path: PathKey): boolean {
    return this.#recalled.has(path)
  }

  isApproved(path: PathKey, side: Side): boolean {
    return this.#approved[side].has(path)
  }

  /** Something else was decided for the path, or it is there again. @returns whether it waited. */
  forget(path: PathKey): boolean {
    this.#approved.here.delete(path)
    this.#approved.elsewhere.delete(path)
    this.#recalled.delete(path)
    this.#going.delete(path)
    const elsewhere = this.#elsewhere.delete(path)
    return this.#here.delete(path) || elsewhere
  }

  // ------------------------------------------------------------------------------------------- here

  /** A file that a scan found new. */
  appearedHere(path: PathKey, content: string, replaces: boolean): void {
    this.#windows.here.appeared({ path, content, replaces })
  }

  /**
   * What the whole of a scan missed. `all`: it looked at everything, so what waited and is not among it is there again.
   * @returns the paths among them that have to wait, and those that wait no longer without being among them.
   */
  judgeHere(gone: readonly Gone[], files: number, now: number, all: boolean): { readonly waiting: ReadonlySet<PathKey>; readonly released: readonly PathKey[] } {
    const before = new Map(this.#here)
    const missed = new Map(gone.map((each) => [each.path, each]))
    for (const { path, replaced } of gone) if (replaced) this.#recalled.delete(path)
    const deletions = gone.filter(({ path, entry }) => hasBytes(entry) && !this.#recalled.has(path)).map((each) => this.#deletion(each))
    for (const [path, content] of all ? [] : before) if (content !== null && !missed.has(path)) deletions.push({ path, content, held: true })
    const held = new Map<PathKey, string | null>()
    for (const { path, content } of this.#judge('here', files, deletions, now)) held.set(path, content)
    // A directory that is gone waits with what was in it: its own end alone would say that nothing is left.
    for (const path of [...held.keys()]) {
      for (const ancestor of ancestorsOf(path)) if (!held.has(ancestor) && (missed.has(ancestor) || before.has(ancestor))) held.set(ancestor, null)
    }
    this.#here = held
    const waiting = new Set(held.keys())
    for (const path of missed.keys()) if (this.#recalled.has(path)) waiting.add(path)
    return { waiting, released: [...before.keys()].filter((path) => !held.has(path) && !missed.has(path)) }
  }

  /** Whether any of so many might have to wait, whatever they are, if a scan missed them. Nothing of it is remembered. */
  mightHold(deletions: number, files: number, now: number): boolean {
    return this.#windows.here.mightHold({ now, files, deletions })
  }

  #deletion({ path, entry, flagged }: Gone): FileChange {
    const approved = this.#approved.here.has(path)
    return { path, content: contentKey(entry), approved, held: !approved && (flagged || this.#here.has(path)) }
  }

  // ------------------------------------------------------------------------------------------- elsewhere

  /** Another device states something new of a path. */
  incoming(path: PathKey, own: Row | null, theirs: Entry): void {
    const mine = own?.entry ?? null
    if (theirs.kind === 'tombstone') this.#noteDeletion(path, own, theirs)
    else if (hasBytes(theirs) && !sameContent(mine, theirs)) this.#windows.elsewhere.appeared({ path, content: contentKey(theirs), replaces: hasBytes(mine) })
  }

  #noteDeletion(path: PathKey, own: Row | null, theirs: Extract<Entry, { kind: 'tombstone' }>): void {
    if (own === null || !hasBytes(own.entry) || compareVersions(theirs.vv, own.entry.vv) !== 'dominates') return
    const approved = theirs.approved === true || this.#approved.elsewhere.has(path) || this.#incoming.get(path)?.approved === true
    if (approved) this.#elsewhere.delete(path)
    this.#incoming.set(path, { path, content: contentKey(own.entry), approved, held: !approved && (own.blocked?.code === FLAG.elsewhere || this.#elsewhere.has(path)) })
  }

  /** Before anything of what came in is applied. @returns the paths that have to wait from now on. */
  judgeElsewhere(files: number, now: number): readonly PathKey[] {
    const deletions = [...this.#incoming.values()]
    this.#incoming.clear()
    for (const { path } of deletions) this.#going.delete(path)
    const held = this.#judge('elsewhere', files - this.#going.size, deletions, now).map((change) => change.path)
    for (const { path } of deletions) this.#going.add(path)
    for (const path of held) this.#going.delete(path)
    const fresh = held.filter((path) => !this.#elsewhere.has(path))
    for (const path of held) this.#elsewhere.add(path)
    return fresh
  }

  /** As `wouldHold`, of so many of which nothing else is known. */
  mightHoldElsewhere(deletions: number, files: number, now: number): boolean {
    for (const { held } of this.#incoming.values()) if (held === true) return true
    return this.#windows.elsewhere.mightHold({ now, files: files - this.#going.size, deletions: this.#incoming.size + deletions })
  }

  /** Whether any of these would have to wait, if other devices stated that they ended. Nothing of it is remembered. */
  wouldHold(deletions: readonly FileChange[], files: number, now: number): boolean {
    const fresh = deletions.filter(({ path }) => !this.#going.has(path) && !this.#incoming.has(path))
    return this.#windows.elsewhere.wouldHold({ now, files: files - this.#going.size, deletions: [...this.#incoming.values(), ...fresh] })
  }

  /** `files`: before what appeared since the last judgement. */
  #judge(side: Side, files: number, deletions: readonly FileChange[], now: number): readonly FileChange[] {
    return this.#windows[side].judge({ now, files, deletions })
  }

  // ------------------------------------------------------------------------------------------- the decision

  /** What waits on that side may go. */
  approve(side: Side): readonly PathKey[] {
    const paths = this.held(side)
    if (side === 'here') this.#here = new Map()
    else this.#elsewhere.clear()
    for (const path of paths) this.#approved[side].add(path)
    return paths
  }

  /** R28: these come back from the other devices. */
  recall(paths: Iterable<PathKey>): void {
    for (const path of paths) {
      this.#here.delete(path)
      this.#recalled.add(path)
    }
  }

  /** For `status`; null while nothing waits. `folder`: what to type for it. */
  reason(folder: string, files: number): { readonly code: string; readonly message: string } | null {
    if (!this.deciding) return null
    const [here, elsewhere] = [this.#here.size, this.#elsewhere.size]
    const sentences: string[] = []
    if (here > 0) sentences.push(`${here} files and directories (of ${files} files) were deleted here at once, and the other devices are not told yet`)
    if (elsewhere > 0) sentences.push(`other devices deleted ${elsewhere} of the ${files} files at once, and nothing of it is done here yet`)
    const message = `${sentences.join('; ')}: \`p2psync approve ${folder}\` deletes them everywhere, \`p2psync reject ${folder}\` brings them back`
    return { code: 'mass-deletion', message }
  }
}

/**
 * The work a folder's cycle has before it: what may have changed on disk, whether drives grew, which paths must be reconciled.
 * Watchers, peers, timers and RPC only mark here; the cycle takes.
 */
import type { PathKey } from '../sync/ids.ts'
import { IGNORE_FILE } from '../sync/path.ts'

export interface ScanWork {
  readonly paths: 'all' | readonly PathKey[]
  readonly rehash: boolean
}

/** What is known of paths, for as long as its era lasts. */
interface Known {
  has(path: PathKey): boolean
  /** Another one: what was known may not be any more. */
  readonly era: object
}

/** Above this many hinted paths one full scan is cheaper than looking at each. */
const MAX_HINTED_PATHS = 20_000

export class Work {
  #all = false
  #rehash = false
  #pull = false
  #rules = false
  #moves = false
  readonly #paths = new Set<PathKey>()
  /** The same paths that no era's look at them has reached: each look costs what came in since the last one. */
  #unlooked: PathKey[] = []
  #era: object | null = null
  readonly #dirty = new Set<PathKey>()

  get empty(): boolean {
    return !this.localDoubt && !this.#pull && !this.#rules && !this.#moves && this.#dirty.size === 0
  }

  /** Something on disk may differ from what our drive states. */
  get localDoubt(): boolean {
    return this.#all || this.#paths.size > 0
  }

  /** What stands there is to be looked at, as far as paths were named or all are. */
  isDoubted(path: PathKey): boolean {
    return this.#all || this.#paths.has(path)
  }

  /** Something is due that goes before all that is to be carried out. */
  get urgent(): boolean {
    return this.#rules || this.#moves || this.#dirty.has(IGNORE_FILE)
  }

  /** As `localDoubt`, for more than these. */
  isInDoubtBeyond(known: Known): boolean {
    if (this.#all) return true
    if (this.#era !== known.era) this.#unlooked = [...this.#paths]
    this.#era = known.era
    for (let path = this.#unlooked.pop(); path !== undefined; path = this.#unlooked.pop()) {
      if (known.has(path)) continue
      this.#unlooked.push(path)
      return true
    }
    return false
  }

  get pullDue(): boolean {
    return this.#pull
  }

  get dirtyCount(): number {
    return this.#dirty.size
  }

  markScan(paths: 'all' | Iterable<PathKey>, rehash = false): void {
    if (rehash) this.#rehash = true
    if (paths === 'all') this.#all = true
    else for (const path of paths) this.#hint(path)
    if (this.#paths.size > MAX_HINTED_PATHS) this.#all = true
  }

  #hint(path: PathKey): void {
    if (this.#paths.has(path)) return
    this.#paths.add(path)
    this.#unlooked.push(path)
  }

  /** The ignore file may have changed. */
  markRules(): void {
    this.#rules = true
  }

  takeRules(): boolean {
    const due = this.#rules
    this.#rules = false
    return due
  }

  /** A directory moves on the word of another device, or may (R46). */
  markMoves(): void {
    this.#moves = true
  }

  takeMoves(): boolean {
    const due = this.#moves
    this.#moves = false
    return due
  }

  markPull(): void {
    this.#pull = true
  }

  /** Takes these too, if they are marked. */
  takeAlso(paths: readonly PathKey[]): readonly PathKey[] {
    return paths.filter((path) => path !== IGNORE_FILE && this.#dirty.delete(path))
  }

  markDirty(paths: Iterable<PathKey>): void {
    for (const path of paths) this.#dirty.add(path)
  }

  takeScan(): ScanWork | null {
    if (!this.localDoubt) return null
    const work: ScanWork = { paths: this.#all ? 'all' : [...this.#paths], rehash: this.#rehash }
    this.#all = false
    this.#rehash = false
    this.#forgetHints()
    return work
  }

  /** Only what was named; null: nothing was, or all is to be looked at. */
  takeHints(): readonly PathKey[] | null {
    if (this.#all || this.#rehash || this.#paths.size === 0) return null
    const paths = [...this.#paths]
    this.#forgetHints()
    return paths
  }

  #forgetHints(): void {
    this.#paths.clear()
    this.#unlooked = []
  }

  takePull(): boolean {
    const due = this.#pull
    this.#pull = false
    return due
  }

  /**
   * At most `limit` paths, or `endsLimit` of which nothing is to be left; the ignore file alone and first, because its rules apply to
   * all others (R32).
   */
  takeDirty(limit: number, endsLimit = limit, ends: (path: PathKey) => boolean = () => false): ReadonlySet<PathKey> | null {
    if (this.#dirty.size === 0) return null
    if (this.#dirty.delete(IGNORE_FILE)) return new Set([IGNORE_FILE])
    const taken = new Set<PathKey>()
    let onlyEnds = true
    for (const path of this.#dirty) {
      onlyEnds &&= ends(path)
      if (taken.size >= (onlyEnds ? endsLimit : limit)) break
      taken.add(path)
    }
    for (const path of taken) this.#dirty.delete(path)
    return taken
  }

  /** Those of which nothing is to be left, if nothing else was marked before them; null: there are none, or the rules come first. */
  takeEnds(limit: number, ends: (path: PathKey) => boolean): ReadonlySet<PathKey> | null {
    if (this.#rules || this.#dirty.has(IGNORE_FILE)) return null
    const taken = this.takeDirty(0, limit, ends)
    return taken === null || taken.size === 0 ? null : taken
  }
}

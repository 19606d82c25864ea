/**
 * Decides, for a set of paths, what the tree of every device shall be (SEMANTICS R4–R15): pure, deterministic, symmetric. It sees
 * statements only, never a disk. It says which further statements it needs, so that the caller can load them and ask again.
 */
import { Closure } from './closure.ts'
import type { Entry } from './entry.ts'
import type { PathKey } from './ids.ts'

/** All that is known of one path: our own statement and one per other device (R14 already applied, absence already left out, R12). */
export interface PathView {
  readonly own: Entry | null
  readonly remotes: readonly Entry[]
}

/** What has been loaded so far; undefined: not loaded (ask for it). */
export interface TreeView {
  path(path: PathKey): PathView | undefined
  /** Names below a directory of which any device (us included) speaks, tombstones included. */
  children(directory: PathKey): Iterable<string> | undefined
  ignored(path: PathKey, isDirectory: boolean): boolean
}

/** What a path shall become. */
export interface Resolution {
  readonly path: PathKey
  readonly own: Entry | null
  /** The merged statement, conflicts and the top-down pass included. */
  readonly target: Entry
  /** Paths of conflict copies whose statement must be published with or before `target` (R8). */
  readonly copies: readonly PathKey[]
  /** For a conflict copy that this merge makes: the path whose losing content it keeps. */
  readonly copyOf: PathKey | null
  /** Losing contents that get no copy here (ignored conflict path R7, dominated copy R6): their bytes must go to history before `target` is published. */
  readonly toHistory: readonly Entry[]
}

export type Reconciled =
  | { readonly kind: 'need'; readonly paths: readonly PathKey[]; readonly directories: readonly PathKey[] }
  | { readonly kind: 'resolved'; readonly resolutions: ReadonlyMap<PathKey, Resolution> }

/**
 * What the paths of `dirty` shall become, with every path that this drags along: their ancestors, what lies below a directory
 * that ends, the copies of losing contents. A path stays dirty until its own statement equals the target. Ask again with what
 * `need` names until it is resolved; each answer brings it closer.
 */
export function reconcile(dirty: ReadonlySet<PathKey>, view: TreeView): Reconciled {
  const closure = new Closure(view)
  closure.consider(dirty)
  const need = closure.missing()
  return need ?? { kind: 'resolved', resolutions: closure.resolutions(dirty) }
}

/** What the disk must do for one resolution. `own` of the resolution is what is on disk before. */
export type Action =
  /** The disk already is as `target` says: only publish it. */
  | { readonly kind: 'adopt' }
  | { readonly kind: 'attributes'; readonly mode: number | null; readonly mtime: string | null }
  /** Content of `target.cid` takes the name. */
  | { readonly kind: 'write' }
  | { readonly kind: 'symlink' }
  /** The bytes stand at `from` on this disk, which ends in the same plan: they get this name in place of that. If they are gone from there: as `write` or `symlink`. */
  | { readonly kind: 'move'; readonly from: PathKey }
  | { readonly kind: 'directory' }
  | { readonly kind: 'remove' }
  /** The bytes stand at `from` on this disk (our own losing version): give them this name as well. */
  | { readonly kind: 'preserve'; readonly from: PathKey }

export interface Step {
  readonly resolution: Resolution
  readonly action: Action
  /** Steps for these paths must be done (published) first; all are in the same plan. */
  readonly after: readonly PathKey[]
}

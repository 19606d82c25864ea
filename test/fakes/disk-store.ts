/** What of a fake disk outlives a daemon: the tree, and what stands below `.p2psync/`. */
import type { RootState } from '../../daemon/ports.ts'
import type { ContentList } from '../../daemon/sync/content.ts'
import type { ContentId } from '../../daemon/sync/ids.ts'
import { FakeTree, type LeafNode } from './tree.ts'

export interface StagedContent {
  readonly list: ContentList
  readonly data: Buffer
  /** Offsets of the chunks that are there. */
  readonly have: Set<number>
  sealed: boolean
}

/** A displaced file on its way to history, as a crash can leave it. */
export interface Displaced {
  readonly node: LeafNode
  readonly path: string
}

export class DiskStore {
  readonly tree: FakeTree
  readonly staging = new Map<ContentId, StagedContent>()
  readonly history = new Map<string, LeafNode>()
  readonly limbo = new Set<Displaced>()
  /** Paths that give EACCES. */
  readonly denied = new Set<string>()
  /** Paths where an apply fails, with this code. */
  readonly failing = new Map<string, string>()
  /** Staging fails with ENOSPC. */
  full = false
  epoch = 0
  fileSystemBytes = 1_000_000
  /** Anything but null: what `inspect` says in place of ready. */
  halted: Exclude<RootState, { kind: 'ready' }> | null = null
  /** A watcher hears what we do ourselves as well. */
  onChange: (paths: readonly string[]) => void = () => undefined
  /** What an apply displaced stands in history now. */
  onKept: (node: LeafNode) => void = () => undefined
  /** The port was used as it must not be. */
  onMisuse: (what: string) => void = (what) => {
    throw new Error(what)
  }
  #names = 0

  constructor(now: () => number) {
    this.tree = new FakeTree(now)
  }

  newHistoryName(path: string): string {
    this.#names++
    return `${String(this.#names).padStart(6, '0')}-${path.replaceAll('/', '%')}`
  }

  /** Into history under a new name. */
  keep(displaced: Displaced): string {
    const name = this.newHistoryName(displaced.path)
    this.limbo.delete(displaced)
    this.history.set(name, displaced.node)
    displaced.node.links++
    this.onKept(displaced.node)
    return name
  }
}

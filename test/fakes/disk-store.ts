/** What of a fake disk outlives a daemon: the tree, and what stands below `.p2psync/`. */
import type { DisplacedReason } from '../../daemon/sync/kept.ts'
import type { RootState } from '../../daemon/ports.ts'
import type { ContentList } from '../../daemon/sync/content.ts'
import type { ContentId } from '../../daemon/sync/ids.ts'
import { copyNode, FakeTree, type Copies, type DirectoryNode, type LeafNode } from './tree.ts'

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
  readonly reason: DisplacedReason
}

/** Written down before anything moves. */
export interface Noted {
  readonly path: string
  readonly at: number
  readonly reason: DisplacedReason
}

/** A directory on its way out (R48), with where it belongs. */
export interface SetAside {
  readonly node: DirectoryNode
  readonly path: string
}

export interface DiskImage {
  readonly root: DirectoryNode
  readonly history: ReadonlyMap<string, LeafNode>
  readonly notes: ReadonlyMap<string, Noted>
  readonly limbo: readonly Displaced[]
  readonly aside: ReadonlyMap<string, SetAside>
  readonly staging: ReadonlyMap<ContentId, StagedContent>
  readonly epoch: number
}

export class DiskStore {
  readonly tree: FakeTree
  readonly staging = new Map<ContentId, StagedContent>()
  readonly history = new Map<string, LeafNode>()
  /** Of each name that history ever had: where it stood. */
  readonly notes = new Map<string, Noted>()
  readonly limbo = new Set<Displaced>()
  readonly aside = new Map<string, SetAside>()
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
  /** Something changed here, and is on disk for sure only after the next `onSync`. */
  onWrite: () => void = () => undefined
  onSync: () => void = () => undefined
  /** The port was used as it must not be. */
  onMisuse: (what: string) => void = (what) => {
    throw new Error(what)
  }
  readonly #now: () => number
  #names = 0

  constructor(now: () => number) {
    this.tree = new FakeTree(now)
    this.#now = now
  }

  /** All that stands on the disk of the folder now. */
  snapshot(): DiskImage {
    const copies: Copies = new Map()
    return {
      root: this.tree.snapshot(copies),
      history: new Map([...this.history].map(([name, node]) => [name, copyNode(node, copies)])),
      notes: new Map(this.notes),
      limbo: [...this.limbo].map(({ node, path, reason }) => ({ node: copyNode(node, copies), path, reason })),
      aside: new Map([...this.aside].map(([name, { node, path }]) => [name, { node: copyNode(node, copies), path }])),
      staging: new Map([...this.staging].map(([cid, staged]) => [cid, { ...staged, data: Buffer.from(staged.data), have: new Set(staged.have) }])),
      epoch: this.epoch
    }
  }

  /** The image is used up. */
  reset(image: DiskImage): void {
    this.tree.reset(image.root)
    this.history.clear()
    for (const [name, node] of image.history) this.history.set(name, node)
    this.notes.clear()
    for (const [name, note] of image.notes) this.notes.set(name, note)
    this.limbo.clear()
    for (const displaced of image.limbo) this.limbo.add(displaced)
    this.aside.clear()
    for (const [name, each] of image.aside) this.aside.set(name, each)
    this.staging.clear()
    for (const [cid, staged] of image.staging) this.staging.set(cid, staged)
    this.epoch = image.epoch
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
    this.notes.set(name, { path: displaced.path, at: this.#now(), reason: displaced.reason })
    displaced.node.links++
    this.onKept(displaced.node)
    return name
  }
}

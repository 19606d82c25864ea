/** Entries for rows, written short: writers are letters, 'a1 b2' is a vector, 'a1' a dot. */
import type { DirectoryEntry, Dot, Entry, FileEntry, SymlinkEntry, Tombstone, VersionVector } from '../../daemon/sync/entry.ts'
import type { ContentId, PathKey, WriterId } from '../../daemon/sync/ids.ts'
import { reconcile, type PathView, type Resolution, type TreeView } from '../../daemon/sync/reconcile.ts'

export function dots(text: string): Dot[] {
  return text.split(' ').map((dot) => [dot.slice(0, 1) as WriterId, Number(dot.slice(1))])
}

export function dot(text: string): Dot {
  return dots(text)[0] as Dot
}

export function vv(text: string): VersionVector {
  return Object.fromEntries(dots(text))
}

/** `by`: its dots, by default the last of `version`; `mdot` by default the last of them. */
export interface Origin {
  readonly by?: string
  readonly mdot?: string
  readonly mode?: number
  /** Microseconds. */
  readonly mtime?: number
}

export function file(cid: string, version: string, { by, mdot, mode, mtime }: Origin = {}): FileEntry {
  const made = dots(by ?? last(version))
  return {
    kind: 'file',
    vv: vv(version),
    dots: made,
    mdot: mdot === undefined ? (made.at(-1) as Dot) : dot(mdot),
    mode: mode ?? 0o644,
    size: 1,
    mtime: String((mtime ?? 1) * 1000),
    cid: cid as ContentId
  }
}

export function directory(version: string, { by, mdot, mode }: Origin = {}): DirectoryEntry {
  const made = dots(by ?? last(version))
  return { kind: 'directory', vv: vv(version), dots: made, mdot: mdot === undefined ? (made.at(-1) as Dot) : dot(mdot), mode: mode ?? 0o755 }
}

export function symlink(target: string, version: string, { by, mtime }: Origin = {}): SymlinkEntry {
  return { kind: 'symlink', vv: vv(version), dots: dots(by ?? last(version)), mtime: String((mtime ?? 1) * 1000), target }
}

export function tombstone(version: string, { by }: Origin = {}): Tombstone {
  return { kind: 'tombstone', vv: vv(version), dots: dots(by ?? last(version)) }
}

export function path(text: string): PathKey {
  return text as PathKey
}

/** path → [own, ...remotes]. */
export type Statements = Readonly<Record<string, readonly [own: Entry | null, ...remotes: Entry[]]>>

/** Reconciles with everything loaded on demand; `asked` gathers what had to be. */
export function resolveAll(statements: Statements, dirty: readonly string[], ignored: readonly string[] = [], asked = new Set<string>()): ReadonlyMap<PathKey, Resolution> {
  const paths = new Set<PathKey>()
  const directories = new Set<PathKey>()
  const view: TreeView = {
    path: (at) => (paths.has(at) ? viewOf(statements, at) : undefined),
    children: (at) => (directories.has(at) ? childrenOf(statements, at) : undefined),
    ignored: (at) => ignored.includes(at)
  }
  for (let i = 0; i < 100; i++) {
    const result = reconcile(new Set(dirty.map(path)), view)
    if (result.kind === 'resolved') return result.resolutions
    for (const at of result.paths) paths.add(at)
    for (const at of result.directories) directories.add(at)
    for (const at of [...result.paths, ...result.directories]) asked.add(at)
  }
  throw new Error('never resolved')
}

function viewOf(statements: Statements, at: PathKey): PathView {
  const [own, ...remotes] = statements[at] ?? [null]
  return { own, remotes }
}

function childrenOf(statements: Statements, at: PathKey): string[] {
  const below = Object.keys(statements).filter((other) => other.startsWith(`${at}/`))
  return [...new Set(below.map((other) => other.slice(at.length + 1).split('/')[0] as string))]
}

function last(version: string): string {
  return version.split(' ').at(-1) as string
}

/**
 * From resolutions to steps on disk, ordered, each with the steps that must be done (published) before it:
 *
 *     conflict copies → the path whose content they keep (R8)
 *     directory → what is live in it          what dies below → a path that ends as a directory
 *
 * A content that another path of the plan gives up by ending is moved from there, while it is there (`move`); nothing waits for that.
 *
 * A directory that loses the owner's right to write or search in it gets its attributes after what changes inside.
 */
import { isLive, modeOf, mtimeOf, sameAttributes, sameContent, treeEqual } from './entry-compare.ts'
import type { DirectoryEntry, Entry, FileEntry, SymlinkEntry } from './entry.ts'
import type { PathKey } from './ids.ts'
import { movesOf } from './moves.ts'
import { ancestorsOf, comparePaths } from './path.ts'
import type { Action, Resolution, Step } from './reconcile.ts'

type Resolutions = ReadonlyMap<PathKey, Resolution>

/** @param twin see movesOf. @returns one step per resolution; every path of an `after` stands earlier in the list. */
export function plan(resolutions: Resolutions, twin?: (path: PathKey) => PathKey | null): readonly Step[] {
  const paths = [...resolutions.keys()].sort(comparePaths)
  const before = new Map<PathKey, Set<PathKey>>(paths.map((path) => [path, new Set()]))
  for (const path of paths) addOrder(before, resolutions, resolutions.get(path) as Resolution)
  return sorted(paths, before, resolutions, movesOf(resolutions.values(), twin))
}

/** What the disk, being as `own` says, must do to be as `target` says. `held`: what stands at `copyOf` at that moment. */
function actionOf(resolution: Resolution, held: Entry | null, from: PathKey | null): Action {
  const { own, target } = resolution
  if (treeEqual(own, target)) return { kind: 'adopt' }
  switch (target.kind) {
    case 'tombstone':
      return { kind: 'remove' }
    case 'directory':
      return own?.kind === 'directory' ? { kind: 'attributes', mode: target.mode, mtime: null } : { kind: 'directory' }
    case 'symlink':
    case 'file':
      return bytesAction(resolution, target, held, from)
  }
}

function bytesAction({ own, copyOf }: Resolution, target: FileEntry | SymlinkEntry, held: Entry | null, from: PathKey | null): Action {
  if (own !== null && sameContent(own, target)) {
    const mode = modeOf(own) === modeOf(target) ? null : modeOf(target)
    return { kind: 'attributes', mode, mtime: mtimeOf(own) === target.mtime ? null : target.mtime }
  }
  // A second link has one inode and so one mode and mtime: they must be the copy's already.
  const linkable = held !== null && sameContent(held, target) && sameAttributes(held, target)
  if (linkable && copyOf !== null && !isLive(own)) return { kind: 'preserve', from: copyOf }
  if (from !== null) return { kind: 'move', from }
  return { kind: target.kind === 'file' ? 'write' : 'symlink' }
}

function addOrder(before: Map<PathKey, Set<PathKey>>, resolutions: Resolutions, resolution: Resolution): void {
  const { path, target, copies } = resolution
  for (const copy of copies) if (resolutions.has(copy)) before.get(path)?.add(copy)
  const above = ancestorsOf(path).find((ancestor) => resolutions.has(ancestor))
  const parent = above === undefined ? undefined : resolutions.get(above)
  if (parent === undefined) return
  if (comesAfterContents(parent)) before.get(parent.path)?.add(path)
  else if (isLive(target)) before.get(path)?.add(parent.path)
}

/** What is below must be done first: the path ends as a directory, or can no longer be written in. */
function comesAfterContents({ own, target }: Resolution): boolean {
  if (target.kind !== 'directory') return true
  return own?.kind === 'directory' && open(own) && !open(target)
}

/** The owner may search and change it. */
function open(directory: DirectoryEntry): boolean {
  return (directory.mode & 0o300) === 0o300
}

/**
 * Depth first along `before`. Conflict copies that were edited into each other's content can ask to come before one another;
 * an edge back into the way that led to it is left out (what such a step displaces is kept in history all the same).
 */
function sorted(paths: readonly PathKey[], before: ReadonlyMap<PathKey, ReadonlySet<PathKey>>, resolutions: Resolutions, moves: ReadonlyMap<PathKey, PathKey>): Step[] {
  const steps: Step[] = []
  const placed = new Set<PathKey>()
  for (const start of paths) {
    const way: { readonly path: PathKey; readonly rest: PathKey[] }[] = []
    const onWay = new Set<PathKey>()
    const enter = (path: PathKey): void => {
      onWay.add(path)
      way.push({ path, rest: [...(before.get(path) ?? [])] })
    }
    if (!placed.has(start)) enter(start)
    for (let at = way.at(-1); at !== undefined; at = way.at(-1)) {
      const next = at.rest.shift()
      if (next !== undefined) {
        if (!placed.has(next) && !onWay.has(next)) enter(next)
        continue
      }
      way.pop()
      onWay.delete(at.path)
      placed.add(at.path)
      steps.push(stepOf(at.path, before, placed, resolutions, moves.get(at.path) ?? null))
    }
  }
  return steps
}

function stepOf(path: PathKey, before: ReadonlyMap<PathKey, ReadonlySet<PathKey>>, placed: ReadonlySet<PathKey>, resolutions: Resolutions, from: PathKey | null): Step {
  const resolution = resolutions.get(path) as Resolution
  const { copyOf } = resolution
  const after = [...(before.get(path) ?? [])].filter((other) => other !== path && placed.has(other))
  const held = copyOf === null || placed.has(copyOf) ? null : (resolutions.get(copyOf)?.own ?? null)
  return { resolution, action: actionOf(resolution, held, from), after }
}

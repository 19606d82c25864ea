/** Directories that a scan missed with all that was in them: the others are told before each path is stated (R48). */
import { GONE_GATHER_MS, MAX_GONE, MAX_GONE_GATHERED_MS } from '../../base/limits.ts'
import type { Finding, Row } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import { ancestorsOf } from '../sync/path.ts'
import type { FolderContext } from './context.ts'

/** After so many in which nothing more is gone, nothing more is waited for. */
const QUIET_ROUNDS = 2

export type StateFinding = Extract<Finding, { readonly kind: 'present' | 'absent' }>
export type Moved = Extract<Finding, { readonly kind: 'present' }>

/** What is told at the end of a scan. */
export interface Gone {
  /** What was in a directory comes before it. */
  readonly absent: Map<PathKey, StateFinding>
  /** Files that turned up elsewhere: stated in one batch with their end at the old place, so that it can be one move everywhere. */
  moved: Moved[]
  /** Those among them whose old place does not just end, or that took the place of a directory. */
  others: Moved[]
  /** Directories that files moved away from, stated already. */
  readonly left: Set<PathKey>
}

export function nothingGone(): Gone {
  return { absent: new Map(), moved: [], others: [], left: new Set() }
}

export function missed({ absent }: Gone, finding: StateFinding): void {
  // One that is told anew comes after what was in it.
  absent.delete(finding.path)
  absent.set(finding.path, finding)
}

/** `missing`: paths with their rows; `others`: what is gone as well, but waits or stands elsewhere now. */
export function tellGone(context: FolderContext, missing: readonly (readonly [PathKey, Row | null])[], others: Iterable<PathKey>): void {
  const { aside, guard } = context
  if (missing.length < context.goneMin || guard.deciding) return
  const tops = wholeDirectories(missing, others)
  let paths = 0
  for (const count of tops.values()) paths += count
  if (paths < context.goneMin) return
  aside.told = [...aside.told, ...tops.keys()].slice(0, MAX_GONE)
  context.tell()
}

/** The topmost, with how many paths each of them had. */
export function wholeDirectories(missing: readonly (readonly [PathKey, Row | null])[], others: Iterable<PathKey>): ReadonlyMap<PathKey, number> {
  const directories = new Set<PathKey>()
  for (const [path, row] of missing) if (row?.entry.kind === 'directory' && row.ignored !== true && row.shadow !== true) directories.add(path)
  for (const other of others) for (const path of [other, ...ancestorsOf(other)]) directories.delete(path)
  const tops = new Map<PathKey, number>()
  for (const [path] of missing) {
    const top = [path, ...ancestorsOf(path)].findLast((above) => directories.has(above))
    if (top !== undefined) tops.set(top, (tops.get(top) ?? 0) + 1)
  }
  return tops
}

/**
 * A deletion of many files goes on while it is looked at. What else it took by now is gathered first, so that whole directories can be
 * told as such: for as long as there is more of it. `look`: a scan of these paths, from which what is still as it was found comes again.
 * @returns false if that was broken off.
 */
export async function gatherGone(context: FolderContext, gone: Gone, look: (paths: readonly PathKey[]) => Promise<boolean>): Promise<boolean> {
  const { clock } = context.ports
  const end = clock.now() + MAX_GONE_GATHERED_MS
  let quiet = 0
  while (gone.absent.size >= context.goneMin && quiet < QUIET_ROUNDS && clock.now() < end) {
    await new Promise<void>((resolve) => void clock.after(GONE_GATHER_MS, resolve))
    const before = gone.absent.size
    const hinted = context.work.takeHints()
    quiet++
    if (hinted === null) continue
    const isLookedAt = within(hinted)
    for (const path of [...gone.absent.keys()]) if (isLookedAt(path)) gone.absent.delete(path)
    gone.moved = gone.moved.filter(({ path }) => !isLookedAt(path))
    gone.others = gone.others.filter(({ path }) => !isLookedAt(path))
    if (!(await look(hinted))) return false
    if (gone.absent.size > before) quiet = 0
  }
  return true
}

/** What of `waiting` is as it was found, after a look at the hinted paths found `more`, in which only what is new is left. */
export function lookedAgain(waiting: readonly StateFinding[], hinted: readonly PathKey[], more: Pick<Gone, 'absent'>): readonly StateFinding[] {
  const isLookedAt = within(hinted)
  const left = waiting.filter(({ kind, path }) => !isLookedAt(path) || (kind === 'absent' && more.absent.has(path)))
  for (const { kind, path } of left) if (kind === 'absent') more.absent.delete(path)
  return left
}

function within(paths: readonly PathKey[]): (path: PathKey) => boolean {
  const tops = new Set(paths)
  return (path) => tops.has(path) || ancestorsOf(path).some((above) => tops.has(above))
}

/** Directories that a scan missed with all that was in them: the others are told before each path is stated (R48), and while more go (R51). */
import { GONE_GATHER_MS, MAX_GONE, MAX_GONE_GATHERED_MS } from '../../base/limits.ts'
import type { Finding, Row } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import { ancestorsOf, parentOf, ROOT } from '../sync/path.ts'
import type { FolderContext } from './context.ts'
import { Shrinking } from './shrinking.ts'

/** Rows kept until they are judged, up to a kilobyte each. */
const KEPT_ROWS = 20_000
/** So many may be the beginning of a deletion of many: what else goes is waited for as long as it is so many each time. */
const BEGINNING = 16
/** After so many in which nothing more is gone, nothing more is waited for. */
const QUIET_ROUNDS = 2

type Missed = Extract<Finding, { readonly kind: 'absent' }>
/** `row` null: it is read again. */
export type StateFinding = Extract<Finding, { readonly kind: 'present' }> | (Omit<Missed, 'row'> & { readonly row: Missed['row'] | null })
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
  /** How many were missed in each directory that is not missed itself. */
  readonly inside: Map<PathKey, number>
  /** Directories missed with something in them, and not told yet. */
  readonly whole: Set<PathKey>
  /** How many paths these are. */
  wholePaths: number
}

export function nothingGone(): Gone {
  return { absent: new Map(), moved: [], others: [], left: new Set(), inside: new Map(), whole: new Set(), wholePaths: 0 }
}

export function missed(gone: Gone, finding: StateFinding): void {
  const { absent, inside, whole } = gone
  const { kind, path } = finding
  // One that is told anew comes after what was in it.
  absent.delete(path)
  absent.set(path, kind === 'absent' && absent.size >= KEPT_ROWS ? { kind, path, row: null } : finding)
  if (kind !== 'absent' || path === ROOT) return
  const parent = parentOf(path)
  inside.set(parent, (inside.get(parent) ?? 0) + 1)
  const count = inside.get(path)
  if (count === undefined) return
  inside.delete(path)
  whole.add(path)
  gone.wholePaths += count + 1
}

/**
 * At the end of a scan. `missing`: paths with their rows; `others`: what is gone as well, but waits or stands elsewhere now; `before`: what
 * was told of what was judged before. What else was told early is told no more.
 */
export function tellGone(context: FolderContext, missing: readonly (readonly [PathKey, Row | null])[], others: Iterable<PathKey>, before: readonly PathKey[]): void {
  const { aside, goneMin, guard } = context
  const tops = missing.length < goneMin || guard.deciding ? new Map<PathKey, number>() : wholeDirectories(missing, others)
  let paths = 0
  for (const count of tops.values()) paths += count
  tell(context, [...before, ...(paths < goneMin && aside.told.length === before.length ? [] : tops.keys())])
}

/**
 * R51: while more of it goes, and nothing of it is judged yet: directories that are gone whole by now, if the guard would let go of all that
 * is gone so far. `end`: no more of it is known to go.
 */
async function tellEarly(context: FolderContext, gone: Gone, files: number, end: boolean): Promise<void> {
  const { aside, goneMin, guard, moving, ports } = context
  const { absent, moved, others, left, whole } = gone
  if (whole.size === 0 || (gone.wholePaths < goneMin && !(end && aside.told.length > 0)) || aside.told.length >= MAX_GONE) return
  // What moves is told as that, and what may have moved, or may have to wait, not before it is judged.
  if (moved.length + others.length + left.size > 0 || moving.told !== null || guard.deciding || guard.missing > 0) return
  if (guard.mightHold(absent.size, files, ports.clock.now())) return
  const paths = [...whole]
  whole.clear()
  gone.wholePaths = 0
  const rows = await ports.index.rows(paths)
  const directories = paths.filter((path, i) => isDirectory(rows[i] ?? null))
  tell(context, topmost([...aside.told, ...directories].filter((path) => absent.get(path)?.kind === 'absent')))
}

function tell(context: FolderContext, directories: readonly PathKey[]): void {
  const { aside } = context
  const told = directories.slice(0, MAX_GONE)
  if (told.length === aside.told.length && told.every((path, i) => path === aside.told[i])) return
  aside.told = told
  context.tell()
}

export function topmost(paths: readonly PathKey[]): PathKey[] {
  const all = new Set(paths)
  return [...all].filter((path) => !ancestorsOf(path).some((above) => all.has(above)))
}

function isDirectory(row: Row | null): boolean {
  return row?.entry.kind === 'directory' && row.ignored !== true && row.shadow !== true
}

/** The topmost, with how many paths each of them had. */
export function wholeDirectories(missing: readonly (readonly [PathKey, Row | null])[], others: Iterable<PathKey>): ReadonlyMap<PathKey, number> {
  const directories = new Set<PathKey>()
  for (const [path, row] of missing) if (isDirectory(row)) directories.add(path)
  for (const other of others) for (const path of [other, ...ancestorsOf(other)]) directories.delete(path)
  const known = new Map<PathKey, PathKey | null>([[ROOT, null]])
  const topOf = (path: PathKey): PathKey | null => (path === ROOT ? null : (topAbove(parentOf(path)) ?? (directories.has(path) ? path : null)))
  // There are far fewer directories than paths.
  const topAbove = (directory: PathKey): PathKey | null => {
    let top = known.get(directory)
    if (top === undefined) known.set(directory, (top = topOf(directory)))
    return top
  }
  const tops = new Map<PathKey, number>()
  for (const [path] of missing) {
    const top = topOf(path)
    if (top !== null) tops.set(top, (tops.get(top) ?? 0) + 1)
  }
  return tops
}

/**
 * A deletion of many files goes on while it is looked at. What else it took by now is gathered first, so that whole directories can be
 * told as such: for as long as there is more of it. `look`: a scan of these paths, from which what is still as it was found comes again.
 * `files`: before all of it. @returns false if that was broken off.
 */
export async function gatherGone(context: FolderContext, gone: Gone, files: number, look: (paths: readonly PathKey[]) => Promise<boolean>): Promise<boolean> {
  const { clock } = context.ports
  const end = clock.now() + MAX_GONE_GATHERED_MS
  const shrinking = new Shrinking()
  const enough = Math.min(BEGINNING, context.goneMin)
  let quiet = 0
  while (gone.absent.size >= enough && quiet < (gone.absent.size < context.goneMin ? 1 : QUIET_ROUNDS) && clock.now() < end) {
    await tellEarly(context, gone, files, quiet > 0)
    await new Promise<void>((resolve) => void clock.after(GONE_GATHER_MS, resolve))
    const before = gone.absent.size
    const due = shrinking.due(context.work.takeHints() ?? [])
    if (due.length > 0 && !(await lookOnceMore(context, gone, due, look))) return false
    shrinking.drop((directory) => gone.absent.get(directory)?.kind === 'absent')
    const isMore = gone.absent.size >= before + (before < context.goneMin ? enough : 1)
    quiet = isMore || !shrinking.empty ? 0 : quiet + 1
  }
  context.work.markScan(shrinking.left)
  return true
}

/**
 * Nothing that was known of these paths, and of what is below them, is certain any more. A look at a directory that is there tells nothing
 * of what is further below: so what moved is looked at itself, and where it came from, to be a pair again.
 */
async function lookOnceMore(context: FolderContext, gone: Gone, paths: readonly PathKey[], look: (paths: readonly PathKey[]) => Promise<boolean>): Promise<boolean> {
  const isLookedAt = within(paths)
  const moved = [...gone.moved, ...gone.others].filter(({ path }) => isLookedAt(path))
  const again = moved.flatMap((found) => (found.moved === undefined ? [found.path] : [found.path, found.moved.from]))
  const doubted = [...gone.absent.keys()].filter(isLookedAt)
  for (const path of [...doubted, ...again]) gone.absent.delete(path)
  gone.moved = gone.moved.filter(({ path }) => !isLookedAt(path))
  gone.others = gone.others.filter(({ path }) => !isLookedAt(path))
  if (!(await look([...paths, ...again]))) return false
  context.work.markScan(doubted.filter((path) => !gone.absent.has(path)))
  return true
}

/** What of `waiting` is as it was found, after a look at the hinted paths found `more`, in which only what is new is left. */
export function lookedAgain(waiting: readonly StateFinding[], hinted: readonly PathKey[], more: Pick<Gone, 'absent'>): readonly StateFinding[] {
  const isLookedAt = within(hinted)
  const left = waiting.filter(({ kind, path }) => !isLookedAt(path) || (kind === 'absent' && more.absent.has(path)))
  for (const { kind, path } of left) if (kind === 'absent') more.absent.delete(path)
  return left
}

/** At or below one of them. Asked for many paths of few directories. */
function within(paths: readonly PathKey[]): (path: PathKey) => boolean {
  const tops = new Set(paths)
  const known = new Map<PathKey, boolean>([[ROOT, tops.has(ROOT)]])
  const isWithin = (directory: PathKey): boolean => {
    let is = known.get(directory)
    if (is === undefined) known.set(directory, (is = tops.has(directory) || isWithin(parentOf(directory))))
    return is
  }
  return (path) => tops.has(path) || (path !== ROOT && isWithin(parentOf(path)))
}

/**
 * What was set aside (set-aside.ts) and is there still goes back to where its note says that it stood: a directory by one rename(2), or
 * where its name was taken meanwhile, what is in it name by name. What has no free name goes to history. At a start and at the end
 * of R48 alike: the disk alone says what is to be done.
 */
import { errnoOf } from '../../base/errors.ts'
import type { PutBack } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import { joinPath, nameOf, parentOf, parsePath, ROOT } from '../sync/path.ts'
import type { Mover, Prepared } from './atomic.ts'
import type { Displaced } from './displaced.ts'
import { moveToHistory, namesIn } from './history.ts'
import { RECOVERED, type HistoryNotes } from './history-notes.ts'
import { ASIDE_DIR, ASIDE_NOTE, SWAP_DIR } from './layout.ts'
import { at, self, WalkError, type Roots } from './roots.ts'
import { dropBatch, isOrdinary, syncReadable } from './set-aside.ts'
import { close, isGone, lstat, lstatOrNull, mkdir, open, READ_FLAGS, readFully, readNames, rename, rmdir } from './sys.ts'
import { inoOf, kindOf } from './seen.ts'

export interface PutBackParts {
  readonly roots: Roots
  readonly mover: Mover
  readonly displaced: Displaced
  readonly notes: HistoryNotes
  readonly now: () => Date
  /** Something empty is left beside the tree. */
  readonly onFailure?: () => void
}

interface Result {
  readonly paths: PathKey[]
  readonly kept: { path: PathKey; name: string }[]
}

/** `path`: where it belongs; null: nobody knows. */
interface Place {
  readonly area: string
  readonly name: string
  readonly path: PathKey | null
}

/** A note names at most a few hundred paths. */
const MAX_NOTE_BYTES = 4 * 1024 * 1024

/** Throws what keeps something from going back: it stands where it was, and the next try goes on. */
export async function putBack(parts: PutBackParts): Promise<PutBack> {
  const { roots } = parts
  roots.refresh()
  const result: Result = { paths: [], kept: [] }
  const batches = await namesIn(roots, ASIDE_DIR)
  const places: Place[] = []
  for (const batch of batches) for (const place of await placesOf(roots, `${ASIDE_DIR}/${batch}`)) places.push(place)
  // What stood in another that was set aside after it goes back into that one.
  for (const { area, name, path } of places.sort((x, y) => (x.path ?? '').length - (y.path ?? '').length)) {
    if (path === null) await keepAll(parts, area, name, RECOVERED, result)
    else {
      result.paths.push(path)
      await putBackDirectory(parts, area, name, path, result)
    }
  }
  for (const batch of batches) if (!(await dropBatch(roots, batch))) parts.onFailure?.()
  return result
}

async function placesOf(roots: Roots, area: string): Promise<Place[]> {
  const paths = await readNote(roots, area)
  const names = await namesIn(roots, area)
  return names.filter((name) => name !== ASIDE_NOTE).map((name) => ({ area, name, path: paths?.[Number(name)] ?? null }))
}

async function putBackDirectory(parts: PutBackParts, area: string, name: string, path: PathKey, result: Result): Promise<void> {
  const parent = await hasDirectory(parts.roots, parentOf(path))
  if (!parent) return await keepAll(parts, area, name, path, result)
  if (await isRenamed(parts.roots, area, name, path)) return
  const there = await parts.roots.use(parentOf(path), async (opened) => await lstatOrNull(at(opened, nameOf(path))))
  if (there === null || kindOf(there) !== 'directory') return await keepAll(parts, area, name, path, result)
  await eachIn(parts.roots, area, name, async (inside, child, stat) => {
    const childPath = pathOf(path, child)
    if (childPath === null) await keepAll(parts, inside, child, path, result)
    else if (stat === 'directory') await putBackDirectory(parts, inside, child, childPath, result)
    else if (!(await isPlaced(parts, inside, child, childPath, result))) await keep(parts, inside, child, childPath, result)
  })
  await dropEmpty(parts.roots, area, name)
}

/** Only onto a free name, or an empty directory, which the kernel replaces. */
export async function isRenamed(roots: Roots, area: string, name: string, path: PathKey): Promise<boolean> {
  return await roots.use(area, async (source) => {
    return await roots.use(parentOf(path), async (parent) => {
      const target = at(parent, nameOf(path))
      if ((await lstatOrNull(target)) !== null) return false
      try {
        await rename(`${at(source, name)}/`, `${target}/`)
      } catch (error) {
        if (isTaken(error)) return false
        throw error
      }
      roots.forget(`${area}/${name}`)
      await syncReadable(parent)
      return true
    })
  })
}

/** The user removed what was above: it is made again, as what is in it goes back. False: a name on the way is taken by something else. */
async function hasDirectory(roots: Roots, path: PathKey): Promise<boolean> {
  if (path === ROOT) return true
  if (!(await hasDirectory(roots, parentOf(path)))) return false
  return await roots.use(parentOf(path), async (parent) => {
    const there = await lstatOrNull(at(parent, nameOf(path)))
    if (there !== null) return kindOf(there) === 'directory' && there.dev === parent.device
    await mkdir(at(parent, nameOf(path)), 0o755)
    await syncReadable(parent)
    return true
  })
}

async function isPlaced({ roots, mover, displaced }: PutBackParts, area: string, name: string, path: PathKey, result: Result): Promise<boolean> {
  const stat = await roots.use(area, async (directory) => await lstat(at(directory, name)))
  const out: Prepared = { kind: kindOf(stat) === 'symlink' ? 'symlink' : 'file', area, name, stat, cid: null }
  return await roots.use(parentOf(path), async (parent) => {
    const moved = await mover.placeOpen(out, parent, nameOf(path), path)
    if (moved.kind !== 'placed') return false
    if (moved.out !== null) {
      // Somebody put a file of his own there in the instant that an empty one held the name.
      const home = await displaced.rehome(SWAP_DIR, moved.out, path, () => undefined)
      if ('at' in home) result.paths.push(home.at)
    }
    await syncReadable(parent)
    return true
  })
}

/** Everything below, each file by itself: history has no directories. */
async function keepAll(parts: PutBackParts, area: string, name: string, path: PathKey, result: Result): Promise<void> {
  const stat = await parts.roots.use(area, async (directory) => await lstat(at(directory, name)))
  if (!stat.isDirectory()) return await keep(parts, area, name, path, result)
  await eachIn(parts.roots, area, name, async (inside, child) => await keepAll(parts, inside, child, pathOf(path, child) ?? path, result))
  await dropEmpty(parts.roots, area, name)
}

async function keep({ roots, notes, now }: PutBackParts, area: string, name: string, path: PathKey, result: Result): Promise<void> {
  const { ino } = await roots.use(area, async (directory) => await lstat(at(directory, name)))
  const [slot] = await notes.reserve([{ path, reason: 'replaced', ino: inoOf(ino) }], now())
  if (slot === undefined) throw new Error('a name in history was asked for, and none was given')
  await roots.use(area, async (directory) => await moveToHistory(roots, directory, name, slot))
  result.kept.push({ path, name: slot.name })
}

async function eachIn(roots: Roots, area: string, name: string, run: (inside: string, child: string, kind: string) => Promise<void>): Promise<void> {
  const inside = `${area}/${name}`
  const names = await roots.use(inside, async (directory) => {
    const found: [string, string][] = []
    for (const raw of await readNames(self(directory))) {
      const child = Buffer.from(raw, 'latin1').toString('utf8')
      const stat = await lstatOrNull(at(directory, child))
      if (stat !== null) found.push([child, kindOf(stat)])
    }
    return found
  })
  for (const [child, kind] of names) await run(inside, child, kind)
}

/** What was in it is back, so it holds up nothing: one that cannot be removed, or in which somebody made something, stays for the next try. */
async function dropEmpty(roots: Roots, area: string, name: string): Promise<void> {
  try {
    await roots.use(area, async (directory) => await rmdir(at(directory, name)))
  } catch (error) {
    if (!isOrdinary(error)) throw error
  }
  roots.forget(`${area}/${name}`)
}

function pathOf(directory: PathKey, name: string): PathKey | null {
  return parsePath(joinPath(directory, name))
}

function isTaken(error: unknown): boolean {
  const code = errnoOf(error)
  return code === 'ENOTEMPTY' || code === 'EEXIST' || code === 'ENOTDIR'
}

/** Null: a power cut left it unfinished, and nothing was set aside yet. */
async function readNote(roots: Roots, area: string): Promise<readonly (PathKey | null)[] | null> {
  try {
    const fd = await roots.use(area, async (directory) => await open(at(directory, ASIDE_NOTE), READ_FLAGS))
    try {
      const buffer = Buffer.alloc(MAX_NOTE_BYTES)
      const value: unknown = JSON.parse(buffer.toString('utf8', 0, await readFully(fd, buffer, 0, MAX_NOTE_BYTES, 0)))
      const paths = typeof value === 'object' && value !== null && 'paths' in value ? value.paths : null
      return Array.isArray(paths) ? paths.map(parsePath) : null
    } finally {
      await close(fd)
    }
  } catch (error) {
    if (isGone(error) || error instanceof SyntaxError || error instanceof WalkError) return null
    throw error
  }
}

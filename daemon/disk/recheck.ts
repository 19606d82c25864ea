/**
 * R35: a writer may still hold open what a sync displaced, and go on writing into history. What is not the displaced content any
 * more is nobody's old version: it gets a name of its own in the tree, where the next scan counts it, and where further writes of
 * the same descriptor are seen like any other.
 */
import type { Workers } from '../../base/workers.ts'
import type { Recheck } from '../ports.ts'
import type { FileEntry } from '../sync/entry.ts'
import type { PathKey } from '../sync/ids.ts'
import { joinPath, nameOf, parentOf } from '../sync/path.ts'
import type { Displaced } from './displaced.ts'
import { HISTORY_DIR } from './layout.ts'
import { historyBuckets, lastHours, namesIn, parseHistoryName } from './history.ts'
import { readContent } from './read-content.ts'
import { at, WalkError, type Directory, type Roots } from './roots.ts'
import { entryTime, kindOf, sameStat } from './seen.ts'
import { close, fstat, isGone, lstatOrNull, open, READ_FLAGS, type Stat } from './sys.ts'

const visit = async (): Promise<void> => undefined

export interface RecheckParts {
  readonly roots: Roots
  readonly displaced: Displaced
  readonly workers: Workers | null
}

/** `name`: in history; `entry`: the content that went there from `path`. */
export async function recheck({ roots, displaced, workers }: RecheckParts, name: string, path: PathKey, entry: FileEntry): Promise<Recheck> {
  const slot = parseHistoryName(name)
  if (slot === null) return { kind: 'gone' }
  const state = await orGone(async () => await roots.use(slot.directory, async (bucket) => await stateOf(bucket, slot.file, entry, workers)))
  if (state !== 'changed') return { kind: state ?? 'gone' }
  // A directory that was removed can be held open still, and takes no new name.
  roots.refresh()
  const home = await displaced.rehome(slot.directory, slot.file, await placeFor(roots, path), visit)
  return { kind: 'stray', at: 'at' in home ? home.at : null }
}

/** Names in the newest hours of history, those of the last `ms` before its newest file among them. */
export async function recentHistory(roots: Roots, ms: number, now: Date): Promise<readonly string[]> {
  const recent = lastHours(await historyBuckets(roots), ms, now)
  const names = await Promise.all(recent.map(async ({ name }) => (await namesIn(roots, `${HISTORY_DIR}/${name}`)).map((file) => `${name}/${file}`)))
  return names.flat().filter((name) => parseHistoryName(name) !== null)
}

async function stateOf(bucket: Directory, file: string, entry: FileEntry, workers: Workers | null): Promise<'same' | 'changed' | 'gone'> {
  const stat = await lstatOrNull(at(bucket, file))
  if (stat === null) return 'gone'
  // One with other names was changed under one of those, where it stands in the tree already.
  if (kindOf(stat) !== 'file' || stat.nlink > 1n || looksSame(stat, entry)) return 'same'
  return (await isContent(at(bucket, file), entry, workers)) ? 'same' : 'changed'
}

/** Every write sets the time. */
function looksSame(stat: Stat, entry: FileEntry): boolean {
  return Number(stat.size) === entry.size && entryTime(stat.mtimeNs) === entry.mtime
}

/** One that is being written is none that can be compared: it is not the content, or will not be. */
async function isContent(path: string, entry: FileEntry, workers: Workers | null): Promise<boolean> {
  const fd = await open(path, READ_FLAGS)
  try {
    const before = await fstat(fd)
    if (Number(before.size) !== entry.size) return false
    const content = await readContent(fd, entry.size, { workers })
    return content?.cid === entry.cid && sameStat(before, await fstat(fd))
  } finally {
    await close(fd)
  }
}

/** Beside the path, or in the nearest directory above it that is there. */
export async function placeFor(roots: Roots, path: PathKey): Promise<PathKey> {
  for (let parent = parentOf(path); ; parent = parentOf(parent)) {
    if (parent === '' || (await orGone(async () => await roots.use(parent, async () => true))) !== null) return joinPath(parent, nameOf(path))
  }
}

async function orGone<T>(look: () => Promise<T>): Promise<T | null> {
  try {
    return await look()
  } catch (error) {
    if (isGone(error) || error instanceof WalkError) return null
    throw error
  }
}

/**
 * What a crash left between staging and a name. New content that did not get its name goes back to where it can be found again;
 * everything else is bytes that came out of the tree: back to their place if the crash left it empty, else to history. Nothing is
 * deleted but what is proved to be ours.
 */
import { isDraft } from '../../base/durable-file.ts'
import { errnoOf, messageOf } from '../../base/errors.ts'
import { RESCAN_MS } from '../../base/limits.ts'
import type { Workers } from '../../base/workers.ts'
import type { Log, PutRight } from '../ports.ts'
import type { ContentId, PathKey } from '../sync/ids.ts'
import { nameOf, parentOf, parsePath } from '../sync/path.ts'
import type { Mover, Prepared } from './atomic.ts'
import type { Displaced } from './displaced.ts'
import { historyBuckets, lastHours, moveToHistory, type HistorySlot } from './history.ts'
import { RECOVERED, type HistoryNotes, type Leaving } from './history-notes.ts'
import { FETCH_DIR, MARKER_NAME, OWN_DIR, SWAP_DIR } from './layout.ts'
import { recoverModes } from './modes.ts'
import { decodeName } from './names.ts'
import { putBack } from './put-back.ts'
import { readContent } from './read-content.ts'
import { returnDirectories, toTree } from './return-directories.ts'
import { at, self, type Directory, type Roots } from './roots.ts'
import { inoOf, kindOf } from './seen.ts'
import { dropEmptyBatches, isOrdinary } from './set-aside.ts'
import type { Staging } from './stage.ts'
import { digestOf, parseSwapName } from './swap-name.ts'
import { chmod, close, isGone, lstat, lstatOrNull, open, READ_FLAGS, readFully, readlinkBytes, readNames, rename, rmdir, unlink, unlinkIfThere, type Stat } from './sys.ts'

export interface RecoverParts {
  readonly roots: Roots
  readonly mover: Mover
  readonly displaced: Displaced
  readonly notes: HistoryNotes
  readonly log: Log
  readonly now: () => Date
  readonly workers: Workers | null
  readonly staging: Pick<Staging, 'found'>
  /** Something empty is left beside the tree. */
  readonly onFailure: () => void
}

/** Of operations that failed half-way. */
export class HalfDone {
  /** What they meant to displace, by inode. */
  readonly leaving = new Map<string, Leaving>()
  /** Written down already for what could not be moved there, by inode and name. */
  readonly slots = new Map<string, HistorySlot>()
  /** Of what was put right and is not told yet: paths in the tree, and names in history that something got or may have got. */
  readonly paths = new Set<PathKey>()
  readonly kept = new Set<string>()

  taken(): Omit<PutRight, 'all'> {
    const taken = { paths: [...this.paths], kept: [...this.kept] }
    this.paths.clear()
    this.kept.clear()
    return taken
  }
}

interface SwapParts extends RecoverParts {
  readonly half: HalfDone
}

const NOTE = '.json'
const MAX_NOTE_BYTES = 16 * 1024

/** `hours`: which of history's are looked through; what a crash left is in the recent ones. @returns tree paths that were put right. Throws if the root is not ours or cannot be read. */
export async function recover(parts: RecoverParts, hours: 'recent' | 'all' = 'recent'): Promise<readonly PathKey[]> {
  const { roots } = parts
  await recoverModes(roots)
  await parts.notes.tidy(parts.now())
  await dropMarkerDrafts(roots)
  await dropLinkedStaging(roots)
  const half = new HalfDone()
  // Before what was set aside goes back: one of these may hold the very name that it had.
  await recoverHolds(parts, half)
  const back = await putBack(parts)
  // What is left waits for no start: it is tried again while it runs.
  if (!(await recoverSwap(parts, half))) parts.onFailure()
  await recoverDirectories(parts, half, hours)
  return [...back.paths, ...half.paths]
}

/** As `recover`, while it runs, for what operations that failed half-way may have left. `all`: nothing is left, else the next time may do better. */
export async function putRight(parts: RecoverParts, half: HalfDone): Promise<PutRight> {
  const isSwapRight = await recoverSwap(parts, half)
  const areBack = await recoverDirectories(parts, half, 'all')
  const all = (await dropEmptyBatches(parts.roots)) && isSwapRight && areBack
  return { ...half.taken(), all }
}

/** Names in the tree that an empty file of ours may hold. @returns false if something is left. */
export async function recoverHolds(given: RecoverParts, half: HalfDone): Promise<boolean> {
  const parts: SwapParts = { ...given, half }
  return await parts.roots.useOwn(SWAP_DIR, async (swap) => {
    let all = true
    for (const name of await namesOf(swap)) {
      if (!isHold(name)) continue
      if (await attempt(parts, async () => await recoverHolder(parts, swap, name))) await unlinkIfThere(at(swap, name))
      else all = false
    }
    return all
  })
}

/** @returns false if something is left. */
async function recoverSwap(given: RecoverParts, half: HalfDone): Promise<boolean> {
  const parts: SwapParts = { ...given, half }
  const areHoldsOver = await recoverHolds(given, half)
  return await parts.roots.useOwn(SWAP_DIR, async (swap) => {
    const names = await namesOf(swap)
    let all = areHoldsOver
    for (const name of names) {
      if (!name.endsWith(NOTE) && !(await attempt(parts, async () => await recoverOne(parts, swap, name, names.includes(`${name}${NOTE}`))))) all = false
    }
    for (const note of names) if (note.endsWith(NOTE) && !isHold(note) && (await lstatOrNull(at(swap, note.slice(0, -NOTE.length)))) === null) await unlinkIfThere(at(swap, note))
    return all
  })
}

/** @returns false if something is left. */
async function recoverDirectories(parts: RecoverParts, half: HalfDone, hours: 'recent' | 'all'): Promise<boolean> {
  const found = (path: PathKey): unknown => half.paths.add(path)
  try {
    const all = await historyBuckets(parts.roots)
    const looked = hours === 'all' ? all : lastHours(all, RESCAN_MS, parts.now())
    if (await returnDirectories(parts, looked.map(({ name }) => name), found)) return true
  } catch (error) {
    if (!isOrdinary(error)) throw error
    parts.log.error({ error: messageOf(error) }, 'history could not be looked through for directories that belong into the tree; it is tried again')
  }
  parts.onFailure()
  return false
}

async function namesOf(directory: Directory): Promise<string[]> {
  return (await readNames(self(directory))).flatMap((name) => decodeName(name) ?? [])
}

/** One that cannot be put right stays for the next time, and keeps none of the others. @returns false then. */
async function attempt(parts: SwapParts, work: () => Promise<PathKey | null>): Promise<boolean> {
  try {
    const path = await work()
    if (path !== null) parts.half.paths.add(path)
    return true
  } catch (error) {
    if (errnoOf(error) === null) throw error
    parts.log.error({ error: messageOf(error) }, 'something that a crash or a failure left in staging could not be put right; it is tried again')
    return false
  }
}

function isHold(note: string): boolean {
  return note.endsWith(NOTE) && parseSwapName(note.slice(0, -NOTE.length))?.kind === 'hold'
}

async function dropMarkerDrafts(roots: Roots): Promise<void> {
  await roots.useOwn(OWN_DIR, async (own) => {
    for (const name of await readNames(self(own))) if (name.startsWith(`${MARKER_NAME}.`) && isDraft(name)) await unlinkIfThere(at(own, name))
  })
}

/** A staged file that also has a name in the tree is the tree's: a crash came between link and unlink. */
async function dropLinkedStaging(roots: Roots): Promise<void> {
  await roots.useOwn(FETCH_DIR, async (fetch) => {
    for (const name of await readNames(self(fetch))) {
      const stat = await lstatOrNull(at(fetch, name))
      if (stat !== null && stat.isFile() && stat.nlink > 1n) await unlink(at(fetch, name))
    }
  })
}

async function recoverOne(parts: SwapParts, swap: Directory, name: string, noted: boolean): Promise<PathKey | null> {
  const path = at(swap, name)
  const stat = await lstat(path)
  const kind = kindOf(stat)
  const swapped = parseSwapName(name)
  if (swapped?.kind === 'file' && kind === 'file' && (await isContent(path, stat, swapped.cid, parts.workers))) {
    await toFetch(parts, swap, name, stat, swapped.cid)
    return null
  }
  if (swapped?.kind === 'link' && kind === 'symlink' && digestOf(await readlinkBytes(path)) === swapped.digest) {
    await unlink(path)
    return null
  }
  // A copy of ours that a crash cut short: half of it would be bytes that nobody wrote.
  if (swapped?.kind === 'draft' && kind === 'file') {
    await unlink(path)
    return null
  }
  // It has its new name, or still its old one.
  if (swapped?.kind === 'leaving' && kind !== 'directory' && inoOf(stat.ino) === swapped.ino && stat.nlink > 1n) {
    await unlink(path)
    return null
  }
  // What a probe of the file system left; what was displaced has a name of ours.
  if (swapped === null && kind === 'file' && stat.size === 0n) {
    await unlink(path)
    return null
  }
  return noted ? await returnNoted(parts, swap, name, stat) : await keepOrDrop(parts, swap, name, stat, null)
}

/** An empty directory holds nothing to keep, and any other goes to the tree: history has files alone. @returns where it is there. */
async function keepOrDrop(parts: SwapParts, swap: Directory, name: string, stat: Stat, path: PathKey | null): Promise<PathKey | null> {
  if (!stat.isDirectory()) await keepIt(parts, swap, name, stat, path)
  else if (!(await isRemoved(at(swap, name)))) return await toTree(parts, SWAP_DIR, name, path ?? RECOVERED)
  return null
}

async function isContent(path: string, stat: Stat, cid: ContentId, workers: Workers | null): Promise<boolean> {
  if ((stat.mode & 0o400n) === 0n) await chmod(path, Number(stat.mode & 0o777n) | 0o400)
  const fd = await open(path, READ_FLAGS)
  try {
    return (await readContent(fd, Number(stat.size), { workers }))?.cid === cid
  } finally {
    await close(fd)
  }
}

async function toFetch({ roots, staging }: RecoverParts, swap: Directory, name: string, stat: Stat, cid: ContentId): Promise<void> {
  if (stat.nlink > 1n) return await unlink(at(swap, name))
  await roots.useOwn(FETCH_DIR, async (fetch) => await rename(at(swap, name), at(fetch, cid)))
  staging.found(cid)
}

async function isRemoved(path: string): Promise<boolean> {
  try {
    await rmdir(path)
    return true
  } catch (error) {
    const code = errnoOf(error)
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false
    throw error
  }
}

/** Moved away to make room, where exchange is not possible: the crash may have left its place empty. */
async function returnNoted(parts: SwapParts, swap: Directory, name: string, stat: Stat): Promise<PathKey | null> {
  const path = (await readNote(at(swap, `${name}${NOTE}`)))?.path ?? null
  const out: Prepared = { kind: stat.isDirectory() ? 'directory' : 'file', area: SWAP_DIR, name, stat, cid: null }
  const returned = path !== null && (await placed(parts, out, path))
  return returned ? path : ((await keepOrDrop(parts, swap, name, stat, path)) ?? path)
}

async function placed(parts: RecoverParts, out: Prepared, path: PathKey): Promise<boolean> {
  try {
    const moved = await parts.roots.use(parentOf(path), async (parent) => await parts.mover.placeNew(out, parent, nameOf(path), path))
    return moved.kind === 'placed'
  } catch (error) {
    if (isGone(error)) return false
    throw error
  }
}

/** An empty file may hold a name for a content that never came (where no rename leaves a taken name alone). What came is empty itself now and then. */
async function recoverHolder(parts: SwapParts, swap: Directory, note: string): Promise<PathKey | null> {
  const noted = await readNote(at(swap, note))
  if (noted === null) return null
  const { path } = noted
  try {
    await parts.roots.use(parentOf(path), async (parent) => {
      const there = await lstatOrNull(at(parent, nameOf(path)))
      if (there !== null && there.isFile() && there.size === 0n && !noted.isOf(there)) await keepIt(parts, parent, nameOf(path), there, path)
    })
  } catch (error) {
    if (!isGone(error)) throw error
  }
  return path
}

/** `path`: where it stood, if that is known otherwise. */
async function keepIt(parts: SwapParts, from: Directory, name: string, stat: Stat, path: PathKey | null): Promise<void> {
  const ino = inoOf(stat.ino)
  const { half } = parts
  const key = `${ino} ${name}`
  const noted = half.slots.get(key)
  // What expires goes by the hour.
  const hour = parts.now().toISOString().slice(0, 13)
  const slot = noted?.name.startsWith(`${hour}/`) === true ? noted : await slotFor(parts, key, ino, path)
  // A file system may do it and tell of an error.
  half.kept.add(slot.name)
  await moveToHistory(parts.roots, from, name, slot)
  half.slots.delete(key)
  parts.log.warn({ kept: slot.name }, 'a crash or a failure left bytes between two names; they are in history')
}

async function slotFor(parts: SwapParts, key: string, ino: string, path: PathKey | null): Promise<HistorySlot> {
  const known = parts.half.leaving.get(ino) ?? (await parts.notes.lastOf(ino))
  const leaving = known === null || (path !== null && known.path !== path) ? { path: path ?? RECOVERED, reason: 'recovered' as const, ino } : known
  const { slots, noted } = await parts.notes.reserveNoted([leaving], parts.now())
  if (noted) parts.half.slots.set(key, slots[0] as HistorySlot)
  return slots[0] as HistorySlot
}

interface NoteOfName {
  readonly path: PathKey
  /** It is what was to get the name. Not every file system gives a file the same inode number tomorrow, and not every one fine times. */
  isOf(stat: Stat): boolean
}

async function readNote(path: string): Promise<NoteOfName | null> {
  const fd = await open(path, READ_FLAGS)
  try {
    const buffer = Buffer.alloc(MAX_NOTE_BYTES)
    const value: unknown = parse(buffer.toString('utf8', 0, await readFully(fd, buffer, 0, MAX_NOTE_BYTES, 0)))
    if (typeof value !== 'object' || value === null) return null
    const { path: rawPath, ino, mtime } = value as Readonly<Record<string, unknown>>
    const of = parsePath(rawPath)
    return of === null ? null : { path: of, isOf: (stat) => inoOf(stat.ino) === ino || String(stat.mtimeNs) === mtime }
  } finally {
    await close(fd)
  }
}

/** Null for a note that a power cut left unfinished: then nothing was moved yet. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/**
 * A file's content as it was at one moment: the stat before and after the reading are equal, and a write in between would have
 * shown. Where times are coarse, a write within the same tick of the kernel's clock leaves them as they are, so a file younger than
 * that is left to settle first. Where they are fine (fine-times.ts), a small file is read as soon as nobody writes to it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { errnoOf } from '../../base/errors.ts'
import { isTooLarge, type ContentList } from '../sync/content.ts'
import { parentOf, nameOf } from '../sync/path.ts'
import type { PathKey } from '../sync/ids.ts'
import { readContent, type ReadOptions } from './read-content.ts'
import { writesAreDone } from './fine-times.ts'
import { at, type Roots, WalkError } from './roots.ts'
import { kindOf, sameStat } from './seen.ts'
import { close, fstat, lstat, open, READ_FLAGS, type NodeStat } from './sys.ts'

export type StableRead =
  | { readonly kind: 'read'; readonly content: ContentList; readonly stat: NodeStat }
  /** `read`: some of it was, in vain. */
  | { readonly kind: 'unstable'; readonly read: boolean }
  | { readonly kind: 'failed'; readonly error: unknown }

/** No other device would take it. */
export class TooLargeError extends Error {
  readonly code = 'too-large'
}

/** The longest tick of a kernel clock (100 Hz), and some more. */
const TICK_MS = 12
/** Where times are fine: a file that is written in several calls is mostly read once, complete. One that was renamed into place is complete. */
const QUIET_MS = 2
const ATTEMPTS = 4
const SECOND_NS = 1_000_000_000n
/** From then on an edit shows where times are cut to two seconds. */
const CUT_MS = 2_000 + TICK_MS
/** Reading less than this takes no longer than the check of the name would. */
const LONG_READ_BYTES = 1024 * 1024

export interface StableOptions extends ReadOptions {
  /** A recent lstat of the path. */
  readonly listed: NodeStat
  /** The times there show each change. */
  readonly fine: boolean
  readonly signal: AbortSignal
}

export async function readStable(roots: Roots, path: PathKey, options: StableOptions): Promise<StableRead> {
  let fd: number | null = null
  try {
    fd = await roots.use(parentOf(path), async (parent) => await open(at(parent, nameOf(path)), READ_FLAGS))
    return await readOpen(roots, path, fd, options)
  } catch (error) {
    const code = errnoOf(error)
    if (code === 'ENOENT' || code === 'ELOOP' || code === 'ENOTDIR' || error instanceof WalkError) return { kind: 'unstable', read: false }
    return { kind: 'failed', error }
  } finally {
    if (fd !== null) await close(fd)
  }
}

async function readOpen(roots: Roots, path: PathKey, fd: number, options: StableOptions): Promise<StableRead> {
  const { fine, signal } = options
  let before = options.listed
  let read = false
  for (let attempt = 0; attempt < ATTEMPTS && !signal.aborted; attempt++) {
    const settled = await settle(fd, before, fine)
    const waited = settled.stat !== before
    before = settled.stat
    if (!settled.quiet) continue
    if (kindOf(before) !== 'file') break
    if (isTooLarge(Number(before.size))) throw new TooLargeError('the file has more chunks than a content may have')
    read = true
    const content = await readContent(fd, Number(before.size), options)
    if (content !== null && isTooLarge(content.size, content.chunks.length)) throw new TooLargeError('the file has more chunks than a content may have')
    const after = await fstat(fd)
    const sure = attempt === 0 && !waited && before.size < LONG_READ_BYTES
    if (content !== null && sameStat(before, after) && (sure || (await standsAt(roots, path, after)))) return { kind: 'read', content, stat: after }
    before = after
    // A long file that grows would be read over and over: it is looked at again later.
    if (before.size >= LONG_READ_BYTES) break
  }
  return { kind: 'unstable', read }
}

/** `stat`: from which on no write goes unnoticed, if `quiet`. */
async function settle(fd: number, before: NodeStat, fine: boolean): Promise<{ readonly stat: NodeStat; readonly quiet: boolean }> {
  const quietMs = quietFor(before, fine)
  const young = youngMs(before, quietMs)
  if (young > 0) await sleep(young)
  const stat = young > 0 ? await fstat(fd) : before
  if (youngMs(stat, quietMs) > 0) return { stat, quiet: false }
  // From one tick on a small file is as safe as where times are coarse; of those there are many, and few large ones.
  const ask = fine && (stat.size >= LONG_READ_BYTES || youngMs(stat, TICK_MS) > 0)
  return !ask || (await writesAreDone(fd, Number(stat.size), quietMs === 0)) ? { stat, quiet: true } : { stat: await fstat(fd), quiet: false }
}

/** How long nothing may have happened to a file that is read. A write sets both times to one: what came later was a rename, or a change of mode. */
export function quietFor(stat: Pick<NodeStat, 'size' | 'mtimeNs' | 'ctimeNs'>, fine: boolean): number {
  if (!fine || stat.size === 0n || stat.size >= LONG_READ_BYTES) return TICK_MS
  return stat.mtimeNs === stat.ctimeNs ? QUIET_MS : 0
}

/**
 * Whether a later edit may leave the times as they are, as some file systems cut them to seconds (ext4 with small inodes, HFS+), FAT to two.
 * Elsewhere one time in a thousand millions looks so.
 */
export function mayHideEdit({ ctimeNs }: Pick<NodeStat, 'ctimeNs'>, nowMs: number): boolean {
  const age = nowMs - Number(ctimeNs / 1_000_000n)
  return ctimeNs % SECOND_NS === 0n && age < CUT_MS && age > -CUT_MS
}

/** The name still stands for what was read. */
async function standsAt(roots: Roots, path: PathKey, stat: NodeStat): Promise<boolean> {
  return sameStat(stat, await roots.use(parentOf(path), async (parent) => await lstat(at(parent, nameOf(path)))))
}

/** How much is missing until nothing happened to it for `ms`. A time in the future (another machine's clock) is taken as old. */
function youngMs(stat: NodeStat, ms: number): number {
  const age = Date.now() - Number(stat.ctimeNs / 1000n) / 1000
  return age < 0 ? (age > -TICK_MS ? ms : 0) : Math.max(0, Math.ceil(ms - age))
}

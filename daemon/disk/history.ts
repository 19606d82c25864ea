/**
 * Where displaced things go, by rename: `.p2psync/history/<UTC hour>/<unique>-<shortened name>`. A name here is what `Place` calls
 * the path of area `history`, and what the index keeps of it.
 */
import { randomBytes } from 'node:crypto'
import { errnoOf } from '../../base/errors.ts'
import type { HistoryFile } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import { isName, nameOf } from '../sync/path.ts'
import { HISTORY_DIR } from './layout.ts'
import { decodeName } from './names.ts'
import { at, self, type Directory, type Roots } from './roots.ts'
import { isGone, lstatOrNull, readDirectoryNames, readNames, rename, rmdir, statfs, unlinkIfThere } from './sys.ts'

/** Of an hour's notes (history-notes.ts). */
export const NOTES_EXTENSION = '.paths'
const BUCKET = /^\d{4}-\d\d-\d\dT\d\d$/
const NAME = /^\d{4}-\d\d-\d\dT\d\d\/[0-9a-f]{20}-[^/]*$/
/** Unique: random for this process, then counted. */
const run = randomBytes(6).toString('hex')
let count = 0
/** The rest of a file name's 255 bytes is room for what a restore may add. */
const MAX_KEPT_BYTES = 160
const HOUR_MS = 3_600_000

interface Hour {
  readonly name: string
  /** In milliseconds since the epoch. */
  readonly at: number
}

/** A place in history that nothing has yet. */
export interface HistorySlot {
  /** Relative to history/. */
  readonly name: string
  /** Below the root. */
  readonly directory: string
  readonly file: string
}

export function historySlot(path: PathKey, now: Date): HistorySlot {
  const bucket = now.toISOString().slice(0, 13)
  count++
  const file = `${run}${count.toString(16).padStart(8, '0')}-${shorten(nameOf(path))}`
  return { name: `${bucket}/${file}`, directory: `${HISTORY_DIR}/${bucket}`, file }
}

/** Moves what stands at `name` in `from` there. The bucket is made if it is missing. */
export async function moveToHistory(roots: Roots, from: Directory, name: string, slot: HistorySlot): Promise<void> {
  await roots.useOwn(slot.directory, async (bucket) => await rename(at(from, name), at(bucket, slot.file)))
}

/** Everything that stands there, whether an index knows of it or not. */
export async function listHistory(roots: Roots): Promise<{ readonly files: readonly HistoryFile[]; readonly hasDirectories: boolean }> {
  const files: HistoryFile[] = []
  let hasDirectories = false
  for (const { name: bucket, at } of await historyBuckets(roots)) {
    for (const file of await namesIn(roots, `${HISTORY_DIR}/${bucket}`)) {
      const size = await sizeOf(roots, `${HISTORY_DIR}/${bucket}`, file)
      if (size === 'directory') hasDirectories ||= parseHistoryName(`${bucket}/${file}`) !== null
      else if (size !== null) files.push({ name: `${bucket}/${file}`, size, at })
    }
  }
  return { files, hasDirectories }
}

/** Nothing puts a directory there to keep: of these the user made the one in the last instant before something else was to go there. */
export async function directoriesInHistory(roots: Roots, buckets: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const bucket of buckets) {
    const names = await orNone(async () => await roots.use(`${HISTORY_DIR}/${bucket}`, async (opened) => await readDirectoryNames(self(opened))))
    found.push(...names.map((name) => `${bucket}/${name}`).filter((name) => parseHistoryName(name) !== null))
  }
  return found
}

/** The hours that history has anything of. */
export async function historyBuckets(roots: Roots): Promise<Hour[]> {
  const names = await namesIn(roots, HISTORY_DIR)
  return names.filter((name) => BUCKET.test(name)).map((name) => ({ name, at: Date.parse(`${name}:00:00Z`) })).filter(({ at }) => !Number.isNaN(at))
}

/**
 * Of these the newest, those of the last `ms` before among them. A clock that was ahead once left hours that are still to come: those do not
 * hide the newest of what is past.
 */
export function lastHours(buckets: readonly Hour[], ms: number, now: Date): readonly Hour[] {
  return [...new Set([...lastOf(buckets, ms), ...lastOf(buckets.filter(({ at }) => at <= now.getTime()), ms)])]
}

function lastOf(buckets: readonly Hour[], ms: number): readonly Hour[] {
  const newest = buckets.reduce((latest, { at }) => Math.max(latest, at), -Infinity)
  return buckets.filter(({ at }) => at >= newest - ms - HOUR_MS)
}

/** Of the whole file system that holds the folder. */
export async function fileSystemBytes(root: string): Promise<number> {
  const { blocks, bsize } = await statfs(root)
  return blocks * bsize
}

/** True if nothing has that name afterwards. An emptied hour goes with its last file. */
export async function removeFromHistory(roots: Roots, name: string): Promise<boolean> {
  const parsed = parseHistoryName(name)
  if (parsed === null) return false
  try {
    await roots.use(parsed.directory, async (bucket) => await unlinkIfThere(at(bucket, parsed.file)))
    const bucket = nameOf(parsed.directory as PathKey)
    await roots.use(HISTORY_DIR, async (history) => {
      await rmdir(at(history, bucket))
      await dropNotes(history, bucket)
    })
  } catch (error) {
    if (!isGone(error) && !isNotEmpty(error)) throw error
  }
  roots.forget(parsed.directory)
  return true
}

/** Once nothing is left of the hour. */
export async function dropNotes(history: Directory, bucket: string): Promise<void> {
  if ((await lstatOrNull(at(history, bucket))) === null) await unlinkIfThere(at(history, `${bucket}${NOTES_EXTENSION}`))
}

/** Names of our own directories are text; one that is missing has none. */
export async function namesIn(roots: Roots, directory: string): Promise<readonly string[]> {
  const names = await orNone(async () => await roots.use(directory, async (opened) => await readNames(self(opened))))
  return names.flatMap((name) => decodeName(name) ?? [])
}

async function orNone(names: () => Promise<readonly string[]>): Promise<readonly string[]> {
  try {
    return await names()
  } catch (error) {
    if (isGone(error)) return []
    throw error
  }
}

/** Null for what is gone by now, and for what no sync put there. */
async function sizeOf(roots: Roots, directory: string, file: string): Promise<number | 'directory' | null> {
  if (!isName(file)) return null
  try {
    const stat = await roots.use(directory, async (opened) => await lstatOrNull(at(opened, file)))
    if (stat === null) return null
    return stat.isDirectory() ? 'directory' : Number(stat.size)
  } catch (error) {
    if (isGone(error)) return null
    throw error
  }
}

function isNotEmpty(error: unknown): boolean {
  const code = errnoOf(error)
  return code === 'ENOTEMPTY' || code === 'EEXIST'
}

/** Splits a name given from outside; null if it is none of ours. */
export function parseHistoryName(name: string): HistorySlot | null {
  if (!NAME.test(name)) return null
  const [bucket, file] = name.split('/') as [string, string]
  return isName(file) ? { name, directory: `${HISTORY_DIR}/${bucket}`, file } : null
}

function shorten(name: string): string {
  let kept = ''
  let bytes = 0
  for (const character of name) {
    bytes += Buffer.byteLength(character)
    if (bytes > MAX_KEPT_BYTES) break
    kept += character
  }
  return kept
}

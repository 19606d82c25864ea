/** Sizes for `status`, gathered at most every few seconds: they are for people. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf } from '../../base/errors.ts'
import { far } from '../disk/sys.ts'

const KEEP_MS = 5_000
/** A network file system may give no answer at all: then what it was last is told, and nobody waits again until it comes. A disk of this machine has any time. */
const PATIENCE_MS = 5_000

interface Size {
  at: number
  bytes: number
  walking: Promise<number> | null
  isLate: boolean
}

const known = new Map<string, Size>()

export function storeBytes(directory: string): Promise<number> {
  return sizeOf(join(directory, 'db'))
}

export function historyBytes(root: string): Promise<number> {
  return sizeOf(join(root, '.p2psync', 'history'), walk, far.laneOf(root) === null ? null : PATIENCE_MS)
}

/** One walk of a directory at a time. `patienceMs`: null: any. */
export async function sizeOf(directory: string, walked = walk, patienceMs: number | null = null): Promise<number> {
  let size = known.get(directory)
  if (size === undefined) known.set(directory, (size = { at: Number.NEGATIVE_INFINITY, bytes: 0, walking: null, isLate: false }))
  if (size.walking === null && Date.now() - size.at >= KEEP_MS) size.walking = measured(size, walked(directory))
  if (size.walking === null || size.isLate) return size.bytes
  if (patienceMs === null) return await size.walking
  let timer: NodeJS.Timeout | undefined
  const tooLong = new Promise<null>((resolve) => (timer = setTimeout(() => resolve(null), patienceMs)))
  const bytes = await Promise.race([size.walking, tooLong]).finally(() => clearTimeout(timer))
  size.isLate = bytes === null
  return size.bytes
}

async function measured(size: Size, walking: Promise<number>): Promise<number> {
  try {
    size.bytes = await walking
  } finally {
    size.at = Date.now()
    size.walking = null
    size.isLate = false
  }
  return size.bytes
}

async function walk(directory: string): Promise<number> {
  let sum = 0
  try {
    for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
      if (entry.isFile()) sum += await sizeOfFile(join(entry.parentPath, entry.name))
    }
  } catch (error) {
    if (errnoOf(error) === null) throw error
  }
  return sum
}

async function sizeOfFile(path: string): Promise<number> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if (errnoOf(error) === null) throw error
    return 0
  }
}

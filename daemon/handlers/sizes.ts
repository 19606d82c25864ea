/** Sizes for `status`, gathered at most every few seconds: they are for people. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf } from '../../base/errors.ts'

const KEEP_MS = 5_000

const known = new Map<string, { at: number; bytes: Promise<number> }>()

export function storeBytes(directory: string): Promise<number> {
  return sizeOf(join(directory, 'db'))
}

export function historyBytes(root: string): Promise<number> {
  return sizeOf(join(root, '.p2psync', 'history'))
}

function sizeOf(directory: string): Promise<number> {
  const now = Date.now()
  const last = known.get(directory)
  if (last !== undefined && now - last.at < KEEP_MS) return last.bytes
  const bytes = walk(directory)
  known.set(directory, { at: now, bytes })
  return bytes
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

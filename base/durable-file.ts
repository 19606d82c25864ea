/** Small files that must be whole or absent after a power cut: written beside, fsynced, renamed, the directory fsynced. */
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { errnoOf } from './errors.ts'

const DRAFT = /\.[0-9a-f]{12}\.tmp$/

/**
 * Synchronous on purpose: no interleaving of two writers in this process, and the files are small. Makes the parent directory
 * (0700) if missing. A failed write leaves the old file as it was.
 */
export function writeDurably(path: string, data: string | Uint8Array, mode = 0o600): void {
  const directory = dirname(path)
  makeDirectory(directory)
  const draft = draftOf(path)
  try {
    writeAndSync(draft, typeof data === 'string' ? Buffer.from(data) : data, mode)
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
  syncDirectory(directory)
}

/**
 * With its parents, 0700, if missing; durable when it returns. Only what is made is synced: a key that is fsynced is lost at a power cut
 * all the same if the directory above it was new.
 */
export function makeDirectory(path: string): void {
  const first = mkdirSync(path, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  const top = dirname(first)
  for (let above = dirname(path); above.length >= top.length; above = dirname(above)) {
    syncIfReadable(above)
    if (above === top) return
  }
}

/** Left by a crash in the middle of a write. For directories whose one writer is this process. */
export function removeDrafts(directory: string): void {
  if (!existsSync(directory)) return
  for (const name of readdirSync(directory)) if (isDraft(name)) rmSync(join(directory, name), { force: true })
}

/** A name beside it that no other one has. */
export function draftOf(path: string): string {
  return `${path}.${randomBytes(6).toString('hex')}.tmp`
}

export function isDraft(name: string): boolean {
  return DRAFT.test(name)
}

function writeAndSync(path: string, data: Uint8Array, mode: number): void {
  const fd = openSync(path, 'wx', mode)
  try {
    for (let at = 0; at < data.length; ) at += writeSync(fd, data, at)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** One may make a directory in one that one may not read. */
function syncIfReadable(path: string): void {
  try {
    syncDirectory(path)
  } catch (error) {
    if (errnoOf(error) !== 'EACCES') throw error
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

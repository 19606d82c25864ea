/** The bytes that workloads sync (the same in each run and for each product), and how it is known that they have arrived. */
import { createCipheriv, createHash } from 'node:crypto'
import { closeSync, fsyncSync, lstatSync, mkdirSync, openSync, readdirSync, readlinkSync, readSync, writeFileSync, writeSync, type BigIntStats } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf } from '../base/errors.ts'

export const MIB = 1024 * 1024
export const SMALL_BYTES = 4096
export const FILES_IN_DIRECTORY = 100
const BUFFER_BYTES = 4 * MIB
const POLL_MS = 5

/** Endless bytes that do not repeat or compress, the same for the same seed. */
export function seeded(seed: string): (bytes: number) => Buffer {
  const cipher = createCipheriv('aes-128-ctr', createHash('sha256').update(seed).digest().subarray(0, 16), Buffer.alloc(16))
  return (bytes) => cipher.update(Buffer.alloc(bytes))
}

export function writeLarge(path: string, bytes: number, seed: string): void {
  const next = seeded(seed)
  const fd = openSync(path, 'w')
  for (let done = 0; done < bytes; done += BUFFER_BYTES) writeSync(fd, next(Math.min(BUFFER_BYTES, bytes - done)))
  fsyncSync(fd)
  closeSync(fd)
}

/** `count` files of 4 KiB, a hundred to a directory. @returns the directories, below the root. */
export function writeSmall(root: string, count: number, seed: string, bytes = SMALL_BYTES): string[] {
  const next = seeded(seed)
  const directories: string[] = []
  for (let i = 0; i < count; i++) {
    const directory = String(Math.floor(i / FILES_IN_DIRECTORY))
    if (i % FILES_IN_DIRECTORY === 0) {
      mkdirSync(join(root, directory), { recursive: true })
      directories.push(directory)
    }
    writeFileSync(join(root, directory, `${i}.bin`), next(bytes))
  }
  return directories
}

/** Resolves when each of these directories holds its files under their final names. Reads each once when it is complete. */
export async function arrived(root: string, directories: readonly string[], timeoutMs: number): Promise<void> {
  for (const directory of directories) {
    await until(`${directory} arrives`, timeoutMs, async () => (await namesIn(join(root, directory))).filter((name) => /^\d+\.bin$/.test(name)).length === FILES_IN_DIRECTORY)
  }
}

export async function gone(paths: readonly string[], timeoutMs: number): Promise<void> {
  for (const path of paths) await until(`${path} goes`, timeoutMs, async () => (await statOf(path)) === null)
}

/** Resolves when the path has that size and mtime. */
export async function hasTimes(path: string, wanted: BigIntStats, timeoutMs: number): Promise<void> {
  const same = (stat: BigIntStats): boolean => stat.size === wanted.size && stat.mtimeNs / 1000n === wanted.mtimeNs / 1000n
  await until(`${path} is up to date`, timeoutMs, async () => {
    const stat = await statOf(path)
    return stat !== null && same(stat)
  })
}

export async function until(what: string, timeoutMs: number, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

/** Throws unless both trees are the same: names, kinds, modes, sizes, mtimes (µs) and the SHA-256 of each file. */
export function assertEqual(left: string, right: string, without: readonly string[]): { readonly files: number; readonly bytes: number } {
  const [a, b] = [describeTree(left, without), describeTree(right, without)]
  const different = [...new Set([...a.lines.keys(), ...b.lines.keys()])].filter((path) => a.lines.get(path) !== b.lines.get(path))
  if (different.length === 0) return { files: a.files, bytes: a.bytes }
  const shown = different.slice(0, 5).map((path) => `${path}\n  < ${a.lines.get(path) ?? 'absent'}\n  > ${b.lines.get(path) ?? 'absent'}`)
  throw new Error(`${different.length} differences:\n${shown.join('\n')}`)
}

interface Described {
  readonly lines: Map<string, string>
  files: number
  bytes: number
}

function describeTree(root: string, without: readonly string[]): Described {
  const tree: Described = { lines: new Map(), files: 0, bytes: 0 }
  const buffer = Buffer.alloc(BUFFER_BYTES)
  const walk = (below: string): void => {
    for (const name of readdirSync(join(root, below))) {
      if (below === '' && without.includes(name)) continue
      const path = join(below, name)
      const stat = lstatSync(join(root, path), { bigint: true })
      const mode = (Number(stat.mode) & 0o777).toString(8)
      if (stat.isDirectory()) {
        tree.lines.set(path, `directory ${mode}`)
        walk(path)
      } else if (stat.isSymbolicLink()) tree.lines.set(path, `symlink ${readlinkSync(join(root, path))}`)
      else {
        tree.lines.set(path, `file ${mode} ${stat.mtimeNs / 1000n} ${stat.size} ${hashOf(join(root, path), buffer)}`)
        tree.files++
        tree.bytes += Number(stat.size)
      }
    }
  }
  walk('')
  return tree
}

function hashOf(path: string, buffer: Buffer): string {
  const hash = createHash('sha256')
  const fd = openSync(path, 'r')
  try {
    for (let count = readSync(fd, buffer); count > 0; count = readSync(fd, buffer)) hash.update(buffer.subarray(0, count))
  } finally {
    closeSync(fd)
  }
  return hash.digest('hex')
}

async function namesIn(directory: string): Promise<string[]> {
  return await orNull(readdir(directory)) ?? []
}

export async function statOf(path: string): Promise<BigIntStats | null> {
  return await orNull(lstat(path, { bigint: true }))
}

async function orNull<T>(promise: Promise<T>): Promise<T | null> {
  try {
    return await promise
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return null
    throw error
  }
}

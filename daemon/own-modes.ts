/** Modes of our own state: secrets and the store are for this user alone (R44). */
import { chmod, lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf } from '../base/errors.ts'
import type { Paths } from '../base/paths.ts'

const OTHERS = 0o077

/** Paths of the state directory that others may enter or read; nothing that lies in a directory which is closed is looked at twice. */
export async function openToOthers({ stateDir, keysDir, storeDir, socket }: Paths): Promise<readonly string[]> {
  const found: string[] = []
  for (const path of new Set([stateDir, keysDir, storeDir, socket, ...(await filesIn(keysDir))])) if (await isOpen(path)) found.push(path)
  return found
}

export async function closeToOthers(paths: readonly string[]): Promise<void> {
  for (const path of paths) await chmod(path, (await lstat(path)).isFile() ? 0o600 : 0o700)
}

async function filesIn(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).map((name) => join(directory, name))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw error
  }
}

async function isOpen(path: string): Promise<boolean> {
  try {
    const stat = await lstat(path)
    return !stat.isSymbolicLink() && (stat.mode & OTHERS) !== 0
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw error
  }
}

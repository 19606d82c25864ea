/** Which folders are looked at before anything else of the daemon is there. Only reads; whatever is wrong is told by who opens them. */
import { readFileSync } from 'node:fs'
import { errnoOf } from '../base/errors.ts'
import type { Paths } from '../base/paths.ts'
import { EarlyLook } from './disk/early-look.ts'
import { farMount, mountsNow } from './disk/far.ts'

/**
 * Null where another daemon has the home, as far as its lock tells: this one is to end then, which a thread on a disk that hangs would not let it.
 * `state/folders.json` (registry.ts) is read without its schema: that takes longer to load than this to begin.
 */
export function lookEarly({ foldersFile, lockFile }: Pick<Paths, 'foldersFile' | 'lockFile'>): EarlyLook | null {
  // A directory is watched by its descriptor.
  const roots = process.platform === 'linux' && !isHeld(lockFile) ? rootsIn(foldersFile) : []
  return roots.length === 0 ? null : new EarlyLook(roots)
}

/** Its holder writes its process id into it. */
function isHeld(lockFile: string): boolean {
  try {
    const pid = Number(readFileSync(lockFile, 'utf8').trim())
    // In a container each start may have the number of the one before.
    return Number.isInteger(pid) && pid > 0 && pid !== process.pid && process.kill(pid, 0)
  } catch (error) {
    return errnoOf(error) === 'EPERM'
  }
}

/** A thread that waits for a network could not be ended. */
function rootsIn(foldersFile: string): readonly string[] {
  try {
    const mounts = mountsNow()
    const { folders } = JSON.parse(readFileSync(foldersFile, 'utf8')) as { readonly folders: readonly { readonly path: unknown; readonly paused: unknown }[] }
    return folders.flatMap(({ path, paused }) => (typeof path === 'string' && path.startsWith('/') && paused === false && farMount(path, mounts) === null ? [path] : []))
  } catch {
    return [] // none yet, or damaged, which stops the daemon in a moment
  }
}

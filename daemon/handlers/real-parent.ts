/** Where a path really is whose last component may be missing, or a symlink that is meant itself. */
import { realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { errnoOf, P2psyncError } from '../../base/errors.ts'
import { inTime } from './in-time.ts'

/** Symlinks on the way are followed as far as anything exists; the last component is not. Throws PATH_DENIED. */
export async function realParent(path: string): Promise<string> {
  const parent = dirname(path)
  if (parent === path) return path
  try {
    return join(await inTime(parent, async () => await realpath(parent)), basename(path))
  } catch (error) {
    if (error instanceof P2psyncError) throw error
    const code = errnoOf(error)
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw new P2psyncError('PATH_DENIED', `cannot look at ${parent} (${code ?? 'unknown error'}); check its permissions`, { cause: error })
    return join(await realParent(parent), basename(path))
  }
}

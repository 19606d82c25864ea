/** Which folders are looked at before anything else of the daemon is there. Only reads; whatever is wrong is told by who opens them. */
import { readFileSync } from 'node:fs'
import { EarlyLook } from './disk/early-look.ts'

/** @param foldersFile `state/folders.json` (registry.ts), which is read here without its schema: that takes longer to load than this to begin. */
export function lookEarly(foldersFile: string): EarlyLook | null {
  // A directory is watched by its descriptor.
  const roots = process.platform === 'linux' ? rootsIn(foldersFile) : []
  return roots.length === 0 ? null : new EarlyLook(roots)
}

function rootsIn(foldersFile: string): readonly string[] {
  try {
    const { folders } = JSON.parse(readFileSync(foldersFile, 'utf8')) as { readonly folders: readonly { readonly path: unknown; readonly paused: unknown }[] }
    return folders.flatMap(({ path, paused }) => (typeof path === 'string' && path.startsWith('/') && paused === false ? [path] : []))
  } catch {
    return [] // none yet, or damaged, which stops the daemon in a moment
  }
}

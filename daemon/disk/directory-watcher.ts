/** chokidar's watch of one directory, without its reading of what is in it; and what stands at a path. */
import { lstatSync, statSync } from 'node:fs'
import { FSWatcher } from 'chokidar'

export class DirectoryWatcher extends FSWatcher {
  constructor() {
    super({ depth: 0, ignoreInitial: true, followSymlinks: false, atomic: false, ignorePermissionErrors: true })
  }

  /** @returns false if it could not be watched; why comes as `error`, unless it is gone. */
  watchDirectory(path: string): boolean {
    const closer: (() => void) | undefined = this._nodeFsHandler._watchWithNodeFs(path, () => undefined)
    if (closer === undefined) return false
    this._addPathCloser(path, closer)
    return true
  }

  forgetDirectory(path: string): void {
    this._closeFile(path)
    this._watched.delete(path)
  }
}

/** Device and inode of a directory; null for what is not one (any more), or cannot be looked at. Only the root may be a symlink. */
export function identityOf(path: string, root: boolean): string | null {
  try {
    const stat = root ? statSync(path, { bigint: true }) : lstatSync(path, { bigint: true })
    return stat.isDirectory() ? `${stat.dev}:${stat.ino}` : null
  } catch {
    return null // the scanner says why
  }
}

/** Of a `raw` event of chokidar's: the directory that was watched. */
export function watchedPathOf(details: unknown): string | null {
  return typeof details === 'object' && details !== null && 'watchedPath' in details && typeof details.watchedPath === 'string' ? details.watchedPath : null
}

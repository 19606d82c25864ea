/** The folder's ignore rules as they stand, and whether a change of `.p2psyncignore` calls for a look at everything (R31, R32). */
import type { Disk } from '../ports.ts'
import { isConflictPath } from '../sync/conflict.ts'
import { createIgnore, type IgnoreRules } from '../sync/ignore.ts'
import type { PathKey } from '../sync/ids.ts'
import { IGNORE_FILE } from '../sync/path.ts'

export class Rules {
  #loaded = false
  #texts: readonly string[] = []
  #rules: IgnoreRules = createIgnore([])

  readonly ignored = (path: PathKey, isDirectory: boolean): boolean => this.#rules.ignored(path, isDirectory)

  get current(): IgnoreRules {
    return this.#rules
  }

  /** The file was read since the start. */
  get loaded(): boolean {
    return this.#loaded
  }

  /** @returns true if the rules are other than before. */
  async reload(disk: Disk): Promise<boolean> {
    const texts = await disk.readIgnoreFiles()
    this.#loaded = true
    if (texts.length === this.#texts.length && texts.every((text, i) => text === this.#texts[i])) return false
    this.#texts = texts
    this.#rules = createIgnore(texts)
    return true
  }
}

/** The ignore file itself, or a conflict copy of it. */
export function isIgnoreFile(path: PathKey): boolean {
  if (path === IGNORE_FILE) return true
  return path.startsWith(IGNORE_FILE) && !path.includes('/') && isConflictPath(path)
}

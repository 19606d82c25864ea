/** The folder's ignore rules as they stand, and whether a change of `.p2psyncignore` calls for a look at everything (R31, R32). */
import { sha256 } from '../../base/sha256.ts'
import type { Disk } from '../ports.ts'
import { isConflictPath } from '../sync/conflict.ts'
import { createIgnore, type IgnoreRules } from '../sync/ignore.ts'
import type { PathKey } from '../sync/ids.ts'
import { IGNORE_FILE } from '../sync/path.ts'

export const NO_RULES = digestOf([])

export class Rules {
  #texts: readonly string[] = []
  #rules: IgnoreRules = createIgnore([])

  readonly ignored = (path: PathKey, isDirectory: boolean): boolean => this.#rules.ignored(path, isDirectory)

  get current(): IgnoreRules {
    return this.#rules
  }

  /** Of the texts; `NO_RULES` if there are none. */
  get digest(): string {
    return digestOf(this.#texts)
  }

  async reload(disk: Disk): Promise<void> {
    const texts = await disk.readIgnoreFiles()
    if (this.#are(texts)) return
    this.#texts = texts
    this.#rules = createIgnore(texts)
  }

  /** What stands on disk is not what was read last. Throws as `Disk.readIgnoreFiles`. */
  async areStale(disk: Disk): Promise<boolean> {
    return !this.#are(await disk.readIgnoreFiles())
  }

  #are(texts: readonly string[]): boolean {
    return texts.length === this.#texts.length && texts.every((text, i) => text === this.#texts[i])
  }
}

function digestOf(texts: readonly string[]): string {
  return Buffer.from(sha256(Buffer.from(JSON.stringify(texts)))).toString('hex')
}

/** The ignore file itself, or a conflict copy of it. */
export function isIgnoreFile(path: PathKey): boolean {
  if (path === IGNORE_FILE) return true
  return path.startsWith(IGNORE_FILE) && !path.includes('/') && isConflictPath(path)
}

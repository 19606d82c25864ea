/** The folder's ignore rules as they stand, and whether a change of `.p2psyncignore` calls for a look at everything (R31, R32). */
import { sha256 } from '../../base/sha256.ts'
import type { Disk } from '../ports.ts'
import { isConflictPath } from '../sync/conflict.ts'
import { createIgnore, type FaultyLine, type IgnoreRules, type IgnoreText } from '../sync/ignore.ts'
import type { PathKey } from '../sync/ids.ts'
import { IGNORE_FILE } from '../sync/path.ts'

export const NO_RULES = digestOf([])

export type FaultyRule = FaultyLine & { readonly path: PathKey }

export class Rules {
  #files: readonly IgnoreText[] = []
  #rules: IgnoreRules = createIgnore([])

  readonly ignored = (path: PathKey, isDirectory: boolean): boolean => this.#rules.ignored(path, isDirectory)

  get current(): IgnoreRules {
    return this.#rules
  }

  /** Of the texts; `NO_RULES` if there are none. */
  get digest(): string {
    return digestOf(this.#files.map(({ text }) => text))
  }

  /** Lines that ignore nothing, with the file that each stands in. */
  get faulty(): readonly FaultyRule[] {
    return this.#rules.faulty.map(({ file, ...line }) => ({ path: this.#files[file]?.path ?? IGNORE_FILE, ...line }))
  }

  async reload(disk: Disk): Promise<void> {
    const files = await disk.readIgnoreFiles()
    if (this.#are(files)) return
    this.#files = files
    this.#rules = createIgnore(files.map(({ text }) => text))
  }

  /** What stands on disk is not what was read last. Throws as `Disk.readIgnoreFiles`. */
  async areStale(disk: Disk): Promise<boolean> {
    return !this.#are(await disk.readIgnoreFiles())
  }

  #are(files: readonly IgnoreText[]): boolean {
    return files.length === this.#files.length && files.every(({ path, text }, i) => path === this.#files[i]?.path && text === this.#files[i].text)
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

/**
 * Account of contents by SHA-256: what users wrote, what they knowingly gave up where it stood, and every state a file ever went
 * through while it was written. What was written and not given up must be live at the end; what was never written must not exist.
 */
import { createHash } from 'node:crypto'

export class Ledger {
  readonly #known = new Set<string>([sha256(Buffer.alloc(0))])
  readonly #wrote = new Map<string, string>()
  readonly #given = new Set<string>()
  readonly #names = new Set<string>()

  /** A file had this content for a moment, in the middle of a user's writing. */
  passed(content: Uint8Array): void {
    this.#known.add(sha256(content))
  }

  wrote(where: string, content: Uint8Array): void {
    const hash = sha256(content)
    this.#known.add(hash)
    if (content.length > 0 && !this.#wrote.has(hash)) this.#wrote.set(hash, where)
  }

  /** A user overwrote or deleted it. */
  gave(hash: string): void {
    this.#given.add(hash)
  }

  named(name: string): void {
    this.#names.add(name)
  }

  get names(): ReadonlySet<string> {
    return this.#names
  }

  isKnown(hash: string): boolean {
    return this.#known.has(hash)
  }

  /** Contents that nobody gave up: hash and where it was written. */
  *kept(): IterableIterator<[hash: string, where: string]> {
    for (const row of this.#wrote) if (!this.#given.has(row[0])) yield row
  }

  get counts(): { readonly written: number; readonly given: number } {
    return { written: this.#wrote.size, given: this.#given.size }
  }
}

export function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

/** A symlink's text counts as content too. */
export function linkContent(target: string): Buffer {
  return Buffer.from(`symlink ${target}`)
}

/**
 * Keeps account of what users did, so that the end can be judged: contents that were written, and those that a user knowingly
 * replaced or deleted where they stood. All others must be live at the end.
 */
import type { FakeNode } from '../fakes/tree.ts'

export class Ledger {
  readonly #written = new Map<string, string>()
  readonly #given = new Set<string>()
  readonly #paths = new Set<string>()
  readonly #displaced = new Map<string, string>()

  /** A user put this node there. */
  wrote(where: string, path: string, node: FakeNode): void {
    this.named(path)
    const content = contentOf(node)
    if (content !== null && !this.#written.has(content)) this.#written.set(content, where)
  }

  /** The same where no path says which it is. */
  wroteAgain(where: string, node: FakeNode): void {
    const content = contentOf(node)
    if (content !== null && !this.#written.has(content)) this.#written.set(content, where)
  }

  /** A user replaced or deleted this node: it may go everywhere. */
  gave(node: FakeNode | null): void {
    if (node === null) return
    const content = contentOf(node)
    if (content !== null) this.#given.add(content)
    if (node.kind === 'directory') for (const child of node.children.values()) this.gave(child)
  }

  /** An apply put this into a history: nothing but retention may end it. */
  displaced(where: string, node: FakeNode): void {
    const content = contentOf(node)
    if (content !== null) this.#displaced.set(content, where)
  }

  /** A user wrote into an inode that has another name, in a history perhaps: R33 promises nothing about what an overwrite in place destroys. */
  overwroteInPlace(node: FakeNode): void {
    const content = contentOf(node)
    if (content !== null) this.#displaced.delete(content)
  }

  /** It was lost by what no program can help: the only disk that had it was put back to an earlier state, or had not synced it. */
  excuse(content: string): void {
    this.#given.add(content)
    this.#displaced.delete(content)
  }

  /** The disk whose history had it was put back to an earlier state. */
  leftHistory(content: string): void {
    this.#displaced.delete(content)
  }

  /** Contents that came into a history, with the device of the last one. */
  get histories(): ReadonlyMap<string, string> {
    return this.#displaced
  }

  /** A user made this path, or moved something there. */
  named(path: string): void {
    this.#paths.add(path)
  }

  get paths(): ReadonlySet<string> {
    return this.#paths
  }

  /** Contents that nobody gave up, with where they were written first. */
  *kept(): IterableIterator<[content: string, where: string]> {
    for (const [content, where] of this.#written) if (!this.#given.has(content)) yield [content, where]
  }
}

/** What must survive of a node, as a text; null for what has no content. */
export function contentOf(node: FakeNode): string | null {
  if (node.kind === 'file') return `file ${node.data.toString('latin1')}`
  return node.kind === 'symlink' ? `symlink ${node.target}` : null
}

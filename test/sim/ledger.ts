/**
 * Keeps account of what users did, so that the end can be judged: contents that were written, and those that a user knowingly
 * replaced or deleted where they stood. All others must be live at the end.
 */
import type { FakeNode } from '../fakes/tree.ts'

export class Ledger {
  readonly #written = new Map<string, string>()
  readonly #given = new Set<string>()
  readonly #paths = new Set<string>()

  /** A user put this node there. */
  wrote(where: string, path: string, node: FakeNode): void {
    this.named(path)
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

/** Loads what reconcile asks for: our own rows, the statements of the other devices, and the names below directories. */
import type { FolderContext } from './context.ts'
import { newestPerDevice } from './context.ts'
import type { RemoteRow, Row } from '../ports.ts'
import type { PathView, TreeView } from '../sync/reconcile.ts'
import type { PathKey } from '../sync/ids.ts'

export class LoadedView implements TreeView {
  readonly #context: FolderContext
  readonly #rows = new Map<PathKey, Row | null>()
  readonly #remotes = new Map<PathKey, readonly RemoteRow[]>()
  readonly #views = new Map<PathKey, PathView>()
  readonly #children = new Map<PathKey, ReadonlySet<string>>()

  constructor(context: FolderContext) {
    this.#context = context
  }

  path(path: PathKey): PathView | undefined {
    return this.#views.get(path)
  }

  children(directory: PathKey): Iterable<string> | undefined {
    return this.#children.get(directory)
  }

  ignored(path: PathKey, isDirectory: boolean): boolean {
    return this.#context.rules.ignored(path, isDirectory)
  }

  row(path: PathKey): Row | null {
    return this.#rows.get(path) ?? null
  }

  remotes(path: PathKey): readonly RemoteRow[] {
    return this.#remotes.get(path) ?? []
  }

  async load(paths: readonly PathKey[], directories: readonly PathKey[]): Promise<void> {
    await Promise.all([this.#loadPaths(paths), this.#loadDirectories(directories)])
  }

  async #loadPaths(paths: readonly PathKey[]): Promise<void> {
    const { index } = this.#context.ports
    const [rows, remotes] = await Promise.all([index.rows(paths), index.remoteRows(paths)])
    for (const [i, path] of paths.entries()) {
      // R28: what was rejected comes back as the others state it.
      const row = this.#context.guard.isRecalled(path) ? null : (this.#context.unstated.row(path) ?? rows[i] ?? null)
      const statements = newestPerDevice(remotes[i] ?? [])
      this.#rows.set(path, row)
      this.#remotes.set(path, statements)
      this.#views.set(path, { own: row?.entry ?? null, remotes: statements.map((statement) => statement.entry) })
    }
  }

  async #loadDirectories(directories: readonly PathKey[]): Promise<void> {
    const { index } = this.#context.ports
    for (const directory of directories) {
      const [own, remote] = await Promise.all([index.children(directory), index.remoteChildren(directory)])
      this.#children.set(directory, new Set([...own.keys(), ...remote, ...this.#context.unstated.children(directory)]))
    }
  }
}

/** Which of the directories that are gone on another device may be set aside here (R48): those that hold nothing but what that device held. */
import type { KnownTree, Row } from '../ports.ts'
import { contentKey, hasBytes } from '../sync/entry-compare.ts'
import type { DeviceId, PathKey } from '../sync/ids.ts'
import { joinPath } from '../sync/path.ts'
import { isWithin } from '../sync/relocation.ts'
import type { FileChange } from '../sync/safety.ts'
import type { FolderContext } from './context.ts'
import { topmost } from './gone.ts'
import { contested, isPlain } from './settled-tree.ts'

/** Their rows are read together. */
const TREES_AT_ONCE = 16
/** Rows kept until the disk was held against them; more are read again. */
const MAX_KEPT_ROWS = 50_000
/** What its owner may do in a directory: whoever may not write in it could not empty it where it is set aside. */
const OWNER_MODE = 0o700

export interface AsideTrees {
  readonly directories: readonly { readonly path: PathKey; readonly ino: string }[]
  readonly files: readonly FileChange[]
  /** What the index holds of them, as it was read just now. */
  readonly known: KnownTree
}

export async function treesToSetAside(context: FolderContext, device: DeviceId, gone: readonly PathKey[]): Promise<AsideTrees> {
  const reading = new Reading(context)
  const suspects = await contested(context, device, gone)
  const candidates = topmost(gone.filter((path) => !suspects.has(path) && isFree(context, path)))
  const directories: { path: PathKey; ino: string }[] = []
  const files: FileChange[] = []
  for (let start = 0; start < candidates.length; start += TREES_AT_ONCE) {
    for (const tree of await Promise.all(candidates.slice(start, start + TREES_AT_ONCE).map(async (path) => await reading.tree(path)))) {
      if (tree === null) continue
      directories.push({ path: tree.path, ino: tree.ino })
      for (const file of tree.files) files.push(file)
    }
  }
  return { directories, files, known: reading }
}

function isFree({ aside, rules, blocked, problems }: FolderContext, path: PathKey): boolean {
  if (rules.ignored(path, true) || aside.at(path) !== null) return false
  for (const other of [...blocked.keys(), ...problems.keys()]) if (isWithin(other as PathKey, path)) return false
  return true
}

/** The index, with the rows that were read already. */
class Reading implements KnownTree {
  readonly #context: FolderContext
  readonly #kept = new Map<PathKey, ReadonlyMap<string, Row>>()
  #keptRows = 0

  constructor(context: FolderContext) {
    this.#context = context
  }

  /** Null: something in it waits, was not seen on disk, or is held by what is ignored. */
  async tree(path: PathKey): Promise<{ readonly path: PathKey; readonly ino: string; readonly files: readonly FileChange[] } | null> {
    const own = await this.row(path)
    const ino = isDirectory(own) ? own.seen?.ino : undefined
    if (ino === undefined) return null
    const files: FileChange[] = []
    for (let level = [path]; level.length > 0; ) {
      const below: PathKey[] = []
      for (const directory of level) {
        for (const [name, row] of await this.children(directory)) {
          const child = joinPath(directory, name)
          if (row.entry.kind === 'tombstone' && row.shadow !== true) continue
          if (!isPlain(row) || (row.entry.kind === 'directory' && !isDirectory(row))) return null
          if (row.entry.kind === 'directory') below.push(child)
          else if (hasBytes(row.entry)) files.push({ path: child, content: contentKey(row.entry) })
        }
      }
      level = below
    }
    return { path, ino, files }
  }

  async row(path: PathKey): Promise<Row | null> {
    return this.#context.unstated.row(path) ?? (await this.#context.ports.index.rows([path]))[0] ?? null
  }

  async children(directory: PathKey): Promise<ReadonlyMap<string, Row>> {
    const kept = this.#kept.get(directory)
    if (kept !== undefined) return kept
    const rows = this.#inTree(directory, await this.#context.ports.index.children(directory))
    this.#keptRows += rows.size
    if (this.#keptRows <= MAX_KEPT_ROWS) this.#kept.set(directory, rows)
    return rows
  }

  /** Without directories that are set aside already; what has ended and is not stated yet has ended (R49). */
  #inTree(directory: PathKey, rows: ReadonlyMap<string, Row>): ReadonlyMap<string, Row> {
    const { aside, unstated } = this.#context
    if (unstated.isEmpty && !aside.isAbove(directory)) return rows
    const standing = [...rows].map(([name, row]) => ({ name, path: joinPath(directory, name), row })).filter(({ path }) => aside.at(path) === null)
    return new Map(standing.map(({ name, path, row }) => [name, unstated.row(path) ?? row]))
  }

  async content(...cid: Parameters<KnownTree['content']>): ReturnType<KnownTree['content']> {
    return await this.#context.ports.index.content(...cid)
  }
}

function isDirectory(row: Row | null): row is Row {
  return isPlain(row) && row.entry.kind === 'directory' && ((row.seen?.mode ?? 0) & OWNER_MODE) === OWNER_MODE
}

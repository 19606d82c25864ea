/**
 * Files that do not stand any more where the index saw them, by inode: what turns up elsewhere in the same scan may be one of them, and
 * then its content is known without reading it.
 *
 * The evidence (decisions/0008): the same inode *of the same life* (inode numbers are used again, but what was made since was born
 * after the ctime that the index saw), with the size and mtime that it had when it was read. In a directory that moved the ctime is
 * the same as well, and nothing was done to the file. A rename of the file itself sets the ctime, which then cannot tell of an edit
 * before it whose mtime was put back: such a file is told with the ctime of its last reading, so that it is read again later.
 *
 * Of directories the inode and its life are enough: that one moved is a hint for others (R46), what is in it is told path by path.
 */
import type { Finding, KnownRow, KnownTree, Row, SeenStat } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import type { DirectoryMove } from '../sync/relocation.ts'
import { bounded, entryTime, inoOf, MODE_BITS, toSeen } from './seen.ts'
import type { NodeStat } from './sys.ts'

interface Gone {
  readonly path: PathKey
  readonly row: Row
}

export class Departed {
  readonly #known: KnownTree
  readonly #maxRows: number
  readonly #byInode = new Map<string, Gone | PathKey>()
  readonly #missed = new Map<string, { readonly path: PathKey; readonly seen: SeenStat }>()
  readonly #met = new Map<string, { readonly path: PathKey; readonly stat: NodeStat }>()

  /** @param maxRows that are held, a kilobyte each; of further files only the paths are, and the row is read again for what turns up. */
  constructor(known: KnownTree, maxRows: number) {
    this.#known = known
    this.#maxRows = maxRows
  }

  /** What the row speaks of does not stand at the path any more. */
  note(path: PathKey, row: KnownRow): void {
    const { seen } = row
    if (seen === null || row.ignored === true || (row.kind ?? row.entry.kind) !== 'file') return
    this.#byInode.set(seen.ino, this.#byInode.size < this.#maxRows ? { path, row } : path)
  }

  /** A known directory is missing. @returns the move, if it was met elsewhere before. */
  missedDirectory(path: PathKey, { entry, seen, shadow, ignored }: Row): DirectoryMove | null {
    if (entry.kind !== 'directory' || seen === null || shadow === true || ignored === true) return null
    this.#missed.set(seen.ino, { path, seen })
    return this.#moveOf(seen.ino)
  }

  /** A directory was met that is not known by this path. @returns the move, if it is missing elsewhere. */
  metDirectory(path: PathKey, stat: NodeStat): DirectoryMove | null {
    const ino = inoOf(stat.ino)
    this.#met.set(ino, { path, stat })
    return this.#moveOf(ino)
  }

  #moveOf(ino: string): DirectoryMove | null {
    const [missed, met] = [this.#missed.get(ino), this.#met.get(ino)]
    if (missed === undefined || met === undefined) return null
    const born = met.stat.birthtimeNs
    return born > 0n && born <= BigInt(missed.seen.ctimeNs) ? { from: missed.path, to: met.path } : null
  }

  /** The finding for a file that was met, if it is one of them. */
  async find(path: PathKey, stat: NodeStat): Promise<Finding | null> {
    const ino = inoOf(stat.ino)
    const noted = this.#byInode.get(ino)
    if (noted === undefined) return null
    const gone = typeof noted === 'string' ? { path: noted, row: await this.#known.row(noted) } : noted
    const entry = gone.row?.entry
    const before = gone.row?.seen ?? null
    if (entry?.kind !== 'file' || before === null || before.ino !== ino || !isOfOneLife(before, stat)) return null
    const content = (await this.#known.content(entry.cid))?.list ?? null
    if (content === null || BigInt(content.size) !== stat.size) return null
    const node = { kind: 'file' as const, mode: Number(stat.mode) & MODE_BITS, size: content.size, mtime: entryTime(stat.mtimeNs), content }
    const seen = toSeen(stat)
    return { kind: 'present', path, node, seen: { ...seen, ctimeNs: before.ctimeNs }, moved: { from: gone.path, unread: seen.ctimeNs !== before.ctimeNs } }
  }
}

/** A file system that knows no times of birth gives none, or the ctime: then nothing is sure. */
function isOfOneLife(seen: SeenStat, stat: NodeStat): boolean {
  const born = stat.birthtimeNs
  return seen.size === Number(stat.size) && seen.mtimeNs === String(bounded(stat.mtimeNs)) && born > 0n && born <= BigInt(seen.ctimeNs)
}

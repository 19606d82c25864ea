/**
 * What came out of the tree: to history if it is what was expected, else back to a name of its own in the tree. Nothing here ever
 * removes the last name of bytes (invariant 1).
 */
import type { Displace, Log, SeenStat } from '../ports.ts'
import { errnoOf, messageOf } from '../../base/errors.ts'
import type { Workers } from '../../base/workers.ts'
import type { FileEntry, SymlinkEntry } from '../sync/entry.ts'
import { conflictPath } from '../sync/conflict.ts'
import type { PathKey } from '../sync/ids.ts'
import { nameOf, parentOf } from '../sync/path.ts'
import { SWAP_DIR } from './layout.ts'
import type { Moved, Mover, Prepared } from './atomic.ts'
import { moveToHistory, type HistorySlot } from './history.ts'
import type { HistoryNotes } from './history-notes.ts'
import { prepareCopy } from './prepare-node.ts'
import { readContent } from './read-content.ts'
import { at, type Directory, type Roots, type Visit } from './roots.ts'
import { inoOf, kindOf, sameButCtime, toSeen } from './seen.ts'
import { close, isGone, lstat, lstatOrNull, open, READ_FLAGS, readlink, rename, unlink, type Stat } from './sys.ts'

export interface DisplacedParts {
  readonly roots: Roots
  readonly mover: Mover
  readonly notes: HistoryNotes
  readonly log: Log
  readonly now: () => Date
  readonly workers: Workers | null
}

/** `missing`: it was put into history because the tree had no place for it. */
export type Rehomed = { readonly at: PathKey } | { readonly missing: true }

const MAX_NUMBERED = 100

export class Displaced {
  readonly #parts: DisplacedParts
  #lastCopy: Promise<unknown> = Promise.resolve()

  constructor(parts: DisplacedParts) {
    this.#parts = parts
  }

  /** A place in history for what came out of the tree unforeseen. */
  async slot(path: PathKey, stat: Stat): Promise<HistorySlot> {
    const { notes, now } = this.#parts
    const [slot] = await notes.reserve([{ path, reason: 'recovered', ino: inoOf(stat.ino) }], now())
    return slot as HistorySlot
  }

  /** True if `stat` is what the index expected there; rename and link change the ctime. */
  isExpected(stat: Stat, expect: SeenStat): boolean {
    return sameButCtime(toSeen(stat), expect)
  }

  /** @returns the history name, or null if the bytes are held at `displace.at`. `name` is in staging/swap. */
  async keep(name: string, stat: Stat, path: PathKey, displace: Displace, slot: HistorySlot): Promise<string | null> {
    const { roots } = this.#parts
    return await roots.useOwn(SWAP_DIR, async (swap) => {
      if (displace.to === 'linked' && (await this.isHeldAt(displace.at, stat))) {
        await unlink(at(swap, name))
        return null
      }
      await moveToHistory(roots, swap, name, slot)
      if (stat.nlink > 1n) await this.ownInode(slot, path)
      return slot.name
    })
  }

  /**
   * What is in history has a second name that the user gave it (`ln`): written to in place there, it would change here too. So
   * history gets a copy of its own, if the bytes hold still meanwhile; where there is no room for one it stays as it is. One at a time:
   * of two names that go at once the second one keeps the inode, which somebody may hold open.
   */
  async ownInode(slot: HistorySlot, path: PathKey): Promise<void> {
    const { roots, log } = this.#parts
    const turn = this.#lastCopy.then(async () => await roots.useOwn(slot.directory, async (bucket) => await this.#copyIn(bucket, slot.file)))
    this.#lastCopy = turn.catch(() => undefined)
    try {
      await turn
    } catch (error) {
      if (errnoOf(error) === null) throw error
      log.warn({ path, error: messageOf(error) }, 'history shares its bytes with another name of the file: they could not be copied')
    }
  }

  async #copyIn(bucket: Directory, file: string): Promise<void> {
    const { roots } = this.#parts
    const stat = await lstat(at(bucket, file))
    const copy = kindOf(stat) === 'file' && stat.nlink > 1n ? await prepareCopy(roots, bucket, file, toSeen(stat)) : null
    if (copy === null) return
    await roots.useOwn(SWAP_DIR, async (swap) => {
      // The user may have removed the other name meanwhile.
      if ((await lstat(at(bucket, file))).nlink > 1n) await rename(at(swap, copy.name), at(bucket, file))
      else await unlink(at(swap, copy.name))
    })
  }

  /** The same inode has this name in the tree. */
  async isHeldAt(path: PathKey, stat: Stat): Promise<boolean> {
    try {
      return await this.#parts.roots.use(parentOf(path), async (parent) => {
        const there = await lstatOrNull(at(parent, nameOf(path)))
        return there !== null && there.ino === stat.ino && there.dev === stat.dev
      })
    } catch (error) {
      if (isGone(error)) return false
      throw error
    }
  }

  /**
   * Bytes of the user that came out unexpectedly: beside `path`, under a conflict name that is free. `stands`: where the directory of `path`
   * is, if it was set aside (R48). Throws where a directory finds no place, and it stays where it is: history has files alone.
   */
  async rehome(area: string, name: string, path: PathKey, visit: Visit, stands: Directory | null = null): Promise<Rehomed> {
    const { roots, log, mover } = this.#parts
    return await roots.useOwn(area, async (directory) => {
      const stat = await lstat(at(directory, name))
      const prepared: Prepared = { kind: stat.isDirectory() ? 'directory' : 'file', area, name, stat, cid: null }
      try {
        for await (const target of this.#names(directory, name, stat, path)) {
          const place = async (parent: Directory): Promise<Moved> => await mover.placeOpen(prepared, parent, nameOf(target), target)
          const moved = stands !== null && parentOf(target) === parentOf(path) ? await place(stands) : await roots.use(parentOf(target), place, visit)
          if (moved.kind !== 'placed') continue
          // Somebody put a file of his own there in the instant that an empty one held the name.
          if (moved.out !== null) await this.#rehomeNext(moved.out, target, visit, stands)
          log.warn({ path, stray: target }, 'something changed at the moment of an exchange; what came out stands under a name of its own')
          return { at: target }
        }
      } catch (error) {
        if (stat.isDirectory()) throw error
        log.warn({ path, error: messageOf(error) }, 'what came out of an exchange has no place in the tree; it goes to history')
      }
      if (stat.isDirectory()) throw Object.assign(new Error(`no free name for what stood at ${path}`), { code: 'EEXIST' })
      await moveToHistory(roots, directory, name, await this.slot(path, stat))
      return { missing: true }
    })
  }

  /** One that finds no place is looked for again; what is here before it has its own. */
  async #rehomeNext(out: string, path: PathKey, visit: Visit, stands: Directory | null): Promise<void> {
    try {
      await this.rehome(SWAP_DIR, out, path, visit, stands)
    } catch (error) {
      this.#parts.log.warn({ path, error: messageOf(error) }, 'a directory that came out of an exchange has no place in the tree; it is tried again')
      this.#parts.mover.failed()
    }
  }

  /** First the name that every device would give it, then others. */
  async *#names(directory: Directory, name: string, stat: Stat, path: PathKey): AsyncGenerator<PathKey> {
    const first = await contentName(directory, name, stat, path, this.#parts.workers)
    if (first !== null) yield first
    for (let n = 0; n < MAX_NUMBERED; n++) yield conflictPath(path, pseudoEntry(`${stat.ino}:${stat.mtimeNs}:${n}`))
  }
}

async function contentName(directory: Directory, name: string, stat: Stat, path: PathKey, workers: Workers | null): Promise<PathKey | null> {
  if (kindOf(stat) === 'symlink') return conflictPath(path, pseudoEntry(await readlink(at(directory, name))))
  if (kindOf(stat) !== 'file') return null
  const fd = await open(at(directory, name), READ_FLAGS)
  try {
    const content = await readContent(fd, Number(stat.size), { workers })
    return content === null ? null : conflictPath(path, { kind: 'file', cid: content.cid, vv: {}, dots: [], mdot: ['', 0] as unknown as FileEntry['mdot'], mode: 0, size: content.size, mtime: '0' })
  } finally {
    await close(fd)
  }
}

/** Only kind and target go into a conflict name. */
function pseudoEntry(target: string): SymlinkEntry {
  return { kind: 'symlink', target, mtime: '0', vv: {}, dots: [] }
}

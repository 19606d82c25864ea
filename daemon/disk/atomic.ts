/**
 * The few moves by which anything gets a name in the tree or loses it, each one system call that happens or does not. What they
 * need of a file system is asked of it once; where it cannot do the one or the other there are slower ways to the same guarantees.
 */
import * as fs from 'node:fs'
import { errnoOf } from '../../base/errors.ts'
import type { Stat } from './sys.ts'
import { close, exchange, fstat, link, lstat, lstatOrNull, mkdir, open, rename, renameNew, statfs, unlink, unlinkIfThere, writeNew } from './sys.ts'
import { OWN_DIR_MODE, SWAP_DIR } from './layout.ts'
import { syncDirectory } from './marker.ts'
import { at, self, type Directory, type Roots } from './roots.ts'
import { inoOf } from './seen.ts'
import { swapName } from './swap-name.ts'
import type { ContentId, PathKey } from '../sync/ids.ts'

/** Something complete, with its final mode and times, beside the tree; or what came out of it. */
export interface Prepared {
  readonly kind: 'file' | 'symlink' | 'directory'
  /** Below the root: staging/fetch or staging/swap. */
  readonly area: string
  readonly name: string
  readonly stat: Stat
  /** Of the staged file itself (not of a copy): back to staging/fetch if it is not used. */
  readonly cid: ContentId | null
}

export interface Capabilities {
  /** renameat2(RENAME_NOREPLACE), which gives a name only if it is free, and takes along who has the file open. */
  readonly noReplace: boolean
  /** link(2), which makes a name only if it is free. */
  readonly links: boolean
  /** renameat2(RENAME_EXCHANGE). */
  readonly exchange: boolean
}

/** What a move did. */
export type Moved =
  /** `out`: the name in staging/swap of what stood there before, if anything did. */
  | { readonly kind: 'placed'; readonly out: string | null }
  /** The name is taken. `out` as above: moved away before someone else took the name. */
  | { readonly kind: 'taken'; readonly out: string | null }
  /** There is nothing to replace (any more). */
  | { readonly kind: 'gone' }

/** For tests that act between two system calls. */
export interface ApplyHooks {
  /** Checked and prepared; the next call changes the tree. */
  beforeMove?(path: PathKey): Promise<void> | void
  /** Changed; what came out has not been looked at. */
  afterMove?(path: PathKey): Promise<void> | void
}

/**
 * f_type of statfs(2) of what this kernel alone gives names to: ext2 to ext4, XFS, btrfs, F2FS, bcachefs, tmpfs, FAT, exFAT, NTFS, overlay. For these it
 * looks whether a name is free and gives it in one; of any other it looks first and then asks for a rename, and who serves it may have another
 * file of that name by then, and put ours over it. A probe cannot tell: a name that is taken for both is refused without asking.
 */
const HERE: ReadonlySet<number> = new Set([0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0xca451a4e, 0x01021994, 0x4d44, 0x2011bab0, 0x7366746e, 0x794c7630])

export class Mover {
  readonly #roots: Roots
  readonly #given: Capabilities | null
  readonly #onFailure: () => void
  #probed: Promise<Capabilities> | null = null

  /** `capabilities`: what to believe in place of asking the file system. `onFailure`: an empty file of ours may hold a name. */
  constructor(roots: Roots, capabilities: Capabilities | null, onFailure: () => void) {
    this.#roots = roots
    this.#given = capabilities
    this.#onFailure = onFailure
  }

  async canLink(): Promise<boolean> {
    return (await this.#capabilities()).links
  }

  /** Gives it a free name. */
  async placeNew(prepared: Prepared, parent: Directory, name: string, path: PathKey): Promise<Moved> {
    const { noReplace, links } = await this.#capabilities()
    return await this.#roots.useOwn(prepared.area, async (area) => {
      if (noReplace) return await placeRenamed(at(area, prepared.name), at(parent, name))
      if (prepared.kind === 'directory') return await this.#placeDirectory(prepared, area, parent, name)
      if (!links) return await this.#placeHeld(prepared, area, parent, name, path)
      try {
        await link(at(area, prepared.name), at(parent, name))
      } catch (error) {
        if (errnoOf(error) === 'EEXIST') return { kind: 'taken', out: null }
        throw error
      }
      await unlink(at(area, prepared.name))
      return { kind: 'placed', out: null }
    })
  }

  /**
   * As `placeNew`, for a file that somebody may hold open. A new link would leave his descriptor with the old name, and nobody would
   * hear of what he writes then; a rename or an exchange takes it along.
   */
  async placeOpen(prepared: Prepared, parent: Directory, name: string, path: PathKey): Promise<Moved> {
    const { noReplace, exchange: canExchange } = await this.#capabilities()
    if (prepared.kind === 'directory' || noReplace || !canExchange) return await this.placeNew(prepared, parent, name, path)
    return await this.#roots.useOwn(prepared.area, async (area) => await this.#placeHeld(prepared, area, parent, name, path))
  }

  /** Puts it in the place of what stands there, which comes out in staging/swap. `prepared.area` is staging/swap. */
  async replace(prepared: Prepared, parent: Directory, name: string, path: PathKey): Promise<Moved> {
    const capabilities = await this.#capabilities()
    return await this.#roots.useOwn(SWAP_DIR, async (swap) => {
      if (!capabilities.exchange) return await this.#replaceMovedAway(prepared, swap, parent, name, path)
      try {
        await exchange(at(swap, prepared.name), at(parent, name))
      } catch (error) {
        if (errnoOf(error) === 'ENOENT' && (await lstatOrNull(at(parent, name))) === null) return { kind: 'gone' }
        throw error
      }
      return { kind: 'placed', out: prepared.name }
    })
  }

  /** Something is left in staging/swap that belongs elsewhere. */
  failed(): void {
    this.#onFailure()
  }

  /** What `replace` left behind to find the way back is not needed any more. */
  async forgetOut(out: string): Promise<void> {
    if (out.startsWith('away~')) await this.#roots.useOwn(SWAP_DIR, async (swap) => await unlinkIfThere(at(swap, `${out}.json`)))
  }

  /**
   * Without a rename that replaces nothing, and without links or for an open file: an empty file holds the name (O_EXCL), written down before,
   * then exchanged for or replaced by the content.
   * RACE: what a user writes into the empty file is lost with it where he opened it in that instant and writes after it, and without exchange
   * also in the instant before the rename.
   */
  async #placeHeld(prepared: Prepared, area: Directory, parent: Directory, name: string, path: PathKey): Promise<Moved> {
    const { exchange: canExchange } = await this.#capabilities()
    return await this.#roots.useOwn(SWAP_DIR, async (swap) => {
      const note = `${swapName({ kind: 'hold' })}.json`
      await writeNote(swap, note, { path, ino: inoOf(prepared.stat.ino), mtime: String(prepared.stat.mtimeNs) })
      try {
        const moved = await this.#exchangeHeld(prepared, area, swap, parent, name, canExchange)
        await unlinkIfThere(at(swap, note))
        return moved
      } catch (error) {
        // The note says where the empty file is: recover.ts looks.
        this.#onFailure()
        throw error
      }
    })
  }

  async #exchangeHeld(prepared: Prepared, area: Directory, swap: Directory, parent: Directory, name: string, canExchange: boolean): Promise<Moved> {
    const holder = await hold(at(parent, name))
    if (holder === null) return { kind: 'taken', out: null }
    if (!canExchange) {
      const there = await lstat(at(parent, name))
      if (there.ino !== holder.ino || there.size !== 0n) return { kind: 'taken', out: null }
      await rename(at(area, prepared.name), at(parent, name))
      return { kind: 'placed', out: null }
    }
    await exchange(at(area, prepared.name), at(parent, name))
    return await this.#dropHolder(prepared, area, swap, holder)
  }

  /** The empty file comes out; anything else is the user's. */
  async #dropHolder(prepared: Prepared, area: Directory, swap: Directory, holder: Stat): Promise<Moved> {
    const out = await lstat(at(area, prepared.name))
    if (out.ino === holder.ino && out.size === 0n) {
      await unlink(at(area, prepared.name))
      return { kind: 'placed', out: null }
    }
    const name = swapName({ kind: 'away' })
    await rename(at(area, prepared.name), at(swap, name))
    return { kind: 'placed', out: name }
  }

  async #placeDirectory(prepared: Prepared, area: Directory, parent: Directory, name: string): Promise<Moved> {
    try {
      await mkdir(at(parent, name), OWN_DIR_MODE)
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return { kind: 'taken', out: null }
      throw error
    }
    await rename(at(area, prepared.name), at(parent, name))
    return { kind: 'placed', out: null }
  }

  /** Without exchange: the old one moves away, written down before so that a crash puts it back, and the new one takes the free name. */
  async #replaceMovedAway(prepared: Prepared, swap: Directory, parent: Directory, name: string, path: PathKey): Promise<Moved> {
    const away = swapName({ kind: 'away' })
    await writeNote(swap, `${away}.json`, { path })
    try {
      await rename(at(parent, name), at(swap, away))
    } catch (error) {
      await unlinkIfThere(at(swap, `${away}.json`))
      if (errnoOf(error) === 'ENOENT') return { kind: 'gone' }
      throw error
    }
    try {
      const placed = await this.placeNew(prepared, parent, name, path)
      return placed.kind === 'gone' ? placed : { kind: placed.kind, out: away }
    } catch (error) {
      await this.#putBack(swap, away, parent, name, path)
      throw error
    }
  }

  async #putBack(swap: Directory, away: string, parent: Directory, name: string, path: PathKey): Promise<void> {
    const stat = await lstat(at(swap, away))
    const back = await this.placeNew({ kind: stat.isDirectory() ? 'directory' : 'file', area: SWAP_DIR, name: away, stat, cid: null }, parent, name, path)
    if (back.kind === 'placed') await this.forgetOut(away)
  }

  async #capabilities(): Promise<Capabilities> {
    if (this.#given !== null) return this.#given
    this.#probed ??= this.#probe()
    try {
      return await this.#probed
    } catch (error) {
      this.#probed = null
      throw error
    }
  }

  async #probe(): Promise<Capabilities> {
    return await this.#roots.useOwn(SWAP_DIR, async (swap) => {
      const [a, b] = [at(swap, swapName({ kind: 'draft' })), at(swap, swapName({ kind: 'draft' }))]
      try {
        await make(a)
        const links = await canDo(link(a, b))
        await unlinkIfThere(b)
        await make(b)
        // A file system that passes calls on to another may leave out the flag, and rename over what is there.
        const canExchange = (await canDo(exchange(a, b))) && (await lstatOrNull(a)) !== null
        await unlinkIfThere(b)
        await make(b)
        await unlinkIfThere(a)
        return { links, exchange: canExchange, noReplace: HERE.has((await statfs(self(swap))).type) && (await isDone(renameNew(b, a))) }
      } finally {
        await unlinkIfThere(a)
        await unlinkIfThere(b)
      }
    })
  }
}

async function placeRenamed(from: string, to: string): Promise<Moved> {
  try {
    await renameNew(from, to)
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return { kind: 'taken', out: null }
    throw error
  }
  return { kind: 'placed', out: null }
}

/** Empty: on a full disk there is room for a name at the most. */
async function make(path: string): Promise<void> {
  await close(await open(path, 'wx', 0o600))
}

/** Whatever is in the way of it, there are other ways. */
async function isDone(attempt: Promise<void>): Promise<boolean> {
  return await attempt.then(() => true, () => false)
}

/** Takes a free name with an empty file; null if it is taken. */
async function hold(path: string): Promise<Stat | null> {
  let fd: number
  try {
    fd = await open(path, fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_NOFOLLOW, 0o600)
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return null
    throw error
  }
  try {
    return await fstat(fd)
  } finally {
    await close(fd)
  }
}

/** Of what leaves the tree or comes to it: where, and of a file that comes, by what it is known from the empty one that holds its name. */
interface SwapNote {
  readonly path: PathKey
  readonly ino?: string
  readonly mtime?: string
}

async function writeNote(swap: Directory, name: string, note: SwapNote): Promise<void> {
  await writeNew(at(swap, name), Buffer.from(JSON.stringify(note)))
  await syncDirectory(swap.fd)
}

const CANNOT = new Set(['EPERM', 'EINVAL', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'EXDEV'])

/** False if the file system refuses it as such; any other failure is thrown. */
export async function canDo(attempt: Promise<void>): Promise<boolean> {
  try {
    await attempt
    return true
  } catch (error) {
    if (CANNOT.has(errnoOf(error) ?? '')) return false
    throw error
  }
}

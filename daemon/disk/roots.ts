/**
 * The only way to a name below the root (invariant 6, R34): directories are opened component by component, none through a symlink
 * and none on another mount, from a root whose marker was read through the same descriptor. A name in such a directory is then
 * `/proc/self/fd/N/name`, which no rename and no symlink can turn elsewhere. (A system without /proc/self/fd would need the *at
 * calls, which Node does not have; `at` is the only place that would change.)
 *
 * Handles are shared by what runs at the same time and for at most SESSION_MS, so that neither a directory that the user moved
 * away nor a disk that shall be unmounted is held for long.
 * RACE: a directory that is moved out of the root within that time still takes a write that was meant for its old place.
 */
import { P2psyncError, errnoOf } from '../../base/errors.ts'
import type { PathKey } from '../sync/ids.ts'
import type { RootState } from '../ports.ts'
import { OWN_DIR_MODE } from './layout.ts'
import { halted, openRoot, syncDirectory, type Halted, type KnownMarker, type OpenRoot, type RootClaim } from './marker.ts'
import { mountOf } from './mount-of.ts'
import { inoOf } from './seen.ts'
import { close, fstat, mkdir, open, readNames, ROOT_FLAGS, WALK_FLAGS, type Stat } from './sys.ts'

/** An open directory. Only valid inside the `use` that gave it. */
export interface Directory {
  readonly fd: number
  /** Below the root; '' is the root. Our own directories have paths here too, which are no PathKeys. */
  readonly path: string
  /** st_mode, owner and inode when it was opened. */
  readonly mode: number
  readonly uid: number
  readonly ino: string
  /** st_dev of the root. */
  readonly device: bigint
  /** Of the root; null where the system does not tell. */
  readonly mount: string | null
}

/** A directory on the way could not be opened. `code` is an errno, or `mount`. */
export class WalkError extends Error {
  readonly code: string
  readonly at: PathKey

  constructor(code: string, at: string) {
    super(`cannot open the directory ${at === '' ? 'of the folder' : at}: ${code}`)
    this.name = 'WalkError'
    this.code = code
    this.at = at as PathKey
  }
}

/** Called before a directory is used: `target` for the one asked for, else it is only passed through. */
export type Visit = (directory: Directory, target: boolean) => Promise<void> | undefined

const SESSION_MS = 100
const MAX_IDLE_HANDLES = 128

export class Roots {
  readonly claim: RootClaim
  /** Device and inode of the root when it was last ours. */
  #known: string | null = null
  /** As it was last read. */
  #marker: KnownMarker | null = null
  /** Its marker can be read, and its names could not. */
  #unlisted = false
  #session: Session | null = null
  #opening: Promise<void> | null = null
  readonly #living = new Set<Session>()
  #closed = false

  constructor(claim: RootClaim) {
    this.claim = claim
  }

  /** Throws WalkError, or P2psyncError FOLDER_HALTED if the root is not ours at this moment. */
  async use<T>(path: string, run: (directory: Directory) => Promise<T>, visit?: Visit): Promise<T> {
    const open = this.#session
    const session = open?.enter() === true ? open : await this.#enter()
    try {
      const handle = session.known(path) ?? (await session.reach(path, visit))
      try {
        const visiting = visit?.(handle.directory, true)
        if (visiting !== undefined) await visiting
        return await run(handle.directory)
      } finally {
        session.release(handle)
      }
    } finally {
      session.leave()
    }
  }

  /** As `use`, and makes the directory (ours, 0700) if it is missing. */
  async useOwn<T>(path: string, run: (directory: Directory) => Promise<T>): Promise<T> {
    try {
      return await this.use(path, run)
    } catch (error) {
      if (!(error instanceof WalkError) || error.code !== 'ENOENT') throw error
    }
    await this.#makeOwn(path)
    return await this.use(path, run)
  }

  /** What starts now opens its directories anew: the user may have renamed some since they were opened. */
  refresh(): void {
    this.#retire()
  }

  /** Opens the root anew, and what starts now below it: what was read since stands below a root that was ours before and is now. */
  async verify(): Promise<void> {
    const state = await this.inspect()
    if (state.kind === 'halted') throw new P2psyncError('FOLDER_HALTED', state.message)
  }

  /** What starts now goes through the root that was looked at. */
  async inspect(): Promise<RootState> {
    const opened = await openRoot(this.claim, this.#marker)
    if (opened.kind === 'halted') {
      this.#retire()
      return opened.code === 'marker-missing' ? await this.#missingMarker(opened) : opened
    }
    if (this.#unlisted) {
      const refused = await listingError(opened.fd)
      if (refused !== null) {
        await close(opened.fd)
        this.#retire()
        return this.#unlistable(refused)
      }
      this.#unlisted = false
    }
    this.#known = idOf(opened.stat)
    this.#marker = opened.marker
    if (this.#closed) await close(opened.fd)
    else this.#begin(opened)
    return { kind: 'ready', epoch: opened.marker.epoch }
  }

  /** A scan could not list the root itself: then nothing is known of the whole folder, until it can be. Gives what to throw. */
  cannotList(error: unknown): P2psyncError {
    this.#unlisted = true
    return new P2psyncError('FOLDER_HALTED', this.#unlistable(error).message, { cause: error })
  }

  #unlistable(error: unknown): Halted {
    return halted('root-unreadable', this.claim.root, errnoOf(error))
  }

  /** An empty mount point is another directory than the one that was there before. */
  async #missingMarker(missing: Halted): Promise<RootState> {
    if (this.#known === null) return missing
    const fd = await open(this.claim.root, ROOT_FLAGS).catch(() => null)
    if (fd === null) return missing
    try {
      return idOf(await fstat(fd)) === this.#known ? missing : halted('root-replaced', this.claim.root, null)
    } finally {
      await close(fd)
    }
  }

  /** A directory was made, replaced or removed by us: handles of it and of what was below are of the past. */
  forget(path: string): void {
    this.#session?.forget(path)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#retire()
    await Promise.all([...this.#living].map((session) => session.ended))
  }

  async #makeOwn(path: string): Promise<void> {
    const slash = path.lastIndexOf('/')
    if (slash === -1) return
    await this.useOwn(path.slice(0, slash), async (parent) => {
      try {
        await mkdir(at(parent, path.slice(slash + 1)), OWN_DIR_MODE)
        await syncDirectory(parent.fd)
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST') throw error
      }
    })
  }

  async #enter(): Promise<Session> {
    for (;;) {
      if (this.#closed) throw new P2psyncError('FOLDER_HALTED', `the folder at ${this.claim.root} is closed; start it again`)
      if (this.#session !== null && this.#session.enter()) return this.#session
      this.#session = null
      this.#opening ??= this.#open().finally(() => (this.#opening = null))
      await this.#opening
    }
  }

  async #open(): Promise<void> {
    const opened = await openRoot(this.claim, this.#marker)
    if (opened.kind === 'halted') throw new P2psyncError('FOLDER_HALTED', opened.message)
    this.#marker = opened.marker
    if (!this.#closed) return this.#begin(opened)
    await close(opened.fd)
  }

  #begin(opened: OpenRoot): void {
    this.#retire()
    const session = new Session(opened, () => this.#living.delete(session))
    this.#living.add(session)
    this.#session = session
  }

  #retire(): void {
    this.#session?.expire()
    this.#session = null
  }
}

function idOf(stat: Stat): string {
  return `${stat.dev}:${stat.ino}`
}

/** The path of a name in an open directory. */
export function at(directory: Directory, name: string): string {
  return `/proc/self/fd/${directory.fd}/${name}`
}

/** The path of an open directory itself. */
export function self(directory: Directory): string {
  return `/proc/self/fd/${directory.fd}`
}

interface Handle {
  readonly directory: Directory
  users: number
  forgotten: boolean
}

class Session {
  readonly #root: Handle
  readonly #handles = new Map<string, Handle>()
  readonly #openings = new Map<string, Promise<Handle>>()
  readonly #closing = new Set<Promise<unknown>>()
  readonly #timer: NodeJS.Timeout
  readonly #onEnd: () => void
  readonly ended: Promise<void>
  #resolveEnded: () => void = () => undefined
  #users = 0
  #expired = false

  constructor(opened: OpenRoot, onEnd: () => void) {
    const { fd, stat } = opened
    this.#root = { directory: { fd, path: '', mode: Number(stat.mode), uid: Number(stat.uid), ino: inoOf(stat.ino), device: stat.dev, mount: mountOf(fd) }, users: 0, forgotten: false }
    this.#onEnd = onEnd
    this.ended = new Promise((resolve) => (this.#resolveEnded = resolve))
    this.#timer = setTimeout(() => this.expire(), SESSION_MS)
    this.#timer.unref()
  }

  /** False once it is too old to start something with. */
  enter(): boolean {
    if (this.#expired) return false
    this.#users++
    return true
  }

  leave(): void {
    this.#users--
    if (this.#expired && this.#users === 0) this.#end()
  }

  expire(): void {
    if (this.#expired) return
    this.#expired = true
    clearTimeout(this.#timer)
    if (this.#users === 0) this.#end()
  }

  /** What is open already, with one more user. */
  known(path: string): Handle | null {
    const handle = path === '' ? this.#root : this.#handles.get(path)
    if (handle === undefined) return null
    handle.users++
    return handle
  }

  release(handle: Handle): void {
    handle.users--
    if (handle.users === 0 && handle.forgotten) this.#close(handle)
  }

  forget(path: string): void {
    for (const [key, handle] of this.#handles) {
      if (key !== path && !key.startsWith(`${path}/`)) continue
      this.#handles.delete(key)
      handle.forgotten = true
      if (handle.users === 0) this.#close(handle)
    }
  }

  /** The handle comes with one user. */
  async reach(path: string, visit?: Visit): Promise<Handle> {
    return this.known(path) ?? (await this.#openOnce(path, visit))
  }

  async #openOnce(path: string, visit?: Visit): Promise<Handle> {
    let opening = this.#openings.get(path)
    if (opening === undefined) {
      opening = this.#open(path, visit).finally(() => this.#openings.delete(path))
      this.#openings.set(path, opening)
    }
    const handle = await opening
    // Between the opening and here it can only have been forgotten, which closes it: then it is opened anew.
    if (handle.forgotten) return await this.reach(path, visit)
    handle.users++
    return handle
  }

  async #open(path: string, visit?: Visit): Promise<Handle> {
    const slash = path.lastIndexOf('/')
    const parent = await this.reach(slash === -1 ? '' : path.slice(0, slash), visit)
    try {
      await visit?.(parent.directory, false)
      const handle = await openHandle(parent.directory, path, path.slice(slash + 1))
      this.#evict()
      this.#handles.set(path, handle)
      return handle
    } finally {
      this.release(parent)
    }
  }

  #evict(): void {
    if (this.#handles.size < MAX_IDLE_HANDLES) return
    for (const [path, handle] of this.#handles) {
      if (handle.users > 0) continue
      this.#handles.delete(path)
      handle.forgotten = true
      this.#close(handle)
    }
  }

  #end(): void {
    for (const handle of this.#handles.values()) this.#close(handle)
    this.#handles.clear()
    this.#close(this.#root)
    Promise.all(this.#closing).then(() => {
      this.#onEnd()
      this.#resolveEnded()
    }, this.#resolveEnded)
  }

  #close(handle: Handle): void {
    // A walking descriptor holds no data: closing it cannot fail in a way that matters.
    const closing = close(handle.directory.fd)
      .catch(() => undefined)
      .finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }
}

async function listingError(fd: number): Promise<unknown> {
  return await readNames(`/proc/self/fd/${fd}`).then(() => null, (error: unknown) => error)
}

async function openHandle(parent: Directory, path: string, name: string): Promise<Handle> {
  let fd: number
  try {
    fd = await open(at(parent, name), WALK_FLAGS)
  } catch (error) {
    const code = errnoOf(error)
    if (code === null) throw error
    throw new WalkError(code, path)
  }
  try {
    const stat = await fstat(fd)
    const mount = mountOf(fd)
    if (stat.dev !== parent.device || mount !== parent.mount) throw new WalkError('mount', path)
    return { directory: { fd, path, mode: Number(stat.mode), uid: Number(stat.uid), ino: inoOf(stat.ino), device: stat.dev, mount }, users: 0, forgotten: false }
  } catch (error) {
    await close(fd)
    throw error
  }
}

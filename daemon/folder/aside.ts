/**
 * Directories that are gone whole on another device leave the tree here by one rename(2) each, on that device's word, long before its
 * drive has stated each path (R48). They are set aside, and as the statements come what stands in them goes to history path by path, as
 * always. Until then their rows speak of what is set aside: scans leave the paths alone, and what anything else is stated of waits for
 * the end, at which all that was not stated goes back. So the word of the other device decides nothing.
 */
import { messageOf } from '../../base/errors.ts'
import { MOVED_SILENCE_MS, MOVED_TOLD_MS } from '../../base/limits.ts'
import type { AsidePlace, FolderReport } from '../ports.ts'
import type { DeviceId, PathKey } from '../sync/ids.ts'
import { ancestorsOf, isBelow } from '../sync/path.ts'
import type { FileChange } from '../sync/safety.ts'
import { treesToSetAside } from './aside-trees.ts'
import type { FolderContext } from './context.ts'
import { isAllTold } from './moving.ts'
import { livingBelow } from './settled-tree.ts'
import { listUnlisted } from './unlisted.ts'

/** What the cycle knows of it. */
export class Aside {
  /** Gone here, and not stated yet: the others are told. */
  told: readonly PathKey[] = []
  readonly waiting = new Set<PathKey>()
  /** What was tried already, by device. */
  readonly tried = new Map<DeviceId, Set<PathKey>>()
  /** Set aside, and not gone. */
  readonly files = new Map<PathKey, FileChange>()
  readonly #places = new Map<PathKey, AsidePlace>()
  #device: DeviceId | null = null
  #heardAt = 0

  get report(): Pick<FolderReport, 'gone'> {
    return this.told.length === 0 ? {} : { gone: this.told }
  }

  get active(): boolean {
    return this.#device !== null
  }

  /** Whose word it was. */
  get device(): DeviceId | null {
    return this.#device
  }

  get tops(): readonly PathKey[] {
    return [...this.#places.keys()]
  }

  /** Nothing is set aside any more. */
  get isDone(): boolean {
    return this.#places.size === 0
  }

  begin(device: DeviceId, places: readonly AsidePlace[], files: readonly FileChange[], now: number): void {
    this.#device = device
    for (const place of places) this.#places.set(place.path, place)
    for (const file of files) if (this.at(file.path) !== null) this.files.set(file.path, file)
    this.#heardAt = now
  }

  /** Where the directory stands that the path is in; null: in the tree. */
  at(path: PathKey): AsidePlace | null {
    if (this.#places.size === 0) return null
    const own = this.#places.get(path)
    if (own !== undefined) return own
    for (const above of ancestorsOf(path)) {
      const place = this.#places.get(above)
      if (place !== undefined) return place
    }
    return null
  }

  /** That a directory above is gone or replaced is told at the end. */
  isAbove(path: PathKey): boolean {
    return this.tops.some((top) => isBelow(top, path))
  }

  /** It went the way of all that ends. @returns whether it was the whole of a directory that was set aside. */
  ended(path: PathKey): boolean {
    this.files.delete(path)
    return this.#places.delete(path)
  }

  clear(): void {
    this.#places.clear()
    this.files.clear()
    this.waiting.clear()
    this.#device = null
  }

  /** Its device, or our own apply of what it states, goes on. */
  heard(device: DeviceId | null, now: number): void {
    if (device === null || device === this.#device) this.#heardAt = now
  }

  /** A clock that is set back begins the wait anew. */
  silentFor(now: number): number {
    this.#heardAt = Math.min(this.#heardAt, now)
    return now - this.#heardAt
  }
}

/** Whether there may be something to do. */
export function isAsideDue({ aside, ports }: FolderContext): boolean {
  return aside.active || aside.tried.size > 0 || ports.peers.connected().some(({ report }) => report?.gone !== undefined)
}

/** Ends what is over, and follows a device that says that directories are gone. */
export async function tendAside(context: FolderContext): Promise<void> {
  if (context.aside.active && isOver(context)) await endAside(context)
  await followGone(context)
}

/** Also between deletions that are not stated yet: whatever of them is in a directory keeps it where it is. */
export async function followGone(context: FolderContext): Promise<void> {
  const { aside, ports } = context
  const peers = ports.peers.connected()
  for (const device of aside.tried.keys()) if (!peers.some((peer) => peer.device === device && peer.report?.gone !== undefined)) aside.tried.delete(device)
  for (const { device, report } of peers) {
    if (report?.gone === undefined || (aside.active && aside.device !== device)) continue
    const tried = aside.tried.get(device) ?? new Set()
    const fresh = report.gone.filter((path) => !tried.has(path))
    aside.tried.set(device, new Set(report.gone))
    if (fresh.length > 0) await follow(context, device, fresh)
  }
}

// ------------------------------------------------------------------------------------------- the beginning

async function follow(context: FolderContext, device: DeviceId, gone: readonly PathKey[]): Promise<void> {
  const { aside, guard, moving, ports } = context
  const { disk, index, clock, log } = ports
  if (guard.deciding || moving.current !== null) return
  const { directories, files, known } = await treesToSetAside(context, device, gone)
  if (directories.length === 0) return
  // The user is asked by what states it, not by a hint. Told of little by little: most often to count is enough.
  const mightHold = guard.mightHoldElsewhere(files.length + aside.files.size, index.totals.files, clock.now())
  if (mightHold && guard.wouldHold([...files, ...aside.files.values()], index.totals.files, clock.now())) return
  const places = await disk.setAside(directories, known)
  if (places.length === 0) return
  aside.begin(device, places, files, clock.now())
  log.info({ device, directories: places.length }, 'directories that are gone on another device are set aside here; what that device states of them follows')
}

// ------------------------------------------------------------------------------------------- the end

function isOver(context: FolderContext): boolean {
  const { aside, guard, ports, work } = context
  const report = ports.peers.connected().find((peer) => peer.device === aside.device)?.report ?? null
  if (aside.isDone || guard.deciding || report?.state === 'decision') return true
  const isTold = report?.gone?.some((path) => aside.at(path) !== null) === true
  if (aside.silentFor(ports.clock.now()) > (isTold ? MOVED_TOLD_MS : MOVED_SILENCE_MS)) return true
  return report !== null && !isTold && work.dirtyCount === 0 && isAllTold(context, report)
}

/** What was not stated goes back; then a scan looks at all of it, and what the user did there meanwhile is found. */
export async function endAside(context: FolderContext): Promise<void> {
  const { aside, ports, work } = context
  if (!aside.active) return
  const directories = await Promise.all(aside.tops.map(async (top) => (await livingBelow(context, top)).directories))
  if (!aside.isDone) await giveBack(context)
  const dirty = [...aside.waiting]
  ports.log.info({ left: aside.tops.length, waited: dirty.length }, 'nothing is set aside any more')
  aside.clear()
  work.markDirty(dirty)
  work.markScan(directories.flat())
}

/** Outside of the cycle. What cannot go back now does so at the next start, or when the folder goes on. */
export async function endAsideOr(context: FolderContext): Promise<void> {
  try {
    await endAside(context)
  } catch (error) {
    context.ports.log.warn({ error: messageOf(error) }, 'what is set aside could not be put back; it is tried again when the folder goes on')
  }
}

async function giveBack(context: FolderContext): Promise<void> {
  const { kept } = await context.ports.disk.putBack()
  // The user gave their names to something else meanwhile.
  if (kept.length > 0) await listUnlisted(context, 'recent')
}

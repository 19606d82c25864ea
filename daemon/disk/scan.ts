/**
 * Disk → findings: what differs from the rows of the index. Says what is there, never what it means. Absence is told only of names
 * that a directory, read successfully, does not hold, while the root stood there with its marker before and after (invariant 4).
 */
import type { Workers } from '../../base/workers.ts'
import type { Finding, KnownRow, KnownTree, Problem, Row, ScanRequest, SeenStat } from '../ports.ts'
import type { ContentList } from '../sync/content.ts'
import type { PathKey } from '../sync/ids.ts'
import { joinPath, nameOf, parentOf, parsePath, ROOT } from '../sync/path.ts'
import type { DirectoryMove } from '../sync/relocation.ts'
import { Departed } from './departed.ts'
import { eachAtMost } from './each.ts'
import type { EarlyLook } from './early-look.ts'
import type { FineTimes } from './fine-times.ts'
import { publishedNames, type Fold, type Folding } from './folding.ts'
import type { LastingNumbers } from './lasting-numbers.ts'
import { listDirectory, lookAtMissing, type Child, type Listing } from './listing.ts'
import { Newcomers } from './newcomers.ts'
import { mountProblem, nameProblem, readProblem, specialProblem, type Problems } from './problems.ts'
import { at, self, WalkError, type Directory, type Roots } from './roots.ts'
import { entryTime, inoOf, kindOf, MODE_BITS, sameSeen, toSeen } from './seen.ts'
import { mayHideEdit, readStable, TooLargeError } from './stable-read.ts'
import { fstat, isGone, lstat, lstatOrNull, readlink, readlinkBytes, type NodeStat } from './sys.ts'
import { TaskPool } from './task-pool.ts'
import { canAsk, unchanged, type Known } from './unchanged.ts'

export interface ScanParts {
  readonly roots: Roots
  readonly problems: Problems
  readonly folding: Folding
  readonly times: FineTimes
  readonly numbers: LastingNumbers
  readonly workers: Workers | null
  readonly early: EarlyLook | null
  /** Files that are gone, and new ones, of which all that is known is kept until the end. */
  readonly held: number
}

const POOL = { lanes: 8, heavyLanes: 2, heavyBacklog: 1000, firstBatch: 64, batch: 500, lingerMs: 100 }
/** Hinted paths that are looked at together: their rows come with one read of the index. */
const HINTS_AT_ONCE = 64
/** Small files are read in groups, one task each. */
const GROUP_FILES = 32
const GROUP_BYTES = 4 * 1024 * 1024
const HEAVY_BYTES = 1024 * 1024

/** What is asked of the file system once. */
interface Traits {
  readonly fold: Fold
  readonly fine: boolean
  /** An inode number says which file it is. */
  readonly lasting: boolean
}

/** How far down a directory is read: its own names, or everything. */
type Depth = 'names' | 'all'
/** What a hinted path turned out to be: `directory`: known, so what is below it is looked at by itself; `done`: told with all below it. */
type Standing = 'directory' | 'done'

/** Throws P2psyncError FOLDER_HALTED if the root is not ours. Ends early, without more findings, on abort. */
export async function* scan(parts: ScanParts, request: ScanRequest, known: KnownTree, signal: AbortSignal): AsyncGenerator<readonly Finding[]> {
  await parts.roots.verify()
  const [fold, fine, lasting] = await Promise.all([foldOfDisk(parts.folding), parts.times.fine(), parts.numbers.last()])
  const walk = new Walk(parts, { fold, fine, lasting }, request, known, signal)
  for await (const findings of walk.run()) {
    if (findings.some((finding) => finding.kind === 'absent')) await parts.roots.verify()
    yield findings
  }
}

/** A disk that cannot be asked (it is full, or read-only) can be read all the same. */
async function foldOfDisk(folding: Folding): Promise<Fold> {
  try {
    return await folding.fold()
  } catch (error) {
    if (!isSystemError(error)) throw error
    return null
  }
}

class Walk {
  readonly #roots: Roots
  readonly #problems: Problems
  readonly #fold: Fold
  readonly #fine: boolean
  readonly #lasting: boolean
  readonly #request: ScanRequest
  readonly #known: KnownTree
  readonly #signal: AbortSignal
  readonly #workers: Workers | null
  /** Null once it was asked what has changed: whose word is taken after that would not be asked about. */
  #early: EarlyLook | null
  /** Directories that were known as a whole by what was seen early. */
  readonly #seenEarly = new Map<string, PathKey>()
  readonly #pool = new TaskPool<Finding>(POOL)
  /** Hinted paths and the directories above them, each looked at once. */
  readonly #standings = new Map<PathKey, Promise<Standing>>()
  readonly #listed = new Map<PathKey, Depth>()
  readonly #departed: Departed
  /** What is new waits until it is known what is gone, so that what moved is known for it. Once that is over: null. */
  #newcomers: Newcomers | null

  constructor(parts: ScanParts, { fold, fine, lasting }: Traits, request: ScanRequest, known: KnownTree, signal: AbortSignal) {
    this.#fold = fold
    this.#fine = fine
    this.#lasting = lasting
    this.#roots = parts.roots
    this.#problems = parts.problems
    this.#request = request
    this.#known = known
    this.#departed = new Departed(known, parts.held)
    this.#workers = parts.workers
    this.#early = parts.early
    this.#signal = signal
    this.#newcomers = new Newcomers(parts.held)
  }

  run(): AsyncGenerator<readonly Finding[]> {
    const { paths } = this.#request
    if (paths === 'all') this.#addDirectory(ROOT, 'all', null)
    else this.#pool.add(async () => await this.#hinted(paths))
    this.#pool.addLast(async () => await this.#lookAgain())
    return this.#pool.batches(this.#signal)
  }

  /** At what changed since it was seen early. */
  async #lookAgain(): Promise<void> {
    const early = this.#seenEarly.size === 0 ? null : this.#early
    this.#early = null
    for (const key of (await early?.changed(this.#seenEarly.keys())) ?? []) this.#addDirectory(this.#seenEarly.get(key) ?? ROOT, 'names', null)
    this.#pool.addLast(async () => this.#enterNewcomers())
  }

  #enterNewcomers(): void {
    const newcomers = this.#newcomers
    this.#newcomers = null
    if (newcomers === null) return
    const group = new Group()
    for (const child of newcomers.files) this.#read(child, true, group)
    this.#flush(group)
    for (const paths of newcomers.more()) this.#pool.add(async () => await this.#meetAgain(paths))
    for (const child of newcomers.directories) this.#addDirectory(child.path, 'all', child.stat.ino)
  }

  /** Files that were met before, and of which nothing was kept but the paths. */
  async #meetAgain(paths: readonly PathKey[]): Promise<void> {
    const group = new Group()
    for (const path of paths) {
      if (this.#signal.aborted) return
      try {
        const stat = await this.#roots.use(parentOf(path), async (parent) => await lstatOrNull(at(parent, nameOf(path))))
        if (stat !== null && kindOf(stat) === 'file') this.#read({ name: nameOf(path), path, stat }, true, group)
        else this.#pool.found({ kind: 'unstable', path })
      } catch (error) {
        this.#cannotLook(path, error)
      }
    }
    this.#flush(group)
  }

  // ------------------------------------------------------------------------------------------- hinted paths

  async #hinted(paths: readonly PathKey[]): Promise<void> {
    await eachAtMost(paths, HINTS_AT_ONCE, async (path) => {
      if (!this.#signal.aborted) await this.#hint(path)
    })
  }

  async #hint(path: PathKey): Promise<void> {
    if ((await this.#stand(path)) === 'directory') this.#addDirectory(path, 'names', null)
  }

  #stand(path: PathKey): Promise<Standing> {
    let standing = this.#standings.get(path)
    if (standing === undefined) this.#standings.set(path, (standing = this.#lookAt(path)))
    return standing
  }

  /** The topmost thing on the way that is new, gone or no directory speaks for all below it. */
  async #lookAt(path: PathKey): Promise<Standing> {
    if (path === ROOT) return 'directory'
    if (parsePath(path) === null) return 'done' // a hint about our own directory
    if ((await this.#stand(parentOf(path))) === 'done') return 'done'
    const row = await this.#known.row(path)
    let found: { stat: NodeStat | null; device: bigint }
    try {
      found = await this.#roots.use(parentOf(path), async (parent) => ({ stat: await lstatOrNull(at(parent, nameOf(path))), device: parent.device }))
    } catch (error) {
      this.#cannotLook(path, error)
      return 'done'
    }
    if (found.stat === null) {
      // What else is hinted is met meanwhile: a directory that moved is told before all that was in it is gone through.
      this.#pool.add(async () => await this.#absent(path, row))
      return 'done'
    }
    const group = new Group()
    const standing = await this.#present({ name: nameOf(path), path, stat: found.stat }, row, found.device, group)
    this.#flush(group)
    return standing
  }

  #cannotLook(path: PathKey, error: unknown): void {
    if (error instanceof WalkError) this.#cannotRead(error.at, error)
    else if (isGone(error)) this.#pool.found({ kind: 'unstable', path })
    else this.#cannotRead(path, error)
  }

  // ------------------------------------------------------------------------------------------- directories

  /** `ino`: as it was met; another directory by then is looked at later. `shadow`: tell the directory itself, if it turns out to hold something that is synced (R10). */
  #addDirectory(path: PathKey, depth: Depth, ino: bigint | null, shadow: Child | null = null): void {
    if (this.#request.paths !== 'all') {
      const listed = this.#listed.get(path)
      if (listed === 'all' || listed === depth) return
      this.#listed.set(path, depth)
    }
    this.#pool.add(async () => await this.#directory(path, depth, ino, shadow))
  }

  async #directory(path: PathKey, depth: Depth, ino: bigint | null, shadow: Child | null): Promise<void> {
    const expected = ino === null ? null : inoOf(ino)
    const watched = this.#request.onDirectory?.(path) ?? null
    if (watched !== null) await watched
    let read: { listing: Listing; device: bigint } | Known
    let rows: ReadonlyMap<string, KnownRow> = new Map()
    try {
      read = await this.#roots.use(path, async (directory) => {
        if (expected !== null && directory.ino !== expected) throw new Replaced()
        const known = shadow === null ? await this.#unchanged(directory, path) : null
        if (known !== null) return known
        const listing = await listDirectory(directory, path, this.#request.paths === 'all' ? this.#workers : null)
        rows = await this.#known.children(path)
        if (listing.children.length === 0 && rows.size > 0 && (await isRemoved(directory))) throw new Replaced()
        return { listing: await withUnlisted(directory, path, listing, rows, this.#fold), device: directory.device }
      })
    } catch (error) {
      this.#roots.forget(path)
      if (isGone(error) || error instanceof Replaced) this.#pool.found({ kind: 'unstable', path })
      else if (!(error instanceof WalkError || isSystemError(error))) throw error
      else if (path === ROOT) throw this.#roots.cannotList(error)
      else this.#cannotRead(path, error)
      return
    }
    this.#heal(path)
    if (!('listing' in read)) return depth === 'all' ? this.#addKnown(path, read) : undefined
    if (shadow !== null && (await this.#isRevived(read.listing, rows, read.device))) this.#tellDirectory(shadow)
    await this.#listing(path, read.listing, rows, depth, read.device)
  }

  /** As a whole; null: it is to be read. Only of a full scan, which has nothing to tell of what is as it was. */
  async #unchanged(directory: Directory, path: PathKey): Promise<Known | null> {
    const { paths, rehash } = this.#request
    if (paths !== 'all' || rehash === true || this.#fold !== null || this.#workers === null) return null
    const early = this.#early?.of(directory) ?? null
    if (early === null && !canAsk(this.#workers)) return null
    const digest = (await this.#known.digest?.(path)) ?? null
    if (digest === null || this.#problems.within(path)) return null
    if (early === null) return await unchanged(this.#workers, directory, digest)
    if (!digest.equals(early.digest)) return null
    this.#seenEarly.set(early.key, path)
    return early
  }

  #addKnown(path: PathKey, { directories }: Known): void {
    for (const { name, ino } of directories) {
      const child = joinPath(path, name)
      if (!this.#request.ignored(child, true)) this.#addDirectory(child, 'all', ino)
    }
  }

  async #listing(path: PathKey, listing: Listing, rows: ReadonlyMap<string, KnownRow>, depth: Depth, device: bigint): Promise<void> {
    const met = new Set<PathKey>()
    const names = new Set<string>()
    for (const invalid of listing.invalid) {
      met.add(invalid)
      this.#tellProblem(invalid, nameProblem(invalid))
    }
    for (const { path: child, error } of listing.unreadable) {
      met.add(child)
      names.add(nameOf(child))
      this.#cannotRead(child, error)
    }
    for (const child of listing.vanished) {
      names.add(nameOf(child))
      if (isOnDisk(rows.get(nameOf(child)) ?? null)) this.#pool.found({ kind: 'unstable', path: child })
    }
    const group = new Group()
    for (const child of publishedNames(listing.children, rows, path, this.#fold)) {
      names.add(child.name)
      if (this.#request.ignored(child.path, kindOf(child.stat) === 'directory')) {
        await this.#replaced(child.path, rows.get(child.name) ?? null)
        continue
      }
      met.add(child.path)
      const present = this.#present(child, rows.get(child.name) ?? null, device, group)
      // Mostly nothing is to be waited for, and a wait for each file would cost as much as all else that is done for one that did not change.
      const standing = typeof present === 'string' ? present : await present
      if (standing === 'directory' && depth === 'all') this.#addDirectory(child.path, 'all', child.stat.ino)
    }
    this.#flush(group)
    for (const [name, row] of rows) if (!names.has(name)) await this.#absent(joinPath(path, name), row)
    for (const healed of this.#problems.healMissing(path, met)) this.#pool.found(healed)
  }

  /** A directory that only ignored, special or mounted things kept has something else in it now. */
  async #isRevived(listing: Listing, rows: ReadonlyMap<string, Row>, device: bigint): Promise<boolean> {
    for (const child of listing.children) {
      const kind = kindOf(child.stat)
      if (kind === 'special' || this.#request.ignored(child.path, kind === 'directory')) continue
      if (kind !== 'directory') return true
      if (child.stat.dev !== device) continue
      if (rows.get(child.name)?.shadow !== true) return true
      if (await this.#isShadowRevived(child.path)) return true
    }
    return false
  }

  async #isShadowRevived(path: PathKey): Promise<boolean> {
    try {
      const read = await this.#roots.use(path, async (directory) => ({ listing: await listDirectory(directory, path), device: directory.device }))
      return await this.#isRevived(read.listing, await this.#known.children(path), read.device)
    } catch (error) {
      if (error instanceof WalkError || isSystemError(error)) return false // its own task tells the problem
      throw error
    }
  }

  // ------------------------------------------------------------------------------------------- what stands there

  #present(child: Child, row: KnownRow | null, device: bigint, group: Group): Standing | Promise<Standing> {
    const { path, stat } = child
    const kind = kindOf(stat)
    if (this.#request.ignored(path, kind === 'directory')) return this.#replaced(path, row)?.then(() => 'done') ?? 'done'
    if (this.#request.rehash !== true && row?.isSeen?.(stat) === true) {
      this.#heal(path)
      return 'done'
    }
    if (row !== null && row.seen?.ino !== inoOf(stat.ino)) this.#departed.note(path, row)
    if (kind === 'special') {
      return this.#replaced(path, row)?.then(() => this.#special(path)) ?? this.#special(path)
    }
    if (kind === 'directory') return this.#presentDirectory(child, row, device)
    if (this.#isUnchanged(stat, row, kind)) {
      this.#heal(path)
      return 'done'
    }
    if (row !== null && (row.entry.kind === 'directory' || row.shadow === true)) return this.#absentBelow(path).then(() => this.#changed(child, row, kind, group))
    return this.#changed(child, row, kind, group)
  }

  #special(path: PathKey): 'done' {
    this.#tellProblem(path, specialProblem(path))
    return 'done'
  }

  #changed(child: Child, row: Row | null, kind: 'file' | 'symlink', group: Group): 'done' {
    const { stat } = child
    if (kind === 'symlink') this.#pool.add(async () => await this.#symlink(child))
    else if (this.#request.rehash === true || row?.seen?.ino === inoOf(stat.ino)) this.#read(child, false, group)
    else if (this.#newcomers?.add(child) !== true) this.#read(child, true, group)
    return 'done'
  }

  /** `new`: it may have come from elsewhere. */
  #read(child: Child, isNew: boolean, group: Group): void {
    if (child.stat.size >= HEAVY_BYTES) this.#pool.addHeavy(async () => await this.#file(child, isNew))
    else if (group.add(child, isNew)) this.#flush(group)
  }

  #isUnchanged(stat: NodeStat, row: KnownRow | null, kind: 'file' | 'symlink'): boolean {
    if (this.#request.rehash === true || row === null || row.ignored === true || row.seen === null) return false
    return (row.kind ?? row.entry.kind) === kind && sameSeen(row.seen, toSeen(stat))
  }

  /** A directory that is new, or another than the one known by that name, is read wholly: nothing of it was watched. */
  #presentDirectory(child: Child, row: Row | null, device: bigint): Standing {
    const { path, stat } = child
    if (stat.dev !== device) {
      this.#tellProblem(path, mountProblem(path))
      return 'done'
    }
    if (row?.shadow === true) {
      this.#addDirectory(path, 'all', stat.ino, child)
      return 'done'
    }
    const known = row !== null && row.ignored !== true && row.entry.kind === 'directory' ? row.seen : null
    const same = known !== null && known.ino === inoOf(stat.ino)
    if (known === null) this.#tellMoved(this.#departed.metDirectory(path, stat))
    if (!same || known.mode !== Number(stat.mode)) this.#tellDirectory(child)
    // What could not be read before may have changed below meanwhile.
    if (same && !this.#problems.has(path)) return 'directory'
    if (same || this.#newcomers === null) this.#addDirectory(path, 'all', stat.ino)
    else this.#newcomers.directories.push(child)
    return 'done'
  }

  #tellMoved(move: DirectoryMove | null): void {
    if (move !== null && this.#lasting) this.#request.onMovedDirectory?.(move)
  }

  #tellDirectory({ path, stat }: Child): void {
    this.#pool.found({ kind: 'present', path, node: { kind: 'directory', mode: Number(stat.mode) & MODE_BITS }, seen: toSeen(stat) })
  }

  #flush(group: Group): void {
    const files = group.take()
    if (files.length === 0) return
    this.#pool.add(async () => {
      for (const { child, isNew } of files) if (!this.#signal.aborted) await this.#file(child, isNew)
    })
  }

  async #file({ path, stat }: Child, isNew: boolean): Promise<void> {
    const moved = isNew && this.#lasting ? await this.#departed.find(path, stat) : null
    if (moved !== null) {
      this.#pool.found(moved)
      return this.#heal(path)
    }
    const isHeavy = stat.size >= HEAVY_BYTES
    if (isHeavy && this.#request.rests?.(path) === true) return
    const began = performance.now()
    const known = isHeavy ? await this.#knownList(path) : null
    const read = await readStable(this.#roots, path, { listed: stat, fine: this.#fine, workers: this.#workers, known, signal: this.#signal, onChunk: this.#request.onChunk })
    if (this.#signal.aborted) return
    if (isHeavy && (read.kind !== 'unstable' || read.read)) this.#request.onLongRead?.(path, Number(stat.size), performance.now() - began)
    if (read.kind === 'unstable') return this.#pool.found({ kind: 'unstable', path })
    if (read.kind === 'failed') {
      if (!isSystemError(read.error) && !(read.error instanceof TooLargeError)) throw read.error
      return this.#cannotRead(path, read.error)
    }
    const node = { kind: 'file' as const, mode: Number(read.stat.mode) & MODE_BITS, size: read.content.size, mtime: entryTime(read.stat.mtimeNs), content: read.content }
    const seen = toSeen(read.stat)
    const isSure = !mayHideEdit(read.stat, Date.now())
    this.#pool.found({ kind: 'present', path, node, seen: isSure ? seen : anotherTime(seen) })
    if (!isSure) this.#pool.found({ kind: 'unstable', path })
    this.#heal(path)
  }

  /** Of the version that the index has: most of it stands in the new one as well, mostly. */
  async #knownList(path: PathKey): Promise<ContentList | null> {
    const entry = (await this.#known.row(path))?.entry
    return entry?.kind === 'file' ? ((await this.#known.content(entry.cid))?.list ?? null) : null
  }

  async #symlink({ path, name }: Child): Promise<void> {
    try {
      const read = await this.#roots.use(parentOf(path), async (parent) => {
        const before = await lstat(at(parent, name))
        const target = await readlinkBytes(at(parent, name))
        return { before, target, after: await lstat(at(parent, name)) }
      })
      this.#tellSymlink(path, read.target, read.before, read.after)
    } catch (error) {
      if (isGone(error) || isCode(error, 'EINVAL') || error instanceof WalkError) this.#pool.found({ kind: 'unstable', path })
      else if (isSystemError(error)) this.#cannotRead(path, error)
      else throw error
    }
  }

  #tellSymlink(path: PathKey, bytes: Buffer, before: NodeStat, after: NodeStat): void {
    const target = bytes.toString('utf8')
    if (before.ino !== after.ino || before.ctimeNs !== after.ctimeNs) this.#pool.found({ kind: 'unstable', path })
    else if (!Buffer.from(target).equals(bytes)) this.#tellProblem(path, { path, code: 'invalid-name', message: `the target of the symlink ${path} is not UTF-8 and cannot be synced; make it anew` })
    else {
      this.#pool.found({ kind: 'present', path, node: { kind: 'symlink', mtime: entryTime(after.mtimeNs), target }, seen: toSeen(after) })
      this.#heal(path)
    }
  }

  // ------------------------------------------------------------------------------------------- what is gone

  /** The parent was read (or the name looked up) successfully and it is not there: known descendants first, deepest first. */
  #absent(path: PathKey, row: KnownRow | null): Promise<void> | undefined {
    for (const healed of this.#problems.healBelow(path)) this.#pool.found(healed)
    this.#heal(path)
    const isDirectory = row !== null && row.kind !== 'file' && (row.entry.kind === 'directory' || row.shadow === true)
    if (row === null || this.#request.ignored(path, isDirectory)) return undefined
    if (!isDirectory) return void this.#missed(path, row)
    this.#tellMoved(this.#departed.missedDirectory(path, row))
    return this.#absentBelow(path).then(() => this.#missed(path, row))
  }

  /** What stands there is none of what is synced: what was known there is gone, unless it is ignored as well. */
  #replaced(path: PathKey, row: KnownRow | null): Promise<void> | undefined {
    return isOnDisk(row) ? this.#absent(path, row) : undefined
  }

  #missed(path: PathKey, row: KnownRow): void {
    if (!isOnDisk(row)) return
    this.#departed.note(path, row)
    this.#pool.found({ kind: 'absent', path, row })
  }

  async #absentBelow(directory: PathKey): Promise<void> {
    for (const [name, row] of await this.#known.children(directory)) {
      const below = this.#absent(joinPath(directory, name), row)
      if (below !== undefined) await below
    }
  }

  // ------------------------------------------------------------------------------------------- problems

  #cannotRead(path: PathKey, error: unknown): void {
    this.#tellProblem(path, readProblem(path, error))
  }

  #tellProblem(path: PathKey, problem: Problem): void {
    this.#pool.found(this.#problems.note(path, problem))
  }

  #heal(path: PathKey): void {
    const healed = this.#problems.heal(path)
    if (healed !== null) this.#pool.found(healed)
  }
}

/**
 * A file system may leave out of a reading what got its name anew while it went on, though the name stood there all the time: btrfs and tmpfs
 * do, of what a program saves by a rename. So a name that an index knows and no reading showed is looked at itself before it counts as gone.
 */
async function withUnlisted(directory: Directory, path: PathKey, listing: Listing, rows: ReadonlyMap<string, KnownRow>, fold: Fold): Promise<Listing> {
  if (fold === null && holdsAll(listing, rows)) return listing
  const keyOf = fold ?? ((name: string) => name)
  const listed = new Set(listing.children.map(({ name }) => keyOf(name)))
  for (const child of [...listing.vanished, ...listing.unreadable.map((item) => item.path)]) listed.add(keyOf(nameOf(child)))
  const missing = [...rows].flatMap(([name, row]) => (!listed.has(keyOf(name)) && isOnDisk(row) ? [{ name, path: joinPath(path, name) }] : []))
  return missing.length === 0 ? listing : await lookAtMissing(directory, missing, listing)
}

/** None that the file has: the next look reads it again. */
function anotherTime(seen: SeenStat): SeenStat {
  return { ...seen, ctimeNs: String(BigInt(seen.ctimeNs) - 1n) }
}

/** Mostly so: told without making anything. */
function holdsAll({ children }: Listing, rows: ReadonlyMap<string, KnownRow>): boolean {
  let met = 0
  for (const { name } of children) if (rows.has(name)) met++
  return met === rows.size
}

/** It is open, and has no name any more: then it holds nothing, whatever stands at its path by now. Some file systems count no names at all. */
async function isRemoved(directory: Directory): Promise<boolean> {
  return (await fstat(directory.fd)).nlink === 0n && (await readlink(self(directory))).endsWith(' (deleted)')
}

/** Another directory stands there than the one that was met. */
class Replaced extends Error {}

interface Reading {
  readonly child: Child
  readonly isNew: boolean
}

/** Files that are read by one task. */
class Group {
  #files: Reading[] = []
  #bytes = 0n

  /** @returns true when it is full. */
  add(child: Child, isNew: boolean): boolean {
    this.#files.push({ child, isNew })
    this.#bytes += child.stat.size
    return this.#files.length >= GROUP_FILES || this.#bytes >= GROUP_BYTES
  }

  take(): readonly Reading[] {
    const files = this.#files
    this.#files = []
    this.#bytes = 0n
    return files
  }
}

/** What the index holds to be there: live entries, and directories that shadow a tombstone (R10). */
function isOnDisk(row: KnownRow | null): boolean {
  return row !== null && (row.kind === 'file' || row.entry.kind !== 'tombstone' || row.shadow === true)
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

/** Of one path, so that the rest goes on. Anything else (a bug, a root that is gone) ends the scan. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}

/**
 * Hints that something may have changed; the scanner decides what. The scanner names each directory just before it reads it, and
 * the watch stands when `watch` returns, so that nothing falls between. Events are lost all the same (full queues, network file
 * systems, limits): full rescans on a timer are the net below.
 *
 * chokidar is used for its watching only, not for its view of the tree, which costs it an lstat of every file at the start and of
 * a whole directory at every event: for 1,000 directories of 100 files each 3.5 s and 220 MB, so 20 ms and 2 MB.
 */
import { basename, join, resolve } from 'node:path'
import { errnoOf, messageOf } from '../../base/errors.ts'
import type { FolderInbox, Problem, Watcher } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import { nameOf, parentOf, parseChild, parsePath, ROOT } from '../sync/path.ts'
import { DirectoryWatcher, identityOf, watchedPathOf } from './directory-watcher.ts'
import { eventFlood, type EventFlood } from './event-flood.ts'
import type { FarLane } from './far-lane.ts'
import { FarWatch, type FarAnswer, type FarWatchListener } from './far-watch.ts'
import { OWN_DIR } from './layout.ts'
import { far } from './sys.ts'

export interface WatcherOptions {
  readonly root: string
  readonly inbox: Pick<FolderInbox, 'localChanged'>
  /** Changes may go unnoticed until the next full rescan; each kind of reason is told once. */
  onProblem(problem: Problem): void
  /** Where the limits of the system are reached: true if others give up watches, so that these directories can be watched in a moment. */
  makeRoom?(): boolean
  /** Default: that of the root now; null: its disk is one of this machine. */
  lane?(): FarLane | null
  /** Default: that of this thread. */
  readonly flood?: EventFlood
  /** Default: a thread of its own. */
  startFar?(listener: FarWatchListener): FarWatch
  /** Milliseconds; default: since the process began. */
  now?(): number
}

/** More hinted paths than this are a full scan. */
const MAX_PATHS = 10_000
/** Before that, so many names of one directory are a hint of it: its names are read, in place of a look at each. */
const MANY_NAMES = 64
/** Asked for at once, of a thread that watches: more take no less time for each, and cannot be broken off. */
const SLICE = 256
/** A thread that ends so often within this time, or never came up, is left alone: each start would end in a full scan, and in the next start. */
const MAX_ENDS = 3
const ENDS_MS = 60_000
const REST_MS = 10 * 60_000

export class ChokidarWatcher implements Watcher {
  readonly #root: string
  readonly #options: WatcherOptions
  readonly #source = new DirectoryWatcher()
  /** While the folder is on a disk that may not answer. */
  #far: FarWatch | null = null
  #lane: FarLane | null = null
  #last: Promise<unknown> = Promise.resolve()
  /** Of that thread, just now: what becomes of their watches is not known yet. */
  #asked: ReadonlySet<PathKey> = new Set()
  /** When threads ended. */
  #ends: number[] = []
  #restsUntil = Number.NEGATIVE_INFINITY
  /** Watched directories with what was watched: device and inode. */
  readonly #watched = new Map<PathKey, string>()
  readonly #children = new Map<PathKey, Set<PathKey>>()
  readonly #told = new Set<string>()
  /** Directories whose watch is to be closed once the events before that have come, so that all are counted. */
  readonly #leaving = new Set<PathKey>()
  readonly #flood: EventFlood
  #lastHeard: { readonly watched: string; readonly directory: PathKey | null } = { watched: '', directory: null }
  #hints = new Hints()
  #flushing: NodeJS.Immediate | null = null
  #closed = false

  constructor(options: WatcherOptions) {
    this.#root = resolve(options.root)
    this.#options = options
    this.#flood = options.flood ?? eventFlood()
    this.#flood.add(this.#doubt)
    this.#source.on('raw', (event, name, details) => {
      if (!this.#closed) this.#flood.count()
      this.#event(event, name, watchedPathOf(details))
    })
    this.#source.on('error', (error) => this.#failed(error))
  }

  /** The watches stand when it returns, or once it resolves. Idempotent; a directory that was replaced is watched anew. Rejects where the folder is closed meanwhile. */
  watch(directories: readonly PathKey[], isOver: () => boolean = () => false): Promise<void> | null {
    if (this.#closed) return null
    const lane = this.#options.lane === undefined ? far.laneOf(this.#root) : this.#options.lane()
    if (lane !== this.#lane) this.#moveTo(lane)
    if (lane !== null) return this.#watchFar(lane, directories, isOver)
    for (const directory of directories) this.#watch(directory)
    return null
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#flushing !== null) clearImmediate(this.#flushing)
    this.#flood.remove(this.#doubt)
    this.#forgetAll()
    this.#far?.close()
    await this.#source.close()
  }

  #watch(directory: PathKey): void {
    const path = this.#absolute(directory)
    const identity = identityOf(path, directory === ROOT)
    if (this.#isToBeWatched(directory, identity) && this.#source.watchDirectory(path)) this.#stands(directory, identity)
  }

  /** Another file system stands there: none of the watches is of it. */
  #moveTo(lane: FarLane | null): void {
    this.#lane = lane
    this.#last = Promise.resolve()
    this.#ends = []
    this.#restsUntil = Number.NEGATIVE_INFINITY
    const watched = [...this.#watched.keys(), ...this.#leaving]
    for (const directory of watched) this.#source.forgetDirectory(this.#absolute(directory))
    this.#far?.close()
    this.#far = null
    this.#forgetAll()
    if (watched.length > 0) this.#doubt()
  }

  #forgetAll(): void {
    this.#asked = new Set()
    this.#watched.clear()
    this.#children.clear()
    this.#leaving.clear()
    this.#flood.closedEarly()
  }

  /** One list at a time: two who name the same directory shall not both set a watch. A watch that cannot be set is no reason to fail. */
  async #watchFar(lane: FarLane, directories: readonly PathKey[], isOver: () => boolean): Promise<void> {
    const turn = this.#last.then(async () => {
      for (let from = 0; from < directories.length; from += SLICE) {
        if (this.#closed || this.#lane !== lane) return
        if (isOver()) return this.#doubt()
        let slice = directories.slice(from, from + SLICE)
        while (slice.length > 0) slice = await this.#watchSlice(lane, slice)
      }
    })
    this.#last = turn.catch(() => undefined)
    try {
      await turn
    } catch (error) {
      if (lane.isCut) throw error
      this.#failed(error)
    }
  }

  /** @returns those whose watch went while they were asked for: they are to be asked for again. */
  async #watchSlice(lane: FarLane, slice: readonly PathKey[]): Promise<PathKey[]> {
    const source = this.#far ?? this.#startFar(lane)
    if (source === null) return []
    try {
      const answers = await lane.run(async () => {
        if (source !== this.#far || this.#closed) return null
        this.#asked = new Set(slice)
        return await source.watch(slice.map((directory) => ({ path: this.#absolute(directory), root: directory === ROOT, known: this.#watched.get(directory) ?? null })))
      })
      if (answers === null || source !== this.#far || this.#closed) return []
      return slice.filter((directory, i) => this.#isToBeAskedAgain(directory, answers[i] ?? null))
    } finally {
      if (source === this.#far) this.#asked = new Set()
    }
  }

  #isToBeAskedAgain(directory: PathKey, answer: FarAnswer): boolean {
    if (answer === 'known') return !this.#watched.has(directory)
    if (answer === null) {
      this.#endWatch(directory, false)
      return false
    }
    this.#drop(directory)
    // The thread has ended the earlier watch.
    this.#leaving.delete(directory)
    if (answer.stands) this.#stands(directory, answer.identity)
    return false
  }

  /** Null: one ended too soon. */
  #startFar(lane: FarLane): FarWatch | null {
    if (this.#now() < this.#restsUntil) return null
    const { startFar = (listener: FarWatchListener) => new FarWatch(listener) } = this.#options
    try {
      this.#far = startFar({
        event: ({ event, name, watchedPath }) => this.#event(event, name, watchedPath),
        doubt: this.#doubt,
        sign: () => lane.sign(),
        failed: (error) => this.#failed(error),
        ended: (error, answered) => this.#farEnded(error, answered)
      })
    } catch (error) {
      this.#farEnded(error, false)
    }
    return this.#far
  }

  #farEnded(error: unknown, answered: boolean): void {
    this.#far = null
    this.#forgetAll()
    const now = this.#now()
    this.#ends = [...this.#ends.filter((at) => now - at < ENDS_MS), now]
    if (!answered || this.#ends.length >= MAX_ENDS) this.#restsUntil = now + REST_MS
    this.#failed(error)
    if (answered) this.#doubt()
  }

  #now(): number {
    return this.#options.now?.() ?? performance.now()
  }

  /** `identity`: of what stands there. An earlier watch ends then. */
  #isToBeWatched(directory: PathKey, identity: string | null): identity is string {
    if (this.#closed || identity === null || this.#watched.get(directory) === identity) return false
    this.#drop(directory)
    this.#endWatch(directory, true)
    return true
  }

  #stands(directory: PathKey, identity: string): void {
    this.#watched.set(directory, identity)
    if (directory !== ROOT) addTo(this.#children, parentOf(directory), directory)
  }

  /** Its watch is of the past, and those below it may be. @returns all that were dropped. */
  #drop(directory: PathKey): PathKey[] {
    if (!this.#watched.has(directory) && !this.#children.has(directory)) return []
    const dropped = [directory]
    for (const child of this.#children.get(directory) ?? []) dropped.push(...this.#drop(child))
    this.#children.delete(directory)
    this.#children.get(parentOf(directory))?.delete(directory)
    if (this.#watched.delete(directory)) this.#leaving.add(directory)
    return dropped
  }

  /** `early`: there may be events that it has not brought yet. */
  #endWatch(directory: PathKey, early: boolean): void {
    if (!this.#leaving.delete(directory)) return
    if (early) this.#flood.closedEarly()
    this.#source.forgetDirectory(this.#absolute(directory))
    this.#far?.forget(this.#absolute(directory))
  }

  #event(event: string, name: unknown, watchedPath: string | null): void {
    if (this.#closed) return
    const directory = this.#directoryOf(watchedPath)
    if (directory === null || !this.#watched.has(directory)) return
    if (typeof name !== 'string') return this.#hint(directory)
    if (directory === ROOT && name === OWN_DIR) return
    const path = name.includes('\ufffd') ? null : parseChild(directory, name)
    this.#hint(path ?? directory)
    // An event of a directory itself comes under its own name: moved, removed, unmounted, or its mode changed.
    const own = name === (directory === ROOT ? basename(this.#root) : nameOf(directory))
    if (own) this.#hint(directory)
    if (event !== 'rename') return
    for (const gone of [...(own ? this.#drop(directory) : []), ...(path === null ? [] : this.#drop(path))]) this.#hints.whole(gone)
  }

  #hint(path: PathKey): void {
    this.#hints.add(path)
    this.#flushing ??= setImmediate(() => this.#flush())
  }

  /** One turn of the event loop brings many events: together they are one call. */
  #flush(): void {
    this.#flushing = null
    for (const directory of [...this.#leaving]) if (!this.#asked.has(directory)) this.#endWatch(directory, false)
    const hints = this.#hints
    this.#hints = new Hints()
    this.#options.inbox.localChanged(hints.take())
  }

  readonly #doubt = (): void => {
    this.#options.inbox.localChanged('all')
  }

  #failed(error: unknown): void {
    const code = errnoOf(error) ?? 'watch-failed'
    if (this.#closed || this.#told.has(code)) return
    if (code in LIMITS && this.#options.makeRoom?.() === true) return this.#doubt()
    this.#told.add(code)
    const advice = LIMITS[code] ?? messageOf(error)
    this.#options.onProblem({ path: '', code, message: `cannot watch all directories of ${this.#root} (${code}): ${advice}; until then their changes are found by the regular rescan` })
  }

  #absolute(directory: PathKey): string {
    return directory === ROOT ? this.#root : join(this.#root, directory)
  }

  #directoryOf(watched: string | null): PathKey | null {
    if (watched === null) return null
    if (watched === this.#root) return ROOT
    // Of a flood of events most are of the same directory as the one before.
    if (watched !== this.#lastHeard.watched) this.#lastHeard = { watched, directory: parsePath(watched.slice(this.#root.length + 1)) }
    return this.#lastHeard.directory
  }
}

/** Paths of one turn of the event loop. */
class Hints {
  readonly #byDirectory = new Map<PathKey, Set<PathKey>>()
  /** Directories that are gone, or others by now: looked at with all that is known below. */
  readonly #whole = new Set<PathKey>()

  add(path: PathKey): void {
    addTo(this.#byDirectory, path === ROOT ? ROOT : parentOf(path), path)
  }

  whole(directory: PathKey): void {
    this.#whole.add(directory)
  }

  take(): 'all' | readonly PathKey[] {
    for (const directory of this.#whole) this.#byDirectory.delete(directory)
    const paths = new Set(this.#whole)
    let size = paths.size
    for (const hinted of this.#byDirectory.values()) size += hinted.size
    for (const [directory, hinted] of this.#byDirectory) {
      if (size > MAX_PATHS && hinted.size > MANY_NAMES) paths.add(directory)
      else for (const path of hinted) paths.add(path)
    }
    return paths.size > MAX_PATHS ? 'all' : [...paths]
  }
}

const LIMITS: Readonly<Record<string, string>> = {
  ENOSPC: 'the limit of watches is reached; raise fs.inotify.max_user_watches',
  EMFILE: 'the limit of watchers is reached; raise fs.inotify.max_user_instances'
}

function addTo(map: Map<PathKey, Set<PathKey>>, key: PathKey, path: PathKey): void {
  const there = map.get(key)
  if (there === undefined) map.set(key, new Set([path]))
  else there.add(path)
}

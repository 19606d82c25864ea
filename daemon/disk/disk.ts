/**
 * The disk port on a real file system: the only code that touches a watched folder. Knows no drive, index or network. Nothing is
 * held open while nothing happens, so that a disk can be unmounted.
 */
import type { Workers } from '../../base/workers.ts'
import type { ApplyOp, ApplyResult, AsidePlace, Disk, Finding, HistoryFile, KeptNote, KnownTree, Log, Look, OpenFile, Place, PutBack, PutRight, Recheck, RootState, ScanRequest, SeenStat, StagedFile, Stray, WholeFile } from '../ports.ts'
import type { MovedTree } from '../sync/relocation.ts'
import type { ContentList } from '../sync/content.ts'
import type { IgnoreText } from '../sync/ignore.ts'
import type { FileEntry } from '../sync/entry.ts'
import type { ContentId, FolderId, PathKey } from '../sync/ids.ts'
import { applyBatch } from './apply.ts'
import { Mover, type ApplyHooks, type Capabilities } from './atomic.ts'
import { Displaced } from './displaced.ts'
import type { EarlyLook } from './early-look.ts'
import { FarWorkers } from './far-lane.ts'
import { FileSystemSync } from './file-system-sync.ts'
import { fileSystemBytes, listHistory, removeFromHistory } from './history.ts'
import { HistoryNotes, type Leaving } from './history-notes.ts'
import { FineTimes } from './fine-times.ts'
import { Folding, type Folds } from './folding.ts'
import { GatheredReads } from './gathered-reads.ts'
import { holdPlace, targetOf } from './hold.ts'
import { readIgnoreFiles } from './ignore-files.ts'
import { LastingNumbers } from './lasting-numbers.ts'
import { look } from './look.ts'
import { readMarker, writeMarker } from './marker.ts'
import { moveDirectory, type DirectoryToMove } from './move-directory.ts'
import { Problems } from './problems.ts'
import { putBack } from './put-back.ts'
import { recentHistory, recheck } from './recheck.ts'
import { HalfDone, putRight, recover, recoverHolds, type RecoverParts } from './recover.ts'
import { Relinked } from './relinked.ts'
import { Roots } from './roots.ts'
import { scan } from './scan.ts'
import { setAside, type DirectoryToSet } from './set-aside.ts'
import { Staging } from './stage.ts'
import { clearStrays, findStrays } from './strays.ts'
import { far } from './sys.ts'

/** A kilobyte each. */
const HELD_IN_SCAN = 20_000

export interface DiskOptions {
  /** Absolute. */
  readonly root: string
  readonly folder: FolderId
  readonly log: Log
  /** Device id; a marker that names another owner halts the folder. */
  readonly owner?: string
  /** What to believe of the file system in place of asking it. */
  readonly capabilities?: Capabilities
  readonly folds?: Folds
  readonly fineTimes?: boolean
  readonly lastingNumbers?: boolean
  readonly hooks?: ApplyHooks
  /** Absent: large files are read in this thread. */
  readonly workers?: Workers
  /** What was looked at before this disk was opened. */
  readonly early?: EarlyLook | null
  /** Null: each file is synced by itself. */
  readonly sync?: FileSystemSync | null
  /** Files of which a scan keeps all it knows until it is over, of each sort; default: many. */
  readonly heldInScan?: number
  readonly now?: () => Date
}

export class FolderDisk implements Disk {
  readonly #roots: Roots
  readonly #reads: GatheredReads
  readonly #staging: Staging
  readonly #mover: Mover
  readonly #folding: Folding
  readonly #times: FineTimes
  readonly #numbers: LastingNumbers
  readonly #notes: HistoryNotes
  readonly #displaced: Displaced
  readonly #relinked = new Relinked()
  readonly #problems = new Problems()
  readonly #options: DiskOptions
  readonly #workers: Workers | null
  #recovered = false
  /** Of operations that failed half-way since all was put right; null: none did. */
  #halfDone: HalfDone | null = null
  /** Applies and recoveries, one after the other. */
  #changing: Promise<unknown> = Promise.resolve()

  constructor(options: DiskOptions) {
    this.#options = options
    this.#workers = options.workers === undefined ? null : new FarWorkers(options.workers, () => far.laneOf(options.root))
    this.#roots = new Roots({ root: options.root, folder: options.folder, owner: options.owner ?? null })
    this.#reads = new GatheredReads(this.#roots)
    this.#staging = new Staging(this.#roots, this.#workers, options.sync === undefined ? new FileSystemSync() : options.sync)
    this.#mover = new Mover(this.#roots, options.capabilities ?? null, () => this.#noteFailure(null))
    this.#folding = new Folding(this.#roots, options.folds ?? null)
    this.#times = new FineTimes(this.#roots, options.fineTimes ?? null)
    this.#numbers = new LastingNumbers(this.#roots, options.lastingNumbers ?? null)
    this.#notes = new HistoryNotes(this.#roots, options.log)
    this.#displaced = new Displaced({ roots: this.#roots, mover: this.#mover, notes: this.#notes, log: options.log, now: this.#now, workers: this.#workers })
  }

  async inspect(): Promise<RootState> {
    return await this.#roots.inspect()
  }

  async setEpoch(epoch: number): Promise<void> {
    await this.#roots.use('', async (root) => {
      const marker = await readMarker(root.fd)
      if (marker !== null) await writeMarker(root.fd, { ...marker, epoch })
    })
  }

  /**
   * Throws P2psyncError FOLDER_HALTED if the root is not ours, before or after the reading. What a crash moved out of the tree is
   * put back before anything is read, also where the root was not there yet when `recover` was due.
   */
  async *scan(request: ScanRequest, known: KnownTree, signal: AbortSignal): AsyncGenerator<readonly Finding[]> {
    if (!this.#recovered) await this.recover()
    const { early = null, heldInScan = HELD_IN_SCAN } = this.#options
    yield* scan({ roots: this.#roots, problems: this.#problems, folding: this.#folding, times: this.#times, numbers: this.#numbers, workers: this.#workers, early, held: heldInScan }, request, known, signal)
    if (request.paths === 'all') early?.finished(this.#options.root)
  }

  async read(place: Place, offset: number, length: number, seen: SeenStat | null = null): Promise<Buffer | null> {
    return length < 0 || offset < 0 ? null : await this.#reads.read(place, offset, length, seen)
  }

  async hold(place: Place, seen: SeenStat): Promise<Omit<OpenFile, 'verified'> | null> {
    const file = await holdPlace(this.#roots, place, seen)
    return file === null ? null : { ...file, threads: this.#workers }
  }

  async stage(list: ContentList): Promise<StagedFile> {
    return await this.#staging.stage(list)
  }

  async foresee(cid: ContentId, size: number): Promise<void> {
    await this.#staging.foresee(cid, size)
  }

  async stageAll(files: readonly WholeFile[]): Promise<readonly unknown[]> {
    return await this.#staging.stageAll(files)
  }

  isStaged(cid: ContentId): boolean {
    return this.#staging.isStaged(cid)
  }

  async keepStaged(wanted: ReadonlySet<ContentId>): Promise<void> {
    await this.#staging.keep(wanted)
  }

  async apply(ops: readonly ApplyOp[], ignored: ScanRequest['ignored']): Promise<readonly ApplyResult[]> {
    const parts = {
      roots: this.#roots,
      staging: this.#staging,
      mover: this.#mover,
      folding: this.#folding,
      displaced: this.#displaced,
      notes: this.#notes,
      now: this.#now,
      relinked: this.#relinked,
      hooks: this.#options.hooks ?? {},
      log: this.#options.log,
      onFailure: (leaving: Leaving | null, kept: string | null = null) => this.#noteFailure(leaving, kept)
    }
    return await this.#inTurn(async () => await applyBatch(parts, ops, ignored))
  }

  async moveDirectory(move: DirectoryToMove, known: KnownTree | null): Promise<MovedTree | null> {
    const parts = { roots: this.#roots, workers: this.#workers, folding: this.#folding, hooks: this.#options.hooks ?? {} }
    return await this.#inTurn(async () => await moveDirectory(parts, move, known))
  }

  async setAside(directories: readonly DirectoryToSet[], known: KnownTree): Promise<readonly AsidePlace[]> {
    const parts = { roots: this.#roots, workers: this.#workers, folding: this.#folding, hooks: this.#options.hooks ?? {}, onFailure: () => this.#noteFailure(null) }
    return await this.#inTurn(async () => await setAside(parts, directories, known))
  }

  async putBack(): Promise<PutBack> {
    return await this.#inTurn(async () => {
      if (this.#halfDone !== null) await recoverHolds(this.#recoverParts, this.#halfDone)
      return await putBack(this.#recoverParts)
    })
  }

  async recover(): Promise<readonly PathKey[]> {
    const paths = await this.#inTurn(async () => await recover(this.#recoverParts))
    this.#recovered = true
    return paths
  }

  /** `kept`: a name in history that something got. */
  #noteFailure(leaving: Leaving | null, kept: string | null = null): void {
    this.#halfDone ??= new HalfDone()
    if (kept !== null) this.#halfDone.kept.add(kept)
    if (leaving !== null && leaving.ino !== null) this.#halfDone.leaving.set(leaving.ino, leaving)
  }

  async putRight(): Promise<PutRight | null> {
    if (this.#halfDone === null) return null
    return await this.#inTurn(async () => {
      const result = await putRight(this.#recoverParts, this.#halfDone ?? new HalfDone())
      if (result.all) this.#halfDone = null
      return result
    })
  }

  async history(): Promise<{ readonly files: readonly HistoryFile[]; readonly fileSystemBytes: number }> {
    const { files, hasDirectories } = await listHistory(this.#roots)
    if (hasDirectories) this.#noteFailure(null)
    return { files, fileSystemBytes: await fileSystemBytes(this.#options.root) }
  }

  async removeHistory(name: string): Promise<boolean> {
    return await this.#inTurn(async () => await removeFromHistory(this.#roots, name))
  }

  async recheck(name: string, path: PathKey, entry: FileEntry): Promise<Recheck> {
    return await this.#inTurn(async () => await recheck({ roots: this.#roots, displaced: this.#displaced, workers: this.#workers }, name, path, entry))
  }

  async recentHistory(ms: number): Promise<readonly string[]> {
    return await recentHistory(this.#roots, ms, this.#now())
  }

  async historyNotes(names: readonly string[]): Promise<readonly (KeptNote | null)[]> {
    return await this.#notes.of(names)
  }

  async look(place: Place): Promise<Look> {
    const target = targetOf(place)
    return target === null ? { kind: 'nothing' } : await look({ roots: this.#roots, workers: this.#workers }, target, place.path)
  }

  async strays(clear: boolean): Promise<readonly Stray[]> {
    return await this.#inTurn(async () => {
      const found = await findStrays(this.#roots)
      if (!clear || found.length === 0) return found
      await clearStrays(this.#roots, this.#notes, found, this.#now())
      await recover(this.#recoverParts, 'all')
      return found
    })
  }

  async readIgnoreFiles(): Promise<readonly IgnoreText[]> {
    return await readIgnoreFiles(this.#roots)
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    await this.#changing
    await this.#roots.close()
  }

  get #recoverParts(): RecoverParts {
    return { roots: this.#roots, mover: this.#mover, displaced: this.#displaced, notes: this.#notes, log: this.#options.log, now: this.#now, workers: this.#workers, staging: this.#staging, onFailure: () => this.#noteFailure(null) }
  }

  readonly #now = (): Date => this.#options.now?.() ?? new Date()

  async #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#changing.then(change)
    this.#changing = turn.catch(() => undefined)
    return await turn
  }
}

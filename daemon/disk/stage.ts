/**
 * Contents being put together beside the tree: `.p2psync/staging/fetch/<cid>`, on the same file system, so that a rename or a link
 * brings them to their name. What a crash leaves there is found again by hashing. Bytes are verified by who calls; the fsync is the
 * apply's, together with mode and mtime, unless these are known when the bytes are there.
 */
import * as fs from 'node:fs'
import { errnoOf } from '../../base/errors.ts'
import type { Workers } from '../../base/workers.ts'
import type { FileAttributes, Place, StagedFile, WholeFile } from '../ports.ts'
import { chunkId, type Chunk, type ContentList } from '../sync/content.ts'
import { parseContentId, type ChunkId, type ContentId } from '../sync/ids.ts'
import { copyChunks } from './copy-chunks.ts'
import { eachAtMost } from './each.ts'
import type { FileSystemSync } from './file-system-sync.ts'
import { FreeSpace } from './free-space.ts'
import { GatheredWrites } from './gathered-writes.ts'
import { openPlace } from './hold.ts'
import { FETCH_DIR } from './layout.ts'
import { completeOpen, type Completed } from './prepare-node.ts'
import { at, self, type Directory, type Roots } from './roots.ts'
import { ManyStaged, type ManyResult } from './stage-many.ts'
import { WriteBack } from './write-back.ts'
import { close, fstat, open, readFully, readNames, unlinkIfThere, writeFully } from './sys.ts'

/** From here on the data is brought to the disk when it is complete, so that the fsync of the apply is short. */
const SYNC_AT_SEAL_BYTES = 4 * 1024 * 1024
/** Of those that are staged at once, and cannot be all together. */
const ONES_AT_ONCE = 32
const FILE_MODE = 0o600
/** What we must be allowed with a file of ours as long as it may be copied, or gone on with: it gets less only with its name. */
const OWNER_MODE = 0o600
const NEW_FILE_FLAGS = fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_NOFOLLOW

export class Staging {
  readonly #roots: Roots
  readonly #workers: Workers | null
  readonly #many: ManyStaged
  readonly #open = new Map<ContentId, Promise<Shared>>()
  readonly #sealed = new Set<ContentId>()
  readonly #completed = new Map<ContentId, Completed>()
  /** Being staged with others at this moment: who wants one of them otherwise waits for that. */
  readonly #together = new Map<ContentId, Promise<unknown>>()
  /** What stands in the directory; what stood there before is known once it was listed. */
  readonly #present = new Set<ContentId>()
  #listed = false

  readonly #space: FreeSpace
  /** Bytes that open contents still miss. */
  #pending = 0

  /** `sync`: null for an fsync of each content. */
  constructor(roots: Roots, workers: Workers | null = null, sync: FileSystemSync | null = null, space = new FreeSpace(roots.claim.root)) {
    this.#roots = roots
    this.#workers = workers
    this.#many = new ManyStaged({ roots, workers, sync })
    this.#space = space
  }

  /** Throws system errors as they are, and NoRoomError (ENOSPC) before anything is written. */
  async stage(list: ContentList): Promise<StagedFile> {
    const { cid } = list
    await this.#together.get(cid)
    let opening = this.#open.get(cid)
    if (opening === undefined) {
      opening = this.#openShared(list)
      this.#open.set(cid, opening)
    }
    try {
      const shared = await opening
      // Another holder may have released it while we waited.
      if (this.#open.get(cid) !== opening) return await this.stage(list)
      shared.users++
      return new Staged(shared, this)
    } catch (error) {
      if (this.#open.get(cid) === opening) this.#open.delete(cid)
      throw error
    }
  }

  /** See Disk.foresee. */
  async foresee(cid: ContentId, size: number): Promise<void> {
    await this.#list()
    if (!this.#present.has(cid)) await this.#space.foresee(size, this.#pending)
  }

  /** See Disk.stageAll. */
  async stageAll(files: readonly WholeFile[]): Promise<readonly unknown[]> {
    const errors = new Map<WholeFile, unknown>()
    const left = new Set(files)
    const together = this.#fitTogether(files)
    const results = await this.#stageTogether(together)
    for (const [i, file] of together.entries()) {
      const result = results[i] as ManyResult
      if (result.kind === 'left') continue
      left.delete(file)
      if (result.kind === 'failed') errors.set(file, result.error)
      else this.#complete(file.list.cid, result.completed)
    }
    await eachAtMost([...left], ONES_AT_ONCE, async (file) => await this.#stageOne(file).catch((error: unknown) => void errors.set(file, error)))
    return files.map((file) => errors.get(file) ?? null)
  }

  /** Different contents, of which nobody else has begun any. */
  #fitTogether(files: readonly WholeFile[]): readonly WholeFile[] {
    const fit = new Map<ContentId, WholeFile>()
    for (const file of files) {
      const { cid } = file.list
      const isFree = !this.#open.has(cid) && !this.#together.has(cid) && !this.#sealed.has(cid)
      if (isFree && (file.likely.mode & OWNER_MODE) === OWNER_MODE) fit.set(cid, file)
    }
    return [...fit.values()]
  }

  async #stageTogether(files: readonly WholeFile[]): Promise<readonly ManyResult[]> {
    const bytes = files.reduce((sum, { data }) => sum + data.length, 0)
    // Marked before the first wait.
    const staging = this.#space.admit(bytes, this.#pending).then(async () => await this.#many.stage(files))
    const over = staging.catch(() => undefined)
    for (const { list } of files) this.#together.set(list.cid, over)
    this.#pending += bytes
    try {
      return await staging
    } catch (error) {
      return files.map(() => ({ kind: 'failed', error }))
    } finally {
      this.#pending -= bytes
      for (const { list } of files) this.#together.delete(list.cid)
    }
  }

  #complete(cid: ContentId, completed: Completed): void {
    this.#completed.set(cid, completed)
    this.#sealed.add(cid)
    this.#present.add(cid)
  }

  async #stageOne({ list, data }: WholeFile): Promise<void> {
    const staged = await this.stage(list)
    try {
      if (staged.missing().length > 0) await staged.write(0, data)
      await staged.seal()
    } finally {
      await staged.release()
    }
  }

  isStaged(cid: ContentId): boolean {
    return this.#sealed.has(cid)
  }

  /** Gone from here: an apply moved it to its name, or found it missing. */
  forget(cid: ContentId): void {
    this.#unseal(cid)
    this.#present.delete(cid)
  }

  #unseal(cid: ContentId): void {
    this.#sealed.delete(cid)
    this.#completed.delete(cid)
  }

  /** What its file had when all of it was brought to the disk; null: that is still to be done. */
  completed(cid: ContentId): Completed | null {
    return this.#completed.get(cid) ?? null
  }

  /** An apply brought it back unused. */
  readmit(cid: ContentId): void {
    this.#sealed.add(cid)
    this.#present.add(cid)
  }

  /** It stands in staging, whatever is known of it. */
  found(cid: ContentId): void {
    this.#present.add(cid)
  }

  async keep(wanted: ReadonlySet<ContentId>): Promise<void> {
    await this.#list()
    const unwanted = [...this.#present].filter((cid) => !wanted.has(cid) && !this.#open.has(cid) && !this.#together.has(cid))
    if (unwanted.length === 0) return
    await this.#roots.useOwn(FETCH_DIR, async (directory) => {
      for (const cid of unwanted) {
        this.forget(cid)
        await unlinkIfThere(at(directory, cid))
      }
    })
  }

  async seal({ list, fd, missing, writeBack }: Shared, likely: FileAttributes | null): Promise<void> {
    if (missing.size > 0) throw new Error(`content ${list.cid} was sealed with ${missing.size} chunks missing`)
    if (list.size >= SYNC_AT_SEAL_BYTES) await this.#synced(list.cid, async () => await writeBack.finish())
    if (likely !== null && (likely.mode & OWNER_MODE) === OWNER_MODE) this.#completed.set(list.cid, await this.#synced(list.cid, async () => await completeOpen(fd, likely)))
    this.#sealed.add(list.cid)
  }

  /** Gone altogether: its bytes are brought anew. */
  async drop(cid: ContentId): Promise<void> {
    this.forget(cid)
    await this.#roots.useOwn(FETCH_DIR, async (directory) => await unlinkIfThere(at(directory, cid)))
  }

  /** INVARIANT 2: after a sync that failed the system counts the bytes as written, and would say of the next one that it was done. */
  async #synced<T>(cid: ContentId, sync: () => Promise<T>): Promise<T> {
    try {
      return await sync()
    } catch (error) {
      await this.drop(cid)
      throw error
    }
  }

  /** So many bytes that were missing are there. */
  arrived(bytes: number): void {
    this.#pending -= bytes
  }

  async release(shared: Shared): Promise<void> {
    shared.users--
    if (shared.users > 0) return
    this.#pending -= bytesOf(shared.missing)
    this.#open.delete(shared.list.cid)
    await shared.writes.idle()
    await shared.writeBack.idle()
    await close(shared.fd)
  }

  /** See StagedFile.copy. */
  async copy(shared: Shared, place: Place, chunks: ReadonlyMap<ChunkId, number>): Promise<void> {
    const from = await openPlace(this.#roots, place)
    if (from === null) return
    try {
      const missing = [...shared.missing].map(([offset, chunk]) => ({ offset, chunk }))
      await copyChunks(this.#workers, from, shared.fd, missing, chunks, ({ offset, chunk }) => {
        shared.writeBack.wrote(chunk.length)
        if (shared.missing.delete(offset)) this.arrived(chunk.length)
      })
    } finally {
      await close(from)
    }
  }

  /** Once. What goes meanwhile may count as there. */
  async #list(): Promise<void> {
    if (this.#listed) return
    const names = await this.#roots.useOwn(FETCH_DIR, async (directory) => await readNames(self(directory)))
    for (const name of names) {
      const cid = parseContentId(name)
      if (cid !== null) this.#present.add(cid)
    }
    this.#listed = true
  }

  async #openShared(list: ContentList): Promise<Shared> {
    const fd = await this.#roots.useOwn(FETCH_DIR, async (directory) => await openStaged(directory, list))
    try {
      this.#present.add(list.cid)
      const missing = await this.#admitMissing(list, fd)
      return { list, fd: fd.fd, missing, writes: new GatheredWrites(fd.fd), writeBack: new WriteBack(fd.fd), users: 0 }
    } catch (error) {
      await close(fd.fd)
      throw error
    }
  }

  /** What is missing of it, by offset; there is room for that. */
  async #admitMissing(list: ContentList, { fd, fresh }: { readonly fd: number; readonly fresh: boolean }): Promise<Map<number, Chunk>> {
    if (!fresh && this.#sealed.has(list.cid)) return new Map()
    this.#unseal(list.cid)
    if (fresh) {
      // Before the chunks are gone through: there may be millions.
      await this.#admit(list.size)
      return allChunks(list)
    }
    const missing = await missingChunks(fd, list)
    await this.#admit(bytesOf(missing))
    return missing
  }

  async #admit(bytes: number): Promise<void> {
    await this.#space.admit(bytes, this.#pending)
    this.#pending += bytes
  }
}

/** One content's open file; several who ask for it share it. */
interface Shared {
  readonly list: ContentList
  readonly fd: number
  /** By offset. */
  readonly missing: Map<number, Chunk>
  readonly writes: GatheredWrites
  readonly writeBack: WriteBack
  users: number
}

class Staged implements StagedFile {
  readonly #shared: Shared
  readonly #staging: Staging
  #released = false

  constructor(shared: Shared, staging: Staging) {
    this.#shared = shared
    this.#staging = staging
  }

  get cid(): ContentId {
    return this.#shared.list.cid
  }

  missing(): readonly { readonly chunk: Chunk; readonly offset: number }[] {
    return [...this.#shared.missing].map(([offset, chunk]) => ({ chunk, offset }))
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    const { fd, list, missing, writes, writeBack } = this.#shared
    if (this.#released) throw new Error('a staged content was written after it was released')
    const chunk = missing.get(offset)
    if (chunk === undefined) return
    if (chunk.length !== data.length) throw new Error(`a chunk of ${chunk.length} bytes was staged with ${data.length}`)
    // A small file has nothing to be gathered with, and is written at once.
    await (list.chunks.length === 1 ? writeFully(fd, data, offset) : writes.write(offset, data))
    writeBack.wrote(data.length)
    if (missing.delete(offset)) this.#staging.arrived(data.length)
  }

  async copy(place: Place, chunks: ReadonlyMap<ChunkId, number>): Promise<void> {
    await this.#staging.copy(this.#shared, place, chunks)
  }

  async seal(likely: FileAttributes | null = null): Promise<void> {
    await this.#staging.seal(this.#shared, likely)
  }

  async release(): Promise<void> {
    if (this.#released) return
    this.#released = true
    await this.#staging.release(this.#shared)
  }
}

/**
 * A file with a second name is not ours any more: a crash after the link of an apply leaves one, and writing here would write into
 * the user's file.
 */
async function openStaged(directory: Directory, list: ContentList): Promise<{ fd: number; fresh: boolean }> {
  const path = at(directory, list.cid)
  const made = await make(path)
  if (made !== null) return { fd: made, fresh: true }
  const reused = await openExisting(path, list.size)
  if (reused !== null) return { fd: reused, fresh: false }
  await unlinkIfThere(path)
  return { fd: await open(path, NEW_FILE_FLAGS, FILE_MODE), fresh: true }
}

/** Null if the name is taken. */
async function make(path: string): Promise<number | null> {
  try {
    return await open(path, NEW_FILE_FLAGS, FILE_MODE)
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return null
    throw error
  }
}

async function openExisting(path: string, size: number): Promise<number | null> {
  let fd: number
  try {
    fd = await open(path, fs.constants.O_RDWR | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK)
  } catch (error) {
    const code = errnoOf(error)
    if (code === 'ENOENT' || code === 'EACCES' || code === 'ELOOP' || code === 'EPERM') return null
    throw error
  }
  const stat = await fstat(fd)
  if (stat.isFile() && stat.nlink === 1n && stat.size <= BigInt(size)) return fd
  await close(fd)
  return null
}

function bytesOf(missing: ReadonlyMap<number, Chunk>): number {
  let bytes = 0
  for (const chunk of missing.values()) bytes += chunk.length
  return bytes
}

function allChunks(list: ContentList): Map<number, Chunk> {
  const chunks = new Map<number, Chunk>()
  let offset = 0
  for (const chunk of list.chunks) {
    chunks.set(offset, chunk)
    offset += chunk.length
  }
  return chunks
}

async function missingChunks(fd: number, list: ContentList): Promise<Map<number, Chunk>> {
  const missing = allChunks(list)
  const { size } = await fstat(fd)
  for (const [offset, chunk] of [...missing]) {
    if (offset + chunk.length > Number(size)) continue
    const data = Buffer.allocUnsafe(chunk.length)
    const count = await readFully(fd, data, 0, chunk.length, offset)
    if (count === chunk.length && chunkId(data) === chunk.id) missing.delete(offset)
  }
  return missing
}

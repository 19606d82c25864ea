/**
 * Old versions as plain files outside of every folder: each is put together under a temporary name beside its place, and gets its
 * name only when it is complete. Nothing that exists is ever overwritten.
 */
import { randomBytes } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { chmod, copyFile, link, lutimes, lstat, mkdir, open, readdir, symlink, unlink, utimes, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { errnoOf, messageOf, P2psyncError } from '../base/errors.ts'
import type { Sink } from './folder/bring.ts'
import type { StagedFile } from './ports.ts'
import type { Chunk, ContentList } from './sync/content.ts'
import type { ContentId } from './sync/ids.ts'

const NS_PER_SECOND = 1e9

export class Export implements Sink {
  readonly #directory: string
  readonly #prefix = `.p2psync-restore-${randomBytes(6).toString('hex')}-`
  readonly #sealed = new Set<ContentId>()
  readonly #made = new Set<string>()

  /** `directory` exists; temporary files are made in it and gone after `close`. */
  constructor(directory: string) {
    this.#directory = directory
  }

  isStaged(cid: ContentId): boolean {
    return this.#sealed.has(cid)
  }

  async stage(list: ContentList): Promise<StagedFile> {
    const path = this.#temporary(list.cid)
    await unlinkIfThere(path)
    this.#made.add(path)
    const handle = await open(path, 'wx', 0o600)
    return new ExportedFile(list, handle, () => this.#sealed.add(list.cid))
  }

  /** Throws PATH_EXISTS or PATH_DENIED. */
  async file(cid: ContentId, path: string, mode: number, mtime: string): Promise<void> {
    await guarded(path, async () => {
      await linkOrCopy(this.#temporary(cid), path)
      const seconds = Number(BigInt(mtime)) / NS_PER_SECOND
      await utimes(path, seconds, seconds)
      await chmod(path, mode)
    })
  }

  async symlink(target: string, path: string, mtime: string): Promise<void> {
    await guarded(path, async () => {
      await symlink(target, path)
      const seconds = Number(BigInt(mtime)) / NS_PER_SECOND
      await lutimes(path, seconds, seconds)
    })
  }

  /** No more names for it. */
  async done(cid: ContentId): Promise<void> {
    const path = this.#temporary(cid)
    this.#sealed.delete(cid)
    if (this.#made.delete(path)) await unlinkIfThere(path)
  }

  async close(): Promise<void> {
    for (const path of this.#made) await unlinkIfThere(path)
    this.#made.clear()
  }

  #temporary(cid: ContentId): string {
    return join(this.#directory, `${this.#prefix}${cid}`)
  }
}

class ExportedFile implements StagedFile {
  readonly cid: ContentId
  readonly #handle: FileHandle
  readonly #missing = new Map<number, Chunk>()
  readonly #onSealed: () => void

  constructor(list: ContentList, handle: FileHandle, onSealed: () => void) {
    this.cid = list.cid
    this.#handle = handle
    this.#onSealed = onSealed
    let offset = 0
    for (const chunk of list.chunks) {
      this.#missing.set(offset, chunk)
      offset += chunk.length
    }
  }

  missing(): readonly { readonly chunk: Chunk; readonly offset: number }[] {
    return [...this.#missing].map(([offset, chunk]) => ({ chunk, offset }))
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    const { bytesWritten } = await this.#handle.write(data, 0, data.length, offset)
    if (bytesWritten !== data.length) throw new P2psyncError('PATH_DENIED', 'the disk took only a part of what was written; check its space')
    this.#missing.delete(offset)
  }

  async seal(): Promise<void> {
    if (this.#missing.size > 0) throw new Error('a copy was sealed with chunks missing')
    await this.#handle.sync()
    this.#onSealed()
  }

  async release(): Promise<void> {
    await this.#handle.close()
  }
}

/** A directory that is there and empty afterwards. Throws PATH_MISSING, PATH_EXISTS or PATH_DENIED. */
export async function makeEmpty(path: string): Promise<void> {
  try {
    if (!(await lstat(dirname(path))).isDirectory()) throw new P2psyncError('PATH_NOT_DIRECTORY', `${dirname(path)} is not a directory`)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw new P2psyncError('PATH_MISSING', `${dirname(path)} does not exist; make it first`)
    throw error
  }
  const there = await lstatOrNull(path)
  if (there === null) return await guarded(path, async () => void (await mkdir(path)))
  if (!there.isDirectory() || (await readdir(path)).length > 0) throw new P2psyncError('PATH_EXISTS', `${path} exists already; name a directory that does not exist or is empty`)
}

/** One that is there already is fine. */
export async function makeDirectory(path: string, mode: number): Promise<void> {
  await guarded(path, async () => {
    const there = await lstatOrNull(path)
    if (there === null) await mkdir(path, { mode: mode | 0o700 })
    else if (!there.isDirectory()) throw new P2psyncError('PATH_EXISTS', `${path} exists already and is no directory`)
  })
}

/** Hard links cost nothing; a second place of one content, or a file system without them, gets a copy. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    if ((await lstat(from)).nlink === 1) return await link(from, to)
  } catch (error) {
    const code = errnoOf(error)
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EMLINK') throw error
  }
  await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
}

async function guarded(path: string, run: () => Promise<void>): Promise<void> {
  try {
    await run()
  } catch (error) {
    if (error instanceof P2psyncError) throw error
    const code = errnoOf(error)
    if (code === 'EEXIST') throw new P2psyncError('PATH_EXISTS', `${path} exists already; choose a path that is free`)
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new P2psyncError('PATH_MISSING', `${dirname(path)} is no directory; make it first`)
    throw new P2psyncError('PATH_DENIED', `cannot write ${path} (${code ?? messageOf(error)}); check its permissions and the space left`, { cause: error })
  }
}

async function lstatOrNull(path: string): Promise<Stats | null> {
  try {
    return await lstat(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null
    throw error
  }
}

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
  }
}

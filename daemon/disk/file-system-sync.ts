/**
 * One syncfs(2) in place of an fsync for each of many small files: it brings all that was written to a file system to the disk. An
 * fsync of its own costs each file more processor than all else that is done with it. Used only where it promises what fsync does, and
 * not while it takes long because others write much (decisions/0020-one-sync-for-many-files.md).
 */
import * as fs from 'node:fs'
import { readFile } from 'node:fs/promises'
import { release } from 'node:os'
import { errnoOf } from '../../base/errors.ts'
import { systemCall, type NativeTask } from '../../base/native.ts'
import { mountIdIn } from './mount-of.ts'
import { self, type Directory } from './roots.ts'
import { close, open } from './sys.ts'

/** Their syncfs waits for data, metadata and the disk's own cache. That of ext2, whose magic number is ext4's, leaves out the last. */
const TRUSTED = new Set(['ext4', 'xfs', 'btrfs'])
/** Since 5.8 it reports bytes that could not be written, since 5.17 also what the file system itself met. */
const TRUSTED_SINCE = [5, 17] as const
/** Of ours alone it takes 5 to 40 ms. */
const SLOW_MS = 300
/** In a row: the first takes along what others wrote in the last half minute. */
const SLOW_ONES = 2
const SLOW_REST_MS = 30_000
/** What failed may be of any program: by itself each file is told of what failed with it alone. */
const FAILED_REST_MS = 60_000

export interface SyncParts {
  /** Null: there is none here. */
  syncfs(): Promise<NativeTask | null>
  /** Whether the file system of this directory is one of those that keep the promise. */
  isTrusted(directory: Directory): Promise<boolean>
  now(): number
}

export interface BegunSync {
  /** Resolves once all that was written since it was begun is on the disk; rejects if that is not certain. */
  finish(): Promise<void>
  /** To be called in any case. */
  end(): Promise<void>
}

export class FileSystemSync {
  readonly #parts: SyncParts
  #syncfs: Promise<NativeTask | null> | null = null
  /** One after the other: each takes a thread of Node's pool, and the next one finds little left. */
  #last: Promise<void> = Promise.resolve()
  #runningSince: number | null = null
  #slow = 0
  #restUntil = -Infinity

  constructor(parts: SyncParts = systemParts()) {
    this.#parts = parts
  }

  /**
   * To be called before the first byte is written: the kernel tells a descriptor only of what went wrong since it was opened. Null: it
   * cannot be done here, or takes too long now; then each file is to be synced by itself.
   */
  async begin(directory: Directory): Promise<BegunSync | null> {
    if (this.#rests()) return null
    const syncfs = await (this.#syncfs ??= this.#parts.syncfs())
    const fd = syncfs === null ? null : await this.#open(directory)
    if (syncfs === null || fd === null) return null
    return { finish: async () => await this.#inTurn(async () => await syncfs(fd)), end: async () => await close(fd) }
  }

  /** What cannot be asked or opened (a closed /proc, no descriptor left) is no reason to stage nothing. */
  async #open(directory: Directory): Promise<number | null> {
    try {
      if (!(await this.#parts.isTrusted(directory))) return null
      // The walking descriptor cannot be synced with.
      return await open(self(directory), fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
    } catch (error) {
      if (errnoOf(error) === null) throw error
      return null
    }
  }

  #rests(): boolean {
    const now = this.#parts.now()
    return now < this.#restUntil || (this.#runningSince !== null && now - this.#runningSince >= SLOW_MS)
  }

  async #inTurn(sync: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(async () => await this.#measured(sync))
    this.#last = turn.catch(() => undefined)
    await turn
  }

  async #measured(sync: () => Promise<void>): Promise<void> {
    const began = this.#parts.now()
    this.#runningSince = began
    try {
      await sync()
      this.#took(this.#parts.now() - began)
    } catch (error) {
      this.#restUntil = this.#parts.now() + FAILED_REST_MS
      throw error
    } finally {
      this.#runningSince = null
    }
  }

  #took(ms: number): void {
    this.#slow = ms < SLOW_MS ? 0 : this.#slow + 1
    if (this.#slow < SLOW_ONES) return
    this.#slow = 0
    this.#restUntil = this.#parts.now() + SLOW_REST_MS
  }
}

function systemParts(): SyncParts {
  return {
    syncfs: async () => (process.platform === 'linux' && isTrustedKernel(release()) ? ((await systemCall('int syncfs(int fd)'))?.inPool ?? null) : null),
    isTrusted: async ({ fd }) => {
      const [info, mounts] = await Promise.all([readFile(`/proc/self/fdinfo/${fd}`, 'utf8'), readFile('/proc/self/mountinfo', 'utf8')])
      return TRUSTED.has(fileSystemOf(info, mounts) ?? '')
    },
    now: () => performance.now()
  }
}

/** By `uname -r`. */
export function isTrustedKernel(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10))
  const [sinceMajor, sinceMinor] = TRUSTED_SINCE
  return major > sinceMajor || (major === sinceMajor && minor >= sinceMinor)
}

/** The type of the mount that a descriptor is on, from /proc/self/fdinfo/N and /proc/self/mountinfo (proc(5)); null: not found. */
export function fileSystemOf(fdinfo: string, mountinfo: string): string | null {
  const mount = mountIdIn(fdinfo)
  const line = mount === null ? undefined : mountinfo.split('\n').find((each) => each.startsWith(`${mount} `))
  return line === undefined ? null : (/ - (\S+) /.exec(line)?.[1] ?? null)
}

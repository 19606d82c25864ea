/**
 * Many small contents staged at once: written by a worker thread, one behind the other, and then brought to the disk by one sync of
 * the file system. Each that cannot be done so is left to the ordinary way (stage.ts).
 */
import type { Workers } from '../../base/workers.ts'
import type { WholeFile } from '../ports.ts'
import type { ContentId } from '../sync/ids.ts'
import type { BegunSync, FileSystemSync } from './file-system-sync.ts'
import { FETCH_DIR } from './layout.ts'
import type { Completed } from './prepare-node.ts'
import { at, self, type Directory, type Roots } from './roots.ts'
import { inoOf } from './seen.ts'
import { run, STAT_FIELDS, type StageFailure, type StageInput, type StageOutput } from './stage-task.ts'
import { secondsOf, unlinkIfThere } from './sys.ts'

/** What so few cost is no more, and nobody who waits for them waits for what others write. */
const MIN_FILES = 16
/** What one want brings. */
const BUFFER_BYTES = 1024 * 1024
const STAGE_TASK = new URL('./stage-task.js', import.meta.url)

export interface ManyParts {
  readonly roots: Roots
  readonly workers: Workers | null
  readonly sync: FileSystemSync | null
}

/** `done`: on the disk, with what it has there. `left`: nothing was done. */
export type ManyResult = { readonly kind: 'done'; readonly completed: Completed } | { readonly kind: 'failed'; readonly error: unknown } | { readonly kind: 'left' }

const LEFT: ManyResult = { kind: 'left' }

export class ManyStaged {
  readonly #parts: ManyParts
  /** One group is written after the other: a second thread costs some MiB more than the moment that it saves. The syncs overlap with that. */
  #last: Promise<unknown> = Promise.resolve()
  /** Shared with the thread, to which a copy would be garbage, and used again as long as there are groups. */
  #buffer: WeakRef<SharedArrayBuffer> | null = null

  constructor(parts: ManyParts) {
    this.#parts = parts
  }

  /** The results in the order of the files, which are of different contents. Never rejects but where the root is not ours. */
  async stage(files: readonly WholeFile[]): Promise<readonly ManyResult[]> {
    const { roots, sync } = this.#parts
    if (sync === null || files.length < MIN_FILES) return files.map(() => LEFT)
    return await roots.useOwn(FETCH_DIR, async (directory) => {
      const begun = await sync.begin(directory)
      if (begun === null) return files.map(() => LEFT)
      try {
        return await synced(begun, files, await this.#write(directory, files))
      } catch (error) {
        // INVARIANT 2: after a sync that failed the system counts the bytes as written, and would say of the next one that it was done.
        for (const { list } of files) await unlinkIfThere(at(directory, list.cid))
        return files.map(() => ({ kind: 'failed', error }))
      } finally {
        await begun.end()
      }
    })
  }

  async #write(directory: Directory, files: readonly WholeFile[]): Promise<StageOutput> {
    const turn = this.#last.then(async () => {
      const input = inputOf(self(directory), files, this.#join(files))
      return this.#parts.workers === null ? run(input) : await this.#parts.workers.run<StageOutput>(STAGE_TASK, input)
    })
    // A thread that is given up may still read it.
    this.#last = turn.catch(() => void (this.#buffer = null))
    return await turn
  }

  #join(files: readonly WholeFile[]): Uint8Array {
    const bytes = files.reduce((sum, { data }) => sum + data.length, 0)
    let buffer = this.#buffer?.deref()
    if (buffer === undefined || buffer.byteLength < bytes) {
      buffer = new SharedArrayBuffer(Math.max(bytes, BUFFER_BYTES))
      this.#buffer = new WeakRef(buffer)
    }
    const data = new Uint8Array(buffer, 0, bytes)
    let offset = 0
    for (const file of files) {
      data.set(file.data, offset)
      offset += file.data.length
    }
    return data
  }
}

async function synced(begun: BegunSync, files: readonly WholeFile[], { stats, failures }: StageOutput): Promise<readonly ManyResult[]> {
  if (failures.size < files.length) await begun.finish()
  return files.map((file, i) => {
    const failure = failures.get(i)
    if (failure === undefined) return { kind: 'done', completed: completedOf(file, stats.subarray(i * STAT_FIELDS)) }
    // Something of a crash, or of another, which the ordinary way goes on with.
    return failure.code === 'EEXIST' ? LEFT : { kind: 'failed', error: errorOf(failure, file.list.cid) }
  })
}

function inputOf(directory: string, files: readonly WholeFile[], data: Uint8Array): StageInput {
  return {
    directory,
    names: files.map(({ list }) => list.cid),
    data,
    lengths: files.map(({ data }) => data.length),
    modes: files.map(({ likely }) => likely.mode),
    mtimes: files.map(({ likely }) => secondsOf(likely.mtime))
  }
}

function completedOf({ list, likely }: WholeFile, stat: BigInt64Array): Completed {
  const [ino, mtimeNs, ctimeNs, mode] = stat as unknown as [bigint, bigint, bigint, bigint]
  return { mode: likely.mode, mtime: likely.mtime, seen: { ino: inoOf(ino), size: list.size, mtimeNs: String(mtimeNs), ctimeNs: String(ctimeNs), mode: Number(mode) } }
}

/** As Node's own: copies of errors that threads send lose their code. */
function errorOf({ code, syscall, message }: StageFailure, cid: ContentId): Error {
  return Object.assign(new Error(`${message} (content ${cid})`), { code, syscall })
}

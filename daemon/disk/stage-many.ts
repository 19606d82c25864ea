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
import { at, self, type Roots } from './roots.ts'
import { run, STAT_FIELDS, type StageFailure, type StageInput, type StageOutput } from './stage-task.ts'
import { secondsOf, unlinkIfThere } from './sys.ts'

/** What so few cost is no more, and nobody who waits for them waits for what others write. */
const MIN_FILES = 16
const STAGE_TASK = new URL('./stage-task.js', import.meta.url)

export interface ManyParts {
  readonly roots: Roots
  readonly workers: Workers | null
  readonly sync: FileSystemSync | null
}

/** `done`: on the disk, with what it has there. `left`: nothing was done. */
export type ManyResult = { readonly kind: 'done'; readonly completed: Completed } | { readonly kind: 'failed'; readonly error: unknown } | { readonly kind: 'left' }

const LEFT: ManyResult = { kind: 'left' }

/** The results in the order of the files, which are of different contents. Never rejects but where the root is not ours. */
export async function stageMany({ roots, workers, sync }: ManyParts, files: readonly WholeFile[]): Promise<readonly ManyResult[]> {
  if (sync === null || files.length < MIN_FILES) return files.map(() => LEFT)
  return await roots.useOwn(FETCH_DIR, async (directory) => {
    const begun = await sync.begin(directory)
    if (begun === null) return files.map(() => LEFT)
    try {
      const input = inputOf(self(directory), files)
      const output = workers === null ? run(input) : await workers.run<StageOutput>(STAGE_TASK, input)
      return await synced(begun, files, output)
    } catch (error) {
      // INVARIANT 2: after a sync that failed the system counts the bytes as written, and would say of the next one that it was done.
      for (const { list } of files) await unlinkIfThere(at(directory, list.cid))
      return files.map(() => ({ kind: 'failed', error }))
    } finally {
      await begun.end()
    }
  })
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

function inputOf(directory: string, files: readonly WholeFile[]): StageInput {
  return {
    directory,
    names: files.map(({ list }) => list.cid),
    data: joined(files),
    lengths: files.map(({ data }) => data.length),
    modes: files.map(({ likely }) => likely.mode),
    mtimes: files.map(({ likely }) => secondsOf(likely.mtime))
  }
}

/** Shared with the thread: a copy for it would be garbage that only its own collections end. */
function joined(files: readonly WholeFile[]): Uint8Array {
  const data = new Uint8Array(new SharedArrayBuffer(files.reduce((sum, file) => sum + file.data.length, 0)))
  let offset = 0
  for (const file of files) {
    data.set(file.data, offset)
    offset += file.data.length
  }
  return data
}

function completedOf({ list, likely }: WholeFile, stat: BigInt64Array): Completed {
  const [ino, mtimeNs, ctimeNs, mode] = stat as unknown as [bigint, bigint, bigint, bigint]
  return { mode: likely.mode, mtime: likely.mtime, seen: { ino: String(ino), size: list.size, mtimeNs: String(mtimeNs), ctimeNs: String(ctimeNs), mode: Number(mode) } }
}

/** As Node's own: copies of errors that threads send lose their code. */
function errorOf({ code, syscall, message }: StageFailure, cid: ContentId): Error {
  return Object.assign(new Error(`${message} (content ${cid})`), { code, syscall })
}

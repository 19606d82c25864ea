/** Asks whether all that stands in a directory is what the index says, without a row or a stat of it on this thread (decisions/0032). */
import type { Workers } from '../../base/workers.ts'
import { ROOT } from '../sync/path.ts'
import { OWN_DIR } from './layout.ts'
import { self, type Directory } from './roots.ts'
import type { StandingIn } from './standing-in.ts'
import { pace } from './sys.ts'
import type { UnchangedInput, UnchangedOutput } from './unchanged-task.ts'

const UNCHANGED_TASK = new URL('./unchanged-task.js', import.meta.url)
/** As many as other directories of the scan may wait for; behind the parts of a large file none does. */
const MAX_QUEUED = 8
/** Fewer calls say nothing of the disk: the thread's first are slow, as any code is. */
const TELLING = 16

/** What stands in a directory as the index says. */
export interface Known {
  readonly count: number
  readonly directories: StandingIn['directories']
}

/** False: it would have to wait. */
export function canAsk(workers: Workers): boolean {
  return workers.queued <= MAX_QUEUED && !pace.isPooled
}

/** @returns what is directly in it if all is as the digest says; null if not, or if that cannot be told. */
export async function unchanged(workers: Workers, directory: Directory, digest: Uint8Array): Promise<Known | null> {
  const input: UnchangedInput = { directory: self(directory), device: directory.device, own: directory.path === ROOT ? OWN_DIR : null, digest }
  try {
    const { directories, count, looked, ms } = await workers.run<UnchangedOutput>(UNCHANGED_TASK, input)
    if (looked >= TELLING) pace.tookElsewhere(looked, ms)
    return directories === null ? null : { count, directories }
  } catch {
    return null // it cannot be read, which is told by who reads it; or the daemon stops, or the thread died
  }
}

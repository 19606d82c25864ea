/**
 * Carries out changes on the tree. Each is prepared beside the tree (complete, with mode and times, fsynced), gets its name by one
 * atomic move, and then what came *out* is looked at (invariant 3): as expected → history, anything else is the user's and goes
 * back into the tree. A crash between any two calls leaves either nothing, or something in staging/ that recover.ts puts right.
 */
import { errnoOf, messageOf } from '../../base/errors.ts'
import type { ApplyOp, ApplyResult, ScanRequest } from '../ports.ts'
import type { ContentId } from '../sync/ids.ts'
import { parentOf } from '../sync/path.ts'
import { failure, problemOf } from './apply-problem.ts'
import { attributes } from './attributes.ts'
import { Batch, leavingOf, type ApplyParts } from './batch.ts'
import { eachAtMost } from './each.ts'
import { SWAP_DIR } from './layout.ts'
import { link } from './link.ts'
import { directoriesOf, move } from './move.ts'
import { syncDirectory } from './marker.ts'
import { runInOrder } from './op-order.ts'
import { place } from './place.ts'
import { remove } from './remove.ts'
import { separate } from './separate.ts'
import { isGone } from './sys.ts'

/** Operations under way at once: enough to share the group commits of a file system. */
const OPS_AT_ONCE = 32
const SYNCS_AT_ONCE = 8

/** Never rejects. Directories are fsynced and read-only ones closed again before it returns. */
export async function applyBatch(parts: ApplyParts, ops: readonly ApplyOp[], ignored: ScanRequest['ignored']): Promise<readonly ApplyResult[]> {
  parts.roots.refresh()
  const batch = new Batch(parts, ignored, sharedContents(ops))
  await batch.reserve(ops)
  const results = await runInOrder(ops, OPS_AT_ONCE, async (op) => await one(batch, op))
  const unsynced = await syncTouched(batch)
  try {
    await batch.modes.close()
  } catch (error) {
    parts.log.error({ error: messageOf(error) }, 'the mode of a read-only directory could not be put back; the next start does it')
  }
  return unsynced.size === 0 ? results : results.map((result, i) => withSync(ops[i] as ApplyOp, result, unsynced))
}

async function one(batch: Batch, op: ApplyOp): Promise<ApplyResult> {
  try {
    switch (op.kind) {
      case 'remove':
        return await remove(batch, op)
      case 'attributes':
        return await attributes(batch, op)
      case 'link':
        return await link(batch, op)
      case 'separate':
        return await separate(batch, op)
      case 'move':
        return await move(batch, op)
      default:
        return await place(batch, op)
    }
  } catch (error) {
    batch.parts.onFailure?.(leavingOf(op))
    return failure(op, error)
  }
}

/** Contents that more than one operation wants. */
function sharedContents(ops: readonly ApplyOp[]): ReadonlySet<ContentId> {
  const once = new Set<ContentId>()
  const shared = new Set<ContentId>()
  for (const op of ops) {
    if (op.kind !== 'file') continue
    if (once.has(op.cid)) shared.add(op.cid)
    once.add(op.cid)
  }
  return shared
}

/** @returns directories that could not be fsynced, with the error. */
async function syncTouched(batch: Batch): Promise<ReadonlyMap<string, unknown>> {
  const failed = new Map<string, unknown>()
  const sync = async (path: string): Promise<void> => {
    try {
      await batch.parts.roots.use(path, async (directory) => await syncDirectory(directory.fd))
    } catch (error) {
      if (!isHarmless(error)) failed.set(path, error)
    }
  }
  await eachAtMost([...batch.touched], SYNCS_AT_ONCE, sync)
  return failed
}

/** Removed since, by a later operation or the user; or a directory that may not be read; or a file system that cannot do it at all. */
function isHarmless(error: unknown): boolean {
  const code = errnoOf(error)
  return isGone(error) || code === 'EACCES' || code === 'EINVAL' || code === 'ENOTSUP'
}

/** What may not survive a power cut is not done. */
function withSync(op: ApplyOp, result: ApplyResult, unsynced: ReadonlyMap<string, unknown>): ApplyResult {
  const directories = op.kind === 'move' ? directoriesOf(op) : [parentOf(op.kind === 'link' ? op.to : op.path)]
  const error = [...directories, SWAP_DIR].map((directory) => unsynced.get(directory)).find((failure) => failure !== undefined)
  return error === undefined || result.kind !== 'done' ? result : { kind: 'problem', problem: problemOf(op, error) }
}

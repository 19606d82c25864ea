/** What the operation `remove` does with a file or a symlink, wherever it stands. */
import type { ApplyOp, ApplyResult } from '../ports.ts'
import { changed, type Batch } from './batch.ts'
import { moveToHistory, type HistorySlot } from './history.ts'
import { at, type Directory } from './roots.ts'
import { isGone, lstat, unlink, type Stat } from './sys.ts'

export type Removing = Extract<ApplyOp, { readonly kind: 'remove' }>

/**
 * Straight into history: a crash right after the rename leaves the bytes where they belong. `unexpected`: what becomes of what came out, if it is
 * not what was expected; it stands at the slot.
 */
export async function removeLeaf(batch: Batch, op: Removing, parent: Directory, name: string, unexpected: (slot: HistorySlot, stat: Stat) => Promise<ApplyResult>): Promise<ApplyResult> {
  const { roots, hooks } = batch.parts
  const slot = batch.slot(op)
  await hooks.beforeMove?.(op.path)
  try {
    await moveToHistory(roots, parent, name, slot)
  } catch (error) {
    if (isGone(error)) return changed(op.path)
    throw error
  }
  batch.touched.add(parent.path)
  batch.touched.add(slot.directory)
  try {
    await hooks.afterMove?.(op.path)
    return await judge(batch, op, slot, unexpected)
  } catch (error) {
    batch.parts.onFailure?.(null, slot.name)
    throw error
  }
}

async function judge(batch: Batch, op: Removing, slot: HistorySlot, unexpected: (slot: HistorySlot, stat: Stat) => Promise<ApplyResult>): Promise<ApplyResult> {
  const { displaced, roots } = batch.parts
  return await roots.useOwn(slot.directory, async (bucket) => {
    const stat = await lstat(at(bucket, slot.file))
    if (!batch.isExpected(stat, op.expect, op.path)) return await unexpected(slot, stat)
    if (op.displace.to !== 'linked' || !(await displaced.isHeldAt(op.displace.at, stat))) {
      if (stat.nlink > 1n) await displaced.ownInode(slot, op.path)
      return { kind: 'done', seen: null, kept: slot.name }
    }
    await unlink(at(bucket, slot.file))
    return { kind: 'done', seen: null, kept: null }
  })
}

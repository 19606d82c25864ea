/** The operation `remove`. */
import type { ApplyResult } from '../ports.ts'
import type { Prepared } from './atomic.ts'
import { changed, type Batch } from './batch.ts'
import type { HistorySlot } from './history.ts'
import { SWAP_DIR } from './layout.ts'
import { isNotEmpty } from './place.ts'
import { removeAside } from './remove-aside.ts'
import { removeLeaf, type Removing } from './remove-leaf.ts'
import { at, type Directory } from './roots.ts'
import { kindOfMode } from './seen.ts'
import { isGone, lstatOrNull, rmdir, type Stat } from './sys.ts'

export async function remove(batch: Batch, op: Removing): Promise<ApplyResult> {
  if (op.aside !== undefined) return await removeAside(batch, op, op.aside)
  return await batch.inParent(op.path, async (parent, name) => {
    const before = await lstatOrNull(at(parent, name))
    if (!batch.agrees(before, op.expect, op.path)) return changed(op.path)
    return kindOfMode(op.expect.mode) === 'directory' ? await removeDirectory(batch, op, parent, name) : await removeLeaf(batch, op, parent, name, async (slot, stat) => await putBack(batch, op, slot, stat, parent, name))
  })
}

async function removeDirectory(batch: Batch, op: Removing, parent: Directory, name: string): Promise<ApplyResult> {
  await batch.parts.hooks.beforeMove?.(op.path)
  try {
    await rmdir(at(parent, name))
  } catch (error) {
    if (isNotEmpty(error)) return (await batch.obstacle(op.path)) ?? changed(op.path)
    if (isGone(error)) return changed(op.path)
    throw error
  }
  batch.touched.add(parent.path)
  batch.modes.gone(op.path)
  batch.parts.roots.forget(op.path)
  return { kind: 'done', seen: null, kept: null }
}

/** The user had put something else there in the last instant. */
async function putBack(batch: Batch, op: Removing, slot: HistorySlot, stat: Stat, parent: Directory, name: string): Promise<ApplyResult> {
  batch.parts.roots.forget(op.path)
  const out: Prepared = { kind: stat.isDirectory() ? 'directory' : 'file', area: slot.directory, name: slot.file, stat, cid: null }
  const moved = await batch.parts.mover.placeNew(out, parent, name, op.path)
  if (moved.kind !== 'placed') return await batch.stray(slot.directory, slot.file, op.path)
  return moved.out === null ? changed(op.path) : await batch.stray(SWAP_DIR, moved.out, op.path)
}

/**
 * The operation `remove` of something that was set aside (R48). No name of it is in the tree, so that what is not as expected has none to
 * go back to: it stays, and goes back with the rest.
 */
import type { ApplyResult, AsidePlace } from '../ports.ts'
import { nameOf, parentOf } from '../sync/path.ts'
import type { PathKey } from '../sync/ids.ts'
import type { Prepared } from './atomic.ts'
import { changed, type Batch } from './batch.ts'
import type { HistorySlot } from './history.ts'
import { ASIDE_DIR, SWAP_DIR } from './layout.ts'
import { isNotEmpty } from './place.ts'
import { removeLeaf, type Removing } from './remove-leaf.ts'
import { at, type Directory } from './roots.ts'
import { kindOfMode } from './seen.ts'
import { dropBatch } from './set-aside.ts'
import { isGone, lstatOrNull, rmdir, type Stat } from './sys.ts'

export async function removeAside(batch: Batch, op: Removing, aside: AsidePlace): Promise<ApplyResult> {
  const place = `${ASIDE_DIR}/${aside.name}${op.path.slice(aside.path.length)}` as PathKey
  return await batch.parts.roots.use(parentOf(place), async (parent) => {
    const name = nameOf(place)
    const before = await lstatOrNull(at(parent, name))
    if (!batch.agrees(before, op.expect, op.path)) return changed(op.path)
    if (kindOfMode(op.expect.mode) !== 'directory') return await removeLeaf(batch, op, parent, name, async (slot, stat) => await returned(batch, op, slot, stat, parent, name))
    return await removeDirectory(batch, op, aside, parent, name)
  })
}

async function removeDirectory(batch: Batch, op: Removing, aside: AsidePlace, parent: Directory, name: string): Promise<ApplyResult> {
  const { roots, hooks } = batch.parts
  await hooks.beforeMove?.(op.path)
  try {
    await rmdir(at(parent, name))
  } catch (error) {
    if (isNotEmpty(error) || isGone(error)) return changed(op.path)
    throw error
  }
  batch.touched.add(parent.path)
  roots.forget(`${parent.path}/${name}`)
  if (op.path === aside.path) {
    if (!(await dropBatch(roots, parentOf(aside.name as PathKey)))) batch.parts.onFailure?.(null)
    batch.touched.add(ASIDE_DIR)
  }
  return { kind: 'done', seen: null, kept: null }
}

/** Somebody has it open, and wrote to it in the last instant. Where its name was taken too, it gets one of its own, and goes back with the rest. */
async function returned(batch: Batch, op: Removing, slot: HistorySlot, stat: Stat, parent: Directory, name: string): Promise<ApplyResult> {
  const out: Prepared = { kind: 'file', area: slot.directory, name: slot.file, stat, cid: null }
  const moved = await batch.parts.mover.placeOpen(out, parent, name, op.path)
  if (moved.kind !== 'placed') return await batch.stray(slot.directory, slot.file, op.path, parent)
  return moved.out === null ? changed(op.path) : await batch.stray(SWAP_DIR, moved.out, op.path, parent)
}

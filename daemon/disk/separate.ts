/**
 * The operation `separate`: a second name that `link` made gets a file of its own. Whoever has the one file open goes on with the other
 * name.
 *
 * RACE: what is written to the one file before its bytes are copied stands under both names, and is not told as seen: a scan reads it.
 */
import type { ApplyOp, ApplyResult } from '../ports.ts'
import { changed, seenAfter, type Batch } from './batch.ts'
import { SWAP_DIR } from './layout.ts'
import { prepareCopy } from './prepare-node.ts'
import { at } from './roots.ts'
import { inoOf, kindOf, sameSeen, toSeen } from './seen.ts'
import { swapName } from './swap-name.ts'
import { lstatOrNull, rename, unlink } from './sys.ts'

type Separating = Extract<ApplyOp, { readonly kind: 'separate' }>

export async function separate(batch: Batch, op: Separating): Promise<ApplyResult> {
  const { displaced, hooks, mover, roots } = batch.parts
  return await batch.inParent(op.path, async (parent, name) => {
    const before = await lstatOrNull(at(parent, name))
    if (before === null || kindOf(before) !== 'file' || !(await displaced.isHeldAt(op.from, before))) return changed(op.path)
    const isExpected = op.expect !== null && sameSeen(op.expect, toSeen(before))
    const copy = await prepareCopy(roots, parent, name, toSeen(before))
    if (copy === null) return changed(op.path)
    const prepared = { ...copy, name: swapName({ kind: 'leaving', ino: inoOf(before.ino) }) }
    try {
      // After a crash what came out is known for another name of a file of the tree.
      await roots.useOwn(SWAP_DIR, async (swap) => await rename(at(swap, copy.name), at(swap, prepared.name)))
      await hooks.beforeMove?.(op.path)
      const moved = await mover.replace(prepared, parent, name, op.path)
      batch.touched.add(parent.path)
      batch.touched.add(SWAP_DIR)
      await hooks.afterMove?.(op.path)
      const out = moved.kind === 'gone' ? null : moved.out
      if (out === null) return changed(op.path)
      const stat = await batch.statInSwap(out)
      // INVARIANT 1: anything but another name of what stands there still is the user's.
      if (stat.ino !== before.ino || !(await displaced.isHeldAt(op.from, stat))) return await batch.stray(SWAP_DIR, out, op.path)
      await roots.useOwn(SWAP_DIR, async (swap) => await unlink(at(swap, out)))
      await mover.forgetOut(out)
      if (moved.kind !== 'placed') return changed(op.path)
      const seen = await seenAfter(prepared.stat, parent, name)
      return { kind: 'done', seen: isExpected ? seen : null, kept: null }
    } finally {
      await batch.discard(prepared)
    }
  })
}

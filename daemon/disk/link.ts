/** The operation `link`: a file or symlink of the tree gets a second name, for a conflict copy. */
import { errnoOf } from '../../base/errors.ts'
import type { ApplyOp, ApplyResult } from '../ports.ts'
import { changed, seenAfter, type Batch } from './batch.ts'
import { SWAP_DIR } from './layout.ts'
import { prepareCopy, prepareSymlink } from './prepare-node.ts'
import { at, type Directory } from './roots.ts'
import { kindOf, toSeen } from './seen.ts'
import { link as linkNode, lstat, lstatOrNull, readlink } from './sys.ts'

type Linking = Extract<ApplyOp, { readonly kind: 'link' }>

export async function link(batch: Batch, op: Linking): Promise<ApplyResult> {
  return await batch.inParent(op.path, async (from, name) => {
    const before = await lstatOrNull(at(from, name))
    if (before === null || kindOf(before) === 'directory' || !batch.agrees(before, op.expect, op.path)) return changed(op.path)
    return await batch.inParent(op.to, async (to, copy) => {
      await batch.parts.hooks.beforeMove?.(op.path)
      const outcome = await tryLink(batch, at(from, name), at(to, copy))
      if (outcome === 'taken') return changed(op.to)
      if (outcome === 'refused') return await copyNode(batch, op, kindOf(before) === 'symlink', from, name, to, copy)
      return await linked(batch, op, to, copy)
    })
  })
}

/** What got the name may be something that the user put there in the last instant: then it is an ordinary new file. */
async function linked(batch: Batch, op: Linking, to: Directory, copy: string): Promise<ApplyResult> {
  batch.touched.add(to.path)
  const after = toSeen(await lstat(at(to, copy)))
  if (!batch.isExpected(await lstat(at(to, copy)), op.expect, op.path)) return { kind: 'changed', paths: [op.path], stray: op.to }
  batch.parts.relinked.note(op.expect, after)
  return { kind: 'done', seen: after, kept: null }
}

export async function tryLink(batch: Batch, from: string, to: string): Promise<'linked' | 'taken' | 'refused'> {
  if (!(await batch.parts.mover.canLink())) return 'refused'
  try {
    await linkNode(from, to)
    return 'linked'
  } catch (error) {
    const code = errnoOf(error)
    if (code === 'EEXIST') return 'taken'
    // Not ours to link (fs.protected_hardlinks), or too many names already.
    if (code === 'EPERM' || code === 'EMLINK') return 'refused'
    throw error
  }
}

async function copyNode(batch: Batch, op: Linking, symlink: boolean, from: Directory, name: string, to: Directory, copy: string): Promise<ApplyResult> {
  const { roots, mover } = batch.parts
  const prepared = symlink ? await prepareSymlink(roots, await readlink(at(from, name)), op.expect.mtimeNs) : await prepareCopy(roots, from, name, op.expect)
  if (prepared === null) return changed(op.path)
  try {
    const moved = await mover.placeNew(prepared, to, copy, op.to)
    if (moved.kind !== 'placed') return changed(op.to)
    batch.touched.add(to.path)
    if (moved.out !== null) return await batch.stray(SWAP_DIR, moved.out, op.to)
    return { kind: 'done', seen: await seenAfter(prepared.stat, to, copy), kept: null }
  } finally {
    await batch.discard(prepared)
  }
}

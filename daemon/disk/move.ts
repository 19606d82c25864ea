/**
 * The operation `move`: a file or symlink of the tree gets another name, and its bytes are not touched. The new name is there before
 * the old one goes, so at no instant the bytes are without one. Both steps look at what they took: what is not as expected is the
 * user's and stays in the tree. A crash leaves both names, or a second link in staging/swap that recover.ts drops.
 */
import { errnoOf } from '../../base/errors.ts'
import type { ApplyOp, ApplyResult } from '../ports.ts'
import { parentOf } from '../sync/path.ts'
import type { Prepared } from './atomic.ts'
import { setAttributes } from './attributes.ts'
import { changed, type Batch } from './batch.ts'
import { SWAP_DIR } from './layout.ts'
import { tryLink } from './link.ts'
import { exchangeDirectory, exchangeLeaf } from './place.ts'
import { at, type Directory } from './roots.ts'
import { kindOf, sameButCtime, toSeen } from './seen.ts'
import { swapName } from './swap-name.ts'
import { isGone, link as linkNode, lstat, lstatOrNull, rename, unlink, type Stat } from './sys.ts'

export type Moving = Extract<ApplyOp, { readonly kind: 'move' }>

/** Where a name stands. */
interface Spot {
  readonly parent: Directory
  readonly name: string
}

export async function move(batch: Batch, op: Moving): Promise<ApplyResult> {
  return await batch.inParent(op.from, async (from, file) => {
    const source = { parent: from, name: file }
    const standing = await lstatOrNull(at(from, file))
    if (standing === null || kindOf(standing) === 'directory' || !batch.agrees(standing, op.source, op.from)) return changed(op.from)
    return await batch.inParent(op.path, async (parent, name) => await moveTo(batch, op, source, standing, { parent, name }))
  })
}

async function moveTo(batch: Batch, op: Moving, source: Spot, standing: Stat, target: Spot): Promise<ApplyResult> {
  const { parent, name } = target
  const before = await lstatOrNull(at(parent, name))
  // A folding file system shows the old name under the new one.
  if (op.expect === null && before !== null && before.ino === standing.ino) return { kind: 'not-staged' }
  const clash = op.expect === null ? await batch.parts.folding.clash(parent, name, op.path) : null
  if (clash !== null) return { kind: 'problem', problem: clash }
  if (!batch.agrees(before, op.expect, op.path)) return batch.refused(before, op.expect, op.path)
  if (!(await batch.parts.mover.canLink())) return { kind: 'not-staged' }
  const placed = before === null ? await placeNew(batch, op, source, target) : await placeOver(batch, op, source, before, target)
  if (placed.kind !== 'done') return placed
  const left = await takeAway(batch, op, source)
  if (left !== null) return left
  return await finished(batch, op, target, placed.kept)
}

async function placeNew(batch: Batch, op: Moving, source: Spot, { parent, name }: Spot): Promise<ApplyResult> {
  await batch.parts.hooks.beforeMove?.(op.path)
  const outcome = await tryLink(batch, at(source.parent, source.name), at(parent, name))
  if (outcome === 'taken') return changed(op.path)
  if (outcome === 'refused') return { kind: 'not-staged' }
  batch.touched.add(parent.path)
  const stat = await lstat(at(parent, name))
  // The user put another file there in the last instant: it has two names now, and the new one is an ordinary new file.
  if (!batch.isExpected(stat, op.source, op.from)) return { kind: 'changed', paths: [op.from], stray: op.path }
  return { kind: 'done', seen: toSeen(stat), kept: null }
}

/** A second link in staging/swap takes the name, and what had it comes out. */
async function placeOver(batch: Batch, op: Moving, source: Spot, before: Stat, { parent, name }: Spot): Promise<ApplyResult> {
  const obstacle = kindOf(before) === 'directory' ? await batch.obstacle(op.path) : null
  if (obstacle !== null) return obstacle
  const prepared = await prepareLink(batch, op, source)
  if (prepared === 'changed') return changed(op.from)
  if (prepared === null) return { kind: 'not-staged' }
  return kindOf(before) === 'directory' ? await exchangeDirectory(batch, op, prepared, parent, name) : await exchangeLeaf(batch, op, prepared, parent, name)
}

async function prepareLink(batch: Batch, op: Moving, source: Spot): Promise<Prepared | 'changed' | null> {
  const name = leavingName(op)
  return await batch.parts.roots.useOwn(SWAP_DIR, async (swap) => {
    const path = at(swap, name)
    try {
      await linkNode(at(source.parent, source.name), path)
    } catch (error) {
      if (isGone(error)) return 'changed'
      if (isRefused(error)) return null
      throw error
    }
    const stat = await lstat(path)
    if (batch.isExpected(stat, op.source, op.from)) return { kind: kindOf(stat) === 'symlink' ? 'symlink' : 'file', area: SWAP_DIR, name, stat, cid: null }
    await unlink(path)
    return 'changed'
  })
}

/** Takes the old name away. @returns null if what came out has its new name; else what became of it. */
async function takeAway(batch: Batch, op: Moving, source: Spot): Promise<ApplyResult | null> {
  const { roots, hooks, displaced, mover } = batch.parts
  const out = leavingName(op)
  await hooks.beforeMove?.(op.from)
  return await roots.useOwn(SWAP_DIR, async (swap) => {
    try {
      await rename(at(source.parent, source.name), at(swap, out))
    } catch (error) {
      // Gone by itself: there is nothing to take away.
      if (isGone(error)) return null
      throw error
    }
    batch.touched.add(source.parent.path)
    const stat = await lstat(at(swap, out))
    if (await displaced.isHeldAt(op.path, stat)) {
      await unlink(at(swap, out))
      return null
    }
    // Either name was given to something else in the meantime: what came out goes back.
    const prepared: Prepared = { kind: stat.isDirectory() ? 'directory' : 'file', area: SWAP_DIR, name: out, stat, cid: null }
    const back = await mover.placeNew(prepared, source.parent, source.name, op.from)
    const result = back.kind === 'placed' && back.out === null ? changed(op.from) : await batch.stray(SWAP_DIR, back.kind === 'placed' && back.out !== null ? back.out : out, op.from)
    return result.kind === 'changed' ? { ...result, paths: [op.from, op.path] } : result
  })
}

async function finished(batch: Batch, op: Moving, { parent, name }: Spot, kept: string | null): Promise<ApplyResult> {
  const now = await lstatOrNull(at(parent, name))
  // Written to in the meantime: the stat from before makes the next scan read it.
  if (now === null || !sameButCtime(toSeen(now), op.source)) return { kind: 'done', seen: op.source, kept }
  const seen = toSeen(now)
  if (op.mode === null && op.mtime === null) return { kind: 'done', seen, kept }
  const set = await setAttributes(batch, { kind: 'attributes', path: op.path, expect: seen, mode: op.mode, mtime: op.mtime }, parent, name)
  return set.kind === 'done' ? { ...set, kept } : set
}

function leavingName(op: Moving): string {
  return swapName({ kind: 'leaving', ino: op.source.ino })
}

function isRefused(error: unknown): boolean {
  const code = errnoOf(error)
  return code === 'EPERM' || code === 'EMLINK'
}

/** The directories in which a name changes. */
export function directoriesOf(op: Moving): readonly string[] {
  return [parentOf(op.path), parentOf(op.from)]
}

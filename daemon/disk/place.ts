/** The operations `file`, `symlink` and `directory`: something new gets a name, and what had it is displaced. */
import { errnoOf } from '../../base/errors.ts'
import type { ApplyOp, ApplyResult, SeenStat } from '../ports.ts'
import type { Moved, Prepared } from './atomic.ts'
import { setAttributes } from './attributes.ts'
import { changed, seenAfter, type Batch } from './batch.ts'
import { FETCH_DIR, SWAP_DIR } from './layout.ts'
import { intoSwap, prepareDirectory, prepareFile, prepareSymlink } from './prepare-node.ts'
import { at, type Directory } from './roots.ts'
import { inoOf, kindOf, MODE_BITS, sameButCtime, toSeen } from './seen.ts'
import { chmod, close, fstat, lstatOrNull, mkdir, open, rmdir, WALK_FLAGS, type Stat } from './sys.ts'

type Op<Kind extends ApplyOp['kind']> = Extract<ApplyOp, { readonly kind: Kind }>
export type Placing = Op<'file' | 'symlink' | 'directory'>
export type Exchanging = Placing | Op<'move'>

/** Until the end of the batch a directory is usable for its children. */
const USABLE = 0o700

export async function place(batch: Batch, op: Placing): Promise<ApplyResult> {
  return await batch.inParent(op.path, async (parent, name) => {
    const before = await lstatOrNull(at(parent, name))
    const clash = op.expect === null ? await batch.parts.folding.clash(parent, name, op.path) : null
    if (clash !== null) return { kind: 'problem', problem: clash }
    if (!batch.agrees(before, op.expect, op.path)) return batch.refused(before, op.expect, op.path)
    if (before === null) return op.kind === 'directory' ? await makeDirectory(batch, op, parent, name) : await placeNew(batch, op, parent, name)
    if (kindOf(before) !== 'directory') return await replaceLeaf(batch, op, parent, name)
    if (op.kind !== 'directory') return await replaceDirectory(batch, op, parent, name)
    return await setAttributes(batch, { kind: 'attributes', path: op.path, expect: op.expect as SeenStat, mode: op.mode, mtime: null }, parent, name)
  })
}

async function placeNew(batch: Batch, op: Op<'file' | 'symlink'>, parent: Directory, name: string): Promise<ApplyResult> {
  const { mover, hooks } = batch.parts
  const prepared = await prepare(batch, op)
  if (prepared === null) return { kind: 'not-staged' }
  try {
    await hooks.beforeMove?.(op.path)
    const moved = await mover.placeNew(prepared, parent, name, op.path)
    if (moved.kind !== 'placed') return changed(op.path)
    batch.touched.add(parent.path)
    batch.used(prepared)
    await hooks.afterMove?.(op.path)
    if (moved.out !== null) return await batch.stray(SWAP_DIR, moved.out, op.path)
    return { kind: 'done', seen: await seenAfter(prepared.stat, parent, name), kept: null }
  } finally {
    await batch.discard(prepared)
  }
}

async function makeDirectory(batch: Batch, op: Op<'directory'>, parent: Directory, name: string): Promise<ApplyResult> {
  await batch.parts.hooks.beforeMove?.(op.path)
  try {
    await mkdir(at(parent, name), op.mode | USABLE)
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return changed(op.path)
    throw error
  }
  batch.touched.add(parent.path)
  batch.parts.roots.forget(op.path)
  return { kind: 'done', seen: await finishDirectory(batch, op, parent, name), kept: null }
}

/** The umask took bits from mkdir's mode, and a mode without u+rwx waits for the end of the batch. */
async function finishDirectory(batch: Batch, op: Op<'directory'>, parent: Directory, name: string): Promise<SeenStat> {
  const fd = await open(at(parent, name), WALK_FLAGS)
  try {
    const stat = await fstat(fd)
    const special = Number(stat.mode) & 0o7000
    if ((Number(stat.mode) & MODE_BITS) !== (op.mode | USABLE)) await chmod(`/proc/self/fd/${fd}`, special | op.mode | USABLE)
    if ((op.mode & USABLE) !== USABLE) batch.modes.made(op.path, inoOf(stat.ino), special | op.mode)
    return { ...toSeen(await fstat(fd)), mode: (Number(stat.mode) & ~MODE_BITS) | op.mode }
  } finally {
    await close(fd)
  }
}

/** Over a file or symlink. */
async function replaceLeaf(batch: Batch, op: Placing, parent: Directory, name: string): Promise<ApplyResult> {
  const prepared = await prepareInSwap(batch, op)
  return prepared === null ? { kind: 'not-staged' } : await exchangeLeaf(batch, op, prepared, parent, name)
}

export async function exchangeLeaf(batch: Batch, op: Exchanging, prepared: Prepared, parent: Directory, name: string): Promise<ApplyResult> {
  try {
    const moved = await exchange(batch, op, prepared, parent, name)
    const out = outOf(moved)
    if (out === null) return changed(op.path)
    const stat = await batch.statInSwap(out)
    if (!batch.isExpected(stat, op.expect as SeenStat, op.path)) return await batch.stray(SWAP_DIR, out, op.path)
    const kept = await batch.keep(out, stat, op)
    if (moved.kind !== 'placed') return changed(op.path)
    const seen = op.kind === 'directory' ? await finishDirectory(batch, op, parent, name) : await seenAfter(prepared.stat, parent, name)
    return { kind: 'done', seen, kept }
  } finally {
    await batch.discard(prepared)
  }
}

/** A file or symlink over a directory, which must be empty. */
async function replaceDirectory(batch: Batch, op: Op<'file' | 'symlink'>, parent: Directory, name: string): Promise<ApplyResult> {
  const obstacle = await batch.obstacle(op.path)
  if (obstacle !== null) return obstacle
  const prepared = await prepareInSwap(batch, op)
  return prepared === null ? { kind: 'not-staged' } : await exchangeDirectory(batch, op, prepared, parent, name)
}

/** What has been seen to be empty. */
export async function exchangeDirectory(batch: Batch, op: Exchanging, prepared: Prepared, parent: Directory, name: string): Promise<ApplyResult> {
  try {
    const moved = await exchange(batch, op, prepared, parent, name)
    const out = outOf(moved)
    if (out === null) return changed(op.path)
    const stat = await batch.statInSwap(out)
    if (!batch.isExpected(stat, op.expect as SeenStat, op.path)) return await batch.stray(SWAP_DIR, out, op.path)
    if (!(await dropDirectory(batch, out))) return await takeBack(batch, op, prepared, out, stat, parent, name)
    batch.modes.gone(op.path)
    return moved.kind === 'placed' ? { kind: 'done', seen: await seenAfter(prepared.stat, parent, name), kept: null } : changed(op.path)
  } finally {
    await batch.discard(prepared)
  }
}

/** @returns false if something was put into it meanwhile. */
async function dropDirectory(batch: Batch, out: string): Promise<boolean> {
  try {
    await batch.parts.roots.useOwn(SWAP_DIR, async (swap) => await rmdir(at(swap, out)))
  } catch (error) {
    if (isNotEmpty(error)) return false
    throw error
  }
  await batch.parts.mover.forgetOut(out)
  return true
}

/**
 * The directory goes back to its place, and what comes out for it must be what we had put there: anything else is the user's. A file had its
 * name, so somebody may have it open: it is no verified content any more, and goes where what he writes yet is found.
 */
async function takeBack(batch: Batch, op: Exchanging, prepared: Prepared, out: string, stat: Stat, parent: Directory, name: string): Promise<ApplyResult> {
  const { mover } = batch.parts
  const moved = await mover.replace({ kind: 'directory', area: SWAP_DIR, name: out, stat, cid: null }, parent, name, op.path)
  const stray = moved.kind === 'gone' || moved.out === null ? null : await takenBack(batch, op, prepared, moved.out)
  if (moved.kind !== 'placed') return both(stray, await batch.stray(SWAP_DIR, out, op.path))
  await mover.forgetOut(out)
  return stray ?? (moved.out === null ? null : await batch.obstacle(op.path)) ?? changed(op.path)
}

/** Two things came out. */
function both(first: ApplyResult | null, second: ApplyResult): ApplyResult {
  if (first?.kind !== 'changed' || first.stray === null || second.kind !== 'changed') return second
  return { ...second, paths: [...second.paths, first.stray] }
}

/** @returns null if it is what we had put there. */
async function takenBack(batch: Batch, op: Exchanging, prepared: Prepared, out: string): Promise<ApplyResult | null> {
  const taken = await batch.statInSwap(out)
  if (taken.ino !== prepared.stat.ino || !sameButCtime(toSeen(taken), toSeen(prepared.stat))) return await batch.stray(SWAP_DIR, out, op.path)
  if (prepared.kind === 'file') await batch.retire(out, taken, op.path)
  else await batch.discard({ ...prepared, name: out })
  await batch.parts.mover.forgetOut(out)
  return null
}

async function exchange(batch: Batch, op: Exchanging, prepared: Prepared, parent: Directory, name: string): Promise<Moved> {
  const { mover, hooks, roots } = batch.parts
  await hooks.beforeMove?.(op.path)
  const moved = await mover.replace(prepared, parent, name, op.path)
  batch.touched.add(parent.path)
  batch.touched.add(SWAP_DIR)
  roots.forget(op.path)
  await hooks.afterMove?.(op.path)
  return moved
}

async function prepare(batch: Batch, op: Placing): Promise<Prepared | null> {
  const { roots, staging } = batch.parts
  if (op.kind === 'symlink') return await prepareSymlink(roots, op.target, op.mtime)
  if (op.kind === 'directory') return await prepareDirectory(roots, op.mode | USABLE)
  if (!staging.isStaged(op.cid)) return null
  try {
    const prepared = await prepareFile(roots, op, batch.shared.has(op.cid), staging.completed(op.cid))
    if (prepared === null) staging.forget(op.cid)
    return prepared
  } catch (error) {
    // INVARIANT 2: as in Staging.seal. Of a copy it is the copy that is gone, which costs no more than to bring the bytes again.
    if (isOfSync(error)) await staging.drop(op.cid)
    throw error
  }
}

function isOfSync(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && (error.syscall === 'fsync' || error.syscall === 'fdatasync')
}

async function prepareInSwap(batch: Batch, op: Placing): Promise<Prepared | null> {
  const prepared = await prepare(batch, op)
  if (prepared === null || prepared.area !== FETCH_DIR || prepared.cid === null) return prepared
  batch.used(prepared)
  return await intoSwap(batch.parts.roots, prepared, prepared.cid)
}

function outOf(moved: Moved): string | null {
  return moved.kind === 'gone' ? null : moved.out
}

export function isNotEmpty(error: unknown): boolean {
  const code = errnoOf(error)
  return code === 'ENOTEMPTY' || code === 'EEXIST'
}


/** The operation `attributes`: mode and times of what stands there. */
import * as fs from 'node:fs'
import { errnoOf } from '../../base/errors.ts'
import type { ApplyOp, ApplyResult } from '../ports.ts'
import { changed, type Batch } from './batch.ts'
import { at, type Directory } from './roots.ts'
import { kindOf, MODE_BITS, sameStat, toSeen } from './seen.ts'
import { close, fsync, lstatOrNull, open, POINT_FLAGS, READ_FLAGS, secondsOf, type Stat } from './sys.ts'

type Setting = Extract<ApplyOp, { readonly kind: 'attributes' }>

export async function attributes(batch: Batch, op: Setting): Promise<ApplyResult> {
  return await batch.inParent(op.path, async (parent, name) => await setAttributes(batch, op, parent, name))
}

export async function setAttributes(batch: Batch, op: Setting, parent: Directory, name: string): Promise<ApplyResult> {
  const before = await lstatOrNull(at(parent, name))
  if (before === null || !batch.agrees(before, op.expect, op.path)) return changed(op.path)
  await batch.parts.hooks.beforeMove?.(op.path)
  const kind = kindOf(before)
  if (kind === 'directory' && op.mode !== null && batch.modes.setFinal(op.path, op.mode)) {
    return { kind: 'done', seen: { ...toSeen(before), mode: (Number(before.mode) & ~MODE_BITS) | op.mode }, kept: null }
  }
  const after = kind === 'symlink' ? setLinkTime(at(parent, name), before, op) : await setOpen(at(parent, name), before, op)
  if (after === null) return changed(op.path)
  if (kind === 'directory') batch.parts.roots.forget(op.path)
  if (kind === 'symlink') batch.touched.add(parent.path)
  return { kind: 'done', seen: toSeen(after), kept: null }
}

/** Through a descriptor: the name cannot be turned elsewhere meanwhile. */
async function setOpen(path: string, before: Stat, op: Setting): Promise<Stat | null> {
  const { fd, readable } = await openEither(path)
  try {
    const after = setNow(`/proc/self/fd/${fd}`, fd, before, op)
    // Or a power cut would bring the old mode back, and look like a chmod of the user.
    if (after !== null && readable) await fsync(fd)
    return after
  } finally {
    await close(fd)
  }
}

/**
 * Synchronous, so that nothing of ours lies between the look and the change.
 * RACE: a write of the user within these few microseconds, of equal size, is masked by the time that we set, until it is touched
 * again or a scan rehashes.
 */
function setNow(target: string, fd: number, before: Stat, op: Setting): Stat | null {
  const now = fs.fstatSync(fd, { bigint: true })
  const directory = now.isDirectory()
  if (directory ? now.ino !== before.ino || now.mode !== before.mode : !sameStat(now, before)) return null
  if (op.mode !== null) fs.chmodSync(target, (Number(now.mode) & 0o7000) | op.mode)
  if (op.mtime !== null && !directory) fs.utimesSync(target, Date.now() / 1000, secondsOf(op.mtime))
  const after = fs.fstatSync(fd, { bigint: true })
  // Written to meanwhile: the times of before make the next scan read it.
  const isWritten = !directory && (after.size !== now.size || (op.mtime === null && after.mtimeNs !== now.mtimeNs))
  return isWritten ? Object.assign(after, { size: now.size, mtimeNs: now.mtimeNs, ctimeNs: now.ctimeNs }) : after
}

function setLinkTime(path: string, before: Stat, op: Setting): Stat | null {
  if (!sameStat(fs.lstatSync(path, { bigint: true }), before)) return null
  if (op.mtime !== null) fs.lutimesSync(path, Date.now() / 1000, secondsOf(op.mtime))
  return fs.lstatSync(path, { bigint: true })
}

/** What may not be read (mode 0200) can still be pointed at. */
async function openEither(path: string): Promise<{ readonly fd: number; readonly readable: boolean }> {
  try {
    return { fd: await open(path, READ_FLAGS), readable: true }
  } catch (error) {
    if (errnoOf(error) !== 'EACCES') throw error
    return { fd: await open(path, POINT_FLAGS), readable: false }
  }
}

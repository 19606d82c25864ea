/** The operation `attributes`: mode and times of what stands there. */
import * as fs from 'node:fs'
import { promisify } from 'node:util'
import { errnoOf } from '../../base/errors.ts'
import type { ApplyOp, ApplyResult } from '../ports.ts'
import { changed, type Batch } from './batch.ts'
import { at, type Directory } from './roots.ts'
import { kindOf, MODE_BITS, sameStat, toSeen } from './seen.ts'
import { close, fsync, inOneGo, lstatOrNull, open, POINT_FLAGS, READ_FLAGS, secondsOf, type Stat, type Step } from './sys.ts'

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
  const after = kind === 'symlink' ? await inOneGo(setLinkTime, setLinkTimeInPool, [at(parent, name), before, op]) : await setOpen(at(parent, name), before, op)
  if (after === null) return changed(op.path)
  if (kind === 'directory') batch.parts.roots.forget(op.path)
  if (kind === 'symlink') batch.touched.add(parent.path)
  return { kind: 'done', seen: toSeen(after), kept: null }
}

/** Through a descriptor: the name cannot be turned elsewhere meanwhile. */
async function setOpen(path: string, before: Stat, op: Setting): Promise<Stat | null> {
  const { fd, readable } = await openEither(path)
  try {
    const after = await inOneGo(setOpenFile, setOpenFileInPool, [fd, before, op])
    // Or a power cut would bring the old mode back, and look like a chmod of the user.
    if (after !== null && readable) await fsync(fd)
    return after
  } finally {
    await close(fd)
  }
}

/**
 * Synchronous, so that nothing of ours lies between the look and the change.
 * RACE: a write of the user within these few microseconds (in the pool: within these calls), of equal size, is masked by the time that we
 * set, until it is touched again or a scan rehashes.
 */
export function setOpenFile(fd: number, before: Stat, op: Setting): Stat | null {
  const now = fs.fstatSync(fd, { bigint: true })
  if (!isAsBefore(now, before)) return null
  if (op.mode !== null) fs.chmodSync(nameOf(fd), modeOn(now, op.mode))
  if (op.mtime !== null && !now.isDirectory()) fs.utimesSync(nameOf(fd), Date.now() / 1000, secondsOf(op.mtime))
  return outcome(op, now, fs.fstatSync(fd, { bigint: true }))
}

/** The same, for a disk that may not answer. */
export async function setOpenFileInPool(step: Step, fd: number, before: Stat, op: Setting): Promise<Stat | null> {
  const now = await step(async () => await fstatInPool(fd, { bigint: true }))
  if (!isAsBefore(now, before)) return null
  const { mode, mtime } = op
  if (mode !== null) await step(async () => await fs.promises.chmod(nameOf(fd), modeOn(now, mode)))
  if (mtime !== null && !now.isDirectory()) await step(async () => await fs.promises.utimes(nameOf(fd), Date.now() / 1000, secondsOf(mtime)))
  return outcome(op, now, await step(async () => await fstatInPool(fd, { bigint: true })))
}

const fstatInPool = promisify(fs.fstat as (fd: number, options: { readonly bigint: true }, done: (error: Error | null, stat: Stat) => void) => void)

/** Also of what may only be pointed at. */
function nameOf(fd: number): string {
  return `/proc/self/fd/${fd}`
}

function isAsBefore(now: Stat, before: Stat): boolean {
  return now.isDirectory() ? now.ino === before.ino && now.mode === before.mode : sameStat(now, before)
}

function modeOn(now: Stat, mode: number): number {
  return (Number(now.mode) & 0o7000) | mode
}

/** Written to meanwhile: the times of before make the next scan read it. */
function outcome(op: Setting, now: Stat, after: Stat): Stat {
  const isWritten = !now.isDirectory() && (after.size !== now.size || (op.mtime === null && after.mtimeNs !== now.mtimeNs))
  return isWritten ? Object.assign(after, { size: now.size, mtimeNs: now.mtimeNs, ctimeNs: now.ctimeNs }) : after
}

function setLinkTime(path: string, before: Stat, op: Setting): Stat | null {
  if (!sameStat(fs.lstatSync(path, { bigint: true }), before)) return null
  if (op.mtime !== null) fs.lutimesSync(path, Date.now() / 1000, secondsOf(op.mtime))
  return fs.lstatSync(path, { bigint: true })
}

async function setLinkTimeInPool(step: Step, path: string, before: Stat, { mtime }: Setting): Promise<Stat | null> {
  const now = await step(async () => await fs.promises.lstat(path, { bigint: true }))
  if (!sameStat(now, before)) return null
  if (mtime !== null) await step(async () => await fs.promises.lutimes(path, Date.now() / 1000, secondsOf(mtime)))
  return await step(async () => await fs.promises.lstat(path, { bigint: true }))
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

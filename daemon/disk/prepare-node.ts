/** Makes complete what shall get a name in the tree, beside it: content, mode and times are there and on the disk before the move. */
import * as fs from 'node:fs'
import { errnoOf } from '../../base/errors.ts'
import type { ApplyOp, FileAttributes, SeenStat } from '../ports.ts'
import type { ContentId } from '../sync/ids.ts'
import type { Prepared } from './atomic.ts'
import { FETCH_DIR, SWAP_DIR } from './layout.ts'
import { at, type Directory, type Roots } from './roots.ts'
import { MODE_BITS, sameSeen, toSeen } from './seen.ts'
import { digestOf, swapName } from './swap-name.ts'
import { chmod, close, copyFile, fchmod, fstatOpen, fsync, futimes, isGone, lstat, lstatOrNull, lutimes, mkdir, open, READ_FLAGS, rename, secondsOf, symlink, unlinkIfThere, type Stat } from './sys.ts'

type FileOp = Extract<ApplyOp, { readonly kind: 'file' }>

/** A file of ours that was brought to the disk with these attributes, and its stat then. */
export interface Completed extends FileAttributes {
  readonly seen: SeenStat
}

/** Null if the content is not there, or not as it was sealed. `copy`: others want it too. `completed`: when it was sealed. */
export async function prepareFile(roots: Roots, op: FileOp, copy: boolean, completed: Completed | null): Promise<Prepared | null> {
  return await roots.useOwn(FETCH_DIR, async (fetch) => (copy ? await prepareShared(roots, fetch, op) : await prepareOnly(fetch, op, completed)))
}

/** A prepared file that shall be exchanged: then what comes out is in staging/swap, under a name that says what went in. */
export async function intoSwap(roots: Roots, prepared: Prepared, cid: ContentId): Promise<Prepared> {
  const name = swapName({ kind: 'file', cid })
  await roots.useOwn(FETCH_DIR, async (fetch) => await roots.useOwn(SWAP_DIR, async (swap) => await rename(at(fetch, prepared.name), at(swap, name))))
  return { ...prepared, area: SWAP_DIR, name }
}

export async function prepareSymlink(roots: Roots, target: string, mtime: string): Promise<Prepared> {
  const name = swapName({ kind: 'link', digest: digestOf(Buffer.from(target)) })
  return await roots.useOwn(SWAP_DIR, async (swap) => {
    await symlink(target, at(swap, name))
    await lutimes(at(swap, name), nowSeconds(), secondsOf(mtime))
    return { kind: 'symlink', area: SWAP_DIR, name, stat: await lstat(at(swap, name)), cid: null }
  })
}

export async function prepareDirectory(roots: Roots, mode: number): Promise<Prepared> {
  const name = swapName({ kind: 'directory' })
  return await roots.useOwn(SWAP_DIR, async (swap) => {
    await mkdir(at(swap, name), mode)
    return { kind: 'directory', area: SWAP_DIR, name, stat: await lstat(at(swap, name)), cid: null }
  })
}

/** A copy of a file or symlink of the tree, for where no hard link can be; null if it is not, before and after, what is expected. */
export async function prepareCopy(roots: Roots, from: Directory, file: string, expect: SeenStat): Promise<Prepared | null> {
  const name = swapName({ kind: 'directory' })
  return await roots.useOwn(SWAP_DIR, async (swap) => {
    const path = at(swap, swapName({ kind: 'draft' }))
    try {
      await copyFile(at(from, file), path, fs.constants.COPYFILE_EXCL | fs.constants.COPYFILE_FICLONE)
      const stat = await complete(path, null, { mode: expect.mode & MODE_BITS, mtime: expect.mtimeNs })
      if (stat !== null && sameSeen(toSeen(await lstat(at(from, file))), expect)) {
        await rename(path, at(swap, name))
        return { kind: 'file', area: SWAP_DIR, name, stat, cid: null }
      }
    } catch (error) {
      await unlinkIfThere(path)
      throw error
    }
    await unlinkIfThere(path)
    return null
  })
}

async function prepareOnly(fetch: Directory, op: FileOp, completed: Completed | null): Promise<Prepared | null> {
  const stat = await complete(at(fetch, op.cid), op.size, op, completed)
  return stat === null ? null : { kind: 'file', area: FETCH_DIR, name: op.cid, stat, cid: op.cid }
}

async function prepareShared(roots: Roots, fetch: Directory, op: FileOp): Promise<Prepared | null> {
  const name = swapName({ kind: 'file', cid: op.cid })
  return await roots.useOwn(SWAP_DIR, async (swap) => {
    const path = at(swap, swapName({ kind: 'draft' }))
    try {
      await copyFile(at(fetch, op.cid), path, fs.constants.COPYFILE_EXCL | fs.constants.COPYFILE_FICLONE)
      const stat = await complete(path, op.size, op)
      if (stat !== null) {
        await rename(path, at(swap, name))
        return { kind: 'file', area: SWAP_DIR, name, stat, cid: null }
      }
    } catch (error) {
      await unlinkIfThere(path)
      if (errnoOf(error) === 'ENOENT') return null
      throw error
    }
    await unlinkIfThere(path)
    return null
  })
}

/** Null if there is no such file of ours alone. */
async function complete(path: string, size: number | null, wanted: FileAttributes, completed: Completed | null = null): Promise<Stat | null> {
  const synced = completed === null ? null : await asCompleted(path, wanted, completed)
  if (synced !== null) return synced
  const fd = await openOurs(path)
  if (fd === null) return null
  try {
    const before = await fstatOpen(fd)
    if (!before.isFile() || before.nlink !== 1n || (size !== null && before.size !== BigInt(size))) return null
    return await bringToDisk(fd, wanted)
  } finally {
    await close(fd)
  }
}

/** INVARIANT 2: synced is what nothing has happened to since. Null: it is to be brought to the disk, if it is there. */
async function asCompleted(path: string, wanted: FileAttributes, { mode, mtime, seen }: Completed): Promise<Stat | null> {
  if (mode !== wanted.mode || mtime !== wanted.mtime) return null
  const stat = await lstatOrNull(path)
  return stat !== null && stat.nlink === 1n && sameSeen(seen, toSeen(stat)) ? stat : null
}

/** All that a file of ours is to have, before an apply asks for it. */
export async function completeOpen(fd: number, { mode, mtime }: FileAttributes): Promise<Completed> {
  return { mode, mtime, seen: toSeen(await bringToDisk(fd, { mode, mtime })) }
}

async function bringToDisk(fd: number, { mode, mtime }: FileAttributes): Promise<Stat> {
  await fchmod(fd, mode)
  await futimes(fd, nowSeconds(), secondsOf(mtime))
  await fsync(fd)
  return await fstatOpen(fd)
}

/** An attempt before this one may have left a mode that does not let us read. */
async function openOurs(path: string): Promise<number | null> {
  try {
    return await open(path, READ_FLAGS)
  } catch (error) {
    if (isGone(error)) return null
    if (errnoOf(error) !== 'EACCES') throw error
    await chmod(path, 0o600)
    return await open(path, READ_FLAGS)
  }
}

function nowSeconds(): number {
  return Date.now() / 1000
}

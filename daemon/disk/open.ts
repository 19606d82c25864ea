/** How the daemon takes a directory as the root of a folder, gives it up, and opens it. */
import { constants } from 'node:fs'
import { access, mkdir, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { errnoOf, messageOf, P2psyncError } from '../../base/errors.ts'
import type { FolderId } from '../sync/ids.ts'
import { FolderDisk, type DiskOptions } from './disk.ts'
import { MARKER_NAME, OWN_DIR } from './layout.ts'
import { NO_ANSWER, readMarker, syncDirectory, writeMarker } from './marker.ts'
import { close, far, isGone, lstat, open, ROOT_FLAGS, unlinkIfThere, WALK_FLAGS } from './sys.ts'

/** Never throws for a root that is missing or not ours: `inspect` tells. */
export async function openDisk(options: DiskOptions): Promise<FolderDisk> {
  return new FolderDisk(options)
}

/** Throws PATH_DENIED for a path on a disk that does not answer; nobody asks a second time until it does. */
export async function expectAnswer(given: string): Promise<void> {
  const path = resolve(given)
  const lane = far.laneOf(path)
  if (lane === null) return
  const answer = await lane.answered(async () => await lstat(path).catch((error: unknown) => ({ error })), () => undefined)
  if (answer === null || ('error' in answer && errnoOf(answer.error) === 'ETIMEDOUT')) throw new P2psyncError('PATH_DENIED', `cannot add ${path}: ${NO_ANSWER}`)
}

/**
 * Checks, and if its last component is missing makes, the directory that a user wants to add; returns it as an absolute path.
 * Throws PATH_MISSING, PATH_NOT_DIRECTORY, PATH_DENIED or PATH_RESERVED; nothing is changed then.
 */
export async function prepareRoot(given: string): Promise<string> {
  const path = resolve(given)
  if (path.split('/').includes(OWN_DIR)) throw new P2psyncError('PATH_RESERVED', `cannot add ${path}: ${OWN_DIR} is p2psync's own directory; choose another`)
  if (!(await isDirectory(path))) await make(path)
  try {
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw denied(path, error)
  }
  return path
}

/**
 * Makes a directory the root of a folder. A marker of the same folder (and owner, if both name one) stays, with its epoch; any
 * other throws FOLDER_OWNED.
 */
export async function createMarker(root: string, folder: FolderId, owner: string | null = null): Promise<void> {
  await withRoot(root, async (fd) => {
    const there = await readMarker(fd)
    if (there !== null && (there.folder !== folder || (owner !== null && there.owner !== null && there.owner !== owner))) throw owned(root, there.folder)
    if (there === null || (owner !== null && there.owner === null)) await writeMarker(fd, { folder, epoch: there?.epoch ?? 0, owner })
  })
}

/** Throws FOLDER_OWNED for the root of any folder. */
export async function expectUnmarked(root: string): Promise<void> {
  await withRoot(root, async (fd) => {
    const there = await readMarker(fd)
    if (there !== null) throw owned(root, there.folder)
  })
}

/**
 * The folder of a root has another id from now on (R24), or this device another key. Idempotent; throws FOLDER_OWNED for the root of a third
 * folder, and FOLDER_HALTED for a disk that does not answer: then it is done when it does.
 */
export async function rebindMarker(root: string, from: FolderId, to: FolderId, owner: string): Promise<void> {
  const rebind = async (fd: number): Promise<void> => {
    const there = await readMarker(fd)
    if (there === null || (there.folder === to && there.owner === owner)) return
    if (there.folder !== from && there.folder !== to) throw owned(root, there.folder)
    await writeMarker(fd, { ...there, folder: to, owner })
  }
  const work = async (): Promise<void> => {
    await far.free(root)
    await withRoot(root, rebind)
  }
  // From here on its calls are told apart.
  far.laneOf(root)
  if (!(await far.answers(root, work()))) throw new P2psyncError('FOLDER_HALTED', `cannot sync ${root}: ${NO_ANSWER}`)
}

/** The folder is not synced here any more; its files and history stay. A root that is gone is no error. */
export async function removeMarker(root: string): Promise<void> {
  try {
    await withRoot(root, async (fd) => {
      const own = await open(`/proc/self/fd/${fd}/${OWN_DIR}`, WALK_FLAGS)
      try {
        await unlinkIfThere(`/proc/self/fd/${own}/${MARKER_NAME}`)
        await syncDirectory(own)
      } finally {
        await close(own)
      }
    })
  } catch (error) {
    if (!isGone(error)) throw error
  }
}

async function withRoot(root: string, run: (fd: number) => Promise<void>): Promise<void> {
  // From here on its calls are told apart.
  far.laneOf(root)
  const fd = await open(root, ROOT_FLAGS)
  try {
    await run(fd)
  } finally {
    await close(fd)
  }
}

function owned(root: string, folder: FolderId): P2psyncError {
  const message = `cannot use ${root}: it already belongs to a folder (${folder.slice(0, 8)}…); remove that one first, or delete ${OWN_DIR}/${MARKER_NAME} in it if no p2psync uses it any more`
  return new P2psyncError('FOLDER_OWNED', message)
}

/** False if nothing is there. */
async function isDirectory(path: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true
  } catch (error) {
    const code = errnoOf(error)
    if (code === 'ENOENT') return false
    if (code === 'ENOTDIR') throw notDirectory(dirname(path))
    throw denied(path, error)
  }
  throw notDirectory(path)
}

async function make(path: string): Promise<void> {
  const parent = dirname(path)
  if (!(await isDirectory(parent))) throw new P2psyncError('PATH_MISSING', `cannot add ${path}: ${parent} does not exist; make it first`)
  try {
    await mkdir(path)
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') throw new P2psyncError('PATH_MISSING', `cannot add ${path}: it is a symlink to something that does not exist; make that first`)
    throw denied(path, error)
  }
}

function notDirectory(path: string): P2psyncError {
  return new P2psyncError('PATH_NOT_DIRECTORY', `cannot add ${path}: it is not a directory; name a directory`)
}

function denied(path: string, error: unknown): P2psyncError {
  const code = errnoOf(error)
  const reason = code === 'EROFS' ? 'its file system is read-only; mount it writable' : 'this user may not read and write there; give the right to, or choose another'
  return new P2psyncError('PATH_DENIED', `cannot add ${path} (${code ?? messageOf(error)}): ${reason}`, { cause: error })
}

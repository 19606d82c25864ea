/**
 * The marker says that a directory is the root of a folder: where it is missing, an empty mount point or another directory stands
 * in the folder's place, and absence there is no deletion (R26, invariant 4). The epoch is raised at every start (R18).
 *
 *     .p2psync/marker.json   { "version": 1, "folder": 64 hex digits, "epoch": n, "owner"?: device id }
 */
import * as fs from 'node:fs'
import { draftOf } from '../../base/durable-file.ts'
import { errnoOf } from '../../base/errors.ts'
import type { HaltCode, RootState } from '../ports.ts'
import { parseFolderId, type FolderId } from '../sync/ids.ts'
import { MARKER_NAME, OWN_DIR, OWN_DIR_MODE } from './layout.ts'
import { close, far, fstat, fsync, lstat, mkdir, open, READ_FLAGS, readFully, rename, ROOT_FLAGS, unlinkIfThere, WALK_FLAGS, writeNew, type Stat } from './sys.ts'

export interface Marker {
  readonly folder: FolderId
  readonly epoch: number
  /** The device that syncs here; null in a marker that names none. */
  readonly owner: string | null
}

const VERSION = 1
const MAX_MARKER_BYTES = 4096
const MAX_OWNER_LENGTH = 128

export type Halted = Extract<RootState, { kind: 'halted' }>

/** A root that is ours, held open (by a descriptor that can only be walked from). */
export interface OpenRoot {
  readonly kind: 'ready'
  readonly fd: number
  readonly stat: Stat
  readonly marker: KnownMarker
}

/** A marker that was found to be ours, and the file that said so. */
export interface KnownMarker {
  /** Device, inode, size and times of the marker and of the directory it is in; null if it is so young that a change could hide. */
  readonly identity: string | null
  readonly epoch: number
}

export interface RootClaim {
  readonly root: string
  readonly folder: FolderId
  /** If given, a marker that names another owner is foreign: two daemons on one directory would fight. */
  readonly owner: string | null
}

/** Changes of a file that is older than this show in its times, however coarse they are. */
const SETTLED_MS = 2000

/**
 * Opens the root and reads its marker, unless it is the very file that was read before (`known`): this is done before and after
 * everything, and the reading is most of it. The caller closes `fd`. Never throws, and waits for a disk of this machine only.
 */
export async function openRoot(claim: RootClaim, known: KnownMarker | null = null): Promise<OpenRoot | Halted> {
  const lane = far.laneOf(claim.root)
  if (lane === null) return await openNow(claim, known)
  const drop = (late: OpenRoot | Halted): void => {
    if (late.kind === 'ready') close(late.fd).catch(() => undefined)
  }
  return (await lane.answered(async () => await openNow(claim, known), drop)) ?? halted('root-unreadable', claim.root, 'ETIMEDOUT')
}

async function openNow(claim: RootClaim, known: KnownMarker | null): Promise<OpenRoot | Halted> {
  let fd: number
  try {
    fd = await open(claim.root, ROOT_FLAGS)
  } catch (error) {
    return halted(rootCode(error), claim.root, errnoOf(error))
  }
  try {
    const [stat, identity] = await Promise.all([fstat(fd), identityOf(fd)])
    if (known !== null && identity !== null && identity === known.identity) return { kind: 'ready', fd, stat, marker: known }
    const marker = await readMarker(fd)
    const wrong = judge(claim, marker)
    if (wrong === null && marker !== null) return { kind: 'ready', fd, stat, marker: { identity, epoch: marker.epoch } }
    await close(fd)
    return halted(wrong ?? 'marker-missing', claim.root, null)
  } catch (error) {
    await close(fd)
    return halted('root-unreadable', claim.root, errnoOf(error))
  }
}

/** Null unless a directory that is no symlink holds a file that is old enough; a mount in their place has another device. */
async function identityOf(fd: number): Promise<string | null> {
  try {
    const [own, file] = await Promise.all([lstat(`/proc/self/fd/${fd}/${OWN_DIR}`), lstat(`/proc/self/fd/${fd}/${OWN_DIR}/${MARKER_NAME}`)])
    const age = Date.now() - Number(file.ctimeNs / 1_000_000n)
    if (!own.isDirectory() || !file.isFile() || age < SETTLED_MS) return null
    return [own.dev, own.ino, file.dev, file.ino, file.size, file.mtimeNs, file.ctimeNs].join()
  } catch (error) {
    if (errnoOf(error) === null) throw error
    return null // the reading says why
  }
}

/** `fd` is the root. Written beside, fsynced, renamed, the directory fsynced: whole or absent after a power cut. */
export async function writeMarker(fd: number, marker: Marker): Promise<void> {
  try {
    await mkdir(`/proc/self/fd/${fd}/${OWN_DIR}`, OWN_DIR_MODE)
    await syncDirectory(fd)
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
  }
  const own = await open(`/proc/self/fd/${fd}/${OWN_DIR}`, WALK_FLAGS)
  try {
    await replaceSmall(own, MARKER_NAME, Buffer.from(encodeMarker(marker)))
    await syncDirectory(own)
  } finally {
    await close(own)
  }
}

async function replaceSmall(directory: number, name: string, data: Uint8Array): Promise<void> {
  const path = `/proc/self/fd/${directory}/${name}`
  const draft = draftOf(path)
  try {
    await writeNew(draft, data)
    await rename(draft, path)
  } catch (error) {
    await unlinkIfThere(draft).catch(() => undefined) // what went wrong first is told
    throw error
  }
}

/** Null if there is none, or if what is there is not one. Throws if it cannot be read. */
export async function readMarker(fd: number): Promise<Marker | null> {
  let own: number | null = null
  try {
    own = await open(`/proc/self/fd/${fd}/${OWN_DIR}`, WALK_FLAGS)
    return decodeMarker(await readSmall(`/proc/self/fd/${own}/${MARKER_NAME}`))
  } catch (error) {
    const code = errnoOf(error)
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') return null
    throw error
  } finally {
    if (own !== null) await close(own)
  }
}

export function encodeMarker(marker: Marker): string {
  return `${JSON.stringify({ version: VERSION, folder: marker.folder, epoch: marker.epoch, ...(marker.owner === null ? {} : { owner: marker.owner }) })}\n`
}

/** Null for anything but a marker of this version. */
export function decodeMarker(text: string): Marker | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null || !('version' in value) || value.version !== VERSION) return null
  const folder = 'folder' in value ? parseFolderId(value.folder) : null
  const epoch = 'epoch' in value ? value.epoch : null
  const owner = 'owner' in value ? value.owner : null
  if (folder === null || typeof epoch !== 'number' || !Number.isSafeInteger(epoch) || epoch < 0) return null
  if (owner !== null && (typeof owner !== 'string' || owner.length > MAX_OWNER_LENGTH)) return null
  return { folder, epoch, owner }
}

/** fsync of a directory that is held by a walking descriptor. */
export async function syncDirectory(fd: number): Promise<void> {
  const readable = await open(`/proc/self/fd/${fd}`, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
  try {
    await fsync(readable)
  } finally {
    await close(readable)
  }
}

function judge(claim: RootClaim, marker: Marker | null): HaltCode | null {
  if (marker === null) return 'marker-missing'
  if (marker.folder !== claim.folder) return 'marker-foreign'
  return claim.owner !== null && marker.owner !== null && marker.owner !== claim.owner ? 'marker-foreign' : null
}

function rootCode(error: unknown): HaltCode {
  const code = errnoOf(error)
  if (code === 'ENOENT') return 'root-missing'
  return code === 'ENOTDIR' ? 'root-not-directory' : 'root-unreadable'
}

const ADVICE: Readonly<Record<HaltCode, string>> = {
  'root-missing': 'it is not there; mount or move it back, or remove the folder',
  'root-unreadable': 'it cannot be read; check the disk and the permissions',
  'root-not-directory': 'it is not a directory any more; put the directory back, or remove the folder',
  'marker-missing': `${OWN_DIR}/${MARKER_NAME} is missing in it, so it may be an unmounted disk or an emptied folder; mount the disk or restore the files, or remove the folder and add it again`,
  'marker-foreign': 'it belongs to another folder or to another p2psync; remove the folder here, or put the right directory back',
  'root-replaced': 'another directory stands there now; put the right one back, or remove the folder and add it again'
}

export const NO_ANSWER = 'its disk does not answer; check the network, and the server or program that it is on'

export function halted(code: HaltCode, root: string, errno: string | null): Halted {
  return { kind: 'halted', code, message: `cannot sync ${root}${errno === null ? '' : ` (${errno})`}: ${errno === 'ETIMEDOUT' ? NO_ANSWER : ADVICE[code]}` }
}

async function readSmall(path: string): Promise<string> {
  const fd = await open(path, READ_FLAGS)
  try {
    const buffer = Buffer.alloc(MAX_MARKER_BYTES)
    return buffer.toString('utf8', 0, await readFully(fd, buffer, 0, MAX_MARKER_BYTES, 0))
  } finally {
    await close(fd)
  }
}

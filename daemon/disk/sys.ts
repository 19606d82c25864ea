/**
 * The system calls that disk/ uses, as promises over descriptors; short ones are made at once (pace.ts). In the pool, callbacks of
 * node:fs are wrapped because fs.promises costs half as much again per call (measured: 58,000 against 36,000 lstat a second). File
 * names go in and come out as they are.
 */
import * as fs from 'node:fs'
import { promisify } from 'node:util'
import { swap } from 'fs-native-extensions'
import { errnoOf } from '../../base/errors.ts'
import { systemCall } from '../../base/native.ts'
import { eachAtMost } from './each.ts'
import { FarCalls } from './far.ts'
import type { FarLane } from './far-lane.ts'
import { Pace } from './pace.ts'

export type Stat = fs.BigIntStats
/** What is asked of a node in the tree. */
export type NodeStat = Pick<Stat, 'dev' | 'ino' | 'mode' | 'nlink' | 'size' | 'mtimeNs' | 'ctimeNs' | 'birthtimeNs'>

/** Linux's O_PATH, which Node does not name: a handle to walk by, without the right to read. */
const O_PATH = 0o10000000
/** Fails with ENOTDIR for a symlink, even to a directory. */
export const WALK_FLAGS = O_PATH | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW
/** The root itself may be reached by a symlink: its path is the user's. */
export const ROOT_FLAGS = O_PATH | fs.constants.O_DIRECTORY
/** Never blocks on a FIFO and never follows a symlink that took the file's place. */
export const READ_FLAGS = fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK
/** For what may not be readable: mode and times can be set through /proc/self/fd. */
export const POINT_FLAGS = O_PATH | fs.constants.O_NOFOLLOW

export const pace = new Pace()
export const far = new FarCalls()
/** Longer reads and writes are worth a thread. */
const AT_ONCE_BYTES = 64 * 1024

export const fsync = pooled(promisify(fs.fsync))
export const fdatasync = pooled(promisify(fs.fdatasync))
export const copyFile = pooled((from: string, to: string, mode: number): Promise<void> => copyPooled(from, to, mode))
export const ftruncate = pooled((fd: number, length: number): Promise<void> => truncatePooled(fd, length))

const copyPooled = promisify(fs.copyFile as (from: string, to: string, mode: number, done: (error: Error | null) => void) => void)
const truncatePooled = promisify(fs.ftruncate as (fd: number, length: number, done: (error: Error | null) => void) => void)
const closePooled = promisify(fs.close)

export function close(fd: number): Promise<void> {
  const lane = far.laneFor([fd])
  if (lane === null) return pace.run(fs.closeSync, closePooled, [fd])
  far.closing(fd)
  return lane.last(async () => await closePooled(fd))
}
export const fchmod = paced(fs.fchmodSync, promisify(fs.fchmod))
export const chmod = paced(fs.chmodSync, promisify(fs.chmod))
export const futimes = paced(fs.futimesSync, promisify(fs.futimes))
export const lutimes = paced(fs.lutimesSync, promisify(fs.lutimes))
export const link = paced(fs.linkSync, promisify(fs.link))
export const unlink = paced(fs.unlinkSync, promisify(fs.unlink))
export const rename = paced(fs.renameSync, promisify(fs.rename))
export const rmdir = paced((path: string) => fs.rmdirSync(path), promisify(fs.rmdir as (path: string, done: (error: Error | null) => void) => void))

const symlinkPooled = promisify(fs.symlink as (target: string, path: string, done: (error: Error | null) => void) => void)

/** The target is text, whatever it names. */
export function symlink(target: string, path: string): Promise<void> {
  const lane = far.laneFor([path])
  return lane === null ? pace.run(symlinkAtOnce, symlinkPooled, [target, path]) : lane.run(async () => await symlinkPooled(target, path))
}

function symlinkAtOnce(target: string, path: string): void {
  fs.symlinkSync(target, path)
}

export const readlink = pooled((path: string): Promise<string> => readlinkPooled(path, 'utf8') as Promise<string>)
/** A target may be no UTF-8. */
export const readlinkBytes = pooled((path: string): Promise<Buffer> => readlinkPooled(path, 'buffer') as Promise<Buffer>)
const readlinkPooled = promisify(fs.readlink as (path: string, encoding: 'utf8' | 'buffer', done: (error: Error | null, target: string | Buffer) => void) => void)

function paced<Arguments extends unknown[], Result>(atOnce: (...values: Arguments) => Result, inPool: (...values: Arguments) => Promise<Result>): (...values: Arguments) => Promise<Result> {
  return (...values) => {
    const lane = far.laneFor(values)
    return lane === null ? pace.run(atOnce, inPool, values) : lane.run(async () => await inPool(...values))
  }
}

/** Made on a thread of the pool anyway. */
function pooled<Arguments extends unknown[], Result>(inPool: (...values: Arguments) => Promise<Result>): (...values: Arguments) => Promise<Result> {
  return (...values) => {
    const lane = far.laneFor(values)
    return lane === null ? inPool(...values) : lane.run(async () => await inPool(...values))
  }
}

/** Of linux/fs.h, which Node does not name. */
const RENAME_NOREPLACE = 1
const AT_FDCWD = -100

let renameOnlyNew: Promise<(from: string, to: string) => Promise<void>> | null = null

/**
 * Gives it a name that is free: throws EEXIST, and changes nothing, where something has it, a symlink that leads nowhere included. Throws EINVAL or
 * ENOSYS where the file system, or this machine, cannot.
 */
export async function renameNew(from: string, to: string): Promise<void> {
  await (await (renameOnlyNew ??= loadRenameNew()))(from, to)
}

async function loadRenameNew(): Promise<(from: string, to: string) => Promise<void>> {
  const call = process.platform === 'linux' ? await systemCall('int renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned int flags)') : null
  if (call === null) return () => Promise.reject(Object.assign(new Error('ENOSYS: renameat2'), { code: 'ENOSYS', syscall: 'renameat2' }))
  return paced(
    (from: string, to: string) => call.atOnce(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE),
    (from, to) => call.inPool(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE)
  )
}

/** Swaps what two names stand for, atomically. Throws EINVAL, ENOSYS or ENOTSUP where the file system cannot. */
export const exchange = pooled(async (a: string, b: string): Promise<void> => {
  await swap(a, b)
})

export function open(path: string, flags: number | string, mode?: number): Promise<number> {
  const lane = far.laneFor([path])
  return lane === null ? pace.run(openAtOnce, openPooled, [path, flags, mode]) : openFar(lane, path, flags, mode)
}

async function openFar(lane: FarLane, path: string, flags: number | string, mode?: number): Promise<number> {
  let opened: number | null = null
  try {
    const fd = await lane.run(async () => {
      const late = await openPooled(path, flags, mode)
      if (lane.isCut) await closePooled(late)
      else opened = late
      return late
    })
    far.opened(fd, lane)
    return fd
  } catch (error) {
    if (opened !== null) closePooled(opened).catch(() => undefined)
    throw error
  }
}

function openAtOnce(path: string, flags: number | string, mode?: number): number {
  return fs.openSync(path, flags, mode)
}

function openPooled(path: string, flags: number | string, mode?: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.open(path, flags, mode ?? null, (error, fd) => (error ? reject(error) : resolve(fd)))
  })
}

export const mkdir = paced(
  (path: string, mode: number): void => void fs.mkdirSync(path, { mode }),
  (path, mode) =>
    new Promise<void>((resolve, reject) => {
      fs.mkdir(path, { mode }, (error) => (error ? reject(error) : resolve()))
    })
)

export const lstat = paced(
  (path: string): Stat => fs.lstatSync(path, { bigint: true }),
  (path) => lstatPooled(path)
)

/** Looks at each of these names, given by their paths, at most `limit` at once in the pool. */
export async function lstatEach<Item>(items: readonly Item[], limit: number, pathOf: (item: Item) => string, found: (item: Item, stat: Stat) => void, failed: (item: Item, error: unknown) => void): Promise<void> {
  const atOnce = (item: Item): void => {
    let stat: Stat
    try {
      stat = fs.lstatSync(pathOf(item), { bigint: true })
    } catch (error) {
      return failed(item, error)
    }
    found(item, stat)
  }
  const inPool = async (item: Item): Promise<void> => await lstatPooled(pathOf(item)).then((stat) => found(item, stat), (error: unknown) => failed(item, error))
  const lane = items[0] === undefined ? null : far.laneFor([pathOf(items[0])])
  if (lane === null) await pace.each(items, limit, atOnce, inPool)
  else await eachAtMost(items, limit, async (item) => await lane.run(async () => await inPool(item)))
}

function lstatPooled(path: string): Promise<Stat> {
  return new Promise((resolve, reject) => {
    fs.lstat(path, { bigint: true }, (error, stat) => (error ? reject(error) : resolve(stat)))
  })
}

export const fstat = paced(
  (fd: number): Stat => fs.fstatSync(fd, { bigint: true }),
  (fd) =>
    new Promise<Stat>((resolve, reject) => {
      fs.fstat(fd, { bigint: true }, (error, stat) => (error ? reject(error) : resolve(stat)))
    })
)

/**
 * Of a file that is open for us alone: its inode is in memory, so a disk of this machine is asked at once, and not even in turn (twice the detour through
 * the pool would be a tenth of bringing a small file to the disk). Another one may ask its server all the same.
 */
export async function fstatOpen(fd: number): Promise<Stat> {
  return far.laneFor([fd]) === null ? fs.fstatSync(fd, { bigint: true }) : await fstat(fd)
}

/** Makes a call, or rejects if the turn that it is of was given up. */
export type Step = <T>(call: () => Promise<T>) => Promise<T>

/** For calls between which nothing of ours may lie: `atOnce` now, or `inPool` in one turn of a disk that is not of this machine, step by step. The first value is a path or a descriptor. */
export async function inOneGo<Values extends readonly unknown[], Result>(atOnce: (...values: Values) => Result, inPool: (step: Step, ...values: Values) => Promise<Result>, values: Values): Promise<Result> {
  const lane = far.laneFor(values)
  return lane === null ? atOnce(...values) : await lane.run(async () => await inPool(async (call) => await lane.step(call), ...values))
}

export const statfs = paced((path: string) => fs.statfsSync(path), promisify(fs.statfs as (path: string, done: (error: Error | null, stats: fs.StatsFs) => void) => void))

/** Null if nothing is there; throws for everything else. */
export const lstatOrNull = paced(
  (path: string): Stat | null => fs.lstatSync(path, { bigint: true, throwIfNoEntry: false }) ?? null,
  async (path) => {
    try {
      return await lstatPooled(path)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return null
      throw error
    }
  }
)

/** Names as latin1, one character per byte, so that invalid UTF-8 can be told from U+FFFD (names.ts). */
export const readNames = pooled(
  (path: string): Promise<string[]> =>
    new Promise((resolve, reject) => {
      fs.readdir(path, { encoding: 'latin1' }, (error, names) => (error ? reject(error) : resolve(names)))
    })
)

/** Of what stands in a directory, the names of directories. */
export async function readDirectoryNames(path: string): Promise<string[]> {
  try {
    return (await readEntries(path)).filter((entry) => entry.isDirectory()).map(({ name }) => name)
  } catch (error) {
    if (errnoOf(error) === null) throw error
    // Where a file system does not tell kinds, Node asks for each by its name, which may be gone by then, or no text.
    const names = (await readNames(path)).map((name) => Buffer.from(name, 'latin1').toString('utf8'))
    const stats = await Promise.all(names.map(async (name) => await lstatOrNull(`${path}/${name}`)))
    return names.filter((_name, i) => stats[i]?.isDirectory() === true)
  }
}

const readEntries = pooled(
  (path: string): Promise<fs.Dirent[]> =>
    new Promise((resolve, reject) => {
      fs.readdir(path, { withFileTypes: true }, (error, entries) => (error ? reject(error) : resolve(entries)))
    })
)

/** Fills `buffer` from `start` with `length` bytes at `position`; returns how many there were. */
export async function readFully(fd: number, buffer: Uint8Array, start: number, length: number, position: number): Promise<number> {
  let got = 0
  while (got < length) {
    const left = length - got
    const count = await (left > AT_ONCE_BYTES ? readOnce : readPaced)(fd, buffer, start + got, left, position + got)
    if (count === 0) break
    got += count
  }
  return got
}

/** One call for a few bytes, which mostly waits for nobody. */
export function readBriefly(fd: number, buffer: Uint8Array, start: number, length: number, position: number): Promise<number> {
  return readPaced(fd, buffer, start, length, position)
}

/** Through the pool: it may wait for a writer. */
export function readOnce(fd: number, buffer: Uint8Array, start: number, length: number, position: number): Promise<number> {
  const lane = far.laneFor([fd])
  return lane === null ? readPooled(fd, buffer, start, length, position) : readFar(lane, fd, buffer, start, length, position)
}

/** What comes too late must not stand in what is used for something else by then. */
async function readFar(lane: FarLane, fd: number, buffer: Uint8Array, start: number, length: number, position: number): Promise<number> {
  const own = Buffer.allocUnsafeSlow(length)
  const count = await lane.run(async () => await readPooled(fd, own, 0, length, position))
  own.copy(buffer, start, 0, count)
  return count
}

function readPooled(fd: number, buffer: Uint8Array, start: number, length: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, buffer, start, length, position, (error, count) => (error ? reject(error) : resolve(count)))
  })
}

function readPaced(fd: number, buffer: Uint8Array, start: number, length: number, position: number): Promise<number> {
  const lane = far.laneFor([fd])
  return lane === null ? pace.run(readAtOnce, readPooled, [fd, buffer, start, length, position]) : readFar(lane, fd, buffer, start, length, position)
}

function readAtOnce(fd: number, buffer: Uint8Array, start: number, length: number, position: number): number {
  return fs.readSync(fd, buffer, start, length, position)
}

export async function writeFully(fd: number, data: Uint8Array, position: number): Promise<void> {
  let done = 0
  while (done < data.length) done += await writeOnce(fd, data, done, position + done)
}

/** A small file under a name that nothing has: its bytes are on the disk when it resolves, its name once its directory is synced. */
export async function writeNew(path: string, data: Uint8Array): Promise<void> {
  const fd = await open(path, 'wx', 0o600)
  try {
    await writeFully(fd, data, 0)
    await fsync(fd)
  } finally {
    await close(fd)
  }
}

function writeOnce(fd: number, data: Uint8Array, start: number, position: number): Promise<number> {
  const lane = far.laneFor([fd])
  if (lane === null) return data.length - start > AT_ONCE_BYTES ? writePooled(fd, data, start, position) : pace.run(writeAtOnce, writePooled, [fd, data, start, position])
  const own = Buffer.from(data.subarray(start))
  return lane.run(async () => await writePooled(fd, own, 0, position))
}

function writeAtOnce(fd: number, data: Uint8Array, start: number, position: number): number {
  return fs.writeSync(fd, data, start, data.length - start, position)
}

/** All of the buffers, one behind the other from `position` on, through the pool. */
export async function writeRun(fd: number, data: readonly Uint8Array[], position: number): Promise<void> {
  let left = [...data]
  let at = position
  while (left.length > 0) {
    let count = await writevOnce(fd, left, at)
    at += count
    while (left.length > 0 && count >= (left[0] as Uint8Array).length) count -= (left.shift() as Uint8Array).length
    if (left.length > 0 && count > 0) left = [(left[0] as Uint8Array).subarray(count), ...left.slice(1)]
  }
}

function writevOnce(fd: number, data: readonly Uint8Array[], position: number): Promise<number> {
  const lane = far.laneFor([fd])
  if (lane === null) return writevPooled(fd, data, position)
  const own = data.map((part) => Buffer.from(part))
  return lane.run(async () => await writevPooled(fd, own, position))
}

function writevPooled(fd: number, data: readonly Uint8Array[], position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.writev(fd, data, position, (error, count) => (error ? reject(error) : resolve(count)))
  })
}

function writePooled(fd: number, data: Uint8Array, start: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.write(fd, data, start, data.length - start, position, (error, count) => (error ? reject(error) : resolve(count)))
  })
}

/**
 * Seconds for utimes from nanoseconds. Node cuts to microseconds, so 0.4 µs keep a rounded double from falling below its own; and it
 * takes negative numbers (before 1970) for "now", but not when they come as text.
 */
export function secondsOf(mtimeNs: string): number | string {
  const microseconds = BigInt(mtimeNs) / 1000n
  return microseconds < 0n ? String((Number(microseconds) - 0.4) / 1e6) : (Number(microseconds) + 0.4) / 1e6
}

/** True for what says that the name, or a directory on the way to it, is not there. */
export function isGone(error: unknown): boolean {
  const code = errnoOf(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** Removes a name that may not be there. */
export async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
  }
}

/** A `Disk` under test and a user of the same folder, on the fake and on a real file system. */
import { randomBytes } from 'node:crypto'
import { execFile } from 'node:child_process'
import { appendFile, chmod, lstat, mkdir, readFile, readlink, rename, rm, rmdir, symlink, unlink, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { Assert } from 'brittle'
import type { ApplyHooks } from '../../daemon/disk/atomic.ts'
import { createMarker, openDisk } from '../../daemon/disk/open.ts'
import type { Disk, SeenStat } from '../../daemon/ports.ts'
import type { FolderId } from '../../daemon/sync/ids.ts'
import { FakeClock } from '../fakes/clock.ts'
import { DiskStore } from '../fakes/disk-store.ts'
import { FakeDisk } from '../fakes/disk.ts'
import { calmLife } from '../fakes/life.ts'
import { FakeLog } from '../fakes/log.ts'
import { FakeUser } from '../fakes/user.ts'

/** Paths are relative to the folder. What is read is given as it is on disk, symbolic links not followed. */
export interface BenchUser {
  write(path: string, data: string | Buffer): Promise<void>
  append(path: string, data: string): Promise<void>
  rename(path: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  mkdir(path: string): Promise<void>
  rmdir(path: string): Promise<void>
  symlink(path: string, target: string): Promise<void>
  fifo(path: string): Promise<void>
  chmod(path: string, mode: number): Promise<void>
  /** Microseconds. */
  utimes(path: string, mtimeUs: number): Promise<void>
  read(path: string): Promise<string | null>
  target(path: string): Promise<string>
  stat(path: string): Promise<SeenStat | null>
  loseMarker(): Promise<void>
  loseRoot(): Promise<void>
}

export interface DiskBench {
  disk: Disk
  readonly user: BenchUser
  /** A folder beside the root, named as a symlink's target from inside the root. */
  readonly outside: string
  /** The daemon ends and starts again. */
  reopen(): Promise<void>
}

export async function fakeDiskBench(_t: Assert): Promise<DiskBench> {
  const clock = new FakeClock()
  const store = new DiskStore(() => clock.now())
  const open = (): Disk => new FakeDisk(store, calmLife(clock))
  const bench = { disk: open(), user: fakeUser(store), outside: '../outside', reopen: async () => void (bench.disk = open()) }
  return bench
}

function fakeUser(store: DiskStore): BenchUser {
  const user = new FakeUser(store.tree)
  return {
    write: async (path, data) => user.write(path, data),
    append: async (path, data) => user.append(path, data),
    rename: async (path, to) => user.rename(path, to),
    unlink: async (path) => user.unlink(path),
    mkdir: async (path) => user.mkdir(path),
    rmdir: async (path) => user.rmdir(path),
    symlink: async (path, target) => user.symlink(path, target),
    fifo: async (path) => user.fifo(path),
    chmod: async (path, mode) => user.chmod(path, mode),
    utimes: async (path, us) => user.utimes(path, BigInt(us) * 1000n),
    read: async (path) => (store.tree.node(path)?.kind === 'file' ? user.read(path).toString('latin1') : null),
    target: async (path) => {
      const node = store.tree.node(path)
      return node?.kind === 'symlink' ? node.target : ''
    },
    stat: async (path) => user.lstat(path),
    loseMarker: async () => void (store.halted = { kind: 'halted', code: 'marker-missing', message: 'the marker is gone' }),
    loseRoot: async () => void (store.halted = { kind: 'halted', code: 'root-missing', message: 'the root is gone' })
  }
}

export async function realDiskBench(t: Assert, hooks: ApplyHooks = {}): Promise<DiskBench & { readonly root: string }> {
  const base = await t.tmp()
  const root = join(base, 'root')
  const folder = randomBytes(32).toString('hex') as FolderId
  await mkdir(root)
  await mkdir(join(base, 'outside'))
  await createMarker(root, folder)
  const open = async (): Promise<Disk> => await openDisk({ root, folder, log: new FakeLog(() => undefined), hooks })
  const bench = {
    disk: await open(),
    root,
    user: realUser(root),
    outside: '../outside',
    reopen: async () => {
      await bench.disk.close()
      bench.disk = await open()
    }
  }
  t.teardown(() => bench.disk.close())
  return bench
}

function realUser(root: string): BenchUser {
  const at = (path: string): string => join(root, path)
  return {
    write: (path, data) => writeFile(at(path), data),
    append: (path, data) => appendFile(at(path), data),
    rename: (path, to) => rename(at(path), at(to)),
    unlink: (path) => unlink(at(path)),
    mkdir: (path) => mkdir(at(path)),
    rmdir: (path) => rmdir(at(path)),
    symlink: (path, target) => symlink(target, at(path)),
    fifo: async (path) => void (await promisify(execFile)('mkfifo', [at(path)])),
    chmod: (path, mode) => chmod(at(path), mode),
    utimes: (path, us) => utimes(at(path), us / 1e6, us / 1e6),
    read: async (path) => ((await kindOf(at(path))) === 'file' ? await readFile(at(path), 'latin1') : null),
    target: (path) => readlink(at(path)),
    stat: async (path) => await statOf(at(path)),
    loseMarker: () => rm(join(root, '.p2psync'), { recursive: true }),
    loseRoot: () => rename(root, join(dirname(root), 'elsewhere'))
  }
}

async function statOf(path: string): Promise<SeenStat | null> {
  const stat = await lstat(path, { bigint: true }).catch(() => null)
  if (stat === null) return null
  return { ino: String(stat.ino), size: Number(stat.size), mtimeNs: String(stat.mtimeNs), ctimeNs: String(stat.ctimeNs), mode: Number(stat.mode) }
}

async function kindOf(path: string): Promise<'file' | 'other' | null> {
  const stat = await lstat(path).catch(() => null)
  if (stat === null) return null
  return stat.isFile() ? 'file' : 'other'
}


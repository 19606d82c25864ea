/**
 * File systems that are not a disk of this machine: on a network, or served by another process. A call of one whose server is gone never
 * returns (nor ends with its thread), so it is made on a thread of the pool, of which each such folder has a few only: neither the daemon
 * nor its other folders wait for it. What is on a disk of this machine is not slowed down by any of this.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { errnoOf } from '../../base/errors.ts'
import type { TaskOptions, Workers } from '../../base/workers.ts'

/** Types that cannot wait for anybody but a disk, as /proc/self/mountinfo names them. */
const NEAR: ReadonlySet<string> = new Set(['ext2', 'ext3', 'ext4', 'xfs', 'btrfs', 'f2fs', 'zfs', 'bcachefs', 'jfs', 'reiserfs', 'nilfs2', 'vfat', 'exfat', 'ntfs', 'ntfs3', 'hfs', 'hfsplus', 'iso9660', 'udf', 'tmpfs', 'ramfs', 'rootfs', 'devtmpfs', 'squashfs', 'erofs', 'overlay', 'proc', 'sysfs'])
/** Of the pool's sixteen threads, for each such folder. */
const AT_ONCE = 6
/** What has not answered by then may never. */
const ANSWER_MS = 5000
/** So old may be what is known of the mounts. */
const MOUNTS_MS = 5000
/** As the kernel follows them. */
const MAX_LINKS = 40
const DESCRIPTOR = '/proc/self/fd/'

export interface Mount {
  readonly point: string
  readonly type: string
}

/** Of /proc/self/mountinfo (proc(5)): the later of two at one point covers the other. */
export function mountsIn(mountinfo: string): readonly Mount[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ')
    const point = before.split(' ')[4]
    return point === undefined ? [] : [{ point: unescaped(point), type: after.split(' ')[0] ?? '' }]
  })
}

/** Whether the path leads to such a file system. Asks nothing of it. @param target of a symlink; null: it is none. */
export function isFar(path: string, mounts: readonly Mount[], target: (path: string) => string | null = symlinkTarget): boolean {
  if (mounts.every(({ type }) => NEAR.has(type))) return false
  let names = path.split('/').filter((name) => name !== '')
  let at = ''
  for (let links = 0; ; ) {
    const name = names.shift()
    if (name === undefined) return false
    if (name === '.') continue
    if (name === '..') {
      at = at.slice(0, Math.max(0, at.lastIndexOf('/')))
      continue
    }
    const next = `${at}/${name}`
    if (isFarPoint(next, mounts)) return true
    // What is on a disk of this machine may be asked.
    const link = mounts.some(({ point }) => point === next) ? null : target(next)
    if (link === null) at = next
    else if (++links > MAX_LINKS) return false
    else {
      names = [...link.split('/').filter((part) => part !== ''), ...names]
      if (link.startsWith('/')) at = ''
    }
  }
}

function isFarPoint(path: string, mounts: readonly Mount[]): boolean {
  const type = mounts.findLast(({ point }) => point === path)?.type
  return type !== undefined && !NEAR.has(type)
}

function symlinkTarget(path: string): string | null {
  try {
    return readlinkSync(path)
  } catch {
    return null
  }
}

/** As mountinfo writes blanks and the like: `\040`. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}

/** The calls of one such folder. */
export class FarLane {
  #running = 0
  readonly #waiting: (() => void)[] = []
  /** Of the attempt to which nobody has had an answer: since when. */
  #silentSince: number | null = null

  async run<T>(call: () => Promise<T>): Promise<T> {
    if (this.#running >= AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#running++
    try {
      return await call()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }

  /** What `attempt` gives, or null if that takes too long, or an earlier one still does. `late`: gets what comes then. Never rejects unless the attempt does in time. */
  async answered<T>(attempt: () => Promise<T>, late: (result: T) => void, answerMs = ANSWER_MS): Promise<T | null> {
    if (this.#silentSince !== null) return null
    const result = attempt()
    let timer: NodeJS.Timeout | undefined
    const tooLong = new Promise<null>((resolve) => (timer = setTimeout(() => resolve(null), answerMs)))
    try {
      const first = await Promise.race([result, tooLong])
      if (first !== null) return first
    } finally {
      clearTimeout(timer)
    }
    this.#silentSince = performance.now()
    const over = (): void => void (this.#silentSince = null)
    result.then((value) => {
      over()
      late(value)
    }, over)
    return null
  }
}

/** Which paths and descriptors are of such a folder. */
export class FarCalls {
  /** By root; null: near. As the mounts were when they were read last. */
  readonly #roots = new Map<string, FarLane | null>()
  readonly #lanes = new Map<string, FarLane>()
  readonly #descriptors = new Map<number, FarLane>()
  readonly #readMounts: () => readonly Mount[]
  #mounts: readonly Mount[] = []
  #readAt = Number.NEGATIVE_INFINITY

  constructor(readMounts = mountsNow) {
    this.#readMounts = readMounts
  }

  /** Of the root of a folder; null: it is on a disk of this machine, as far as the system tells. */
  laneOf(root: string): FarLane | null {
    const now = performance.now()
    if (now - this.#readAt > MOUNTS_MS) {
      this.#mounts = this.#readMounts()
      this.#readAt = now
      this.#roots.clear()
    }
    let lane = this.#roots.get(root)
    if (lane === undefined) this.#roots.set(root, (lane = this.#lookFor(root)))
    return lane
  }

  /** Of a call with these values, the first of which is a path or a descriptor, and the second may be a path. */
  laneFor([first, second]: readonly unknown[]): FarLane | null {
    if (this.#lanes.size === 0 && this.#descriptors.size === 0) return null
    return (typeof first === 'number' ? this.#descriptors.get(first) : this.#laneOfPath(first)) ?? this.#laneOfPath(second) ?? null
  }

  opened(fd: number, lane: FarLane): void {
    this.#descriptors.set(fd, lane)
  }

  /** Before it is closed: its number may be another's at once. */
  closing(fd: number): void {
    this.#descriptors.delete(fd)
  }

  #lookFor(root: string): FarLane | null {
    const known = this.#lanes.get(root) ?? null
    if (isFar(root, this.#mounts)) {
      const lane = known ?? new FarLane()
      this.#lanes.set(root, lane)
      return lane
    }
    this.#lanes.delete(root)
    return null
  }

  #laneOfPath(path: unknown): FarLane | undefined {
    if (typeof path !== 'string') return undefined
    if (path.startsWith(DESCRIPTOR)) return this.#descriptors.get(Number.parseInt(path.slice(DESCRIPTOR.length), 10))
    for (const [root, lane] of this.#lanes) if (path === root || path.startsWith(`${root}/`)) return lane
    return undefined
  }
}

/** Leaves the other threads to others: one may not come back. */
export class FarWorkers implements Workers {
  readonly #workers: Workers
  readonly #isFar: () => boolean
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0

  constructor(workers: Workers, isFar: () => boolean) {
    this.#workers = workers
    this.#isFar = isFar
  }

  get size(): number {
    return this.#isFar() ? 1 : this.#workers.size
  }

  get queued(): number {
    return this.#workers.queued + this.#waiting
  }

  async run<Output>(module: URL, input: unknown, options?: TaskOptions): Promise<Output> {
    if (!this.#isFar()) return await this.#workers.run<Output>(module, input, options)
    this.#waiting++
    const turn = this.#last.then(async () => {
      this.#waiting--
      return await this.#workers.run<Output>(module, input, options)
    })
    this.#last = turn.catch(() => undefined)
    return await turn
  }
}

/** Nothing of what is mounted is asked. */
export function mountsNow(): readonly Mount[] {
  try {
    return mountsIn(readFileSync('/proc/self/mountinfo', 'utf8'))
  } catch (error) {
    if (errnoOf(error) === null) throw error
    return [] // another system
  }
}

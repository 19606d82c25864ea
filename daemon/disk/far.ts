/**
 * File systems that are not a disk of this machine: on a network, or served by another process. A call of one whose server is gone never
 * returns (nor ends with its thread), so it is made on a thread of the pool, of which each such folder has a few only: neither the daemon
 * nor its other folders wait for it. What is on a disk of this machine is not slowed down by any of this.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { errnoOf } from '../../base/errors.ts'
import { ANSWER_MS, FarLane, noAnswer } from './far-lane.ts'

/** Types that cannot wait for anybody but a disk, as /proc/self/mountinfo names them. */
const NEAR: ReadonlySet<string> = new Set(['ext2', 'ext3', 'ext4', 'xfs', 'btrfs', 'f2fs', 'zfs', 'bcachefs', 'jfs', 'reiserfs', 'nilfs2', 'vfat', 'exfat', 'ntfs', 'ntfs3', 'hfs', 'hfsplus', 'iso9660', 'udf', 'tmpfs', 'ramfs', 'rootfs', 'devtmpfs', 'squashfs', 'erofs', 'overlay', 'proc', 'sysfs'])
/** So old may be what is known of the mounts. */
const MOUNTS_MS = 5000
/** As the kernel follows them. */
const MAX_LINKS = 40
const DESCRIPTOR = '/proc/self/fd/'

export interface Mount {
  /** No other one has it as long as this one stands. */
  readonly id: string
  readonly point: string
  readonly type: string
}

/** Of /proc/self/mountinfo (proc(5)): the later of two at one point covers the other. */
export function mountsIn(mountinfo: string): readonly Mount[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ')
    const [id = '', , , , point] = before.split(' ')
    return point === undefined ? [] : [{ id, point: unescaped(point), type: after.split(' ')[0] ?? '' }]
  })
}

/**
 * The mount of such a file system to which the path leads, or (`below`) that stands below it: a look at its name there asks it. Asks nothing of it.
 * @param target of a symlink; null: it is none.
 */
export function farMount(path: string, mounts: readonly Mount[], target: (path: string) => string | null = symlinkTarget, below = true): Mount | null {
  const far = mounts.filter(({ type, point }) => !NEAR.has(type) && point !== '/')
  if (far.length === 0) return null
  let names = path.split('/').filter((name) => name !== '')
  let at = ''
  for (let links = 0; ; ) {
    const name = names.shift()
    if (name === undefined) return !below ? null : far.find((mount) => mount.point.startsWith(`${at}/`) && isOnTop(mount, mounts)) ?? null
    if (name === '.') continue
    if (name === '..') {
      at = at.slice(0, Math.max(0, at.lastIndexOf('/')))
      continue
    }
    const next = `${at}/${name}`
    const there = far.find((mount) => mount.point === next && isOnTop(mount, mounts))
    if (there !== undefined) return there
    // What is on a disk of this machine may be asked.
    const link = mounts.some(({ point }) => point === next) ? null : target(next)
    if (link === null) at = next
    else if (++links > MAX_LINKS) return null
    else {
      names = [...link.split('/').filter((part) => part !== ''), ...names]
      if (link.startsWith('/')) at = ''
    }
  }
}

function isOnTop(mount: Mount, mounts: readonly Mount[]): boolean {
  return mounts.findLast(({ point }) => point === mount.point) === mount
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

/** Which paths and descriptors are of such a folder. */
export class FarCalls {
  /** By root; null: near. As the mounts were when they were read last. */
  readonly #roots = new Map<string, FarLane | null>()
  /** By root, with the mount they are of: calls of one that is gone may never come back, and another one has lanes of its own. */
  readonly #lanes = new Map<string, { readonly lane: FarLane; readonly mount: string }>()
  /** By root, those before, as long as calls of theirs are under way. */
  readonly #former = new Map<string, Set<FarLane>>()
  /** Roots that are on disks of this machine: they may lie below another root, and mounts below that. */
  readonly #near = new Set<string>()
  /** By mount, of paths that are in no folder. */
  readonly #outside = new Map<string, FarLane>()
  readonly #descriptors = new Map<number, FarLane>()
  readonly #readMounts: () => readonly Mount[]
  readonly #mountsMs: number
  #mounts: readonly Mount[] = []
  #readAt = Number.NEGATIVE_INFINITY

  constructor(readMounts = mountsNow, mountsMs = MOUNTS_MS) {
    this.#readMounts = readMounts
    this.#mountsMs = mountsMs
  }

  /** Of the root of a folder; null: it is on a disk of this machine, as far as the system tells. One that was cut stays until all of its calls have come back. */
  laneOf(root: string): FarLane | null {
    this.#lookAtMounts()
    let lane = this.#roots.get(root)
    if (lane === undefined || lane?.isOver === true) this.#roots.set(root, (lane = this.#lookFor(root)))
    return lane
  }

  /**
   * What `work` gives, which is a look at this path, in a folder or elsewhere. Rejects with ETIMEDOUT once no call of its disk has come back for so
   * long, and at once while another one waits for that. `mayGoOn` throws then, for what is not to be changed any more.
   */
  async inTime<T>(path: string, work: (mayGoOn: () => void) => Promise<T>, answerMs = ANSWER_MS): Promise<T> {
    const lane = this.#laneAt(path)
    if (lane === null) return await work(() => undefined)
    let isGivenUp = false
    const mayGoOn = (): void => {
      if (isGivenUp || lane.isCut) throw noAnswer()
      lane.sign()
    }
    const answer = await lane.answered(async () => ({ value: await lane.run(async () => await work(mayGoOn)) }), () => undefined, answerMs)
    isGivenUp = answer === null
    if (answer === null) throw noAnswer()
    return answer.value
  }

  #laneAt(path: string): FarLane | null {
    this.#lookAtMounts()
    const own = this.laneFor([path])
    const mount = own === null ? farMount(path, this.#mounts, symlinkTarget, false) : null
    if (mount === null) return own
    for (const [id, lane] of this.#outside) if (!lane.isBusy) this.#outside.delete(id)
    const lane = this.#outside.get(mount.id) ?? new FarLane()
    this.#outside.set(mount.id, lane)
    return lane
  }

  #lookAtMounts(): void {
    const now = performance.now()
    if (now - this.#readAt <= this.#mountsMs) return
    this.#mounts = this.#readMounts()
    this.#readAt = now
    this.#roots.clear()
  }

  /**
   * True once `work` on this folder is done, false if it is not and no call of the folder has come back for so long. Rejects as the work does;
   * after `false` nobody hears of that.
   */
  async answers(root: string, work: Promise<unknown>, answerMs = ANSWER_MS): Promise<boolean> {
    const done = work.then(() => true)
    const first = await Promise.race([done, ...this.#lanesOf(root).map(async (lane) => ((await lane.silence(work, answerMs)) ? false : await done))])
    if (!first) done.catch(() => undefined)
    return first
  }

  /** For one who closes the folder: whatever is asked of it from now on fails, and nothing is asked of its disk before all calls under way have come back. */
  cut(root: string): void {
    for (const lane of this.#lanesOf(root)) lane.cut()
  }

  /** Once nothing that was cut is under way any more. */
  async free(root: string): Promise<void> {
    await Promise.all(this.#lanesOf(root).map(async (lane) => await lane.over()))
  }

  /** For how long no call of the folder has come back, while some are under way. */
  silentMs(root: string): number {
    return Math.max(0, ...this.#lanesOf(root).map((lane) => lane.silentMs))
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

  #lanesOf(root: string): readonly FarLane[] {
    const former = this.#former.get(root) ?? new Set()
    for (const lane of former) if (!lane.isBusy && ![...this.#descriptors.values()].includes(lane)) former.delete(lane)
    if (former.size === 0) this.#former.delete(root)
    const current = this.#lanes.get(root)
    return current === undefined ? [...former] : [current.lane, ...former]
  }

  #lookFor(root: string): FarLane | null {
    const mount = farMount(root, this.#mounts)
    const known = this.#lanes.get(root)
    // What was given up may still come, also by a mount that is detached: of the same server as a new one there.
    if (known !== undefined && !known.lane.isOver && (known.mount === mount?.id || known.lane.isCut)) return known.lane
    this.#lanes.delete(root)
    if (known !== undefined && !known.lane.isCut) this.#former.set(root, new Set([...this.#lanesOf(root), known.lane]))
    if (mount === null) {
      this.#near.add(root)
      return null
    }
    this.#near.delete(root)
    const lane = new FarLane()
    this.#lanes.set(root, { lane, mount: mount.id })
    return lane
  }

  #laneOfPath(path: unknown): FarLane | undefined {
    if (typeof path !== 'string') return undefined
    if (path.startsWith(DESCRIPTOR)) return this.#descriptors.get(Number.parseInt(path.slice(DESCRIPTOR.length), 10))
    let longest = ''
    for (const root of [...this.#lanes.keys(), ...this.#near]) if (root.length > longest.length && (path === root || path.startsWith(`${root}/`))) longest = root
    const lane = this.#lanes.get(longest)?.lane
    // One that is over is of a folder that is not here any more.
    return lane?.isOver === true ? undefined : lane
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

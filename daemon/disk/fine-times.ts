/**
 * What the file system's times say of a file that changed a moment ago. Mostly they are those of the kernel's tick: two changes
 * within 10 ms may show as one. Linux 6.13 and later gives a change a time of its own if anyone asked for the times since the last
 * one (multigrain timestamps); there a stat after the reading that equals the one before proves that no write *began* between.
 *
 * That none was *under way* is asked of the file system too: ext4 and XFS hold the inode's lock during a buffered write, from
 * before it sets the times, and take it for a direct read, also for one at the end of the file, which reads nothing.
 * (A store through a mapping, and a direct write, take no such lock: whoever reads without waiting must bear that for small files.)
 */
import * as fs from 'node:fs'
import { statfs } from 'node:fs/promises'
import { errnoOf } from '../../base/errors.ts'
import { SWAP_DIR } from './layout.ts'
import { self, type Roots } from './roots.ts'
import { close, open, readBriefly, readOnce } from './sys.ts'

/** File systems of which the sources were read: f_type of statfs(2). */
const EXT4 = 0xef53
const XFS = 0x58465342
const CHANGES = 8
/** The shortest tick (1000 Hz) a few times: eight changes in this time show eight times only where times are fine. */
const PROBE_MS = 4
const PROBES = 3
/** A file without a name, of which no crash leaves anything. Node does not name __O_TMPFILE. */
const NAMELESS_FLAGS = 0o20000000 | fs.constants.O_DIRECTORY | fs.constants.O_RDWR
const BARRIER_FLAGS = fs.constants.O_RDONLY | fs.constants.O_DIRECT | fs.constants.O_NONBLOCK

export class FineTimes {
  readonly #roots: Roots
  #fine: Promise<boolean> | null

  /** `given`: what to believe in place of asking. */
  constructor(roots: Roots, given: boolean | null) {
    this.#roots = roots
    this.#fine = given === null ? null : Promise.resolve(given)
  }

  /** Asked once; false where it cannot be asked (a full or read-only disk), which is asked again. */
  async fine(): Promise<boolean> {
    this.#fine ??= probe(this.#roots)
    try {
      return await this.#fine
    } catch (error) {
      this.#fine = null
      if (errnoOf(error) === null) throw error
      return false
    }
  }
}

/**
 * Resolves with true once no buffered write that had begun before this call is under way on the open file; false if that cannot
 * be known. `size`: of the file, from a stat before. `isComplete`: most likely there is none, and nothing to wait for.
 */
export async function writesAreDone(fd: number, size: number, isComplete = false): Promise<boolean> {
  try {
    const direct = await open(`/proc/self/fd/${fd}`, BARRIER_FLAGS)
    try {
      return (await (isComplete ? readBriefly : readOnce)(direct, Buffer.allocUnsafe(1), 0, 1, size)) === 0
    } finally {
      await close(direct)
    }
  } catch (error) {
    if (errnoOf(error) === null) throw error
    return false
  }
}

async function probe(roots: Roots): Promise<boolean> {
  return await roots.useOwn(SWAP_DIR, async (swap) => {
    const { type } = await statfs(self(swap))
    if (type !== EXT4 && type !== XFS) return false
    const fd = await open(self(swap), NAMELESS_FLAGS, 0o600)
    try {
      return showsEachChange(fd) && (await writesAreDone(fd, CHANGES))
    } finally {
      await close(fd)
    }
  })
}

/** In one go, or the detours through the pool would take longer than a tick. */
function showsEachChange(fd: number): boolean {
  const byte = Buffer.alloc(1)
  for (let attempt = 0; attempt < PROBES; attempt++) {
    const started = performance.now()
    let shown = 0
    for (let i = 0; i < CHANGES; i++) {
      const before = fs.fstatSync(fd, { bigint: true }).ctimeNs
      fs.writeSync(fd, byte, 0, 1, i)
      if (fs.fstatSync(fd, { bigint: true }).ctimeNs !== before) shown++
    }
    if (shown < CHANGES) return false
    if (performance.now() - started < PROBE_MS) return true
  }
  return false
}

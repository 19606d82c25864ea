/**
 * The library that stands between a daemon and libc (shim.c), as seen by a test: built once with the C compiler that is here, and
 * told through a small file what to do at which calls. It works on a running daemon, for all its threads together, and needs no
 * right to trace it.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { projectRoot } from '../project-root.ts'

/** What a daemon asks of the system, by what it is for: `pwrite64`, `write` and `writev` are all `write`. Order as in shim.c. */
export const CALLS = [
  'create', 'open', 'read', 'write', 'truncate', 'allocate', 'fsync', 'fdatasync', 'syncfs', 'sync-range', 'rename', 'exchange',
  'link', 'unlink', 'mkdir', 'rmdir', 'symlink', 'chmod', 'utimes', 'copy', 'readdir', 'stat'
] as const
/** Where: a synced name, our own directories beside the tree, the store's log and its other files, the rest of the home. */
export const AREAS = ['tree', 'fetch', 'swap', 'staging', 'history', 'marker', 'log', 'store', 'state', 'other'] as const

export type Call = (typeof CALLS)[number]
export type Area = (typeof AREAS)[number]

/** What becomes of the calls that match. `torn`: half of it is written, then the process is killed. */
export type Fate = { readonly kind: 'kill' | 'torn' | 'short' } | { readonly kind: 'fail'; readonly errno: Errno }

export interface Rule {
  readonly fate: Fate
  /** Undefined: any. */
  readonly call?: Call
  readonly area?: Area
  /** Part of a path. */
  readonly match?: string
  /** From the n-th matching call on (default: the first), for so many calls (default: all that follow). */
  readonly from?: number
  readonly count?: number
}

const ERRNO = { EINTR: 4, EIO: 5, EACCES: 13, EXDEV: 18, EMFILE: 24, ENOSPC: 28, EROFS: 30, ESTALE: 116, EDQUOT: 122 } as const
export type Errno = keyof typeof ERRNO

const MODES = ['off', 'kill', 'torn', 'fail', 'short']
const ANY = 0xffffffff
/** As laid out in shim.c, in bytes. */
const RECORDING_AT = 32
const MATCH_AT = 64
const MATCH_BYTES = 256
const HIT_AT = 320
const HIT_BYTES = 1024
const COUNTS_AT = HIT_AT + HIT_BYTES
const CONTROL_BYTES = COUNTS_AT + CALLS.length * AREAS.length * 4
/** A lock and a counter. */
const ORDER_BYTES = 16

export type Counts = ReadonlyMap<`${Call} ${Area}`, number>

/** What stands between one daemon and its files. */
export class Shim {
  readonly #fd: number
  readonly #file: string
  readonly #library: string

  readonly #order: string

  /** `file` is made; a daemon started with `environment` obeys it. `order`: a file that it shares with others. */
  constructor(file: string, order = `${file}.order`) {
    this.#library = library()
    this.#file = file
    this.#order = order
    writeFileSync(`${file}.journal`, '')
    if (!existsSync(order)) writeFileSync(order, Buffer.alloc(ORDER_BYTES))
    writeFileSync(file, Buffer.alloc(CONTROL_BYTES))
    this.#fd = openSync(file, 'r+')
  }

  environment(tree: string, home: string): Record<string, string> {
    return { LD_PRELOAD: this.#library, P2PSYNC_SHIM: this.#file, P2PSYNC_SHIM_TREE: tree, P2PSYNC_SHIM_HOME: home, P2PSYNC_SHIM_JOURNAL: `${this.#file}.journal`, P2PSYNC_SHIM_ORDER: this.#order }
  }

  /** What the daemon does to its files is written down from now on (journal.ts). */
  record(on: boolean): void {
    this.#put(RECORDING_AT, words(on ? 1 : 0))
  }

  /** Of daemons that share an order, the numbers say what came first. */
  journal(): Buffer {
    return readFileSync(`${this.#file}.journal`)
  }

  arm(rule: Rule): void {
    this.disarm()
    const match = Buffer.alloc(MATCH_BYTES)
    match.write(rule.match ?? '', 0, MATCH_BYTES - 1)
    this.#put(MATCH_AT, match)
    this.#put(HIT_AT, Buffer.alloc(HIT_BYTES))
    const call = rule.call === undefined ? ANY : CALLS.indexOf(rule.call)
    const area = rule.area === undefined ? ANY : AREAS.indexOf(rule.area)
    const errno = rule.fate.kind === 'fail' ? ERRNO[rule.fate.errno] : 0
    this.#put(4, words(call, area, rule.from ?? 1, rule.count ?? 0, errno, 0, 0))
    this.#put(0, words(MODES.indexOf(rule.fate.kind)))
  }

  disarm(): void {
    this.#put(0, words(0))
  }

  /** How many calls the rule came to, since it was armed. */
  get hits(): number {
    return this.#word(28)
  }

  /** The path of the first of them. */
  get hit(): string {
    const text = this.#get(HIT_AT, HIT_BYTES)
    return text.toString('utf8', 0, text.indexOf(0))
  }

  /** Since `reset`. */
  counts(): Counts {
    const bytes = this.#get(COUNTS_AT, CALLS.length * AREAS.length * 4)
    const counts = new Map<`${Call} ${Area}`, number>()
    CALLS.forEach((call, i) => AREAS.forEach((area, j) => counts.set(`${call} ${area}`, bytes.readUInt32LE((i * AREAS.length + j) * 4))))
    return counts
  }

  reset(): void {
    this.#put(COUNTS_AT, Buffer.alloc(CALLS.length * AREAS.length * 4))
  }

  close(): void {
    closeSync(this.#fd)
  }

  #word(at: number): number {
    return this.#get(at, 4).readUInt32LE()
  }

  #get(at: number, size: number): Buffer {
    const bytes = Buffer.alloc(size)
    readSync(this.#fd, bytes, 0, size, at)
    return bytes
  }

  #put(at: number, bytes: Buffer): void {
    writeSync(this.#fd, bytes, 0, bytes.length, at)
  }
}

/** Null if daemons can be run so here, else why not. */
export function whyNoShim(): string | null {
  if (process.platform !== 'linux' || process.arch !== 'x64') return `only on Linux on x64, not ${process.platform} on ${process.arch}`
  try {
    library()
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Built where it is not yet, under the hash of its source. */
function library(): string {
  const source = join(projectRoot, 'test', 'shim', 'shim.c')
  const directory = join(tmpdir(), 'p2psync-shim')
  const built = join(directory, `${createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16)}.so`)
  if (existsSync(built)) return built
  mkdirSync(directory, { recursive: true })
  const making = `${built}.${process.pid}`
  const compiled = spawnSync('gcc', ['-shared', '-fPIC', '-O2', '-Wall', '-o', making, source, '-ldl', '-lpthread'], { encoding: 'utf8' })
  if (compiled.status !== 0) throw new Error(compiled.error?.message ?? `gcc: ${compiled.stderr.split('\n')[0]}`)
  renameSync(making, built)
  return built
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  values.forEach((value, i) => bytes.writeUInt32LE(value, i * 4))
  return bytes
}

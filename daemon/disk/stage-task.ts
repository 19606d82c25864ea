/** Writes many small files of ours, complete with mode and times, in a thread of its own (base/workers.ts). Nothing is synced here. */
import * as fs from 'node:fs'
import { errnoOf } from '../../base/errors.ts'

export interface StageInput {
  /** An open directory of ours. */
  readonly directory: string
  readonly names: readonly string[]
  /** Their bytes, one file behind the other. */
  readonly data: Uint8Array
  readonly lengths: readonly number[]
  readonly modes: readonly number[]
  /** As futimes takes them (sys.ts, `secondsOf`). */
  readonly mtimes: readonly (number | string)[]
}

export interface StageFailure {
  readonly code: string
  readonly syscall: string
  readonly message: string
}

/** Of each file inode, mtime and ctime in nanoseconds, and mode; or what went wrong, and then nothing of it is there. */
export interface StageOutput {
  readonly stats: BigInt64Array
  readonly failures: ReadonlyMap<number, StageFailure>
}

export const STAT_FIELDS = 4
const FLAGS = fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_NOFOLLOW

export function run({ directory, names, data, lengths, modes, mtimes }: StageInput): StageOutput {
  const stats = new BigInt64Array(names.length * STAT_FIELDS)
  const failures = new Map<number, StageFailure>()
  let offset = 0
  for (const [i, name] of names.entries()) {
    const length = lengths[i] as number
    try {
      const stat = stageOne(`${directory}/${name}`, data.subarray(offset, offset + length), modes[i] as number, mtimes[i] as number | string)
      stats.set([stat.ino, stat.mtimeNs, stat.ctimeNs, stat.mode], i * STAT_FIELDS)
    } catch (error) {
      failures.set(i, failureOf(error))
    }
    offset += length
  }
  return { stats, failures }
}

function stageOne(path: string, data: Uint8Array, mode: number, mtime: number | string): fs.BigIntStats {
  const fd = fs.openSync(path, FLAGS, mode)
  try {
    for (let done = 0; done < data.length; ) done += fs.writeSync(fd, data, done, data.length - done, done)
    const made = fs.fstatSync(fd, { bigint: true })
    // The umask took bits from it.
    if ((Number(made.mode) & 0o777) !== mode) fs.fchmodSync(fd, mode)
    fs.futimesSync(fd, Date.now() / 1000, mtime)
    return fs.fstatSync(fd, { bigint: true })
  } catch (error) {
    fs.unlinkSync(path)
    throw error
  } finally {
    fs.closeSync(fd)
  }
}

function failureOf(error: unknown): StageFailure {
  const { syscall, message } = error as { readonly syscall?: string; readonly message?: string }
  return { code: errnoOf(error) ?? 'EIO', syscall: syscall ?? 'write', message: message ?? String(error) }
}

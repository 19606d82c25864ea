/** What Linux says of processes, directories and the network. */
import { spawnSync } from 'node:child_process'
import { lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf } from '../base/errors.ts'

const TICKS_PER_SECOND = 100
const BLOCK_BYTES = 512

/** A process and all that descend from it, the oldest first. */
export function processTree(pid: number): readonly number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const parent = parentOf(Number(name))
    if (parent !== null) children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const tree: number[] = []
  for (const next of [pid]) collect(next)
  return tree
  function collect(one: number): void {
    tree.push(one)
    for (const child of children.get(one) ?? []) collect(child)
  }
}

/** Resident memory now and the highest since `resetPeak`, over all of them. */
export function memoryOf(pids: readonly number[]): { readonly nowBytes: number; readonly peakBytes: number } {
  let nowBytes = 0
  let peakBytes = 0
  for (const pid of pids) {
    const status = read(`/proc/${pid}/status`)
    nowBytes += kibibytes(status, 'VmRSS')
    peakBytes += kibibytes(status, 'VmHWM')
  }
  return { nowBytes, peakBytes }
}

export function resetPeak(pids: readonly number[]): void {
  for (const pid of pids) writeFileSync(`/proc/${pid}/clear_refs`, '5')
}

/** Processor seconds used so far. */
export function processorOf(pids: readonly number[]): number {
  let ticks = 0
  for (const pid of pids) {
    const stat = read(`/proc/${pid}/stat`)
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    ticks += Number(fields[11]) + Number(fields[12])
  }
  return ticks / TICKS_PER_SECOND
}

export interface Io {
  /** Asked for with read(2) and the like, from the cache or not. */
  readonly readBytes: number
  /** Caused to be written to the disk. */
  readonly writtenBytes: number
}

export function ioOf(pids: readonly number[]): Io {
  let readBytes = 0
  let writtenBytes = 0
  for (const pid of pids) {
    const io = read(`/proc/${pid}/io`)
    readBytes += Number(/^rchar: (\d+)/m.exec(io)?.[1] ?? 0)
    writtenBytes += Number(/^write_bytes: (\d+)/m.exec(io)?.[1] ?? 0)
  }
  return { readBytes, writtenBytes }
}

/** Bytes received so far over loopback by all of this network namespace, headers included. */
export function loopbackBytes(): number {
  const line = read('/proc/net/dev')
    .split('\n')
    .find((text) => text.trim().startsWith('lo:'))
  return Number(line?.trim().split(/[:\s]+/)[1] ?? Number.NaN)
}

/** Bytes on disk of everything below the directories. */
export function sizeOf(directories: readonly string[]): number {
  let sum = 0
  const add = (path: string): void => {
    try {
      const stat = lstatSync(path)
      sum += stat.blocks * BLOCK_BYTES
      if (stat.isDirectory()) for (const name of readdirSync(path)) add(join(path, name))
    } catch (error) {
      // Files of a database come and go while it runs.
      if (errnoOf(error) !== 'ENOENT') throw error
    }
  }
  for (const directory of directories) add(directory)
  return sum
}

function parentOf(pid: number): number | null {
  try {
    const stat = read(`/proc/${pid}/stat`)
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return null
    throw error
  }
}

function kibibytes(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) * 1024
}

function read(path: string): string {
  return readFileSync(path, 'utf8')
}

/**
 * What was written to the file system of this path is on its disk. The two devices of a user share none: what one wrote a while ago is no
 * work for the other one's disk.
 */
export function flushDisk(path: string): void {
  const { error, status } = spawnSync('sync', ['-f', path])
  if (error !== undefined || status !== 0) throw new Error(`cannot sync the file system of ${path}`, { cause: error })
}

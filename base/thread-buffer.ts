/** For tasks of a worker thread (workers.ts), whose `run` never waits: one buffer of the thread serves each read in turn. */
import { readSync } from 'node:fs'

let kept = Buffer.alloc(0)

/** Good until the next call. */
export function keptBuffer(bytes: number): Buffer {
  if (kept.length < bytes) kept = Buffer.allocUnsafeSlow(bytes)
  return kept.subarray(0, bytes)
}

/** False if the file ends before `data` is full. */
export function readAll(fd: number, data: Buffer, position: number): boolean {
  for (let got = 0; got < data.length; ) {
    const count = readSync(fd, data, got, data.length - got, position + got)
    if (count === 0) return false
    got += count
  }
  return true
}

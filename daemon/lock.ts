/**
 * One daemon per home: a lock of our own beside the store (RocksDB has one too, but opens late and says it badly). The lock is an
 * advisory lock on an open file, so a kill -9 releases it.
 */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { tryLock } from 'fs-native-extensions'
import { makeDirectory } from '../base/durable-file.ts'
import { P2psyncError } from '../base/errors.ts'

export interface HomeLock {
  release(): void
}

/** Throws ALREADY_RUNNING if another process holds it. */
export function lockHome(file: string): HomeLock {
  makeDirectory(dirname(file))
  const fd = openSync(file, 'a+', 0o600)
  if (!tryLock(fd)) {
    closeSync(fd)
    const pid = readFileSync(file, 'utf8').trim()
    throw new P2psyncError('ALREADY_RUNNING', `a p2psync daemon already runs for this home${pid === '' ? '' : ` (process ${pid})`}; use it, or stop it first with p2psync stop`)
  }
  ftruncateSync(fd, 0)
  writeSync(fd, `${process.pid}\n`)
  return { release: () => closeSync(fd) }
}

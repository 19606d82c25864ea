/** Waits until a disk that failed takes writes again, by writing to it now and then. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { writeDurably } from '../base/durable-file.ts'
import { STORE_PROBE_BYTES } from '../base/limits.ts'

/** Resolves once a file of some size could be written durably in `directory`, after `waitMs` at the earliest, or `signal` is aborted. */
export async function takesWrites(directory: string, waitMs: number, signal: AbortSignal): Promise<void> {
  do await sleep(waitMs, null, { signal }).catch(() => undefined)
  while (!signal.aborted && !tryWrite(directory))
}

function tryWrite(directory: string): boolean {
  const file = join(directory, 'probe')
  try {
    writeDurably(file, Buffer.alloc(STORE_PROBE_BYTES, 1))
    return true
  } catch {
    return false // whatever the reason: it is tried again
  } finally {
    rmSync(file, { force: true })
  }
}

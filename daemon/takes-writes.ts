/**
 * When a store that could not be written is opened again. A disk that is full or read-only shows it to a probe as well, and is gone on
 * with soon after the probe that it takes. One that is sick in a way that no probe shows would only fail again: ever longer waits.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { writeDurably } from '../base/durable-file.ts'
import { STORE_PROBE_BYTES, STORE_RETRY_LAST_MS, STORE_RETRY_MS } from '../base/limits.ts'

/** So many times as long as it had waited, a store must have taken writes to count as well. */
const WELL_FACTOR = 4
/** However long it had waited. */
const WELL_MS = 2 * STORE_RETRY_LAST_MS

export interface Probing {
  /** Whether a file of some size could be written durably. */
  readonly probe: () => boolean
  /** Returns early once nobody waits any more. */
  readonly pause: (ms: number) => Promise<void>
  readonly isOver: () => boolean
}

export function probing(directory: string, signal: AbortSignal): Probing {
  return { probe: () => tryWrite(directory), pause: async (ms) => await sleep(ms, undefined, { signal }).catch(() => undefined), isOver: () => signal.aborted }
}

/** Resolves once it takes writes, after `waitMs` at the earliest unless a probe had failed before. @returns whether one had. */
export async function takesWrites({ probe, pause, isOver }: Probing, waitMs: number): Promise<boolean> {
  let shown = false
  for (let left = waitMs; !isOver(); ) {
    await pause(STORE_RETRY_MS)
    left -= STORE_RETRY_MS
    if (isOver()) return shown
    if (!probe()) shown = true
    else if (shown || left <= 0) return shown
    // One look was enough to know that no probe shows it.
    else await pause(left - STORE_RETRY_MS).then(() => (left = 0))
  }
  return shown
}

/** After one that had waited for `waitMs`, and then took writes for `ranMs`. `shown`: a probe saw the cause, and saw it go. */
export function nextWait(waitMs: number, ranMs: number, shown: boolean): number {
  if (shown || ranMs >= Math.min(waitMs * WELL_FACTOR, WELL_MS)) return STORE_RETRY_MS
  return Math.min(waitMs * 2, STORE_RETRY_LAST_MS)
}

function tryWrite(directory: string): boolean {
  const file = join(directory, 'probe')
  try {
    try {
      writeDurably(file, Buffer.alloc(STORE_PROBE_BYTES, 1))
    } finally {
      rmSync(file, { force: true })
    }
    return true
  } catch {
    return false // whatever the reason, also of the removal: it is tried again
  }
}

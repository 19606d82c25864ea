/** How the process ends where one of its threads cannot: its own end waits for every thread, and one that waits for a disk that hangs never comes back. */
import { setTimeout as sleep } from 'node:timers/promises'
import { nativeCall, type NativeCall } from '../base/native.ts'

/** What is read or written at the end is over by then. */
const LAST_CALLS_MS = 500
const POLL_MS = 20

let exitNow: NativeCall | null = null

/**
 * What it takes is loaded, and the process is ended by SIGALRM then, unless it has ended by then (null: it may go on). Nobody waits for this: loading takes
 * a thread of the pool, too. Without koffi it is left to who asked for the end.
 */
export function prepareEnd(seconds: number | null): void {
  const load = async (): Promise<void> => {
    const alarm = seconds === null ? null : await nativeCall('unsigned int alarm(unsigned int seconds)')
    if (seconds !== null) alarm?.(seconds)
    exitNow ??= await nativeCall('void _exit(int status)')
  }
  load().catch(() => undefined) // as without koffi
}

/** `process.exit`, which waits for no thread once `prepareEnd` has come so far. */
export function exitAtOnce(code: number): never {
  exitNow?.(code)
  process.exit(code)
}

/** `process.exit`, which waits for no call of a file system that does not come back. */
export async function exitWith(code: number): Promise<never> {
  const deadline = performance.now() + LAST_CALLS_MS
  while (isCalling() && performance.now() < deadline) await sleep(POLL_MS)
  if (isCalling()) exitAtOnce(code)
  process.exit(code)
}

function isCalling(): boolean {
  return process.getActiveResourcesInfo().some((kind) => kind.startsWith('FSReq'))
}

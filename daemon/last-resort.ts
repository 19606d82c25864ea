/** How the process ends where one of its threads cannot: its own end waits for every thread, and one that waits for a disk that hangs never comes back. */
import { setTimeout as sleep } from 'node:timers/promises'
import { nativeCall, type NativeCall } from '../base/native.ts'
import { runningThreads } from '../base/threads.ts'

/** What is read or written at the end is over by then. */
const LAST_CALLS_MS = 500
const POLL_MS = 20
/** Loading takes some 15 ms, on a busy machine some 100, and for ever where the pool has no thread left. */
const LOAD_MS = 2000

let exitNow: NativeCall | null = null
let loaded: Promise<void> = Promise.resolve()

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
  loaded = load().catch(() => undefined) // as without koffi
}

/** `process.exit`, which waits for no thread once `prepareEnd` has come so far. */
export function exitAtOnce(code: number): never {
  exitNow?.(code)
  process.exit(code)
}

/** `process.exit`, which waits for no call of a file system that does not come back, on whatever thread: they have `ms` for that. */
export async function exitWith(code: number, ms = LAST_CALLS_MS): Promise<never> {
  const deadline = performance.now() + ms
  while (isCalling() && performance.now() < deadline) await sleep(POLL_MS)
  if (isCalling()) await Promise.race([loaded, sleep(LOAD_MS)])
  if (isCalling()) exitAtOnce(code)
  process.exit(code)
}

function isCalling(): boolean {
  return runningThreads() > 0 || process.getActiveResourcesInfo().some((kind) => kind.startsWith('FSReq'))
}

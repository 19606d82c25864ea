/** How the process ends where one of its threads cannot: its own end waits for every thread, and one that waits for a disk that hangs never comes back. */
import { setTimeout as sleep } from 'node:timers/promises'
import { nativeCall } from '../base/native.ts'

/** What is read or written at the end is over by then. */
const LAST_CALLS_MS = 500
const POLL_MS = 20

/** The process is ended by SIGALRM, unless it has ended by then. Without koffi it is left to who asked for the end. */
export async function endWithin(seconds: number): Promise<void> {
  const alarm = await nativeCall('unsigned int alarm(unsigned int seconds)')
  alarm?.(seconds)
}

/** `process.exit`, which waits for no call of a file system that does not come back. */
export async function exitWith(code: number): Promise<never> {
  const deadline = performance.now() + LAST_CALLS_MS
  while (isCalling() && performance.now() < deadline) await sleep(POLL_MS)
  if (isCalling()) (await nativeCall('void _exit(int status)'))?.(code)
  process.exit(code)
}

function isCalling(): boolean {
  return process.getActiveResourcesInfo().some((kind) => kind.startsWith('FSReq'))
}

/** Threads that may never end, since what they wait for may never come: the end of the process, which waits for every thread, must know of them. */
import { Worker } from 'node:worker_threads'

let running = 0

/** It does not keep the process. */
export function startThread(module: URL, workerData?: unknown): Worker {
  const worker = new Worker(module, { workerData })
  running++
  worker.once('exit', () => running--)
  worker.unref()
  return worker
}

/** How many have not ended. */
export function runningThreads(): number {
  return running
}

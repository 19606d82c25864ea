/** One thread of base/workers.ts: runs tasks one after the other and answers each. */
import { setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { errnoOf, messageOf } from './errors.ts'
import type { Answer, ThreadData } from './workers.ts'

const port = parentPort
giveWay((workerData as ThreadData).niceness)
port?.on('message', async ({ module, input }: { readonly module: string; readonly input: unknown }) => {
  const result = await answer(module, input)
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, no window
  port.postMessage(result)
})

async function answer(module: string, input: unknown): Promise<Answer> {
  try {
    const { run } = (await import(module)) as { run: (input: unknown) => unknown }
    return { output: await run(input) }
  } catch (error) {
    // A copy of an error loses its code.
    return { failure: { message: messageOf(error), code: errnoOf(error) } }
  }
}

/** Elsewhere the whole process would. */
function giveWay(niceness: number): void {
  if (niceness === 0 || process.platform !== 'linux') return
  try {
    setPriority(niceness)
  } catch {
    // A system that forbids it: the task takes its share as any other.
  }
}

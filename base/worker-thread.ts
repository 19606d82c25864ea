/** One thread of base/workers.ts: runs tasks one after the other and answers each. */
import { constants, getPriority, setPriority } from 'node:os'
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

/** By that much more than the process does. @returns false if the whole process would, or the system forbids it: then its tasks take their share as any other. */
function giveWay(niceness: number): boolean {
  if (niceness === 0 || process.platform !== 'linux') return false
  try {
    setPriority(Math.min(getPriority() + niceness, constants.priority.PRIORITY_LOW))
    return true
  } catch {
    return false
  }
}

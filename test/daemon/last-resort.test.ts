/** The process ends although one of its threads cannot. */
import { execFileSync, spawn } from 'node:child_process'
import { join } from 'node:path'
import test from 'brittle'

const DIST = new URL('../../', import.meta.url).href
const ENDS_MS = 5000

/** A thread that is in a call which does not come back: nobody writes to this FIFO. */
const STUCK = (fifo: string): string => `data:text/javascript,import{parentPort}from'node:worker_threads';import{openSync}from'node:fs';parentPort.postMessage({kind:'failed',code:null,message:'in'});openSync('${fifo}')`
/** One that can be ended. */
const WAITING = "data:text/javascript,import{parentPort}from'node:worker_threads';parentPort.on('message',()=>{});parentPort.postMessage({kind:'failed',code:null,message:'in'})"

/** A process with such a watch thread, that ends by `end`. */
async function ended(thread: string, end: string): Promise<{ readonly code: number | null; readonly ms: number; readonly text: string }> {
  const script = `
    import { FarWatch } from '${DIST}daemon/disk/far-watch.js'
    import { exitWith, prepareEnd } from '${DIST}daemon/last-resort.js'
    process.on('exit', () => console.log('in order'))
    const keep = setInterval(() => undefined, 1000)
    await new Promise((resolve) => {
      const watch = globalThis.watch = new FarWatch({ event: () => undefined, failed: resolve, doubt: () => undefined, sign: () => undefined, ended: () => undefined }, { module: new URL(${JSON.stringify(thread)}) })
    })
    await new Promise((resolve) => setTimeout(resolve, 200))
    ${end}`
  const begun = performance.now()
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part))
  const late = setTimeout(() => child.kill('SIGKILL'), 2 * ENDS_MS)
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  clearTimeout(late)
  return { code, ms: performance.now() - begun, text }
}

for (const [how, end, code] of [['closed', 'watch.close(); prepareEnd(10); await exitWith(0)', 0], ['not closed, with a bug', 'prepareEnd(10); await exitWith(1, 0)', 1]] as const) {
  test(`a thread that watches and does not come back keeps no process: ${how}`, async (t) => {
    const fifo = join(await t.tmp(), 'fifo')
    execFileSync('mkfifo', [fifo])
    const result = await ended(STUCK(fifo), end)
    t.is(result.code, code)
    t.ok(result.ms < ENDS_MS, `${Math.round(result.ms)} ms`)
  })
}

test('one that ends when it is told to has the time for it: the process ends in order', async (t) => {
  const result = await ended(WAITING, 'prepareEnd(10); await new Promise((resolve) => setTimeout(resolve, 1000)); watch.close(); await exitWith(0)')
  t.alike({ code: result.code, text: result.text.trim() }, { code: 0, text: 'in order' })
})

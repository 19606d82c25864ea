/** A deadline that a garbage collection must not lose (base/deadline.ts). */
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test from 'brittle'
import { withDeadline } from '../../base/deadline.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const aborted = (signal: AbortSignal): Promise<unknown> => new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason)))

test('a deadline comes, also when garbage is collected before', async (t) => {
  const waiting = withDeadline(new AbortController().signal, 100, aborted)
  await sleep(20)
  collectGarbage()
  await sleep(20)
  collectGarbage()
  const reason = await Promise.race([waiting, sleep(2000, 'never')])
  t.ok(reason instanceof DOMException && reason.name === 'TimeoutError')
})

test('a deadline ends with the signal it was given', async (t) => {
  const outer = new AbortController()
  const waiting = withDeadline(outer.signal, 60_000, aborted)
  outer.abort('enough')
  t.is(await waiting, 'enough')
  t.ok(await withDeadline(outer.signal, 60_000, async (limit) => await Promise.resolve(limit.aborted)), 'one that was aborted before')
})

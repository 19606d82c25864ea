/** Sizes for `status`: one walk of a directory at a time, and a disk that does not answer keeps nobody waiting twice. */
import test from 'brittle'
import { sizeOf } from '../../daemon/handlers/sizes.ts'

test('what was last known is told while a walk does not come back; it is not begun twice, and what it finds is told', async (t) => {
  let walks = 0
  let found: (bytes: number) => void = () => undefined
  const walk = async (): Promise<number> => {
    walks++
    return await new Promise<number>((resolve) => (found = resolve))
  }
  const size = async (patienceMs: number): Promise<number> => await sizeOf('/of a test', walk, patienceMs)
  t.is(await size(20), 0)
  const before = performance.now()
  t.is(await size(60_000), 0, 'nobody waits again')
  t.ok(performance.now() - before < 30_000)
  t.is(walks, 1)
  found(7)
  await new Promise((resolve) => setImmediate(resolve))
  t.is(await size(20), 7)
  t.is(walks, 1, 'it is kept for a while')
})

/** When the daemon collects its garbage by itself. */
import test from 'brittle'
import { GiveBack, v8Heap } from '../../daemon/give-back.ts'
import { FakeClock } from '../fakes/clock.ts'
import { Life } from '../fakes/life.ts'

test('memory is given back once, when nothing has happened for a while and there was work enough', async (t) => {
  const clock = new FakeClock()
  const heap = { worked: 5_000, collections: 0, workMs: () => heap.worked, collect: () => void heap.collections++ }
  const giveBack = new GiveBack(new Life({ clock }).clock, heap)
  for (let i = 0; i < 10; i++) {
    giveBack.active()
    await clock.run(1_000)
  }
  t.is(heap.collections, 0, 'not while something goes on')
  await clock.run(10_000)
  t.is(heap.collections, 1)
  giveBack.active()
  heap.worked += 100
  await clock.run(10_000)
  t.is(heap.collections, 1, 'not for a little')
  heap.worked += 5_000
  await clock.run(100_000)
  t.is(heap.collections, 1, 'nothing happened: nobody looks')
  giveBack.active()
  await clock.run(10_000)
  t.is(heap.collections, 2)
  giveBack.active()
  giveBack.close()
  heap.worked += 5_000
  await clock.run(10_000)
  t.is(heap.collections, 2, 'closed')
})

test('the collector of the running V8 frees what nobody holds', async (t) => {
  const heap = v8Heap()
  const garbage = new WeakRef({})
  // A reference that was made in this turn is held until its end.
  await new Promise((resolve) => setImmediate(resolve))
  heap.collect()
  t.is(garbage.deref(), undefined)
  t.ok(heap.workMs() > 0)
})

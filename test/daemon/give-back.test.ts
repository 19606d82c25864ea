/** When the daemon collects its garbage by itself. */
import test from 'brittle'
import { GiveBack, v8Heap } from '../../daemon/give-back.ts'
import { FakeClock } from '../fakes/clock.ts'
import { Life } from '../fakes/life.ts'

const MIB = 1024 * 1024

class FakeHeap {
  worked = 5_000
  used = 60 * MIB
  collections = 0

  workMs(): number {
    return this.worked
  }

  usedBytes(): number {
    return this.used
  }

  collect(): void {
    this.collections++
    this.used = 40 * MIB
  }
}

test('memory is given back once, when nothing has happened for a while and there is enough of it', async (t) => {
  const clock = new FakeClock()
  const heap = new FakeHeap()
  const giveBack = new GiveBack(new Life({ clock }).clock, heap)
  for (let i = 0; i < 10; i++) {
    giveBack.active()
    await clock.run(1_000)
  }
  t.is(heap.collections, 0, 'not while something goes on')
  await clock.run(10_000)
  t.is(heap.collections, 1)
  giveBack.active()
  heap.used += MIB
  await clock.run(20_000)
  t.is(heap.collections, 1, 'not for a little')
  heap.used += 20 * MIB
  await clock.run(100_000)
  t.is(heap.collections, 1, 'nothing happened: nobody looks')
  giveBack.active()
  await clock.run(20_000)
  t.is(heap.collections, 2)
  giveBack.active()
  giveBack.close()
  heap.used += 20 * MIB
  await clock.run(20_000)
  t.is(heap.collections, 2, 'closed')
})

test('memory is not given back while something goes on that no folder tells of, but after that', async (t) => {
  const clock = new FakeClock()
  const heap = new FakeHeap()
  const giveBack = new GiveBack(new Life({ clock }).clock, heap)
  giveBack.active()
  // Another device fetches what was stated here.
  for (let i = 0; i < 30; i++) {
    heap.worked += 400
    await clock.run(1_000)
  }
  t.is(heap.collections, 0)
  heap.used += 20 * MIB
  await clock.run(20_000)
  t.is(heap.collections, 1, 'though it has stopped telling')
})

test('the collector of the running V8 frees what nobody holds', async (t) => {
  const heap = v8Heap()
  const garbage = new WeakRef({})
  // A reference that was made in this turn is held until its end.
  await new Promise((resolve) => setImmediate(resolve))
  heap.collect()
  t.is(garbage.deref(), undefined)
  t.ok(heap.workMs() > 0)
  const before = heap.usedBytes()
  const buffer = Buffer.alloc(MIB)
  t.ok(heap.usedBytes() >= before + buffer.length, 'buffers count')
})

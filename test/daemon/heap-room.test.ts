/** The heap has room while bytes stream, and no more than that. */
import test from 'brittle'
import { HeapRoom } from '../../daemon/heap-room.ts'
import { FakeClock } from '../fakes/clock.ts'
import { Life } from '../fakes/life.ts'

const MIB = 1024 * 1024

function make(heapBytes: number) {
  const clock = new FakeClock()
  const set: number[] = []
  return { clock, set, room: new HeapRoom(new Life({ clock }).clock, (percent) => void set.push(percent), () => heapBytes) }
}

test('a stream gives the heap room in bytes, whatever its size; when it ends, that is over', async (t) => {
  const { clock, set, room } = make(20 * MIB)
  t.alike(set, [60], 'at the start')
  for (let i = 0; i < 32; i++) room.streamed(MIB)
  t.alike(set, [60, 130, 320])
  await clock.run(1000)
  t.alike(set, [60, 130, 320, 320], 'while it goes on')
  await clock.run(1000)
  t.is(set.at(-1), 60)
  await clock.run(60_000)
  t.is(set.length, 5, 'and nothing more happens')
  room.close()
})

test('a large heap needs no more, and a few small files are no stream', (t) => {
  const large = make(400 * MIB)
  large.room.streamed(32 * MIB)
  t.ok(large.set.every((percent) => percent === 60))
  large.room.close()
  const small = make(20 * MIB)
  for (let i = 0; i < 200; i++) small.room.streamed(4096)
  t.alike(small.set, [60])
})

test('while many small files come, a heap grows further before it is collected, the less the larger it is', async (t) => {
  for (const [heapMiB, percent] of [
    [20, 130],
    [40, 130],
    [80, 80],
    [160, 60],
    [400, 60]
  ] as const) {
    const { clock, set, room } = make(heapMiB * MIB)
    for (let i = 0; i < 400; i++) room.streamed(4096)
    t.alike(set, [60, percent], `${heapMiB} MiB`)
    await clock.run(2000)
    t.is(set.at(-1), 60)
    room.close()
  }
})

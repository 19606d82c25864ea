/** When the daemon collects its garbage by itself. */
import { setImmediate as turn } from 'node:timers/promises'
import test from 'brittle'
import { GiveBack, processMemory } from '../../daemon/give-back.ts'
import { silentLog } from '../../base/log.ts'
import { FakeClock } from '../fakes/clock.ts'
import { Life } from '../fakes/life.ts'

const MIB = 1024 * 1024
const hasGlibc = (process.report.getReport() as { header: { glibcVersionRuntime?: string } }).header.glibcVersionRuntime !== undefined

class FakeMemory {
  worked = 5_000
  used = 60 * MIB
  collections = 0

  workMs(): number {
    return this.worked
  }

  usedBytes(): number {
    return this.used
  }

  collect(): Promise<void> {
    this.collections++
    this.used = 40 * MIB
    return Promise.resolve()
  }
}

test('memory is given back once, when nothing has happened for a while and there is enough of it', async (t) => {
  const clock = new FakeClock()
  const memory = new FakeMemory()
  const giveBack = new GiveBack(new Life({ clock }).clock, memory)
  for (let i = 0; i < 10; i++) {
    giveBack.active()
    await clock.run(1_000)
  }
  t.is(memory.collections, 0, 'not while something goes on')
  await clock.run(10_000)
  t.is(memory.collections, 1)
  giveBack.active()
  memory.used += MIB
  await clock.run(20_000)
  t.is(memory.collections, 1, 'not for a little')
  memory.used += 20 * MIB
  await clock.run(100_000)
  t.is(memory.collections, 1, 'nothing happened: nobody looks')
  giveBack.active()
  await clock.run(20_000)
  t.is(memory.collections, 2)
  giveBack.active()
  giveBack.close()
  memory.used += 20 * MIB
  await clock.run(20_000)
  t.is(memory.collections, 2, 'closed')
})

test('memory is not given back while something goes on that no folder tells of, but after that', async (t) => {
  const clock = new FakeClock()
  const memory = new FakeMemory()
  const giveBack = new GiveBack(new Life({ clock }).clock, memory)
  giveBack.active()
  // Another device fetches what was stated here.
  for (let i = 0; i < 30; i++) {
    memory.worked += 400
    await clock.run(1_000)
  }
  t.is(memory.collections, 0)
  memory.used += 20 * MIB
  await clock.run(20_000)
  t.is(memory.collections, 1, 'though it has stopped telling')
})

test('of the running process what nobody holds is freed, buffers are written first, and a store that cannot write keeps nothing from it', async (t) => {
  let written = 0
  const memory = processMemory({
    log: silentLog,
    write: () => {
      written++
      return Promise.reject(new Error('the disk is full'))
    }
  })
  const garbage = new WeakRef({})
  // A reference that was made in this turn is held until its end.
  await turn()
  await memory.collect()
  t.is(written, 1)
  t.is(garbage.deref(), undefined)
  t.ok(memory.workMs() > 0)
})

test('what the C library keeps between pieces that are in use goes back to the system', async (t) => {
  if (!hasGlibc) return t.comment('another C library')
  const memory = processMemory({ log: silentLog, write: () => Promise.resolve() })
  await memory.collect()
  const before = memory.usedBytes()
  // Each hundredth piece of 4 KiB stays in use: without trimming nothing of it goes back.
  const kept = ((): readonly Buffer[] => Array.from({ length: 20_000 }, () => Buffer.allocUnsafeSlow(4096).fill(1)).filter((_, i) => i % 100 === 0))()
  const full = memory.usedBytes()
  t.ok(full - before > 60 * MIB, `${full - before} bytes`)
  await turn()
  await memory.collect()
  const after = memory.usedBytes()
  t.ok(after - before < 20 * MIB, `${after - before} bytes for ${kept.length} pieces`)
})

test('pages of the heap that are empty go back to the system', async (t) => {
  const memory = processMemory({ log: silentLog, write: () => Promise.resolve() })
  await memory.collect()
  const before = memory.usedBytes()
  const full = ((): number => {
    const objects = Array.from({ length: 1_000_000 }, (_, i) => ({ i, name: `name ${i}` }))
    return objects.length > 0 ? memory.usedBytes() : 0
  })()
  t.ok(full - before > 80 * MIB, `${full - before} bytes`)
  await turn()
  await memory.collect()
  const after = memory.usedBytes()
  // The young generation of Node's default stays, 32 MiB of it.
  t.ok(after - before < (full - before) / 2, `${after - before} of ${full - before} bytes`)
})

/** When a store that failed is opened again: soon where a probe shows that the cause is gone, ever later where none shows the cause. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'brittle'
import { STORE_RETRY_LAST_MS, STORE_RETRY_MS } from '../../base/limits.ts'
import { nextWait, probing, takesWrites, type Probing } from '../../daemon/takes-writes.ts'

/** A disk that takes writes but from `from` to `to`. */
function disk(from: number, to: number, overAt = Infinity): Probing & { now: number; probes: number } {
  const it = {
    now: 0,
    probes: 0,
    probe: () => {
      it.probes++
      return it.now < from || it.now >= to
    },
    pause: async (ms: number) => {
      it.now = Math.min(it.now + Math.max(0, ms), overAt)
      return await Promise.resolve()
    },
    isOver: () => it.now >= overAt
  }
  return it
}

test('a disk that was full is gone on with within one look of there being room, however long the wait had grown', async (t) => {
  for (const waitMs of [STORE_RETRY_MS, STORE_RETRY_MS * 8, STORE_RETRY_LAST_MS]) {
    for (const fullMs of [STORE_RETRY_MS * 3, 60_000, 3_600_000]) {
      const full = disk(0, fullMs)
      t.is(await takesWrites(full, waitMs), true, 'the cause was seen')
      t.ok(full.now >= fullMs && full.now <= fullMs + STORE_RETRY_MS, `${waitMs}: ${full.now}`)
    }
  }
})

test('where no probe shows the cause, the whole wait passes, and two looks are enough', async (t) => {
  for (const waitMs of [STORE_RETRY_MS, STORE_RETRY_MS * 2, STORE_RETRY_MS * 8, STORE_RETRY_LAST_MS]) {
    const sick = disk(Infinity, Infinity)
    t.is(await takesWrites(sick, waitMs), false)
    t.is(sick.now, waitMs)
    t.ok(sick.probes <= 2)
  }
})

test('a disk that gets full during the wait is seen', async (t) => {
  const late = disk(10_000, 90_000)
  t.is(await takesWrites(late, 30_000), true)
  t.ok(late.now >= 90_000 && late.now <= 90_000 + STORE_RETRY_MS, String(late.now))
})

test('nobody waits any more: it ends at once', async (t) => {
  const stopped = disk(0, Infinity, 5000)
  await takesWrites(stopped, STORE_RETRY_LAST_MS)
  t.is(stopped.now, 5000)
  const abort = AbortSignal.abort()
  t.is(await takesWrites(probing(await t.tmp(), abort), STORE_RETRY_LAST_MS), false)
})

test('the wait doubles up to its limit while the store fails soon after each opening, and begins anew once it ran well or the cause was seen to go', (t) => {
  let waitMs = STORE_RETRY_MS
  const waits = Array.from({ length: 7 }, () => (waitMs = nextWait(waitMs, 1000, false)))
  t.alike(waits, [4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000])
  t.is(nextWait(STORE_RETRY_LAST_MS, 1000, true), STORE_RETRY_MS)
  t.is(nextWait(STORE_RETRY_LAST_MS, 119_000, false), STORE_RETRY_LAST_MS)
  t.is(nextWait(STORE_RETRY_LAST_MS, 120_000, false), STORE_RETRY_MS)
  t.is(nextWait(8000, 32_000, false), STORE_RETRY_MS)
})

test('the real probe tells a directory that takes writes from one that is not there', async (t) => {
  const tmp = await t.tmp()
  const file = join(tmp, 'file')
  writeFileSync(file, '')
  const { signal } = new AbortController()
  t.is(probing(tmp, signal).probe(), true)
  t.is(probing(file, signal).probe(), false)
})

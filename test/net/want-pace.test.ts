/** How long a device may hold those who ask it for objects. */
import test from 'brittle'
import { ChunkClient } from '../../daemon/net/chunk-client.ts'
import { MAX_MESSAGE_BYTES, WANT_IDLE_MS, WANT_PACE_MS, WANT_TOTAL_MS } from '../../daemon/net/limits.ts'
import type { Want } from '../../daemon/net/protocol.ts'
import { chunkId } from '../../daemon/sync/content.ts'
import type { FolderId, ObjectId } from '../../daemon/sync/ids.ts'
import { FakeClock } from '../fakes/clock.ts'
import { NEVER } from './helpers.ts'

const FOLDER = 'f'.repeat(64) as FolderId
const IDS = Array.from({ length: 4000 }, (_, i) => chunkId(Buffer.from(`${i}`)) as string as ObjectId)
/** Bytes a second. */
const SLOW = 20_000

class Asker {
  readonly clock = new FakeClock()
  readonly wants: Want[] = []
  readonly cancelled: number[] = []
  /** What has become of each want. */
  readonly outcomes: string[] = []
  heard = 0
  readonly #client = new ChunkClient({ want: (want) => this.wants.push(want) > 0, cancel: ({ id }) => this.cancelled.push(id) > 0 }, this.clock, () => this.heard)

  async want(ids: readonly ObjectId[]): Promise<void> {
    const at = this.outcomes.push('under way') - 1
    this.#client.want(FOLDER, ids, () => undefined, NEVER).then(
      () => (this.outcomes[at] = 'done'),
      (error: unknown) => (this.outcomes[at] = (error as Error).message)
    )
    await this.clock.run(0)
  }

  answer(at: number, id: ObjectId, bytes: number): void {
    const { id: want } = this.wants[at] as Want
    this.#client.onData({ id: want, objects: [[id, Buffer.alloc(bytes)]] })
  }
}

/** The time at which the first want came to an end. */
async function until(asker: Asker, step: number, each: (count: number) => void): Promise<number> {
  let ms = 0
  for (let count = 0; asker.outcomes[0] === 'under way' && ms < 10 * WANT_TOTAL_MS; count++) {
    await asker.clock.run(step)
    ms += step
    if (asker.outcomes[0] === 'under way') each(count)
  }
  return ms
}

test('a want that nothing is heard of is given up after a minute', async (t) => {
  const asker = new Asker()
  await asker.want(IDS.slice(0, 2))
  t.is(await until(asker, 1000, () => undefined), WANT_IDLE_MS)
  t.is(asker.outcomes[0], 'the peer does not answer')
  t.is(asker.cancelled.length, 1)
  t.is(asker.clock.nextAt, null, 'and nothing waits any more')
})

test('a device that answers one small object a minute is given up, with whatever bytes beside them', async (t) => {
  for (const [beside, most, why] of [[100, WANT_PACE_MS, 'the peer answers by drops'], [40_000, WANT_PACE_MS, 'the peer answers by drops'], [10 * MAX_MESSAGE_BYTES, WANT_TOTAL_MS, 'the peer does not come to an end']] as const) {
    const asker = new Asker()
    await asker.want(IDS)
    const ms = await until(asker, WANT_IDLE_MS - 1000, (count) => {
      asker.heard += beside
      asker.answer(0, IDS[count] as ObjectId, 100)
    })
    t.ok(ms <= most + WANT_IDLE_MS, `${ms} ms`)
    t.is(asker.outcomes[0], why)
    t.is(asker.clock.nextAt, null)
  }
})

test('a device that sends bytes and no answers is given up', async (t) => {
  const asker = new Asker()
  await asker.want(IDS)
  t.is(await until(asker, 1000, () => (asker.heard += MAX_MESSAGE_BYTES)), WANT_TOTAL_MS)
})

test('a device that keeps the pace and never comes to an end is given up', async (t) => {
  const slow = new Asker()
  await slow.want([IDS[0] as ObjectId])
  await slow.want(IDS.slice(1))
  const ms = await until(slow, 30_000, (count) => {
    slow.heard += MAX_MESSAGE_BYTES
    slow.answer(1, IDS[count + 1] as ObjectId, MAX_MESSAGE_BYTES / 8)
  })
  t.is(ms, WANT_TOTAL_MS)
  t.is(slow.outcomes[0], 'the peer does not come to an end')
})

test('over a slow line all that is asked for at once comes, the largest objects too', async (t) => {
  const [share, slowest] = [SLOW / 3, SLOW / 10]
  const cases = [[4 * MAX_MESSAGE_BYTES, 1, 6, SLOW], [512 * 1024, 2, 16, SLOW], [100 * 1024, 10, 16, SLOW], [4 * MAX_MESSAGE_BYTES, 1, 1, share], [4 * MAX_MESSAGE_BYTES, 1, 5, share], [4 * MAX_MESSAGE_BYTES, 1, 1, slowest]] as const
  for (const [size, count, wants, speed] of cases) {
    const asker = new Asker()
    for (let at = 0; at < wants; at++) await asker.want(IDS.slice(at * count, (at + 1) * count))
    // One after the other, by the second; an object counts when all of it is here.
    for (let n = 0; n < wants * count; n++) {
      for (let left = size; left > 0; left -= speed) {
        await asker.clock.run(1000)
        asker.heard += speed
      }
      asker.answer(Math.floor(n / count), IDS[n] as ObjectId, size)
    }
    await asker.clock.run(0)
    t.alike(asker.outcomes, asker.outcomes.map(() => 'done'), `${size} bytes each, ${speed} a second`)
    t.is(asker.clock.nextAt, null)
  }
})

/** What is written at once is, block for block, what the batch of the library alone would write. */
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import Corestore from 'corestore'
import Hyperbee, { type Batch } from 'hyperbee'
import * as writes from '../../daemon/drive/bee-writes.ts'
import { MAX_WARM_BLOCKS, warm } from '../../daemon/drive/warm.ts'
import { Random } from '../fakes/random.ts'

const BINARY = { keyEncoding: 'binary', valueEncoding: 'binary' } as const
const ROUNDS = 12
const WRITES = 400

interface Write {
  readonly key: Buffer
  /** Null: it is deleted. */
  readonly value: Buffer | null
}

interface Writer {
  put(batch: Batch, key: Buffer, value: Buffer): Promise<void>
  del(batch: Batch, key: Buffer): Promise<void>
}

const LIBRARY: Writer = { put: async (batch, key, value) => await batch.put(key, value), del: async (batch, key) => await batch.del(key) }

async function openBee(t: Assert): Promise<Hyperbee> {
  const store = new Corestore(join(await t.tmp(), 'store'))
  t.teardown(async () => await store.close())
  const bee = new Hyperbee(store.get({ name: 'bee' }), BINARY)
  await bee.core.ready()
  return bee
}

async function write(bee: Hyperbee, writer: Writer, round: readonly Write[], isWarm: boolean): Promise<void> {
  const batch = bee.batch({ ...BINARY, maxBlocksCached: MAX_WARM_BLOCKS })
  if (isWarm) await warm(bee.core, batch, round.map(({ key }) => key))
  for (const { key, value } of round) await (value === null ? writer.del(batch, key) : writer.put(batch, key, value))
  await batch.flush()
}

async function blocksOf(bee: Hyperbee): Promise<readonly string[]> {
  return await Promise.all(Array.from({ length: bee.core.length }, async (_, i) => ((await bee.core.get(i)) as Buffer).toString('hex')))
}

/** In order, as a scan finds them, or anywhere; new, known, with what they have already, or deleted, there or not. */
function roundOf(random: Random, round: number): readonly Write[] {
  const inOrder = random.chance(0.5)
  const keep = random.chance(0.5) ? 1 : 0.6
  return Array.from({ length: WRITES }, (_, i) => {
    const name = inOrder ? `d${round}/${String(i).padStart(4, '0')}` : `d${random.below(3)}/${random.below(5000)}`
    return { key: Buffer.from(name), value: random.chance(keep) ? Buffer.from(`value ${random.below(3)}`) : null }
  })
}

test('any writes make the same blocks', async (t) => {
  for (const isWarm of [true, false]) {
    const random = new Random(isWarm ? 'warm' : 'cold')
    const [ours, stock] = [await openBee(t), await openBee(t)]
    let atOnce = 0
    const counting: Writer = {
      put: async (batch, key, value) => {
        const { put } = batch
        let asked = false
        batch.put = async (...values) => ((asked = true), await put.apply(batch, values))
        await writes.put(batch, key, value)
        batch.put = put
        if (!asked) atOnce++
      },
      del: writes.del
    }
    for (let round = 0; round < ROUNDS; round++) {
      const round_ = roundOf(random, round)
      await write(ours, counting, round_, isWarm)
      await write(stock, LIBRARY, round_, isWarm)
    }
    t.alike(await blocksOf(ours), await blocksOf(stock))
    t.ok(atOnce > (ROUNDS * WRITES) / 4, `${atOnce} of ${ROUNDS * WRITES} at once`)
  }
})

test('of new names in order hardly one is left to the library', async (t) => {
  const bee = await openBee(t)
  const batch = bee.batch({ ...BINARY, maxBlocksCached: MAX_WARM_BLOCKS })
  let left = 0
  const { del, put } = batch
  batch.put = async (...values) => (left++, await put.apply(batch, values))
  batch.del = async (...values) => (left++, await del.apply(batch, values))
  for (let i = 0; i < 1000; i++) {
    const name = String(i).padStart(5, '0')
    await writes.del(batch, Buffer.from(`other/${name}`))
    await writes.put(batch, Buffer.from(`d/${name}`), Buffer.from(name))
  }
  t.ok(left < 20, `${left} are`)
  await batch.flush()
  t.is(bee.core.length, 1001)
})

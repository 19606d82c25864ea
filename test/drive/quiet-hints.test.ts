/** Which writes of hints are left out, that the others are not, and what of Hypercore that leans on. */
import type { Duplex } from 'node:stream'
import NoiseSecretStream from '@hyperswarm/secret-stream'
import test from 'brittle'
import type Hypercore from 'hypercore'
import { quietHints } from '../../daemon/drive/quiet-hints.ts'
import type { Store } from '../../daemon/drive/store.ts'
import { openStore } from './fixtures.ts'

interface Counted {
  readonly core: Hypercore
  /** Write batches that reached the database. */
  writes: number
}

async function open(store: Store, isQuiet: boolean, key?: Buffer): Promise<Counted> {
  const core = store.corestore.get(key === undefined ? { name: 'log' } : { key })
  await core.ready()
  const counted: Counted = { core, writes: 0 }
  const { storage } = core.state
  const write = storage.write.bind(storage)
  storage.write = () => {
    const transaction = write()
    const flush = transaction.flush.bind(transaction)
    transaction.flush = async () => {
      counted.writes++
      return await flush()
    }
    return transaction
  }
  if (isQuiet) quietHints(core)
  return counted
}

async function appends(counted: Counted, count: number): Promise<number> {
  const before = counted.writes
  for (let i = 0; i < count; i++) await counted.core.append(Buffer.from(`block ${i}`))
  return counted.writes - before
}

test('an append is one write to the database; without this it is two', async (t) => {
  t.is(await appends(await open(await openStore(t, 1), false), 3), 6)
  t.is(await appends(await open(await openStore(t, 2), true), 3), 3)
})

test('what a peer says that it has is not written down, and what is whole here is known after a start', async (t) => {
  const path = await t.tmp()
  const store = await openStore(t, 2, path)
  const author = await open(await openStore(t, 1), true)
  const reader = await open(store, true, author.core.key)
  const ends = [new NoiseSecretStream(true), new NoiseSecretStream(false)] as const
  for (const stream of ends) stream.on('error', () => undefined)
  const [a, b] = ends.map((stream) => stream.rawStream as unknown as Duplex) as [Duplex, Duplex]
  a.pipe(b).pipe(a)
  author.core.replicate(ends[0])
  reader.core.replicate(ends[1])
  reader.core.download({ start: 0, end: -1 })
  for (let i = 0; i < 3; i++) {
    await author.core.append(Buffer.from(`block ${i}`))
    while (reader.core.contiguousLength <= i) await new Promise((resolve) => reader.core.on('download', () => resolve(undefined)))
    // The reader's word of it is on its way to the author.
    while (author.core.core.header.hints.remoteContiguousLength <= i) await new Promise((resolve) => setImmediate(resolve))
  }
  t.is(author.writes, 3, 'its appends, and nothing of the other one')
  for (const stream of ends) stream.destroy()
  await store.close()
  const again = await open(await openStore(t, 2, path), true, author.core.key)
  t.is(again.core.contiguousLength, 3)
})

test('a hint that became another without an append is written', async (t) => {
  const path = await t.tmp()
  const store = await openStore(t, 1, path)
  const { core } = await open(store, true)
  for (let i = 0; i < 3; i++) await core.append(Buffer.from(`block ${i}`))
  await core.clear(1, 2)
  t.is(core.contiguousLength, 1)
  await store.close()
  const again = await open(await openStore(t, 1, path), true)
  t.alike([again.core.contiguousLength, again.core.length], [1, 3])
})

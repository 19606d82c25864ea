/** What the adapter of drive/blocks.ts leans on in the pinned hypercore and hypercore-storage; a new version must pass this first. */
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import Corestore from 'corestore'
import type Hypercore from 'hypercore'
import { BlockStorage } from '../../daemon/drive/blocks.ts'
import { VirtualBlobs } from '../../daemon/drive/virtual-blobs.ts'
import { chunkId } from '../../daemon/sync/content.ts'
import type { ChunkId } from '../../daemon/sync/ids.ts'

const KEY = Buffer.alloc(32, 7)

/** A virtual core over chunks in memory; each block that is appended is expected to be one of them. */
class Memory {
  readonly chunks = new Map<ChunkId, Buffer>()
  readonly references = new Map<number, ChunkId>()
  reads = 0
  failure: Error | null = null

  blocks(core: Hypercore, texts: readonly string[]): Buffer[] {
    return texts.map((text, i) => {
      const data = Buffer.from(text.repeat(20))
      this.chunks.set(chunkId(data), data)
      this.references.set(core.length + i, chunkId(data))
      return data
    })
  }

  readonly source = async (id: ChunkId): Promise<Buffer | null> => {
    this.reads++
    if (this.failure !== null) throw this.failure
    return this.chunks.get(id) ?? null
  }
}

async function openVirtual(t: Assert, options: { path?: string; memory?: Memory; register?: boolean } = {}) {
  const storage = new BlockStorage(options.path ?? join(await t.tmp(), 'store'))
  const store = new Corestore(storage)
  const core = store.get({ name: 'virtual', encryptionKey: KEY })
  await core.ready()
  const memory = options.memory ?? new Memory()
  const virtual = new VirtualBlobs(core, memory.references)
  virtual.setSource(memory.source)
  if (options.register !== false) storage.setVirtual(core.state.storage.core.corePointer, virtual)
  return { storage, store, core, memory, virtual }
}

async function rawBlock(core: Hypercore, index: number): Promise<Buffer | null> {
  const reader = core.state.storage.read()
  const block = reader.getBlock(index)
  reader.tryFlush()
  return await block
}

async function readByPeer(core: Hypercore, t: Assert, indexes: readonly number[]): Promise<(string | null)[]> {
  const other = new Corestore(join(await t.tmp(), 'peer'))
  const copy = other.get({ key: core.key, encryptionKey: KEY })
  await copy.ready()
  const [a, b] = [core.replicate(true), copy.replicate(false)]
  for (const stream of [a, b]) stream.on('error', () => undefined)
  a.pipe(b).pipe(a)
  await copy.update({ wait: true })
  const texts = await Promise.all(
    indexes.map((index) =>
      copy.get(index, { timeout: 2000 }).then(
        (block) => block?.toString().slice(0, 5) ?? null,
        () => null
      )
    )
  )
  a.destroy()
  b.destroy()
  await other.close()
  return texts
}

test('an appended block is stored as a reference and read as the very bytes that were appended', async (t) => {
  const { store, core, memory } = await openVirtual(t)
  await core.append(memory.blocks(core, ['one..', 'two..']))
  memory.references.clear()
  await core.append(Buffer.from('an ordinary block'))
  t.is((await core.get(0))?.toString(), 'one..'.repeat(20))
  t.is((await core.get(2))?.toString(), 'an ordinary block')
  t.ok(memory.reads > 0, 'the bytes come from the source')
  t.alike(await readByPeer(core, t, [0, 1]), ['one..', 'two..'], 'a stock peer verifies them')
  await store.close()
})

test('references survive a reopened store', async (t) => {
  const path = join(await t.tmp(), 'store')
  const first = await openVirtual(t, { path })
  await first.core.append(first.memory.blocks(first.core, ['one..']))
  await first.store.close()
  const second = await openVirtual(t, { path, memory: first.memory })
  t.is((await second.core.get(0))?.toString(), 'one..'.repeat(20))
  await second.store.close()
})

test('without its source or its registration a reference is no block, never other bytes', async (t) => {
  const path = join(await t.tmp(), 'store')
  const first = await openVirtual(t, { path })
  await first.core.append(first.memory.blocks(first.core, ['one..', 'two..']))
  first.virtual.setSource(null)
  t.is(await rawBlock(first.core, 0), null, 'no source')
  await first.store.close()
  const second = await openVirtual(t, { path, register: false })
  t.is(await rawBlock(second.core, 0), null, 'not registered')
  await second.store.close()
})

test('a chunk that is gone, and a source that fails, cost one block and no connection', async (t) => {
  const { store, core, memory } = await openVirtual(t)
  await core.append(memory.blocks(core, ['one..', 'two..', 'three', 'four.']))
  memory.failure = Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })
  t.is(await rawBlock(core, 1), null, 'a failing source reads as null')
  memory.failure = null
  t.alike(await readByPeer(core, t, [0, 1, 2, 3]), ['one..', 'two..', 'three', 'four.'])
  await store.close()
})

test('atoms, snapshots and named sessions go through the same seam', async (t) => {
  const { storage, store, core, memory } = await openVirtual(t)
  await core.append(memory.blocks(core, ['one..']))
  const atom = storage.createAtom()
  const session = core.session({ atom })
  await session.ready()
  await session.append(memory.blocks(core, ['atom.']))
  await atom.flush()
  await session.close()
  t.is((await core.get(1))?.toString(), 'atom.'.repeat(20), 'atom')
  const snapshot = core.snapshot()
  await snapshot.ready()
  t.is((await snapshot.get(0))?.toString(), 'one..'.repeat(20), 'snapshot')
  await snapshot.close()
  const named = core.session({ name: 'named' })
  await named.ready()
  t.is((await named.get(0))?.toString(), 'one..'.repeat(20), 'named session')
  await named.close()
  await store.close()
})

test('clearing a block leaves its neighbours readable by a peer', async (t) => {
  const { store, core, memory } = await openVirtual(t)
  await core.append(memory.blocks(core, ['b0...', 'b1...', 'b2...', 'b3...', 'b4...', 'b5...', 'b6...', 'b7...']))
  await core.clear(1, 2)
  await core.clear(5, 6)
  t.alike(await readByPeer(core, t, [0, 2, 3, 4, 6, 7]), ['b0...', 'b2...', 'b3...', 'b4...', 'b6...', 'b7...'])
  await store.close()
})

test('the version whose clear() deletes tree nodes that are needed is still the pinned one', async (t) => {
  const store = new Corestore(join(await t.tmp(), 'store'))
  const core = store.get({ name: 'plain', encryptionKey: KEY })
  await core.ready()
  await core.append(['b0...', 'b1...', 'b2...', 'b3...', 'b4...', 'b5...', 'b6...', 'b7...'].map((text) => Buffer.from(text)))
  await core.clear(1, 2)
  t.alike(await readByPeer(core, t, [0]), [null], 'mended: the no-op of deleteTreeNode in drive/blocks.ts can go')
  await store.close()
})


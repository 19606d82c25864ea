/** What was just written to a core is answered without the database, and nothing else is ever claimed. */
import test from 'brittle'
import { join } from 'node:path'
import { CoreMemory } from '../../daemon/drive/core-memory.ts'
import { BlockStorage } from '../../daemon/drive/blocks.ts'
import Corestore from 'corestore'
import Hypercore from 'hypercore'

const node = (index: number) => ({ index, size: 1, hash: Buffer.alloc(32, index) })
const block = (text: string) => Buffer.from(text)

async function openCore(path: string) {
  const store = new Corestore(new BlockStorage(path), { unsafe: true, primaryKey: Buffer.alloc(32, 1) })
  await store.ready()
  const core = store.get({ name: 'x' })
  await core.ready()
  return { store, core }
}

test('a node that ends beyond the length at opening is known to be missing until it is written', (t) => {
  const memory = new CoreMemory(4)
  t.is(memory.hasNode(8), false, 'the leaf of block 4')
  t.is(memory.hasNode(7), false, 'the parent of all eight')
  t.is(memory.hasNode(3), undefined, 'the root of the first four: the database knows')
  t.is(memory.node(8), null)
  memory.wrote([node(8)], [])
  t.is(memory.hasNode(8), true)
  t.is(memory.node(8)?.size, 1)
})

test('blocks are answered as they were written, the oldest forgotten first', (t) => {
  const memory = new CoreMemory(0)
  memory.wrote([], [[0, block('a')]])
  t.is(memory.block(0)?.toString(), 'a')
  t.is(memory.block(1), undefined)
  memory.wrote([], Array.from({ length: 600 }, (_, i) => [i + 1, Buffer.alloc(16 * 1024)] as const))
  t.is(memory.block(0), undefined)
  t.ok(memory.block(600))
})

test('blocks that only refer to a content count with the memory that they take', (t) => {
  const memory = new CoreMemory(0)
  memory.wrote([], Array.from({ length: 60_000 }, (_, i) => [i, Buffer.alloc(40)] as const))
  t.is(memory.block(0), undefined)
  t.ok(memory.block(59_999))
})

test('after a deletion nothing is claimed, present or missing', (t) => {
  const memory = new CoreMemory(0)
  memory.wrote([node(0), node(2)], [[0, block('a')]])
  memory.forget()
  t.is(memory.hasNode(0), undefined)
  t.is(memory.hasNode(100), undefined)
  t.is(memory.block(0), undefined)
  memory.wrote([node(4)], [])
  t.is(memory.hasNode(4), true, 'what is written later is known again')
})

test('pages of a bitfield are given as they were written, each time anew, and few are kept', (t) => {
  const memory = new CoreMemory(0)
  t.is(memory.page(0), undefined, 'the database knows')
  memory.wrote([], [], new Map([[0, block('a')]]))
  memory.page(0)?.fill('x')
  t.is(memory.page(0)?.toString(), 'a', 'whoever gets one writes into it')
  for (let index = 1; index <= 4; index++) memory.wrote([], [], new Map([[index, block(`${index}`)]]))
  t.is(memory.page(0), undefined)
  t.is(memory.page(4)?.toString(), '4')
  memory.forget()
  t.is(memory.page(4), undefined)
})

test('the bitfield of a core is what it would be without a memory: appended, cleared, truncated, and what failed', async (t) => {
  const path = join(await t.tmp(), 'store')
  const has = async (core: Hypercore): Promise<boolean[]> => await Promise.all(Array.from({ length: core.length }, (_, i) => core.has(i)))
  const first = await openCore(path)
  let asked = 0
  const { storage } = first.core.state
  const read = storage.read.bind(storage)
  storage.read = () => {
    const reader = read()
    const tryFlush = reader.tryFlush.bind(reader)
    reader.tryFlush = () => {
      asked += reader.read._operations.length
      tryFlush()
    }
    return reader
  }
  await first.core.append(['a', 'b', 'c'].map(block))
  asked = 0
  await first.core.append(block('d'))
  t.is(asked, 0, 'an append right after another one asks the database for nothing')
  const write = storage.write.bind(storage)
  storage.write = () => {
    const transaction = write()
    transaction.flush = async () => Promise.reject(new Error('the disk is full'))
    return transaction
  }
  await t.exception(first.core.append(block('lost')), /full/)
  storage.write = write
  await first.core.append(block('e'))
  await first.core.clear(1, 2)
  await first.core.append(block('f'))
  const expected = [true, false, true, true, true, true]
  t.alike(await has(first.core), expected)
  await first.store.close()
  const second = await openCore(path)
  t.alike(await has(second.core), expected)
  await second.core.truncate(3)
  await second.core.append(block('g'))
  await second.store.close()
  const third = await openCore(path)
  t.alike(await has(third.core), [true, false, true, true])
  await third.store.close()
})

test('a core reads the same through its memory: appended, truncated and appended again, and after a new start', async (t) => {
  const path = join(await t.tmp(), 'store')
  const first = await openCore(path)
  await first.core.append(['a', 'b', 'c', 'd', 'e'].map(block))
  await first.core.truncate(2)
  await first.core.append([block('f'), block('g')])
  t.alike(await texts(first.core), ['a', 'b', 'f', 'g'])
  const hash = await Hypercore.treeHashFromStorage(first.core, 4)
  await first.store.close()
  const second = await openCore(path)
  t.alike(await texts(second.core), ['a', 'b', 'f', 'g'])
  t.alike(await Hypercore.treeHashFromStorage(second.core, 4), hash)
  await second.core.append([block('h')])
  t.alike(await texts(second.core), ['a', 'b', 'f', 'g', 'h'])
  await second.store.close()
})

async function texts(core: { readonly length: number; get(index: number): Promise<Buffer | null> }): Promise<string[]> {
  const all: string[] = []
  for (let i = 0; i < core.length; i++) all.push(String(await core.get(i)))
  return all
}

/** Bytes that were just read or received are at hand for a moment, within a bound. */
import test from 'brittle'
import { RecentChunks } from '../../daemon/folder/recent-chunks.ts'
import type { ChunkId } from '../../daemon/sync/ids.ts'

const id = (n: number) => `chunk-${n}` as ChunkId

test('what was put is there until it is deleted or cleared', (t) => {
  const recent = new RecentChunks()
  t.ok(recent.empty)
  recent.put(id(1), Buffer.from('a'))
  recent.put(id(2), Buffer.from('b'))
  t.is(recent.get(id(1))?.toString(), 'a')
  recent.delete(id(1))
  t.is(recent.get(id(1)), null)
  recent.clear()
  t.ok(recent.empty)
})

test('of more than 8 MiB the oldest go, and large chunks are not kept', (t) => {
  const recent = new RecentChunks()
  for (let n = 0; n < 200; n++) recent.put(id(n), Buffer.alloc(64 * 1024))
  t.is(recent.get(id(0)), null)
  t.ok(recent.get(id(199)))
  t.is([...Array(200).keys()].filter((n) => recent.get(id(n)) !== null).length, 128)
  recent.put(id(1000), Buffer.alloc(64 * 1024 + 1))
  t.is(recent.get(id(1000)), null)
})

test('a chunk is kept without the message it came in', (t) => {
  const chunks = new RecentChunks()
  const id = chunks.take(Buffer.alloc(1024 * 1024, 3).subarray(0, 100))
  t.alike(chunks.get(id), Buffer.alloc(100, 3))
  t.ok((chunks.get(id)?.buffer.byteLength ?? Infinity) <= Buffer.poolSize)
})

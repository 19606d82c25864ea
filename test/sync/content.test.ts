/** The ids of contents: what they are hashes of, for every number of chunks. */
import { createHash } from 'node:crypto'
import test from 'brittle'
import { chunkId, contentId, contentList, encodeHeader, encodePages, pageId, type Chunk } from '../../daemon/sync/content.ts'

function sha256(...parts: readonly Buffer[]): string {
  return createHash('sha256').update(Buffer.concat(parts)).digest('base64url')
}

function chunks(count: number): readonly Chunk[] {
  return Array.from({ length: count }, (_, i) => ({ id: chunkId(Buffer.from(`chunk ${i}`)), length: 1 + i * 300 }))
}

test('a content id is the hash of the format, whatever the number of chunks', (t) => {
  for (const sizeClass of [0, 1] as const) {
    for (const count of [0, 1, 2, 1024, 1025]) {
      const list = contentList(sizeClass, chunks(count))
      const pages = encodePages(list.chunks).map(pageId)
      t.is(list.cid, contentId(encodeHeader({ sizeClass, size: list.size, pages })), `${count} chunks of class ${sizeClass}`)
    }
  }
})

test('by hand: one chunk', (t) => {
  const data = Buffer.from('hello')
  const page = Buffer.concat([createHash('sha256').update(data).digest(), Buffer.from([5, 0, 0, 0])])
  const id = Buffer.from(sha256(Buffer.from('p2psync/page/1\0'), page), 'base64url')
  const header = Buffer.concat([Buffer.from([0, 5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]), id])
  const list = contentList(0, [{ id: chunkId(data), length: data.length }])
  t.is(list.cid, sha256(Buffer.from('p2psync/content/1\0'), header))
  t.is(contentList(0, [{ id: chunkId(data), length: data.length }]).cid, list.cid, 'and again')
})

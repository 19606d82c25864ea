/** The ids of contents: what they are hashes of, for every number of chunks. */
import { createHash } from 'node:crypto'
import test from 'brittle'
import { MAX_CONTENT_BYTES, MAX_CONTENT_CHUNKS } from '../../base/limits.ts'
import { chunkId, contentId, contentList, decodeHeader, encodeHeader, encodePages, isTooLarge, LARGE_CLASS_FROM_BYTES, ListReader, MIN_CHUNK_BYTES, PAGE_CHUNKS, pageId, type Chunk, type SizeClass } from '../../daemon/sync/content.ts'

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

function header(size: number, pageCount: number, sizeClass: SizeClass = 0): Buffer {
  return encodeHeader({ sizeClass, size, pages: Array.from({ length: pageCount }, () => pageId(Buffer.from('a page'))) })
}

test('a header names no more pages than a content of its size can have', (t) => {
  const page = PAGE_CHUNKS * MIN_CHUNK_BYTES[0]
  for (const [size, most] of [[0, 0], [1, 1], [page, 1], [page + 1, 2], [10 * page, 10]] as const) {
    t.is(decodeHeader(header(size, most))?.pages.length, most, `${size} bytes in ${most} pages`)
    t.is(decodeHeader(header(size, most + 1)), null, `${size} bytes in ${most + 1} pages`)
  }
  const large = LARGE_CLASS_FROM_BYTES / MIN_CHUNK_BYTES[1] / PAGE_CHUNKS
  t.is(decodeHeader(header(LARGE_CLASS_FROM_BYTES, large, 1))?.pages.length, large)
  t.is(decodeHeader(header(LARGE_CLASS_FROM_BYTES, large + 1, 1)), null)
})

test('a header names no more pages than any content can have, and no larger file is published', (t) => {
  const most = MAX_CONTENT_CHUNKS / PAGE_CHUNKS
  for (const size of [MAX_CONTENT_CHUNKS * MIN_CHUNK_BYTES[1], 2 ** 52]) {
    t.is(decodeHeader(header(size, most, 1))?.pages.length, most)
    t.is(decodeHeader(header(size, most + 1, 1)), null)
    t.is(decodeHeader(header(size, most + 1, 1), 1), null)
  }
  t.alike([isTooLarge(MAX_CONTENT_BYTES, MAX_CONTENT_CHUNKS), isTooLarge(MAX_CONTENT_BYTES + 1), isTooLarge(1, MAX_CONTENT_CHUNKS + 1)], [false, true, true])
})

test('a header of another class than that of its size is none', (t) => {
  t.is(decodeHeader(header(LARGE_CLASS_FROM_BYTES, 1, 0)), null)
  t.is(decodeHeader(header(LARGE_CLASS_FROM_BYTES - 1, 1, 1)), null)
})

function rows(count: number, length: number): readonly Chunk[] {
  return Array.from({ length: count }, () => ({ id: chunkId(Buffer.from('a chunk')), length }))
}

function reader(size: number, pageCount: number): ListReader {
  return new ListReader({ sizeClass: 0, size, pages: Array.from({ length: pageCount }, () => pageId(Buffer.from('a page'))) })
}

test('pages are those of a list: full but for the last, of chunks that the cutter makes, and as long as the content', (t) => {
  const min = MIN_CHUNK_BYTES[0]
  const good = reader(PAGE_CHUNKS * min + min + 1, 2)
  t.ok(good.take(rows(PAGE_CHUNKS, min)))
  t.absent(good.isWhole, 'a page is missing')
  t.ok(good.take([...rows(1, min), ...rows(1, 1)]), 'the last chunk is as short as it is')
  t.ok(good.isWhole)
  t.is(good.chunks.length, PAGE_CHUNKS + 2)
  t.absent(good.take(rows(1, 1)), 'a page too many')

  t.absent(reader(PAGE_CHUNKS * min, 2).take(rows(PAGE_CHUNKS - 1, min)), 'a page that is not full')
  t.absent(reader(PAGE_CHUNKS * min, 2).take(rows(PAGE_CHUNKS, min - 1)), 'chunks that are too short')
  t.absent(reader(3 * min, 1).take([...rows(1, min - 1), ...rows(1, min)]), 'the first of two')
  const long = reader(2 * min, 1)
  t.absent(long.take(rows(3, min)), 'more bytes than the content has')
  t.is(long.chunks.length, 2, 'and no chunk more is kept')
  const short = reader(4 * min, 1)
  t.ok(short.take(rows(3, min)))
  t.absent(short.isWhole, 'fewer bytes than the content has')
})

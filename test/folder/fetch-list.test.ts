/** The list of a large content as a device gives it: a member that makes one up is believed no more than the format allows. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test from 'brittle'
import { LargeLane } from '../../daemon/folder/fetch-large.ts'
import { Sources, type Job, type SourcePorts } from '../../daemon/folder/fetch-sources.ts'
import type { FolderPeer, StagedFile } from '../../daemon/ports.ts'
import { chunkId, contentId, encodeHeader, encodePages, MIN_CHUNK_BYTES, PAGE_CHUNKS, pageId, type Chunk, type ContentList } from '../../daemon/sync/content.ts'
import type { DeviceId, ObjectId } from '../../daemon/sync/ids.ts'
import { FakeLog } from '../fakes/log.ts'

const MIN = MIN_CHUNK_BYTES[0]

interface Outcome {
  readonly list: ContentList | null
  readonly error: string | null
  /** How many different objects the device was asked for. */
  readonly asked: number
  /** Turns that the event loop had between the last page and staging. */
  readonly turns: number
  /** Of the frames in which pages came, so many were held when the last had come. */
  readonly held: number
  /** Of what the chunks that were written held on to, the most. */
  readonly heldByWrite: number
  /** Writes that had ended when it was sealed, and that were under way at once at most. */
  readonly written: number
  readonly writing: number
}

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

const FRAME_BYTES = 16 * 1024 * 1024

/** As a device may send it: with as much behind it as a frame takes. */
function framed(data: Buffer): Buffer {
  const frame = new Uint8Array(FRAME_BYTES)
  frame.set(data)
  return Buffer.from(frame.buffer, 0, data.length)
}

/** Fetches a content whose header names these pages, in this order, and has this size. */
async function fetch(size: number, pages: readonly Buffer[], room = Infinity, data: Buffer | null = null, places = 1): Promise<Outcome> {
  const header = encodeHeader({ sizeClass: 0, size, pages: pages.map(pageId) })
  const cid = contentId(header)
  const objects = new Map<ObjectId, Buffer>([[cid as string as ObjectId, header], ...pages.map((page) => [pageId(page), page] as const)])
  let [asked, turns] = [0, 0]
  let isOver = false
  let [held, heldByWrite] = [0, 0]
  const count = (): void => {
    turns++
    if (!isOver) setImmediate(count)
  }
  let list: ContentList | null = null
  const missing = data === null ? [] : Array.from({ length: places }, (_, i) => ({ chunk: { id: chunkId(data), length: data.length }, offset: i * data.length }))
  let [written, running, writing, sealedAfter] = [0, 0, 0, 0]
  const write: StagedFile['write'] = async (_offset, bytes) => {
    heldByWrite = Math.max(heldByWrite, bytes.buffer.byteLength)
    writing = Math.max(writing, ++running)
    await new Promise((resolve) => setImmediate(resolve))
    running--
    written++
  }
  const staged: StagedFile = { cid, missing: () => missing, write, seal: async () => {
    sealedAfter = written
  }, release: async () => undefined }
  const ports: SourcePorts = {
    disk: {
      stage: async (given) => {
        isOver = true
        list = given
        return staged
      },
      foresee: async (_cid, bytes) => {
        if (bytes > room) throw Object.assign(new Error('no room'), { code: 'ENOSPC' })
      },
      read: async () => null,
      isStaged: () => false
    },
    index: { content: async () => null, find: async () => null, row: async () => null },
    peers: {
      connected: (): FolderPeer[] => [{ device: '0'.repeat(64) as DeviceId, report: { state: 'idle', dirty: false, drive: null, length: 0, blocked: [] } }],
      want: async (_device, ids, take) => {
        const frames: WeakRef<ArrayBufferLike>[] = []
        for (const id of new Set(ids)) {
          asked++
          const object = data !== null && id === (chunkId(data) as string) ? data : objects.get(id)
          const frame = object === undefined ? null : framed(object)
          if (frame !== null) frames.push(new WeakRef(frame.buffer))
          take(id, frame)
        }
        if (pages.length > 1) await new Promise((resolve) => setTimeout(resolve, 10))
        if (pages.length > 1) gc()
        held = Math.max(held, frames.filter((frame) => frame.deref() !== undefined).length)
        if (asked > 1) setImmediate(count)
      }
    },
    log: new FakeLog(() => undefined),
    signal: new AbortController().signal
  }
  const lane = new LargeLane(new Sources(ports), { received: () => undefined, finished: () => undefined, unavailable: () => undefined, isWanted: () => true, dropped: () => undefined }, () => false)
  const job: Job = { cid, size, chunk: null, sources: new Set(), state: 'active' }
  const error = await lane.fetch(job, null).then(
    () => null,
    (thrown: unknown) => (thrown as { code?: string }).code ?? 'failed'
  )
  isOver = true
  return { list, error, asked, turns, held, heldByWrite, written: sealedAfter, writing }
}

function chunks(count: number, length = MIN): readonly Chunk[] {
  return Array.from({ length: count }, (_, i) => ({ id: chunkId(Buffer.from(`chunk ${i}`)), length }))
}

function page(rows: readonly Chunk[]): Buffer {
  return encodePages(rows)[0] as Buffer
}

const FULL = page(chunks(PAGE_CHUNKS))

test('a list of many pages, the same one several times, is put together, and others get their turns meanwhile', async (t) => {
  const { list, turns, asked } = await fetch((65 * PAGE_CHUNKS) * MIN + 7, [...Array.from({ length: 65 }, () => FULL), page(chunks(1, 7))])
  t.is(list?.chunks.length, 65 * PAGE_CHUNKS + 1)
  t.is(list?.size, 65 * PAGE_CHUNKS * MIN + 7)
  t.is(asked, 3)
  t.ok(turns >= 16, `${turns} turns`)
})

test('a page is not even asked for where a header names more of them than its size can have', async (t) => {
  const tiny = page(chunks(PAGE_CHUNKS, 1))
  const { list, asked } = await fetch(200 * PAGE_CHUNKS, Array.from({ length: 200 }, () => tiny))
  t.is(list, null)
  t.is(asked, 1, 'the header alone')
})

test('a list of chunks that no cutter makes, or of pages that are not full, is none', async (t) => {
  t.is((await fetch(PAGE_CHUNKS + 1, [page([...chunks(1, 1), ...chunks(1, PAGE_CHUNKS)])])).list, null)
  const half = page(chunks(PAGE_CHUNKS / 2, 2 * MIN))
  t.is((await fetch(2 * PAGE_CHUNKS * MIN, [half, half])).list, null)
  t.is((await fetch(4 * MIN, [page(chunks(3))])).list, null, 'too short')
  t.is((await fetch(2 * MIN, [page(chunks(3))])).list, null, 'too long')
})

test('nobody is asked for the list of a content for which the disk has no room', async (t) => {
  const { error, asked } = await fetch(PAGE_CHUNKS * MIN, [FULL], PAGE_CHUNKS * MIN - 1)
  t.is(error, 'ENOSPC')
  t.is(asked, 0)
  t.ok((await fetch(PAGE_CHUNKS * MIN, [FULL], PAGE_CHUNKS * MIN)).list)
})

test('a page is kept without the frame it came in, and so is a chunk until it is written', async (t) => {
  const pages = Array.from({ length: 8 }, (_, i) => page(chunks(PAGE_CHUNKS, MIN + i)))
  const size = pages.reduce((sum, _, i) => sum + PAGE_CHUNKS * (MIN + i), 0)
  const { list, held, heldByWrite } = await fetch(size, pages, Infinity, Buffer.alloc(MIN, 1))
  t.ok(list)
  t.ok(held <= 1, `${held} frames`)
  t.ok(heldByWrite > 0 && heldByWrite <= 2 * 1024 * 1024, `${heldByWrite} bytes`)
})

test('a chunk that belongs in very many places is written to a few of them at a time, and to all before the end', async (t) => {
  const places = 10 * PAGE_CHUNKS
  const { written, writing } = await fetch(10 * PAGE_CHUNKS * MIN, Array.from({ length: 10 }, () => FULL), Infinity, Buffer.alloc(MIN, 1), places)
  t.is(written, places)
  t.is(writing, 64)
})

/** A large content from several devices: each by its speed, and none that is slow, dying or lying holds up the others. */
import { createCipheriv } from 'node:crypto'
import test from 'brittle'
import { LargeLane } from '../../daemon/folder/fetch-large.ts'
import { Sources, type Job, type SourcePorts } from '../../daemon/folder/fetch-sources.ts'
import type { FolderPeer, StagedFile } from '../../daemon/ports.ts'
import { chunkId, contentList, encodeHeader, encodePages, pageId, type Chunk, type ContentList } from '../../daemon/sync/content.ts'
import type { DeviceId, ObjectId } from '../../daemon/sync/ids.ts'
import { FakeLog } from '../fakes/log.ts'

const PIECE = 100_000
const PIECES = 200
const DATA = createCipheriv('aes-128-ctr', Buffer.alloc(16, 5), Buffer.alloc(16)).update(Buffer.alloc(PIECE * PIECES))
const chunks: Chunk[] = Array.from({ length: PIECES }, (_, i) => ({ id: chunkId(piece(i)), length: PIECE }))
const list: ContentList = contentList(0, chunks)
const objects = new Map<ObjectId, Buffer>([
  [list.cid as string as ObjectId, encodeHeader({ sizeClass: 0, size: list.size, pages: encodePages(chunks).map(pageId) })],
  ...encodePages(chunks).map((page) => [pageId(page), page] as const),
  ...chunks.map(({ id }, i) => [id as string as ObjectId, piece(i)] as const)
])

function piece(i: number): Buffer {
  return DATA.subarray(i * PIECE, (i + 1) * PIECE)
}

type Answer = Buffer | null | 'never' | 'gone'
type Device = (id: ObjectId, asked: number) => Answer

interface Outcome {
  readonly kind: 'finished' | 'unavailable' | 'dropped'
  readonly bytes: Buffer
  /** Chunks that each device was asked for. */
  readonly asked: readonly number[]
  readonly received: number
}

const good: Device = (id) => objects.get(id) ?? null

/** Devices answer one object a turn of the event loop. */
async function fetch(devices: readonly Device[], options: { named?: readonly number[]; failWrites?: boolean; unwantedAfter?: number } = {}): Promise<Outcome> {
  const names = devices.map((_, i) => `${i}`.repeat(64) as DeviceId)
  const asked = devices.map(() => 0)
  const bytes = Buffer.alloc(DATA.length)
  const missing = new Map(chunks.map((chunk, i) => [i * PIECE, chunk]))
  const staged: StagedFile = {
    cid: list.cid,
    missing: () => [...missing].map(([offset, chunk]) => ({ offset, chunk })),
    write: async (offset, data) => {
      if (options.failWrites === true) throw Object.assign(new Error('full'), { code: 'ENOSPC' })
      bytes.set(data, offset)
      missing.delete(offset)
    },
    seal: async () => {
      if (missing.size > 0) throw new Error('sealed with chunks missing')
    },
    release: async () => undefined
  }
  const want: SourcePorts['peers']['want'] = async (name, ids, take, signal) => {
    const at = names.indexOf(name)
    const stopped = new Promise<never>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }))
    stopped.catch(() => undefined)
    for (const id of ids) {
      await Promise.race([new Promise((resolve) => setImmediate(resolve)), stopped])
      if (signal.aborted) throw signal.reason
      const answer = (devices[at] as Device)(id, asked[at] as number)
      asked[at] = (asked[at] as number) + 1
      if (answer === 'gone') throw new Error('the connection ended')
      if (answer === 'never') await stopped
      else take(id, answer as Buffer | null)
    }
  }
  const peers: FolderPeer[] = names.map((device) => ({ device, report: { state: 'idle', dirty: false, drive: null, length: 0, blocked: [] } }))
  const ports: SourcePorts = {
    disk: { stage: async () => staged, read: async () => null, isStaged: () => false },
    index: { content: async () => null, find: async () => null, row: async () => null },
    peers: { connected: () => peers, want },
    log: new FakeLog(() => undefined),
    signal: new AbortController().signal
  }
  let received = 0
  let kind: Outcome['kind'] = 'unavailable'
  let wanted = true
  const lane = new LargeLane(new Sources(ports), { received: (count) => {
        received += count
        wanted = received < (options.unwantedAfter ?? Infinity)
      }, finished: () => (kind = 'finished'), unavailable: () => (kind = 'unavailable'), isWanted: () => wanted, dropped: () => (kind = 'dropped') }, () => false)
  const job: Job = { cid: list.cid, size: list.size, chunk: null, sources: new Set((options.named ?? []).map((i) => names[i] as DeviceId)), state: 'active' }
  await lane.fetch(job, list)
  return { kind, bytes, asked, received }
}

const all = (devices: readonly Device[]): { named: number[] } => ({ named: devices.map((_, i) => i) })

test('two good devices share the work, and nothing comes twice but at the end', async (t) => {
  const devices = [good, good]
  const { kind, bytes, asked, received } = await fetch(devices, all(devices))
  t.is(kind, 'finished')
  t.ok(bytes.equals(DATA))
  t.is(received, DATA.length)
  t.ok(asked.every((count) => count > PIECES / 4), `${asked.join(' and ')}`)
  t.ok((asked[0] as number) + (asked[1] as number) < PIECES * 1.3)
})

test('a device that never answers holds nothing up', async (t) => {
  const devices: Device[] = [(id, n) => (n < 3 ? (objects.get(id) ?? null) : 'never'), good]
  const { kind, bytes } = await fetch(devices, all(devices))
  t.is(kind, 'finished')
  t.ok(bytes.equals(DATA))
})

test('what a device that goes away, refuses or lies did not give comes from the others', async (t) => {
  const devices: Device[] = [(id, n) => (n < 20 ? (objects.get(id) ?? null) : 'gone'), (id, n) => (n % 2 === 0 ? null : (objects.get(id) ?? null)), (id) => Buffer.from((objects.get(id) as Buffer).map((byte) => byte ^ 1)), good]
  const { kind, bytes, received } = await fetch(devices, all(devices))
  t.is(kind, 'finished')
  t.ok(bytes.equals(DATA))
  t.is(received, DATA.length, 'lies do not count')
})

test('a device whose drive does not name the content is asked when the others have no more', async (t) => {
  const devices: Device[] = [(id) => (chunks.findIndex((chunk) => (chunk.id as string) === id) < 150 ? (objects.get(id) ?? null) : null), good]
  const { kind, asked } = await fetch(devices, { named: [0] })
  t.is(kind, 'finished')
  t.is(asked[1], 50)
})

test('what nobody has is unavailable, after each was asked once', async (t) => {
  const devices: Device[] = [(id) => (id === (chunks[7]?.id as string) ? null : (objects.get(id) ?? null)), (id) => (id === (chunks[7]?.id as string) ? null : (objects.get(id) ?? null))]
  t.is((await fetch(devices, all(devices))).kind, 'unavailable')
})

test('a write that fails ends the fetch with its error, and asks for no more', async (t) => {
  const error = await fetch([good, good], { ...all([good, good]), failWrites: true }).then(
    () => null,
    (thrown: unknown) => thrown as { code?: string }
  )
  t.is(error?.code, 'ENOSPC')
})

test('what nobody waits for any more is not brought to its end', async (t) => {
  const { kind, asked, received } = await fetch([good], { ...all([good]), unwantedAfter: 20 * PIECE })
  t.is(kind, 'dropped')
  t.ok(received >= 20 * PIECE && (asked[0] as number) < PIECES / 2, `asked for ${asked[0]} of ${PIECES}`)
})

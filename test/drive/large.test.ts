/** Large contents: blocks that were hashed on other threads are those that Hypercore itself would append; an edit appends what is new. */
import * as fs from 'node:fs'
import { createCipheriv, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import Corestore from 'corestore'
import Hypercore from 'hypercore'
import Hyperdrive from 'hyperdrive'
import { WorkerPool } from '../../base/workers.ts'
import type { Drives } from '../../daemon/drive/drives.ts'
import type { Own, Replayed } from '../../daemon/drive/own.ts'
import type { BlobRange, OpenContent, Publication } from '../../daemon/ports.ts'
import type { ContentList } from '../../daemon/sync/content.ts'
import { Contents, DEVICE, file, FOLDER, FOLDER_KEY, openDrives, source } from './fixtures.ts'

const MIB = 1024 * 1024
const PIECE = 100_000

function bytes(length: number, key = 0): Buffer {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, key), Buffer.alloc(16)).update(Buffer.alloc(length))
}

interface Bench {
  readonly drives: Drives
  readonly drive: Own
  readonly contents: Contents
  /** Writes the file, cut into pieces; `base` as commit gives it. */
  put(data: Buffer, base?: { list: ContentList; blob: BlobRange }): Publication
  readonly open: OpenContent
  /** Of the open files. */
  state: { changed: boolean; verified: boolean; opened: number; closed: number }
  readonly path: string
}

async function bench(t: Assert, path?: string): Promise<Bench> {
  const workers = new WorkerPool()
  t.teardown(() => workers.close())
  const { drives } = await openDrives(t, 1, path, workers)
  const drive = await drives.openOwn({ folder: FOLDER, device: DEVICE, folderKey: FOLDER_KEY, generation: 1 })
  drives.setSource(drive.key, source)
  const contents = new Contents()
  const at = join(await t.tmp(), 'large.bin')
  const state = { changed: false, verified: false, opened: 0, closed: 0 }
  let n = 0
  return {
    drives,
    drive,
    contents,
    path: at,
    state,
    put: (data, base) => {
      fs.writeFileSync(at, data)
      return { ...file('large.bin', contents.list(data, PIECE), ++n), base: base ?? null }
    },
    open: async () => {
      const fd = fs.openSync(at, 'r')
      state.opened++
      return { fd, verified: state.verified, isUnchanged: async () => !state.changed, close: async () => void (state.closed++, fs.closeSync(fd)) }
    }
  }
}

const unread = (): Promise<null> => Promise.resolve(null)

async function publish({ drive, open }: Bench, change: Publication): Promise<BlobRange | null> {
  const [result] = await drive.publish([change], unread, open)
  return result?.kind === 'done' ? result.blob : null
}

async function readByStock(t: Assert, { drives, drive }: Bench, options?: { start: number; end: number }): Promise<Buffer> {
  const store = new Corestore(join(await t.tmp(), 'reader'))
  const reader = new Hyperdrive(store, drive.key, { encryptionKey: FOLDER_KEY })
  await reader.ready()
  const ours = await drives.offer(drive.key)
  const theirs = store.replicate(true)
  theirs.on('error', () => undefined)
  ours?.pipe(theirs).pipe(ours)
  await reader.update({ wait: true })
  const parts: Buffer[] = []
  for await (const part of reader.createReadStream('/large.bin', options)) parts.push(part as Buffer)
  theirs.destroy()
  await store.close()
  return Buffer.concat(parts)
}

async function replayed(drive: Own): Promise<Replayed[]> {
  const rows: Replayed[] = []
  for await (const batch of drive.replay(0)) rows.push(...batch)
  return rows
}

test('blocks hashed on threads make the very tree that an append of the bytes makes', async (t) => {
  const sealed = await bench(t)
  const data = bytes(5 * MIB + 77)
  const change = sealed.put(data)
  t.ok(await publish(sealed, change))
  t.is(sealed.state.opened, 1)
  t.is(sealed.state.closed, 1)
  const plain = await bench(t)
  await plain.drive.publish([change], sealed.contents.read)
  t.is(plain.state.opened, 0)
  t.alike(await Hypercore.treeHashFromStorage(sealed.drive.blobs), await Hypercore.treeHashFromStorage(plain.drive.blobs))
  t.is(sealed.drive.blobs.byteLength, plain.drive.blobs.byteLength)
  t.ok((await readByStock(t, sealed)).equals(data), 'a stock reader verifies and reads them')
})

test('an edit of a large file appends what is new and a map; a stock reader reads it byte for byte', async (t) => {
  const b = await bench(t)
  const first = bytes(20 * MIB)
  const v1 = b.put(first)
  const blob1 = (await publish(b, v1)) as BlobRange
  const length1 = b.drive.blobs.length
  const second = Buffer.concat([first.subarray(0, 10 * PIECE), randomBytes(2 * PIECE), first.subarray(12 * PIECE)])
  const v2 = b.put(second, { list: v1.content?.list as ContentList, blob: blob1 })
  const blob2 = (await publish(b, v2)) as BlobRange
  t.is(blob2.blockMap, true)
  t.is(b.drive.blobs.length - length1, 2 + 1 + 1, 'two chunks, a map, a page')
  t.ok((await readByStock(t, b)).equals(second))
  const part = { start: 9 * PIECE + 5, end: 12 * PIECE + 5 }
  t.ok((await readByStock(t, b, part)).equals(second.subarray(part.start, part.end + 1)), 'a range over its seams')

  const third = Buffer.concat([randomBytes(PIECE), second, second.subarray(0, 3 * PIECE)])
  const v3 = b.put(third, { list: v2.content?.list as ContentList, blob: blob2 })
  const blob3 = (await publish(b, v3)) as BlobRange
  t.is(blob3.blockMap, true, 'a map of a map')
  t.ok((await readByStock(t, b)).equals(third))

  const again = await publish(b, { ...v2, content: { list: v2.content?.list as ContentList, blob: blob2 } })
  t.alike(again, blob2, 'what is here already is stated again')
  t.alike((await b.drive.publish([{ ...v2, content: null }], unread))[0], { kind: 'done', blob: blob2 }, 'a chmod keeps the map')
  const rows = await replayed(b.drive)
  t.alike(rows.map((row) => row.list?.cid), [v1, v2, v3, v2, v2].map((change) => change.content?.list.cid), 'replay finds the lists')
  t.alike(rows.map((row) => row.blob), [blob1, blob2, blob3, blob2, blob2])
})

test('a version with little in common, or a small one, has its blocks in a row', async (t) => {
  const b = await bench(t)
  const first = bytes(20 * MIB)
  const v1 = b.put(first)
  const base = { list: v1.content?.list as ContentList, blob: (await publish(b, v1)) as BlobRange }
  t.is((await publish(b, b.put(Buffer.concat([first.subarray(0, 50 * PIECE), bytes(15 * MIB, 1)]), base)))?.blockMap, undefined)
  t.is((await publish(b, b.put(first.subarray(0, 4 * MIB), base)))?.blockMap, undefined)
})

test('what changed while it was hashed is not published, and nothing of it was appended', async (t) => {
  const b = await bench(t)
  const change = b.put(bytes(5 * MIB))
  b.state.changed = true
  t.is(await publish(b, change), null)
  t.is(b.drive.blobs.length, 0)
  b.state.changed = false
  fs.writeFileSync(b.path, bytes(5 * MIB, 9))
  t.is(await publish(b, change), null, 'other bytes')
  fs.writeFileSync(b.path, bytes(5 * MIB).subarray(0, 4 * MIB))
  t.is(await publish(b, change), null, 'fewer bytes')
  fs.writeFileSync(b.path, bytes(5 * MIB))
  t.ok(await publish(b, change), 'the right ones')
  t.is(b.state.opened, b.state.closed)
})

test('a file that cannot be held open is read chunk by chunk', async (t) => {
  const b = await bench(t)
  const data = bytes(5 * MIB)
  const [result] = await b.drive.publish([b.put(data)], b.contents.read, async () => null)
  t.is(result?.kind, 'done')
  t.ok((await readByStock(t, b)).equals(data))
})

test('small contents between large ones keep their own ranges', async (t) => {
  const b = await bench(t)
  const data = bytes(5 * MIB)
  const small = randomBytes(700)
  const results = await b.drive.publish([file('s1', b.contents.list(small), 90), b.put(data), file('s2', b.contents.list(randomBytes(9000), 1000), 91)], b.contents.read, b.open)
  t.ok(results.every((result) => result.kind === 'done'))
  const again = await b.drive.publish([file('s1', b.contents.list(small), 92)], b.contents.read)
  t.is(again[0]?.kind, 'done')
  t.ok((await readByStock(t, b)).equals(data))
})

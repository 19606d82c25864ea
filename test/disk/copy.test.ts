/** What a new content shares with a file of the tree is copied, chunk by chunk verified. */
import * as fs from 'node:fs'
import { createCipheriv } from 'node:crypto'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { WorkerPool } from '../../base/workers.ts'
import type { StagedFile } from '../../daemon/ports.ts'
import { chunkId, contentList, type Chunk, type ContentList } from '../../daemon/sync/content.ts'
import type { ChunkId } from '../../daemon/sync/ids.ts'
import { applyOne, fileOp, openFolder, type Folder } from './tree.ts'

const PIECE = 200_000
const OLD = bytes(40 * PIECE, 1)
/** In front: a new piece, so that all others stand elsewhere; one is twice in it, and the last is new. */
const NEW = Buffer.concat([bytes(1000, 2), OLD.subarray(0, 30 * PIECE), OLD.subarray(0, PIECE), bytes(777, 3)])
const PLACE = { area: 'tree', path: 'old' } as const

function bytes(length: number, key: number): Buffer {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, key), Buffer.alloc(16)).update(Buffer.alloc(length))
}

function cut(lengths: readonly number[], data: Buffer): ContentList {
  let at = 0
  const chunks: Chunk[] = lengths.map((length) => ({ id: chunkId(data.subarray(at, (at += length))), length }))
  return contentList(0, chunks)
}

const oldList = cut(Array.from({ length: 40 }, () => PIECE), OLD)
const newList = cut([1000, ...Array.from({ length: 31 }, () => PIECE), 777], NEW)
const oldOffsets = new Map<ChunkId, number>(oldList.chunks.map(({ id }, i) => [id, i * PIECE]))

async function bench(t: Assert, threads: boolean): Promise<{ folder: Folder; staged: StagedFile; path: string }> {
  const workers = new WorkerPool()
  t.teardown(() => workers.close())
  const folder = await openFolder(t, threads ? { workers } : {})
  const path = join(folder.root, 'old')
  fs.writeFileSync(path, OLD)
  return { folder, staged: await folder.disk.stage(newList), path }
}

async function fill(staged: StagedFile): Promise<void> {
  for (const { offset, chunk } of staged.missing()) await staged.write(offset, NEW.subarray(offset, offset + chunk.length))
}

for (const threads of [true, false]) {
  test(`shared ranges are copied, the rest is missing (${threads ? 'on threads' : 'without threads'})`, async (t) => {
    const { folder, staged } = await bench(t, threads)
    await staged.copy?.(PLACE, oldOffsets)
    t.alike(staged.missing().map(({ offset }) => offset), [0, NEW.length - 777])
    await fill(staged)
    await staged.seal()
    await staged.release()
    const op = { ...fileOp('new', ''), cid: newList.cid, size: newList.size } as ReturnType<typeof fileOp>
    t.is((await applyOne(folder.disk, op)).kind, 'done')
    t.ok(fs.readFileSync(join(folder.root, 'new')).equals(NEW))
  })
}

test('what changed, moved or went underneath is missing still, and nothing else', async (t) => {
  const { staged, path } = await bench(t, true)
  const all = staged.missing().length
  await staged.copy?.({ area: 'tree', path: 'elsewhere' }, oldOffsets)
  t.is(staged.missing().length, all, 'not there')
  fs.mkdirSync(`${path}-directory`)
  await staged.copy?.({ area: 'tree', path: 'old-directory' }, oldOffsets)
  t.is(staged.missing().length, all, 'a directory')
  fs.symlinkSync(path, `${path}-link`)
  await staged.copy?.({ area: 'tree', path: 'old-link' }, oldOffsets)
  t.is(staged.missing().length, all, 'a symlink')
  const fd = fs.openSync(path, 'r+')
  fs.writeSync(fd, 'x', 5 * PIECE + 7)
  fs.closeSync(fd)
  fs.truncateSync(path, 20 * PIECE + 5)
  await staged.copy?.(PLACE, oldOffsets)
  const expected = [0, 1000 + 5 * PIECE, ...Array.from({ length: 10 }, (_, i) => 1000 + (20 + i) * PIECE), NEW.length - 777]
  t.alike(staged.missing().map(({ offset }) => offset), expected)
  await fill(staged)
  await staged.seal()
  await staged.release()
})

test('a file that is written to while it is copied gives whole chunks or none', async (t) => {
  const { staged, path } = await bench(t, true)
  const copying = staged.copy?.(PLACE, oldOffsets)
  fs.writeFileSync(path, bytes(40 * PIECE, 9))
  await copying
  await fill(staged)
  await staged.seal()
  await staged.release()
  const file = fs.readdirSync(join(path, '..', '.p2psync/staging/fetch'))[0] as string
  t.ok(fs.readFileSync(join(path, '..', '.p2psync/staging/fetch', file)).equals(NEW))
})

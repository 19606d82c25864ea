/** What a new content shares with a file of the tree is copied unhashed, and counts only if that file was and remains what was seen. */
import * as fs from 'node:fs'
import { createCipheriv } from 'node:crypto'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { WorkerPool } from '../../base/workers.ts'
import type { SeenStat, StagedFile } from '../../daemon/ports.ts'
import { chunkId, contentList, type Chunk, type ContentList } from '../../daemon/sync/content.ts'
import type { ChunkId } from '../../daemon/sync/ids.ts'
import { applyOne, fileOp, openFolder, statOf, type Folder } from './tree.ts'

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

async function bench(t: Assert, threads: boolean): Promise<{ folder: Folder; staged: StagedFile; seen: SeenStat; path: string }> {
  const workers = new WorkerPool()
  t.teardown(() => workers.close())
  const folder = await openFolder(t, threads ? { workers } : {})
  const path = join(folder.root, 'old')
  fs.writeFileSync(path, OLD)
  return { folder, staged: await folder.disk.stage(newList), seen: statOf(folder.root, 'old'), path }
}

async function fill(staged: StagedFile): Promise<void> {
  for (const { offset, chunk } of staged.missing()) await staged.write(offset, NEW.subarray(offset, offset + chunk.length))
}

for (const threads of [true, false]) {
  test(`shared ranges are copied, the rest is missing (${threads ? 'on threads' : 'without threads'})`, async (t) => {
    const { folder, staged, seen } = await bench(t, threads)
    await staged.copy?.(PLACE, seen, oldOffsets)
    t.alike(staged.missing().map(({ offset }) => offset), [0, NEW.length - 777])
    await fill(staged)
    await staged.seal()
    await staged.release()
    const op = { ...fileOp('new', ''), cid: newList.cid, size: newList.size } as ReturnType<typeof fileOp>
    t.is((await applyOne(folder.disk, op)).kind, 'done')
    t.ok(fs.readFileSync(join(folder.root, 'new')).equals(NEW))
  })
}

test('nothing counts of a file that is not, or not any more, what was seen', async (t) => {
  const { staged, seen, path } = await bench(t, true)
  const all = staged.missing().length
  await staged.copy?.({ area: 'tree', path: 'elsewhere' }, seen, oldOffsets)
  t.is(staged.missing().length, all, 'not there')
  const copying = staged.copy?.(PLACE, seen, oldOffsets)
  fs.appendFileSync(path, 'x')
  await copying
  t.is(staged.missing().length, all, 'written to meanwhile')
  await staged.copy?.(PLACE, seen, oldOffsets)
  t.is(staged.missing().length, all, 'changed before')
  fs.truncateSync(path, PIECE)
  await staged.copy?.(PLACE, { ...seen, ...shortened(path) }, oldOffsets)
  t.is(staged.missing().length, all, 'shorter than its list')
  await fill(staged)
  await staged.seal()
  await staged.release()
})

function shortened(path: string): Partial<SeenStat> {
  const { ctimeNs, mtimeNs, size } = fs.lstatSync(path, { bigint: true })
  return { ctimeNs: String(ctimeNs), mtimeNs: String(mtimeNs), size: Number(size) }
}

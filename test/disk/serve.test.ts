/** What is asked for while its file changes underneath is the right bytes or nothing: never others, and never a rejection. */
import * as fs from 'node:fs'
import { createCipheriv } from 'node:crypto'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import type { FoundObject } from '../../daemon/ports.ts'
import { serveObject } from '../../daemon/serve.ts'
import { toSeen } from '../../daemon/disk/seen.ts'
import { chunkId, contentList } from '../../daemon/sync/content.ts'
import type { ChunkId, ObjectId } from '../../daemon/sync/ids.ts'
import { fileEntry } from '../contract/disk-helpers.ts'
import { openFolder } from './tree.ts'

const PIECE = 200_000
const DATA = createCipheriv('aes-128-ctr', Buffer.alloc(16, 5), Buffer.alloc(16)).update(Buffer.alloc(10 * PIECE))

function piece(i: number): Buffer {
  return DATA.subarray(i * PIECE, (i + 1) * PIECE)
}

/** Asks for every chunk again and again while `run` acts on the file; each answer is checked. */
async function whileServing(t: Assert, run: (path: string, root: string) => void): Promise<(Buffer | null)[]> {
  const unhashed = await whileServingTo(t, run, true)
  const hashed = await whileServingTo(t, run, false)
  t.alike(unhashed.map((data) => data !== null), hashed.map((data) => data !== null), 'the same for who hashes it again')
  return hashed
}

async function whileServingTo(t: Assert, run: (path: string, root: string) => void, askerHashes: boolean): Promise<(Buffer | null)[]> {
  const folder = await openFolder(t, {}, false)
  const path = join(folder.root, 'f')
  fs.writeFileSync(path, DATA)
  const ids = Array.from({ length: 10 }, (_, i) => chunkId(piece(i)) as string as ObjectId)
  const list = contentList(0, ids.map((id) => ({ id: id as string as ChunkId, length: PIECE })))
  const row = { entry: fileEntry(list, 0o644), seen: toSeen(fs.lstatSync(path, { bigint: true })) }
  const find = async (id: ObjectId): Promise<FoundObject> => ({ kind: 'chunk', length: PIECE, at: [{ place: { area: 'tree', path: 'f' }, offset: ids.indexOf(id) * PIECE, cid: list.cid }] })
  const ask = async (): Promise<(Buffer | null)[]> => await Promise.all(ids.map((id) => serveObject(folder.disk, { find, row: async () => row }, id, askerHashes)))
  const check = (answers: readonly (Buffer | null)[]): void => t.ok(answers.every((data, i) => data === null || data.equals(piece(i))), 'the right bytes or none')
  const before = await ask()
  t.ok(before.every((data) => data !== null))
  const during = Array.from({ length: 5 }, ask)
  run(path, folder.root)
  for (const answers of await Promise.all(during)) check(answers)
  const after = await ask()
  check(after)
  await folder.disk.close()
  return after
}

test('edited in place: only the chunk that was edited is refused', async (t) => {
  const after = await whileServing(t, (path) => {
    const fd = fs.openSync(path, 'r+')
    fs.writeSync(fd, 'edited', 3 * PIECE + 5)
    fs.closeSync(fd)
  })
  t.alike(after.map((data) => data !== null), [true, true, true, false, true, true, true, true, true, true])
})

test('truncated: what lies behind is refused', async (t) => {
  const after = await whileServing(t, (path) => fs.truncateSync(path, 4 * PIECE + 1))
  t.alike(after.map((data) => data !== null), [true, true, true, true, false, false, false, false, false, false])
})

test('replaced by another file, by a directory, by a symlink to a copy: refused', async (t) => {
  const replace: Record<string, (path: string) => void> = {
    file: (path) => fs.writeFileSync(path, Buffer.alloc(10 * PIECE)),
    directory: (path) => fs.mkdirSync(path),
    symlink: (path) => {
      fs.writeFileSync(`${path}.copy`, DATA)
      fs.symlinkSync(`${path}.copy`, path)
    }
  }
  for (const [name, make] of Object.entries(replace)) {
    const after = await whileServing(t, (path) => {
      fs.renameSync(path, `${path}.old`)
      make(path)
    })
    t.ok(after.every((data) => data === null), name)
  }
})

test('deleted: refused', async (t) => {
  t.ok((await whileServing(t, (path) => fs.unlinkSync(path))).every((data) => data === null))
})

/** A root that was just used may be held open for a moment, so which of the two still gets the right bytes is a matter of time. */
async function whileRootGoes(t: Assert, run: (path: string, root: string) => void): Promise<void> {
  for (const askerHashes of [true, false]) await whileServingTo(t, run, askerHashes)
}

test('the root was moved away, or another stands there: what is under its name by then is never sent for it', async (t) => {
  await whileRootGoes(t, (_path, root) => fs.renameSync(root, `${root}.unmounted`))
  await whileRootGoes(t, (path, root) => {
    fs.renameSync(root, `${root}.unmounted`)
    fs.mkdirSync(root)
    fs.writeFileSync(path, Buffer.alloc(10 * PIECE))
  })
})

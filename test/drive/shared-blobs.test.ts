/** A new drive that goes on with the blobs core of the one before. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import type { Own } from '../../daemon/drive/own.ts'
import type { Store } from '../../daemon/drive/store.ts'
import type { Publication } from '../../daemon/ports.ts'
import type { ContentList } from '../../daemon/sync/content.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { Contents, file, FOLDER, FOLDER_KEY, openDrives, SELF, source, stockReader } from './fixtures.ts'

const options = { folder: FOLDER, device: SELF, folderKey: FOLDER_KEY }
const TEXTS = ['one', 'two', 'x'.repeat(300_000)]

/** A drive with some files, and its successor, which says the same without reading any of it. */
async function successor(t: Assert, path?: string) {
  const { store, drives } = await openDrives(t, 1, path)
  const contents = new Contents()
  const lists = [...TEXTS.map((text) => Buffer.from(text)), randomBytes(1_500_000)].map((bytes) => contents.list(bytes))
  const old = await drives.openOwn({ ...options, generation: 1 })
  drives.setSource(old.key, source)
  const stated = await old.publish(lists.map((list, i) => file(`f${i}`, list, i + 1)), contents.read)
  await drives.closeDrive(old.key)
  const next = await drives.openOwn({ ...options, generation: 2, writer: old.writer, blobs: old.blobsKey })
  // The one before is open beside it, as while it takes over.
  const former = await drives.openOwn({ ...options, generation: 1 })
  drives.setSource(next.key, source)
  const again = lists.map((list, i): Publication => {
    const result = stated[i]
    if (result?.kind !== 'done') throw new Error('the test expected it to be stated')
    return { ...file(`f${i}`, list, i + 1), content: { list, blob: result.blob } }
  })
  const before = next.blobs.length
  await next.publish(again, () => Promise.reject(new Error('nothing is read')))
  t.is(next.blobs.length, before, 'no block is stored again')
  t.not(next.key, old.key)
  t.is(next.blobsKey, old.blobsKey)
  return { store, drives, contents, old: former, next, lists }
}

async function verified(drive: Own, lists: readonly ContentList[]): Promise<(string | null)[]> {
  const stated = await drive.stated(lists.map((_, i) => file(`f${i}`, lists[i] as ContentList, 1).path))
  return await Promise.all(stated.map(async (row) => (row === null ? 'nothing is stated' : (await drive.verify(row)).fault)))
}

async function statementsOf(drive: Own): Promise<ReadonlyMap<string, unknown>> {
  const all = new Map<string, unknown>()
  for await (const paths of drive.paths()) for (const [i, stated] of (await drive.stated(paths)).entries()) all.set(paths[i] as PathKey, stated)
  return all
}

async function coresOf(store: Store): Promise<number> {
  let count = 0
  for await (const _ of store.corestore.storage.createCoreStream()) count++
  return count
}

test('a stock reader finds the blocks of a drive that goes on with those of the one before, and what is new in it', async (t) => {
  const { drives, contents, old, next } = await successor(t)
  await drives.closeDrive(old.key)
  const added = Buffer.from('new in the second drive')
  await next.publish([file('added', contents.list(added), 9)], contents.read)
  const reader = await stockReader(t, drives, next)
  for (const [i, text] of TEXTS.entries()) t.is((await reader.get(`/f${i}`))?.toString(), text)
  t.is((await reader.get('/f3'))?.length, 1_500_000)
  t.alike(await reader.get('/added'), added)
})

test('the drive before goes with its db core alone; the blobs go with the last drive that names them', async (t) => {
  const { store, drives, old, next, lists } = await successor(t)
  const cores = await coresOf(store)
  await drives.closeDrive(old.key)
  const inUse = { own: null, kept: new Set([next.blobsKey]) }
  await until(async () => await drives.deleteDrive(old.key, inUse))
  t.is(await coresOf(store), cores - 1)
  t.alike(await verified(next, lists), lists.map(() => null))
  const { key, blobsKey } = next
  await drives.closeDrive(key)
  await until(async () => await drives.deleteDrive(key, { own: blobsKey, kept: new Set() }))
  t.is(await coresOf(store), 0)
})

test('a drive that follows the one before while that is written to says what it says, and goes on when it is closed', async (t) => {
  const { store, drives } = await openDrives(t, 1)
  const contents = new Contents()
  const lists = TEXTS.map((text) => contents.list(Buffer.from(text)))
  const old = await drives.openOwn({ ...options, generation: 1 })
  drives.setSource(old.key, source)
  const many = Array.from({ length: 1_200 }, (_, i) => file(`many/${i}`, lists[0] as ContentList, i + 10))
  await old.publish(lists.map((list, i) => file(`f${i}`, list, i + 1)), contents.read)
  await old.publish(many, contents.read)
  await old.publish([file('f0', lists[1] as ContentList, 2_000), { path: many[7]?.path as PathKey, entry: null, content: null }], contents.read)

  const next = await drives.openOwn({ ...options, generation: 2, writer: old.writer, blobs: old.blobsKey })
  const following = next.follow(old, 0)
  // While the tree is read.
  const added = contents.list(Buffer.from('meanwhile'))
  await old.publish([file('added', added, 2_001), file('f1', lists[0] as ContentList, 2_002), { path: many[8]?.path as PathKey, entry: null, content: null }], contents.read)
  const late = contents.list(Buffer.from('late'))
  const done = await following
  await old.publish([file('late', late, 2_003), { path: many[9]?.path as PathKey, entry: null, content: null }, file('many/9', late, 2_004)], contents.read)
  t.is(await next.follow(old, done), old.length)

  t.alike(await statementsOf(next), await statementsOf(old), 'all of it, and nothing else')
  t.ok(next.length < old.length + 10, `${next.length} blocks of ${old.length}`)
  t.alike(await verified(next, [lists[1], lists[0], lists[2]] as ContentList[]), [null, null, null])
  await drives.closeDrive(old.key)
  const after = contents.list(Buffer.from('after the one before was closed'))
  await next.publish([file('after', after, 2_005)], contents.read)
  const reader = await stockReader(t, drives, next)
  for (const [path, text] of [['f0', 'two'], ['added', 'meanwhile'], ['late', 'late'], ['many/9', 'late'], ['many/10', 'one'], ['after', 'after the one before was closed']] as const) t.is((await reader.get(`/${path}`))?.toString(), text)
  t.is(await reader.get('/many/7'), null)
  await t.exception(next.follow(old, done))
  t.is(store.closing, false)
})

test('a drive that could not follow can be written to and closed', async (t) => {
  const { drives } = await openDrives(t, 1)
  const contents = new Contents()
  const list = contents.list(Buffer.from('one'))
  const old = await drives.openOwn({ ...options, generation: 1 })
  drives.setSource(old.key, source)
  await old.publish([file('f', list, 1)], contents.read)
  const next = await drives.openOwn({ ...options, generation: 2, writer: old.writer, blobs: old.blobsKey })
  const append = next.db.append
  next.db.append = () => Promise.reject(new Error('no space left'))
  await t.exception(next.follow(old, 0), /no space left/)
  next.db.append = append
  t.is((await next.publish([file('f', list, 2)], contents.read))[0]?.kind, 'done')
  await drives.closeDrive(next.key)
  t.absent(drives.isOwn(next.key))
})

test('a drive follows only one whose blobs it has', async (t) => {
  const { drives } = await openDrives(t, 1)
  const [old, other] = [await drives.openOwn({ ...options, generation: 1 }), await drives.openOwn({ ...options, generation: 2 })]
  await t.exception(other.follow(old, 0), /blobs core/)
})

test('after a restart it is the same drive, and can be appended to', async (t) => {
  const path = join(await t.tmp(), 'store')
  const first = await successor(t, path)
  const { key, blobsKey } = first.next
  await first.drives.close()
  await first.store.close()
  const { drives } = await openDrives(t, 1, path)
  const next = await drives.openOwn({ ...options, generation: 2, writer: first.next.writer, blobs: blobsKey })
  drives.setSource(next.key, source)
  t.is(next.key, key)
  t.is(next.blobsKey, blobsKey)
  t.alike(await verified(next, first.lists), first.lists.map(() => null))
  const added = Buffer.from('after a restart')
  const list = first.contents.list(added)
  await next.publish([file('f4', list, 9)], first.contents.read)
  t.alike(await verified(next, [...first.lists, list]), [...first.lists, list].map(() => null))
})

/** The stack closes a core some eight seconds after its last session. */
async function until(done: () => Promise<boolean>): Promise<void> {
  while (!(await done())) await new Promise((resolve) => setTimeout(resolve, 100))
}

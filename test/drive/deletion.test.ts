/** Drives that are not needed any more are deleted: all of their rows, and nothing of another's. */
import test from 'brittle'
import Hypercore from 'hypercore'
import keys from 'hypercore-storage/lib/keys.js'
import type { Store } from '../../daemon/drive/store.ts'
import type { RemoteDrive } from '../../daemon/ports.ts'
import { Contents, DEVICE, directory, file, FOLDER, FOLDER_KEY, openDrives, SELF, source } from './fixtures.ts'

const options = { folder: FOLDER, device: SELF, folderKey: FOLDER_KEY }

test('a deleted drive leaves no core behind; another one is as it was', async (t) => {
  const { store, drives } = await openDrives(t, 1)
  const contents = new Contents()
  const old = await drives.openOwn({ ...options, generation: 1 })
  const next = await drives.openOwn({ ...options, generation: 2, writer: old.writer })
  for (const drive of [old, next]) {
    drives.setSource(drive.key, source)
    await drive.publish([directory('d', 1), file('d/f', contents.list(Buffer.from('content')), 2)], contents.read)
  }
  t.is(await drives.deleteDrive(old.key), false, 'not while it is open')
  const cores = await coresOf(store)
  await drives.closeDrive(old.key)
  await until(async () => await drives.deleteDrive(old.key))
  t.is(await coresOf(store), cores - 2, 'db and blobs')
  t.is(await drives.deleteDrive(old.key), true, 'again')
  await store.compact()
  t.is((await next.head()).length, next.length)
  t.alike(await next.blobs.get(0), Buffer.from('content'))
})

test('the copy of another device’s drive is deleted too', async (t) => {
  const { store, drives } = await openDrives(t, 1)
  const key = (await (await openDrives(t, 2)).drives.openOwn({ ...options, generation: 1 })).key
  const before = await coresOf(store)
  const remote: RemoteDrive = await drives.openRemote({ folder: FOLDER, folderKey: FOLDER_KEY, device: DEVICE, driveKey: key, generation: 1, onGrow: () => undefined })
  t.is(await coresOf(store), before + 1)
  await drives.closeDrive(remote.key)
  await until(async () => await drives.deleteDrive(key))
  t.is(await coresOf(store), before)
})

test('nothing of a deleted drive stays, and each row of another is as it was', async (t) => {
  const { store, drives } = await openDrives(t, 1)
  const contents = new Contents()
  const publish = async (drive: Awaited<ReturnType<typeof drives.openOwn>>): Promise<void> => {
    drives.setSource(drive.key, source)
    for (let i = 0; i < 40; i++) await drive.publish([directory('d', i + 1), file(`d/f${i}`, contents.list(Buffer.alloc(200_000, i)), 2)], contents.read)
  }
  const kept = await drives.openOwn({ ...options, generation: 1 })
  await publish(kept)
  const before = await rowsOf(store)
  const old = await drives.openOwn({ ...options, generation: 2 })
  await publish(old)
  t.ok((await rowsOf(store)).size > before.size + 200, 'blocks, tree nodes and all')
  await drives.closeDrive(old.key)
  await until(async () => await drives.deleteDrive(old.key))
  const after = await rowsOf(store)
  for (const [key, value] of before) if (key !== HEAD && after.get(key) !== value) t.fail(`the row ${key} of another drive changed`)
  t.alike([...after.keys()].filter((key) => !before.has(key)), [])
  const again = await drives.openOwn({ ...options, generation: 2 })
  t.is(again.key, old.key)
  t.is(again.length, 0, 'where it is asked for all the same it begins anew')
})

test('a deletion that a crash cut short is gone on with', async (t) => {
  const { store, drives } = await openDrives(t, 1)
  const old = await drives.openOwn({ ...options, generation: 1 })
  await old.publish([directory('d', 1)], new Contents().read)
  await drives.closeDrive(old.key)
  const { storage } = store.corestore
  const core = await storage.resumeCore(Hypercore.discoveryKey(Buffer.from(old.key, 'hex')))
  if (core === null) throw new Error('there is a core')
  const { dataPointer } = core.core
  await core.close()
  const batch = storage.db.write({ autoDestroy: true })
  batch.tryDeleteRange(Buffer.from(keys.core.data(dataPointer)), Buffer.from(keys.core.data(dataPointer + 1)))
  await batch.flush()
  await until(async () => await drives.deleteDrive(old.key))
  t.is(await coresOf(store), 0)
})

test('the rows of a core lie between its number and the next one, however many cores there were', (t) => {
  for (const number of [0, 1, 251, 252, 253, 255, 256, 65_534, 65_535, 65_536, 70_000, 2 ** 32 - 1]) {
    const [start, end] = [number, number + 1].map((each) => Buffer.from(keys.core.data(each))) as [Buffer, Buffer]
    for (const index of [0, 252, 253, 70_000, 2 ** 40]) {
      const own = Buffer.from(keys.core.block(number, index))
      const next = Buffer.from(keys.core.block(number + 1, index))
      if (!(start.compare(own) < 0 && own.compare(end) < 0 && end.compare(next) < 0)) t.fail(`block ${index} of core ${number}`)
    }
  }
  t.pass('as the deletion relies on')
})

/** A key of hypercore-storage: how many cores there were. */
const HEAD = '00'

async function rowsOf(store: Store): Promise<Map<string, string>> {
  const rows = new Map<string, string>()
  for await (const { key, value } of store.corestore.storage.db.iterator({ gte: Buffer.alloc(0) })) rows.set(Buffer.from(key).toString('hex'), Buffer.from(value).toString('hex'))
  return rows
}

async function coresOf(store: Store): Promise<number> {
  let count = 0
  for await (const _ of store.corestore.storage.createCoreStream()) count++
  return count
}

/** The stack closes a core some eight seconds after its last session. */
async function until(done: () => Promise<boolean>): Promise<void> {
  while (!(await done())) await new Promise((resolve) => setTimeout(resolve, 100))
}

/** The room that RocksDB keeps for its open files goes back to the disk, and nothing with it. */
import { fork } from 'node:child_process'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as turn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test from 'brittle'
import { SpareRoom } from '../../daemon/drive/spare-room.ts'
import { FOLDER, FOLDER_KEY, SELF, directory, openDrives } from './fixtures.ts'

interface Progress {
  readonly length: number
  readonly given: number
}

const none = () => Promise.resolve(null)
const KIB = 1024

async function allocated(store: string): Promise<{ bytes: number; size: number }> {
  let [bytes, size] = [0, 0]
  for (const name of await readdir(join(store, 'db'))) {
    const file = await stat(join(store, 'db', name))
    bytes += file.blocks * 512
    size += file.size
  }
  return { bytes, size }
}

test('at rest a small store takes hardly more room than what is in it', async (t) => {
  const { store, drives } = await openDrives(t, 1)
  const own = await drives.openOwn({ folder: FOLDER, device: SELF, folderKey: FOLDER_KEY, generation: 1 })
  await own.publish([directory('a', 1)], none)
  const before = await allocated(store.path)
  if (before.bytes < before.size + 4096 * KIB) return t.comment('this file system sets no room aside')
  let given = await store.giveBack()
  while (given === null) given = await store.giveBack()
  t.ok(given > 4096 * KIB, `${given} bytes`)
  const after = await allocated(store.path)
  t.is(after.size, before.size)
  t.ok(after.bytes < after.size + 512 * KIB, `${after.bytes} bytes for ${after.size}`)
  await own.publish([directory('b', 2)], none)
  t.is(await store.giveBack(), 0, 'what is written then takes what it needs')
})

test('it happens by itself, once nothing was written for a while', async (t) => {
  const { store, drives } = await openDrives(t, 1)
  await drives.openOwn({ folder: FOLDER, device: SELF, folderKey: FOLDER_KEY, generation: 1 })
  const room = new SpareRoom({ directory: join(store.path, 'db'), families: [store.index], restMs: 20 })
  t.teardown(() => room.close())
  const before = await allocated(store.path)
  if (before.bytes < before.size + 4096 * KIB) return t.comment('this file system sets no room aside')
  while ((await allocated(store.path)).bytes > before.size + 512 * KIB) await turn(10)
  t.pass()
})

test('what waits in memory becomes a table when it is asked for, if it is much', async (t) => {
  const { store } = await openDrives(t, 1)
  const { index } = store
  const inMemory = async (): Promise<number> => Number(await index.getProperty('rocksdb.cur-size-all-mem-tables'))
  const put = async (n: number, bytes: number): Promise<void> => {
    const batch = index.write({ autoDestroy: true })
    batch.tryPut(Buffer.from(`k${n}`), Buffer.alloc(bytes, n))
    await batch.flush()
  }
  await put(0, 1000)
  t.absent(await store.writeTables(), 'a little stays')
  for (let n = 1; n <= 3; n++) await put(n, 1024 * KIB)
  const before = await inMemory()
  t.ok(before > 3 * 1024 * KIB, `${before} bytes`)
  t.ok(await store.writeTables())
  const after = await inMemory()
  t.ok(after < 1024 * KIB, `${after} bytes`)
  for (let n = 1; n <= 3; n++) t.alike(await index.get(Buffer.from(`k${n}`)), Buffer.alloc(1024 * KIB, n))
  t.ok((await readdir(join(store.path, 'db'))).some((name) => name.endsWith('.sst')))
})

test('nothing is cut off while something is being written, flushed or compacted', async (t) => {
  const { store } = await openDrives(t, 1)
  const { index } = store
  const put = async (n: number): Promise<void> => {
    const batch = index.write({ autoDestroy: true })
    batch.tryPut(Buffer.from(`k${n}`), Buffer.alloc(64))
    await batch.flush()
  }
  const writing = put(1)
  t.absent(index._state.io.isIdle(), 'a write under way is seen')
  t.is(await store.giveBack(), null)
  await writing
  const flushing = index.flush()
  t.absent(index._state.io.isIdle(), 'a flush under way is seen')
  t.is(await store.giveBack(), null)
  await flushing
  const { writeBatches } = index._state.stats
  await put(2)
  t.is(index._state.stats.writeBatches, writeBatches + 1, 'writes are counted')
  for (const name of ['num-running-compactions', 'num-running-flushes', 'compaction-pending', 'mem-table-flush-pending', 'background-errors']) {
    t.is(await index.getProperty(`rocksdb.${name}`), '0', name)
  }
})

test('what was published survives, however often room is given back, and a kill at any moment', async (t) => {
  const folder = join(await t.tmp(), 'store')
  const child = fork(fileURLToPath(new URL('publish-for-ever.js', import.meta.url)), [folder], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const { length: published, given } = await new Promise<Progress>((resolve) => {
    child.on('message', (message) => {
      const progress = message as Progress
      if (progress.length > 200) resolve(progress)
    })
  })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await ended
  const { drives, store } = await openDrives(t, 1, folder)
  const own = await drives.openOwn({ folder: FOLDER, device: SELF, folderKey: FOLDER_KEY, generation: 1 })
  t.ok(given > 2, `given back ${given} times`)
  t.ok(own.length >= published, `${own.length} of ${published}`)
  let rows = 0
  for await (const batch of own.replay(0)) rows += batch.length
  t.is(rows, own.length - 1)
  t.ok(Number(await store.index.get(Buffer.from('length'))) >= published, 'the index as well')
})

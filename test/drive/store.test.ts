/** The store: locks and damage, durability before telling, kill -9. */
import { fork } from 'node:child_process'
import { mkdir, readFile, readdir, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'brittle'
import Corestore from 'corestore'
import { P2psyncError } from '../../base/errors.ts'
import { Drives } from '../../daemon/drive/drives.ts'
import { LogSync } from '../../daemon/drive/log-sync.ts'
import { Store } from '../../daemon/drive/store.ts'
import type { OwnDrive } from '../../daemon/ports.ts'
import { FOLDER, FOLDER_KEY, SELF, directory, openDrives, openStore } from './fixtures.ts'

const none = () => Promise.resolve(null)

async function codeOf(run: Promise<unknown>): Promise<string | null> {
  return run.then(
    () => null,
    (error: unknown) => (error instanceof P2psyncError ? error.code : `not ours: ${String(error)}`)
  )
}

test('a second daemon on one store is told so', async (t) => {
  const folder = join(await t.tmp(), 'store')
  await openStore(t, 1, folder)
  const second = new Store({ path: folder, primaryKey: Buffer.alloc(32, 1) })
  t.is(await codeOf(second.open()), 'STORE_LOCKED')
  await second.close()
})

test('a store that was copied is refused', async (t) => {
  const folder = join(await t.tmp(), 'store')
  const store = await openStore(t, 1, folder)
  await store.close()
  const marker = join(folder, 'CORESTORE')
  const text = await readFile(marker)
  await rename(marker, join(folder, 'was'))
  await writeFile(marker, text)
  const copy = new Store({ path: folder, primaryKey: Buffer.alloc(32, 1) })
  t.is(await codeOf(copy.open()), 'STORE_DAMAGED')
  await copy.close()
})

test('a store of another seed is refused', async (t) => {
  const folder = join(await t.tmp(), 'store')
  await (await openStore(t, 1, folder)).close()
  const other = new Store({ path: folder, primaryKey: Buffer.alloc(32, 2) })
  t.is(await codeOf(other.open()), 'STORE_DAMAGED')
  await other.close()
})

test('a path that cannot be a store is a clear error', async (t) => {
  const file = join(await t.tmp(), 'file')
  await writeFile(file, '')
  const store = new Store({ path: file, primaryKey: Buffer.alloc(32, 1) })
  t.is(await codeOf(store.open()), 'STORE_DAMAGED')
  await store.close()
  t.exception(() => new Store({ path: file, primaryKey: Buffer.alloc(16) }), /32 bytes/)
})

test('the folder of a store is for its owner only', async (t) => {
  const store = await openStore(t, 1)
  t.is((await stat(store.path)).mode & 0o777, 0o700)
})

test('a stock Corestore refuses the directory', async (t) => {
  const folder = join(await t.tmp(), 'store')
  await (await openStore(t, 1, folder)).close()
  const stock = new Corestore(folder)
  await t.exception(stock.ready())
})

test('open and close may be called again, parts are refused when closed', async (t) => {
  const store = await openStore(t, 1)
  await Promise.all([store.open(), store.sync(), store.sync()])
  await store.close()
  await store.close()
  await t.exception(store.sync(), /closed/)
  const never = new Store({ path: join(await t.tmp(), 'never'), primaryKey: Buffer.alloc(32, 1) })
  t.exception(() => never.corestore, /not open/)
  await never.close()
})

test('syncs at the same time share, and one that comes later waits for one of its own', async (t) => {
  const folder = join(await t.tmp(), 'db')
  await mkdir(folder)
  await writeFile(join(folder, '000004.log'), 'a')
  await writeFile(join(folder, 'LOG'), 'no log of ours')
  const log = new LogSync(folder)
  const first = log.sync()
  const [second, third] = [log.sync(), log.sync()]
  t.is(second, third)
  t.not(first, second)
  await Promise.all([first, second])
  await writeFile(join(folder, '000007.log'), 'b')
  await writeFile(join(folder, '000012.log'), 'c')
  await log.sync()
  await log.close()
  const empty = new LogSync(await t.tmp())
  await empty.sync()
  await empty.close()
  const missing = new LogSync(join(folder, 'missing'))
  await t.exception(missing.sync(), /ENOENT/)
  await missing.close()
})

test('R16: an append is on disk before it is told', async (t) => {
  const { store, drives } = await openDrives(t, 1)
  const own = await drives.openOwn({ folder: FOLDER, device: SELF, folderKey: FOLDER_KEY, generation: 1 })
  const order: string[] = []
  const sync = store.sync.bind(store)
  store.sync = async () => {
    await sync()
    order.push('synced')
  }
  own.db.on('append', () => {
    order.push('told')
  })
  await own.publish([directory('d', 1)], none)
  t.alike(order, ['synced', 'told', 'synced', 'told'], 'the header of the tree, then the entry')
  store.sync = () => Promise.reject(new Error('EIO'))
  const { length } = own
  await t.exception(own.publish([directory('e', 2)], none), /EIO/)
  t.is(own.length, length, 'what could not be made durable is not told')
  store.sync = sync
})

test('what was published survives a kill at any moment, drive and index alike', async (t) => {
  const folder = join(await t.tmp(), 'store')
  const child = fork(fileURLToPath(import.meta.url), [folder], { env: { ...process.env, P2PSYNC_TEST: '1', STORE_CHILD: '1' }, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const published = await new Promise<number>((resolve) => {
    child.on('message', (length) => {
      if (Number(length) > 40) resolve(Number(length))
    })
  })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await ended
  const { drives } = await openDrives(t, 1, folder)
  const own = await drives.openOwn({ folder: FOLDER, device: SELF, folderKey: FOLDER_KEY, generation: 1 })
  t.ok(own.length >= published, `${own.length} of ${published}`)
  let rows = 0
  for await (const batch of own.replay(0)) rows += batch.length
  t.is(rows, own.length - 1)
  await own.publish([directory('after', 1_000_000)], none)
  t.ok((await readdir(join(folder, 'db'))).length > 0)
})

/** The child of the test above: publishes until it is killed. */
async function publishForEver(folder: string): Promise<void> {
  const store = new Store({ path: folder, primaryKey: Buffer.alloc(32, 1) })
  const drives = new Drives(store)
  await drives.open()
  const own: OwnDrive = await drives.openOwn({ folder: FOLDER, device: SELF, folderKey: FOLDER_KEY, generation: 1 })
  for (let n = 1; ; n++) {
    await own.publish([directory(`d${n}`, n)], none)
    process.send?.(own.length)
  }
}

if (process.env['STORE_CHILD'] === '1') void publishForEver(process.argv[2] as string)

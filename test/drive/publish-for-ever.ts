/** Publishes until it is killed, flushes now and then, and gives room back all the time, as a process of its own (spare-room.test.ts). */
import { Drives } from '../../daemon/drive/drives.ts'
import { Store } from '../../daemon/drive/store.ts'
import { FOLDER, FOLDER_KEY, SELF, directory } from './fixtures.ts'

const store = new Store({ path: process.argv[2] as string, primaryKey: Buffer.alloc(32, 1) })
const drives = new Drives(store)
await drives.open()
const own = await drives.openOwn({ folder: FOLDER, device: SELF, folderKey: FOLDER_KEY, generation: 1 })
let given = 0
void giveBackForEver()
process.once('disconnect', () => process.exit(1))
for (let n = 1; ; n++) {
  await own.publish([directory(`d${n}`, n)], () => Promise.resolve(null))
  const batch = store.index.write({ autoDestroy: true })
  batch.tryPut(Buffer.from('length'), Buffer.from(String(own.length)))
  await batch.flush()
  if (n % 20 === 0) await store.index.flush()
  process.send?.({ length: own.length, given })
}

async function giveBackForEver(): Promise<void> {
  for (;;) {
    if (((await store.giveBack()) ?? 0) > 0) given++
    await new Promise((resolve) => setImmediate(resolve))
  }
}

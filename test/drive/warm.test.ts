/** What a large publication walks over is read together, and the tree is the same as without that. */
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import type { Drives } from '../../daemon/drive/drives.ts'
import type { Own } from '../../daemon/drive/own.ts'
import type { Store } from '../../daemon/drive/store.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { Contents, DEVICE, FOLDER, FOLDER_KEY, file, openDrives, path, source, tombstone } from './fixtures.ts'

const FILES = 1500
const none = async (): Promise<null> => null

async function own(drives: Drives): Promise<Own> {
  const opened = await drives.openOwn({ folder: FOLDER, device: DEVICE, folderKey: FOLDER_KEY, generation: 1 })
  drives.setSource(opened.key, source)
  return opened
}

/** Reads of the database so far, each for any number of keys. */
function reads(store: Store): number {
  const { _state } = store.index as unknown as { readonly _state: { readonly stats: { readonly readBatches: number } } }
  return _state.stats.readBatches
}

function nameOf(i: number): string {
  return `d${i % 40}/f${i}`
}

/** A drive that was opened anew, so that nothing of it is in memory. */
async function cold(t: Assert): Promise<{ store: Store; drive: Own }> {
  const at = join(await t.tmp(), 'store')
  const first = await openDrives(t, 1, at)
  const empty = new Contents().list(Buffer.alloc(0))
  await (await own(first.drives)).publish(Array.from({ length: FILES }, (_, i) => file(nameOf(i), empty, i + 1)), none)
  await first.drives.close()
  await first.store.close()
  const { store, drives } = await openDrives(t, 1, at)
  return { store, drive: await own(drives) }
}

test('a thousand deletions are a few reads of the database', async (t) => {
  const { store, drive } = await cold(t)
  const before = reads(store)
  await drive.publish(Array.from({ length: 1000 }, (_, i) => tombstone(nameOf(i), FILES + i + 1)), none)
  const count = reads(store) - before
  t.comment(`${count} reads`)
  t.ok(count < 200, 'one by one they are more than a thousand')
  const stated = await drive.stated(Array.from({ length: FILES }, (_, i) => path(nameOf(i))))
  t.alike(stated.map((each) => each?.entry.kind), Array.from({ length: FILES }, (_, i) => (i < 1000 ? 'tombstone' : 'file')))
})

test('whatever the keys: below the first, above the last, new and known, in any order', async (t) => {
  const { drive } = await cold(t)
  const empty = new Contents().list(Buffer.alloc(0))
  const names = ['a', 'zz', 'd0', 'd39/zz', ...Array.from({ length: 60 }, (_, i) => nameOf((i * 37) % FILES)), 'd5/new', '\u{10ffff}']
  await drive.publish(names.map((name, i) => (i % 2 === 0 ? tombstone(name, 5000 + i) : file(name, empty, 5000 + i))), none)
  const stated = await drive.stated(names as PathKey[])
  t.alike(stated.map((each) => each?.entry.vv), names.map((_, i) => ({ a1b2c3d4e5f6a7b8: 5000 + i })))
  let count = 0
  for await (const paths of drive.paths()) count += paths.length
  t.is(count, FILES + names.filter((name) => !/^d\d+\/f\d+$/.test(name)).length)
})

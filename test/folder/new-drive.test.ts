/** What a device knows after a new drive took over from its old one (R14). */
import test from 'brittle'
import type { FolderContext } from '../../daemon/folder/context.ts'
import { moveToDrive } from '../../daemon/folder/move.ts'
import { DriveLog, FakeOwnDrive } from '../fakes/drive.ts'
import { FakeIndex } from '../fakes/index.ts'
import { Life } from '../fakes/life.ts'
import { FakeLog } from '../fakes/log.ts'
import { FolderWorld } from './world.ts'

test('R14: where blocks lie in a new drive is known once it has taken over: a file that is renamed then is not read and stored again', async (t) => {
  const world = await FolderWorld.open({})
  const [a] = world.devices
  if (a === undefined) throw new Error('unreachable')
  for (let i = 0; i < 3; i++) a.user.write(`file ${i}`, `content ${i}`)
  await world.rest()
  a.kill()
  a.replicas.clear()
  const { writer } = a.drive
  const next = new DriveLog(a.device, 2, '', writer)
  Object.assign(a, { drive: next })
  a.start()
  await world.rest()
  t.is(a.index.own?.drive, next.key)
  const blocks = next.blobBlocks
  t.ok(blocks > 0)
  a.user.rename('file 1', 'renamed')
  await world.rest()
  t.alike(a.files().sort(), ['file 0', 'file 2', 'renamed'])
  t.is(next.blobBlocks, blocks)
})

test('a new drive that goes on with the blobs of the one before states where they lie, and reads nothing', async (t) => {
  const world = await FolderWorld.open({})
  const [a] = world.devices
  if (a === undefined) throw new Error('unreachable')
  for (let i = 0; i < 3; i++) a.user.write(`file ${i}`, `content ${i}`)
  await world.rest()
  const ranges = a.drive.blocks.map(({ path, blob }) => [path, blob])
  for (const keepsBlobs of [true, false]) {
    const next = new DriveLog(a.device, 2, '', a.drive.writer)
    const life = new Life({ clock: world.clock })
    const read: string[] = []
    // SAFETY: all of a context that a move sees, unless something cannot be stated.
    const context = {
      ports: { index: new FakeIndex(a.index, life), own: new FakeOwnDrive(next, life), log: new FakeLog(() => undefined), disk: { read: async ({ path }: { path: string }) => (read.push(path), null) } },
      work: { markScan: () => undefined },
      recent: { get: () => null }
    } as unknown as FolderContext
    await moveToDrive(context, [], 3, keepsBlobs)
    if (keepsBlobs) t.alike(next.blocks.map(({ path, blob }) => [path, blob]), ranges)
    t.is(next.blobBlocks, 0)
    t.is(read.length === 0, keepsBlobs)
  }
})

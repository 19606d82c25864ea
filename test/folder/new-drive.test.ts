/** What a device knows after a new drive took over from its old one (R14). */
import test from 'brittle'
import { Counter, type FolderContext } from '../../daemon/folder/context.ts'
import { handOver } from '../../daemon/folder/hand-over.ts'
import { moveToDrive } from '../../daemon/folder/move.ts'
import type { OwnCheckpoint } from '../../daemon/ports.ts'
import type { ContentId } from '../../daemon/sync/ids.ts'
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

test('R14: a drive that was made beside the folder takes over only while the index agrees with the one before, and blocks lie where they lay', async (t) => {
  const world = await FolderWorld.open({})
  const [a] = world.devices
  if (a === undefined) throw new Error('unreachable')
  for (let i = 0; i < 3; i++) a.user.write(`file ${i}`, `content ${i}`)
  await world.rest()
  const { own } = a.index
  const next = new DriveLog(a.device, 2, '', a.drive.writer)
  const done: string[] = []
  const life = new Life({ clock: world.clock })
  const index = new FakeIndex(a.index, life)
  const drive = new FakeOwnDrive(next, life)
  const steps = {
    next: drive,
    announce: async () => {
      next.append(a.drive.blocks)
      done.push(`told, the index names ${index.own?.generation}`)
    },
    takeOver: () => done.push(`writes, the index names ${index.own?.generation}`),
    sync: async () => void done.push('synced')
  }
  const counter = new Counter(own as OwnCheckpoint)
  const of = (log: DriveLog): FolderContext => {
    // SAFETY: all of a context that this step sees.
    return { ports: { index, own: new FakeOwnDrive(log, life) }, counter } as unknown as FolderContext
  }
  const longer = a.drive.branch()
  longer.append(a.drive.blocks.slice(0, 1))
  t.is(await handOver(of(longer), steps), false, 'the index has not heard of all that is stated')
  t.is(await handOver(of(new DriveLog(a.device, 9, 'other')), steps), false, 'nor of another drive')
  t.is(await handOver(of(a.drive), { ...steps, next: new FakeOwnDrive(new DriveLog(a.device, 2), life) }), false, 'another writer must number what it states')
  t.alike(done, [])
  t.is(await handOver(of(a.drive), steps), true)
  t.alike(done, ['told, the index names 1', 'writes, the index names 2', 'synced'])
  t.alike(index.own, { ...(own as OwnCheckpoint), drive: next.key, generation: 2, length: next.length, blobsFrom: 1 })
  t.alike(counter.commit(next.length), index.own as OwnCheckpoint)
  for (const { list, blob } of a.drive.blocks) t.alike((await index.content(list?.cid as ContentId))?.blob, blob)
})

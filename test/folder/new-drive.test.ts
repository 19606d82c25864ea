/** What a device knows after a new drive took over from its old one (R14). */
import test from 'brittle'
import { DriveLog } from '../fakes/drive.ts'
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

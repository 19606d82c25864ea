/** What is not synced takes the place of what was: the user deleted that. */
import test from 'brittle'
import { FolderWorld, type FolderDevice } from './world.ts'

async function both(): Promise<readonly [FolderWorld, FolderDevice, FolderDevice]> {
  const world = await FolderWorld.open({}, {})
  const [a, b] = world.devices as unknown as [FolderDevice, FolderDevice]
  a.user.mkdir('d')
  for (const path of ['d/x', 'd/y', 'f', 'other']) a.user.write(path, `bytes of ${path}`)
  await world.rest()
  return [world, a, b]
}

test('what a FIFO took the place of ends on the other devices, and is in their history', async (t) => {
  const [world, a, b] = await both()
  for (const path of ['d', 'f']) {
    a.user.remove(path)
    a.user.fifo(path)
  }
  await world.rest()
  t.alike([b.files(), b.disk.tree.node('d')], [['other'], null])
  t.alike([...b.disk.history.values()].map((node) => (node.kind === 'file' ? node.data.toString() : '')).sort(), ['bytes of d/x', 'bytes of d/y', 'bytes of f'])
  t.alike(a.folder.status().problems.map(({ path, code }) => `${path} ${code}`).sort(), ['d special-file', 'f special-file'], 'and it is told that it is not synced')
  for (const path of ['d', 'f']) a.user.remove(path)
  await world.rest()
  t.alike(a.folder.status().problems, [])
})

test('an edit elsewhere of what a FIFO took the place of waits until the FIFO is gone', async (t) => {
  const [world, a, b] = await both()
  world.network.cut(a.device, b.device)
  a.user.remove('f')
  a.user.fifo('f')
  await world.rest()
  b.user.write('f', 'edited')
  await world.rest()
  world.network.mend(a.device, b.device)
  await world.rest()
  t.is(b.user.read('f').toString(), 'edited')
  t.is(a.disk.tree.node('f')?.kind, 'special', 'it stays')
  t.alike(a.folder.status().problems.map(({ path }) => path), ['f'])
  a.user.remove('f')
  await world.rest(400_000)
  t.is(a.user.read('f').toString(), 'edited')
})

test('what an ignored thing of another kind took the place of ends on the other devices', async (t) => {
  const [world, a, b] = await both()
  a.user.write('.p2psyncignore', 'f/\n')
  await world.rest()
  t.ok(b.files().includes('f'), 'a file of that name is not ignored')
  a.user.remove('f')
  a.user.mkdir('f')
  a.user.write('f/cache', 'ignored')
  await world.rest()
  t.alike(b.files(), ['.p2psyncignore', 'd/x', 'd/y', 'other'])
  t.is(a.user.read('f/cache').toString(), 'ignored')
  t.alike([a.folder.status().problems, a.folder.activity], [[], 'idle'])
})

/** What an apply displaced is listed, whatever becomes of its statement. */
import test from 'brittle'
import { FolderWorld, type FolderDevice } from './world.ts'

const edit = (a: FolderDevice): void => a.user.write('doc', 'after')
const remove = (a: FolderDevice): void => a.user.unlink('doc')

for (const [what, act] of [['replaced', edit], ['removed', remove]] as const) {
  test(`what was ${what} is listed once its statement fails no more`, async (t) => {
    const world = await FolderWorld.open({}, {})
    const [a, b] = world.devices as unknown as [FolderDevice, FolderDevice]
    a.user.write('doc', 'before')
    await world.rest()
    const failing = Promise.reject(new Error('EIO'))
    failing.catch(() => undefined)
    b.drive.sealing = failing
    act(a)
    await world.rest(500)
    t.alike([b.disk.history.size, b.index.history.size], [1, 0], 'it is in history')
    b.drive.sealing = null
    await world.rest(100_000)
    const [version] = await b.history({ path: null, after: 0 })
    t.is(version?.path, 'doc')
    t.is(b.index.history.size, 1)
    t.is(b.files().length, act === edit ? 1 : 0)
    t.alike(b.folder.status().problems, [])
  })
}

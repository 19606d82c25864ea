/** What a start must not do, however many files there are. */
import test from 'brittle'
import { FakeIndex } from '../fakes/index.ts'
import { FolderWorld } from './world.ts'

test('a start with ignore rules that were applied before reads no table of the index from end to end', async (t) => {
  const world = await FolderWorld.open({}, {})
  const [a, b] = world.devices
  if (a === undefined || b === undefined) throw new Error('unreachable')
  a.user.write('.p2psyncignore', '*.local\n')
  for (let i = 0; i < 5; i++) a.user.write(`file ${i}`, `content ${i}`)
  await world.rest()
  t.is(b.files().length, 6)
  const walks = countWalks(t)
  a.kill()
  a.start()
  await world.rest()
  t.is(walks(), 0)
  t.is(a.folder.activity, 'idle')
  a.user.write('.p2psyncignore', '*.local\nfile 1\n')
  await world.rest()
  t.ok(walks() > 0, 'other rules are applied to every row')
})

/** Of all rows, own or another device's. */
function countWalks(t: { teardown(run: () => void): void }): () => number {
  let count = 0
  const prototype = FakeIndex.prototype
  const { all, allRemote } = prototype
  prototype.all = function () {
    count++
    return all.call(this)
  }
  prototype.allRemote = function (drive) {
    count++
    return allRemote.call(this, drive)
  }
  t.teardown(() => Object.assign(prototype, { all, allRemote }))
  return () => count
}

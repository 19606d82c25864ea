/** How many statements are made at once. */
import test from 'brittle'
import { FolderWorld, type FolderDevice } from './world.ts'

const FILES = 1200

/** Lengths of what a device stated at once, since its drive was so long. */
function batches({ drive }: FolderDevice, from: number): readonly number[] {
  const ends = drive.signed.filter((length) => length > from)
  return ends.map((length, i) => length - (ends[i - 1] ?? from))
}

test('new files are stated some hundred at once, what moved all together', async (t) => {
  const made = await FolderWorld.open({}, {})
  const [a, b] = made.devices as [FolderDevice, FolderDevice]
  await made.rest()
  a.user.mkdir('d')
  for (let i = 0; i < FILES; i++) a.user.write(`d/${i}`, `file ${i}`)
  await made.rest(100_000)
  t.is(b.files().length, FILES)
  t.is(Math.max(...batches(b, 0)), 500 + 1, 'with the head of the drive')
  t.ok(Math.max(...batches(a, 0)) <= 500 + 1)
  const before = a.drive.length
  a.user.rename('d', 'e')
  await made.rest(100_000)
  t.is(b.files()[0], 'e/0')
  t.alike(batches(a, before), [1, 2000, 2 * FILES + 1 - 2000], 'its end and its new place in pairs')
})

/** A reading of a directory may leave out what stands in it. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import test from 'brittle'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { openFolder, scan, told } from './tree.ts'

test('a name that a reading of its directory did not show, and that stands there, is not absent', async (t) => {
  const folder = await openFolder(t)
  for (const name of ['a', 'b', 'c']) fs.writeFileSync(join(folder.root, name), name)
  fs.mkdirSync(join(folder.root, 'd'))
  fs.writeFileSync(join(folder.root, 'd/f'), 'f')
  await scan(folder)
  fs.renameSync(join(folder.root, 'a'), join(folder.root, 'x~'))
  fs.renameSync(join(folder.root, 'd'), join(folder.root, 'y~'))
  fs.rmSync(join(folder.root, 'c'))
  // btrfs and tmpfs leave out of a reading what gets its name anew while it goes on; here it has none while the names are read.
  folder.rows.onChildren = () => {
    folder.rows.onChildren = () => undefined
    fs.renameSync(join(folder.root, 'x~'), join(folder.root, 'a'))
    fs.renameSync(join(folder.root, 'y~'), join(folder.root, 'd'))
  }
  t.alike(told(await scan(folder, { ignored: (path: PathKey) => path.endsWith('~') })).filter((line) => line.startsWith('absent')), ['absent c'])
})

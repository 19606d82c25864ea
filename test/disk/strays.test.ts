/** What stands in our own directory while nothing is under way: found, and put right without losing a byte. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import test from 'brittle'
import { applyOne, fileOp, historyTexts, leftInStaging, openFolder, read, removeOp, scan, stage, type Folder } from './tree.ts'

async function used(t: Parameters<typeof openFolder>[0]): Promise<Folder> {
  const folder = await openFolder(t)
  await stage(folder.disk, 'one')
  await applyOne(folder.disk, fileOp('a', 'one'))
  await scan(folder)
  await applyOne(folder.disk, removeOp('a', folder.rows.seen('a')))
  await stage(folder.disk, 'under way')
  return folder
}

test('strays: a folder that was only used has none', async (t) => {
  const { disk } = await used(t)
  t.alike(await disk.strays(false), [])
})

test('strays: every left-over is told, and goes to history or away; a second look finds nothing', async (t) => {
  const { disk, root } = await used(t)
  const put = (path: string): void => fs.writeFileSync(join(root, '.p2psync/staging', path), `bytes of ${path}`)
  for (const path of ['swap/what', 'fetch/no content id', 'beside', 'fetch/bad \u0007']) put(path)
  const paths = (found: readonly { readonly path: string; readonly code: string }[]): string[] => found.map(({ path, code }) => `${code} ${path}`).sort()
  const found = paths(await disk.strays(false))
  t.alike(found, ['left-over .p2psync/staging/beside', 'left-over .p2psync/staging/fetch/bad \u0007', 'left-over .p2psync/staging/fetch/no content id', 'left-over .p2psync/staging/swap/what'])
  t.alike(paths(await disk.strays(true)), found)
  t.alike(await disk.strays(false), [])
  t.alike(leftInStaging(root), [])
  t.alike(historyTexts(root), ['bytes of beside', 'bytes of fetch/bad \u0007', 'bytes of fetch/no content id', 'bytes of swap/what', 'one'])
})

test('strays: a mode that lets others in is closed', async (t) => {
  const { disk, root } = await used(t)
  fs.chmodSync(join(root, '.p2psync'), 0o755)
  fs.chmodSync(join(root, '.p2psync/history'), 0o750)
  t.alike((await disk.strays(true)).map(({ path, code }) => `${code} ${path}`), ['open-mode .p2psync', 'open-mode .p2psync/history'])
  t.alike(await disk.strays(false), [])
  t.is(fs.statSync(join(root, '.p2psync')).mode & 0o777, 0o700)
  t.is(read(root, '.p2psync/marker.json').includes('folder'), true)
})

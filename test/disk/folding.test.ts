/** File systems that take several names for one (R40). None can be mounted everywhere, so the disk is told to believe that this is one. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import test from 'brittle'
import { foldOf, publishedNames } from '../../daemon/disk/folding.ts'
import type { Child } from '../../daemon/disk/listing.ts'
import type { ApplyResult, Row } from '../../daemon/ports.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { ROOT } from '../../daemon/sync/path.ts'
import { apply, directoryOp, fileOp, openFolder, removeOp, scan, stage } from './tree.ts'

const NFC = 'caf\u00e9'
const NFD = 'cafe\u0301'

function codeOf(result: ApplyResult | undefined): string {
  return result?.kind === 'problem' ? result.problem.code : (result?.kind ?? 'nothing')
}

test('R40: a second name that folds to one that stands is a name-clash, and the first is untouched', async (t) => {
  const folder = await openFolder(t, { folds: { case: true, normalization: true } })
  fs.writeFileSync(join(folder.root, 'readme'), 'first')
  fs.writeFileSync(join(folder.root, NFC), 'composed')
  await stage(folder.disk, 'second')
  const results = await apply(folder.disk, fileOp('README', 'second'), fileOp(NFD, 'second'), directoryOp('Readme'))
  t.alike(results.map(codeOf), ['name-clash', 'name-clash', 'name-clash'])
  t.is(fs.readFileSync(join(folder.root, 'readme'), 'utf8'), 'first')
  t.absent(fs.existsSync(join(folder.root, 'README')))
})

test('R40: of two new names the bytewise smaller, which comes first, is applied', async (t) => {
  const folder = await openFolder(t, { folds: { case: true, normalization: false } })
  await stage(folder.disk, 'one')
  await stage(folder.disk, 'two')
  const results = [...(await apply(folder.disk, fileOp('A', 'one'))), ...(await apply(folder.disk, fileOp('a', 'two')))]
  t.alike(results.map(codeOf), ['done', 'name-clash'])
})

test('R40: the clash is over when the name that stood is gone', async (t) => {
  const folder = await openFolder(t, { folds: { case: true, normalization: false } })
  fs.writeFileSync(join(folder.root, 'readme'), 'first')
  await scan(folder)
  await stage(folder.disk, 'second')
  t.alike((await apply(folder.disk, fileOp('README', 'second'))).map(codeOf), ['name-clash'])
  t.alike((await apply(folder.disk, removeOp('readme', folder.rows.seen('readme')))).map(codeOf), ['done'])
  t.alike((await apply(folder.disk, fileOp('README', 'second'))).map(codeOf), ['done'])
})

test('names that differ in case or normalization are two names where the file system says so', async (t) => {
  const folder = await openFolder(t)
  fs.writeFileSync(join(folder.root, 'readme'), 'first')
  fs.writeFileSync(join(folder.root, NFC), 'composed')
  await stage(folder.disk, 'second')
  await stage(folder.disk, 'third')
  t.alike((await apply(folder.disk, fileOp('README', 'second'), fileOp(NFD, 'third'))).map(codeOf), ['done', 'done'])
})

test('R40: a name that the file system shows in another spelling keeps the published one', (t) => {
  const row = { entry: { kind: 'directory' } } as unknown as Row
  const child = (name: string): Child => ({ name, path: name as PathKey, stat: {} as Child['stat'] })
  const names = (children: readonly Child[]): string[] => children.map((item) => item.name)
  const fold = foldOf({ case: false, normalization: true })
  t.alike(names(publishedNames([child(NFD)], new Map([[NFC, row]]), ROOT, fold)), [NFC], 'shown decomposed, published composed')
  t.alike(names(publishedNames([child(NFD)], new Map([[NFD, row]]), ROOT, fold)), [NFD], 'published as shown')
  t.alike(names(publishedNames([child('new')], new Map([[NFC, row]]), ROOT, fold)), ['new'])
  t.alike(names(publishedNames([child(NFD), child(NFC)], new Map([[NFC, row]]), ROOT, fold)), [NFD, NFC], 'both shown: two names')
  t.alike(names(publishedNames([child(NFD)], new Map([[NFC, row]]), ROOT, null)), [NFD], 'names are bytes')
})

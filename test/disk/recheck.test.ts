/** R35 on a real disk: what of history is looked at again, and where a changed one goes. */
import * as fs from 'node:fs'
import realFs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import type { FileEntry } from '../../daemon/sync/entry.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { isConflictPath } from '../../daemon/sync/conflict.ts'
import { apply, applyOne, fileOp, historyTexts, inMicroseconds, listOf, openFolder, read, removeOp, scan, stage, statOf, tree, type Folder } from './tree.ts'

/** `d/doc` was displaced while a writer holds it open. */
async function displaced(t: Assert): Promise<Folder & { readonly fd: number; readonly name: string; readonly entry: FileEntry }> {
  const folder = await openFolder(t)
  fs.mkdirSync(join(folder.root, 'd'))
  fs.writeFileSync(join(folder.root, 'd/doc'), 'before')
  await scan(folder)
  const { mtimeNs, size } = statOf(folder.root, 'd/doc')
  const fd = fs.openSync(join(folder.root, 'd/doc'), 'r+')
  t.teardown(() => fs.closeSync(fd))
  await stage(folder.disk, 'after')
  const result = await applyOne(folder.disk, fileOp('d/doc', 'after', { expect: folder.rows.seen('d/doc') }))
  if (result.kind !== 'done' || result.kept === null) throw new Error('it was not displaced')
  const entry: FileEntry = { kind: 'file', vv: {}, dots: [], mdot: ['' as never, 0], mode: 0o644, size, mtime: inMicroseconds({ mtimeNs }), cid: listOf('before').cid }
  return { ...folder, fd, name: result.kept, entry }
}

const DOC = 'd/doc' as PathKey

test('R35: an untouched one stays, by its times or by its bytes', async (t) => {
  const { disk, name, entry, root } = await displaced(t)
  t.alike(await disk.recheck(name, DOC, entry), { kind: 'same' })
  t.alike(await disk.recheck(name, DOC, { ...entry, mtime: '1000' }), { kind: 'same' })
  t.alike(historyTexts(root), ['before'])
  t.alike(await disk.recentHistory(3_600_000), [name])
})

test('hours that a clock ahead left in history do not hide the newest of what is past', async (t) => {
  const { disk, name, root } = await displaced(t)
  const history = join(root, '.p2psync/history')
  const file = name.slice(name.indexOf('/') + 1)
  for (const hour of ['2001-01-01T00', '9001-01-01T00']) {
    fs.mkdirSync(join(history, hour))
    fs.writeFileSync(join(history, hour, file), 'of another time')
  }
  t.alike([...(await disk.recentHistory(3_600_000))].sort(), [name, `9001-01-01T00/${file}`].sort())
})

test('R35: one that was written to gets a conflict name beside its path; later writes go there', async (t) => {
  const { disk, name, entry, root, fd } = await displaced(t)
  fs.writeSync(fd, 'BEFORE', 0)
  const outcome = await disk.recheck(name, DOC, entry)
  const at = outcome.kind === 'stray' ? outcome.at : null
  if (at === null) return t.fail(outcome.kind)
  t.ok(isConflictPath(at) && at.startsWith('d/'), at)
  t.alike([read(root, at), read(root, 'd/doc')], ['BEFORE', 'after'])
  t.alike(historyTexts(root), [])
  fs.writeSync(fd, ' and more', 6)
  t.is(read(root, at), 'BEFORE and more')
  t.alike(await disk.recheck(name, DOC, entry), { kind: 'gone' })
})

test('R35: its directory is gone: in the nearest one above', async (t) => {
  const { disk, name, entry, root, fd } = await displaced(t)
  fs.rmSync(join(root, 'd'), { recursive: true })
  fs.writeSync(fd, 'BEFORE', 0)
  const outcome = await disk.recheck(name, DOC, entry)
  t.ok(outcome.kind === 'stray' && outcome.at !== null && !outcome.at.includes('/'))
  t.alike(tree(root).map((path) => read(root, path)), ['BEFORE'])
})

test('R35: one that has another name in the tree was changed there', async (t) => {
  const { disk, name, entry, root, fd } = await displaced(t)
  fs.linkSync(join(root, '.p2psync/history', name), join(root, 'other'))
  fs.writeSync(fd, 'BEFORE', 0)
  t.alike(await disk.recheck(name, DOC, entry), { kind: 'same' })
  t.is(read(root, 'other'), 'BEFORE')
})

test('R35: two names of one file that go at once: whoever has it open writes into history yet', async (t) => {
  for (let round = 0; round < 10; round++) {
    const { root, disk, rows } = await openFolder(t)
    fs.writeFileSync(join(root, 'a'), 'before')
    fs.linkSync(join(root, 'a'), join(root, 'b'))
    await scan({ disk, rows })
    const fd = fs.openSync(join(root, 'a'), 'r+')
    const results = await apply(disk, removeOp('a', rows.seen('a')), removeOp('b', rows.seen('b')))
    t.alike(results.map(({ kind }) => kind), ['done', 'done'])
    fs.writeSync(fd, 'BEFORE', 0)
    fs.closeSync(fd)
    t.alike(historyTexts(root).sort(), ['BEFORE', 'before'])
  }
})

test('R35: a file of two names goes, and the user removes the other one meanwhile: whoever has it open writes into history yet', async (t) => {
  const { root, disk, rows } = await openFolder(t)
  fs.writeFileSync(join(root, 'a'), 'before')
  fs.linkSync(join(root, 'a'), join(root, 'b'))
  await scan({ disk, rows })
  const fd = fs.openSync(join(root, 'a'), 'r+')
  const { lstatSync } = realFs
  t.teardown(() => replaceLstat(lstatSync))
  let looks = 0
  // It came out, is to be copied, was copied, and then: has it still two names?
  const last = 4
  replaceLstat(((path: string, options: fs.StatSyncOptions) => {
    if (path.endsWith('-a') && ++looks === last) fs.unlinkSync(join(root, 'b'))
    return lstatSync(path, options)
  }) as typeof lstatSync)
  t.is((await applyOne(disk, removeOp('a', rows.seen('a')))).kind, 'done')
  t.is(looks, last)
  fs.writeSync(fd, 'BEFORE', 0)
  fs.closeSync(fd)
  t.alike(historyTexts(root), ['BEFORE'])
})

function replaceLstat(lstatSync: typeof fs.lstatSync): void {
  Object.assign(realFs, { lstatSync })
  syncBuiltinESMExports()
}

/** Directories and files that their own owner may not write, enter or read. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import type { ApplyOp } from '../../daemon/ports.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { apply, applyOne, directoryOp, fileOp, leftInStaging, openFolder, read, removeOp, scan, stage, statOf, symlinkOp, tree, type Folder } from './tree.ts'
import { asUser, giveAway } from './user.ts'

/** A folder of an ordinary user with a read-only directory `d` that holds `f`. */
async function readOnlyFolder(t: Assert, mode = 0o555): Promise<Folder | null> {
  const folder = await openFolder(t)
  fs.mkdirSync(join(folder.root, 'd'))
  fs.writeFileSync(join(folder.root, 'd/f'), 'old')
  giveAway(folder.root)
  if (asUser(t) === null) return null
  await scan(folder)
  fs.chmodSync(join(folder.root, 'd'), mode)
  await scan(folder, { paths: ['d' as PathKey] })
  return folder
}

function modeOf(folder: Folder, path: string): string {
  return (fs.statSync(join(folder.root, path)).mode & 0o7777).toString(8)
}

test('in a read-only directory everything can be done, and its mode is as before', async (t) => {
  const folder = await readOnlyFolder(t)
  if (folder === null) return
  await stage(folder.disk, 'new')
  await stage(folder.disk, 'more')
  const ops = [fileOp('d/f', 'new', { expect: folder.rows.seen('d/f') }), fileOp('d/g', 'more'), symlinkOp('d/l', 'x'), directoryOp('d/e')]
  const results = await apply(folder.disk, ...ops)
  t.alike(results.map((result) => result.kind), ['done', 'done', 'done', 'done'])
  t.is(read(folder.root, 'd/f'), 'new')
  t.is(modeOf(folder, 'd'), '555')
  t.alike(leftInStaging(folder.root), [])
  await scan(folder)
  const emptied = await apply(folder.disk, ...['d/f', 'd/g', 'd/l', 'd/e', 'd'].map((path) => removeOp(path, folder.rows.seen(path))))
  t.alike(emptied.map((result) => result.kind), ['done', 'done', 'done', 'done', 'done'])
  t.alike(tree(folder.root), [])
})

test('read-only directories inside each other are made with what is in them', async (t) => {
  const folder = await openFolder(t)
  giveAway(folder.root)
  if (asUser(t) === null) return
  await stage(folder.disk, 'x')
  const results = await apply(folder.disk, directoryOp('a', { mode: 0o555 }), directoryOp('a/b', { mode: 0o500 }), fileOp('a/b/f', 'x', { mode: 0o400 }))
  t.alike(results.map((result) => (result.kind === 'done' ? (result.seen?.mode ?? 0) & 0o777 : result.kind)), [0o555, 0o500, 0o400])
  t.alike(['a', 'a/b', 'a/b/f'].map((path) => modeOf(folder, path)), ['555', '500', '400'])
  t.is(read(folder.root, 'a/b/f'), 'x')
  t.is(statOf(folder.root, 'a').mode & 0o777, 0o555)
})

test('what is added to a read-only directory by a later batch gets in too', async (t) => {
  const folder = await openFolder(t)
  giveAway(folder.root)
  if (asUser(t) === null) return
  await apply(folder.disk, directoryOp('a', { mode: 0o555 }), directoryOp('a/b', { mode: 0o555 }))
  await stage(folder.disk, 'x')
  t.is((await applyOne(folder.disk, fileOp('a/b/f', 'x'))).kind, 'done')
  t.alike(['a', 'a/b'].map((path) => modeOf(folder, path)), ['555', '555'])
})

test('a chmod of a directory that the batch had to open wins over putting its mode back', async (t) => {
  const folder = await readOnlyFolder(t)
  if (folder === null) return
  await stage(folder.disk, 'x')
  const chmod: ApplyOp = { kind: 'attributes', path: 'd' as PathKey, expect: folder.rows.seen('d'), mode: 0o500, mtime: null }
  const results = await apply(folder.disk, fileOp('d/g', 'x'), chmod)
  t.alike(results.map((result) => result.kind), ['done', 'done'])
  t.is(modeOf(folder, 'd'), '500')
  const seen = results[1]?.kind === 'done' ? results[1].seen : null
  t.is((seen?.mode ?? 0) & 0o777, 0o500)
})

test('a file without any permission can be replaced, removed and given its mode', async (t) => {
  const folder = await openFolder(t)
  giveAway(folder.root)
  if (asUser(t) === null) return
  for (const [mode, name] of [[0o000, 'a'], [0o200, 'b'], [0o000, 'c']] as const) {
    await stage(folder.disk, name)
    const made = await applyOne(folder.disk, fileOp(name, name, { mode }))
    if (made.kind !== 'done' || made.seen === null) return t.fail(`${name} was not made`)
    folder.rows.put(name, { entry: { kind: 'tombstone', vv: {}, dots: [] }, seen: made.seen })
    t.is(modeOf(folder, name), mode.toString(8))
  }
  await stage(folder.disk, 'new')
  t.is((await applyOne(folder.disk, fileOp('a', 'new', { expect: folder.rows.seen('a') }))).kind, 'done')
  t.is((await applyOne(folder.disk, { kind: 'attributes', path: 'b' as PathKey, expect: folder.rows.seen('b'), mode: 0o600, mtime: null })).kind, 'done')
  t.is(read(folder.root, 'b'), 'b')
  t.is((await applyOne(folder.disk, removeOp('c', folder.rows.seen('c')))).kind, 'done')
  t.alike(tree(folder.root), ['a', 'b'])
})

test('a crash while a directory is open leaves no changed mode behind', async (t) => {
  const dies = { now: false }
  const died = new Promise<void>((resolve) => {
    Object.assign(dies, { resolve })
  })
  const folder = await openFolder(t, { hooks: { beforeMove: async () => await new Promise<never>(() => (dies as { now: boolean; resolve?: () => void }).resolve?.()) } }, false)
  fs.mkdirSync(join(folder.root, 'd'))
  giveAway(folder.root)
  if (asUser(t) === null) return
  fs.chmodSync(join(folder.root, 'd'), 0o555)
  await stage(folder.disk, 'x')
  const never = applyOne(folder.disk, fileOp('d/f', 'x'))
  await Promise.race([died, never])
  t.is(modeOf(folder, 'd'), '755', 'opened up at that moment')
  const again = await folder.again()
  await again.recover()
  t.is(modeOf(folder, 'd'), '555')
  t.alike(leftInStaging(folder.root), [])
})

test('a directory of another user is a problem with a sentence', async (t) => {
  const folder = await openFolder(t)
  fs.mkdirSync(join(folder.root, 'd'))
  giveAway(folder.root)
  if (process.geteuid?.() !== 0) return t.comment('SKIPPED: only root can make a directory of another user')
  fs.chownSync(join(folder.root, 'd'), 0, 0)
  if (asUser(t) === null) return
  await stage(folder.disk, 'x')
  const result = await applyOne(folder.disk, fileOp('d/f', 'x'))
  t.alike(result.kind === 'problem' && result.problem.code, 'EACCES')
  t.ok(folder.disk.isStaged((fileOp('d/f', 'x') as Extract<ApplyOp, { kind: 'file' }>).cid), 'the content is still staged')
})

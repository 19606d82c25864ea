/** A directory that the user made in the last instant before a file was to go to history: history has files alone, so it goes back. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { silentLog } from '../../base/log.ts'
import type { Displaced } from '../../daemon/disk/displaced.ts'
import { HistoryNotes } from '../../daemon/disk/history-notes.ts'
import { returnDirectories } from '../../daemon/disk/return-directories.ts'
import { Roots } from '../../daemon/disk/roots.ts'
import { conflictPath } from '../../daemon/sync/conflict.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { applyOne, FOLDER, historyTexts, openFolder, read, removeOp, scan, statOf, tree, type Folder } from './tree.ts'

/** The file `d` is to be removed; the user has put a directory there when it goes, and `afterMove` is what happens next. */
async function removed(t: Assert, afterMove: () => void): Promise<{ readonly folder: Folder; readonly result: string }> {
  const acts = { beforeMove: (): void => undefined, afterMove: (): void => undefined }
  const folder = await openFolder(t, { hooks: { beforeMove: () => acts.beforeMove(), afterMove: () => acts.afterMove() } })
  const { root, disk } = folder
  fs.writeFileSync(join(root, 'd'), 'old')
  await scan(folder)
  const seen = statOf(root, 'd')
  acts.beforeMove = () => {
    acts.beforeMove = () => undefined
    fs.unlinkSync(join(root, 'd'))
    fs.mkdirSync(join(root, 'd/e'), { recursive: true })
    fs.writeFileSync(join(root, 'd/one'), 'one')
    fs.writeFileSync(join(root, 'd/e/two'), 'two')
  }
  acts.afterMove = afterMove
  const { kind } = await applyOne(disk, removeOp('d', seen))
  acts.afterMove = () => undefined
  return { folder, result: kind }
}

function fails(): never {
  throw Object.assign(new Error('EIO: a disk that fails'), { code: 'EIO', syscall: 'rename' })
}

function directoryIn(root: string): string {
  const history = join(root, '.p2psync/history')
  const entry = fs.readdirSync(history, { recursive: true, withFileTypes: true }).find(({ name }) => name.endsWith('-d'))
  return join(entry?.parentPath ?? '', entry?.name ?? '')
}

function directoriesInHistory(root: string): string[] {
  const history = join(root, '.p2psync/history')
  return fs.readdirSync(history, { recursive: true, withFileTypes: true }).filter((entry) => entry.isDirectory() && entry.parentPath !== history).map(({ name }) => name)
}

test('invariant 1: a directory that took the place of a file in the last instant goes back, and where that fails too, later', async (t) => {
  const { folder, result } = await removed(t, fails)
  const { root, disk } = folder
  t.is(result, 'problem')
  t.alike(tree(root), [], 'it is not in the tree')
  const { kept: _kept, ...right } = (await disk.putRight()) ?? { kept: [] }
  t.alike(right, { paths: ['d' as PathKey], all: true })
  t.alike(tree(root), ['d', 'd/e', 'd/e/two', 'd/one'])
  t.alike([read(root, 'd/one'), read(root, 'd/e/two')], ['one', 'two'])
  t.alike(directoriesInHistory(root), [])
  t.is(await disk.putRight(), null, 'nothing is left')
})

test('invariant 1: such a directory is back after a crash', async (t) => {
  const { folder } = await removed(t, fails)
  const { root } = folder
  t.alike(await (await folder.again()).recover(), ['d' as PathKey])
  t.alike([read(root, 'd/one'), read(root, 'd/e/two')], ['one', 'two'])
  t.alike(directoriesInHistory(root), [])
})

test('invariant 1: where its name was taken meanwhile it has one of its own, and one that cannot go back keeps none of the others', async (t) => {
  const { folder } = await removed(t, fails)
  const { root } = folder
  fs.writeFileSync(join(root, 'd'), "the user's")
  const weird = Buffer.concat([Buffer.from(`${directoryIn(root)}/`), Buffer.from([0x62, 0xff])])
  fs.writeFileSync(weird, 'no text')
  const disk = await folder.again()
  const [back] = await disk.recover()
  t.ok(back?.startsWith('d.sync-conflict'), back)
  t.is(read(root, 'd'), "the user's")
  t.alike([read(root, `${back}/one`), read(root, `${back}/e/two`)], ['one', 'two'])
  t.is(fs.readFileSync(Buffer.concat([Buffer.from(join(root, back ?? '')), Buffer.from('/b'), Buffer.from([0xff])]), 'utf8'), 'no text')
  t.alike(directoriesInHistory(root), [])
  t.alike(historyTexts(root), [])
})

test('a directory in history that has no place yet keeps none of the others', async (t) => {
  const { folder } = await removed(t, fails)
  const { root } = folder
  const roots = new Roots({ root, folder: FOLDER, owner: null })
  t.teardown(async () => await roots.close())
  const other = directoryIn(root).replace(/-d$/, '-a')
  fs.mkdirSync(other)
  fs.writeFileSync(join(other, 'f'), 'f')
  const [hour] = fs.readdirSync(join(root, '.p2psync/history')).filter((name) => !name.endsWith('.paths'))
  const displaced = { rehome: async () => await Promise.reject(Object.assign(new Error('EACCES'), { code: 'EACCES' })) } as unknown as Displaced
  fs.writeFileSync(join(root, 'recovered'), 'in its way')
  const found: string[] = []
  const notes = new HistoryNotes(roots, silentLog)
  t.is(await returnDirectories({ roots, displaced, notes, log: silentLog }, [hour ?? ''], (path) => found.push(path)), false)
  t.alike(found, ['d'])
  t.is(read(root, 'd/one'), 'one')
  t.is(fs.readFileSync(join(other, 'f'), 'utf8'), 'f', 'the other one is where it was')
})

test('a directory in history that an older daemon left is found by retention and by doctor', async (t) => {
  const { folder } = await removed(t, fails)
  const { root } = folder
  const history = join(root, '.p2psync/history')
  const [bucket] = fs.readdirSync(history).filter((name) => !name.endsWith('.paths'))
  for (const suffix of ['', '.paths']) fs.renameSync(join(history, `${bucket}${suffix}`), join(history, `2024-01-01T00${suffix}`))
  fs.mkdirSync(join(history, '2024-03-01T00'))
  const disk = await folder.again()
  await disk.recover()
  t.is(directoriesInHistory(root)[0]?.endsWith('-d'), true, 'it is not looked for in old hours at each start')
  t.alike((await disk.strays(false)).map(({ path, code }) => `${code} ${path.slice(0, 30)}`), ['left-over .p2psync/history/2024-01-01T00'])
  t.is(await disk.putRight(), null)
  t.alike((await disk.history()).files, [])
  t.alike((await disk.putRight())?.paths, ['d' as PathKey])
  t.is(read(root, 'd/one'), 'one')
})

test('a directory that a start cannot bring from staging into the tree is tried again while it runs', async (t) => {
  const { root, disk } = await openFolder(t)
  const left = join(root, '.p2psync/staging/swap/directory~-~1a')
  fs.mkdirSync(left, { recursive: true })
  fs.writeFileSync(join(left, 'f'), 'f')
  // Each of the names that it may have is taken.
  const { ino, mtimeNs } = fs.lstatSync(left, { bigint: true })
  const names = Array.from({ length: 100 }, (_, n) => conflictPath('recovered' as PathKey, { kind: 'symlink', target: `${ino}:${mtimeNs}:${n}`, mtime: '0', vv: {}, dots: [] }))
  for (const name of ['recovered', ...names]) fs.writeFileSync(join(root, name), 'taken')
  await disk.recover()
  t.is(fs.readFileSync(join(left, 'f'), 'utf8'), 'f', 'it is where it was')
  for (const name of ['recovered', ...names]) fs.unlinkSync(join(root, name))
  t.alike((await disk.putRight())?.paths, ['recovered' as PathKey])
  t.is(read(root, 'recovered/f'), 'f')
})

test('a directory in history of which nothing is known is put right by doctor', async (t) => {
  const folder = await openFolder(t)
  const { root, disk } = folder
  const directory = join(root, '.p2psync/history/2024-01-01T00', `${'0'.repeat(20)}-ä`)
  fs.mkdirSync(directory, { recursive: true })
  fs.writeFileSync(join(directory, 'f'), 'f')
  fs.mkdirSync(join(root, '.p2psync/history/2024-01-01T00/of the user'))
  await disk.strays(true)
  t.is(read(root, 'recovered/f'), 'f')
  t.alike(await disk.strays(false), [])
  t.alike(directoriesInHistory(root), ['of the user'], 'what is not of a sync is left alone')
})

/**
 * What the user does in the instant in which something of ours has a name in the tree that it does not keep: a file that is taken back,
 * an empty one that holds the name.
 */
import * as fs from 'node:fs'
import realFs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import test from 'brittle'
import { silentLog } from '../../base/log.ts'
import { Mover, type Prepared } from '../../daemon/disk/atomic.ts'
import { Displaced } from '../../daemon/disk/displaced.ts'
import { HistoryNotes } from '../../daemon/disk/history-notes.ts'
import { ASIDE_DIR, FETCH_DIR } from '../../daemon/disk/layout.ts'
import { putBack } from '../../daemon/disk/put-back.ts'
import { at, Roots } from '../../daemon/disk/roots.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import type { Assert } from 'brittle'
import { applyOne, fileOp, FOLDER, historyTexts, leftInStaging, openFolder, read, scan, stage, statOf, tree, type Folder } from './tree.ts'

const D = 'd' as PathKey

function putIntoWhatCameOut(root: string): void {
  const swap = join(root, '.p2psync/staging/swap')
  for (const name of fs.readdirSync(swap)) if (fs.statSync(join(swap, name)).isDirectory()) fs.writeFileSync(join(swap, name, 'in'), 'theirs')
}

/** A file comes in the place of the empty directory `d`, into which somebody puts a file in that moment. `also`: what else is done then. */
async function takenBack(t: Assert, also: (root: string) => void): Promise<Folder> {
  const hooks = { afterMove: (): void => undefined }
  const folder = await openFolder(t, { hooks })
  const { root } = folder
  fs.mkdirSync(join(root, 'd'))
  hooks.afterMove = () => {
    hooks.afterMove = () => undefined
    putIntoWhatCameOut(root)
    also(root)
  }
  await stage(folder.disk, 'new')
  const result = await applyOne(folder.disk, fileOp('d', 'new', { expect: statOf(root, 'd') }))
  t.not(result.kind, 'done')
  t.is(read(root, 'd/in'), 'theirs', 'the directory is back')
  const later = await applyOne(folder.disk, fileOp('e', 'new'))
  t.is(later.kind, 'not-staged', 'what had a name is no verified content')
  return folder
}

test('invariant 3: what somebody writes into a new file that is taken back stands beside it', async (t) => {
  const { root } = await takenBack(t, (at) => fs.writeFileSync(join(at, 'd'), 'USR'))
  t.ok(tree(root).some((path) => path.startsWith('d.sync-conflict') && read(root, path) === 'USR'), tree(root).join(' '))
  t.alike(leftInStaging(root), [])
})

test('invariant 1: a new file that is taken back is in history, where what somebody writes who has it open is found', async (t) => {
  let fd = -1
  const { root } = await takenBack(t, (at) => (fd = fs.openSync(join(at, 'd'), 'a')))
  fs.writeSync(fd, ' and more')
  fs.closeSync(fd)
  t.alike(historyTexts(root), ['new and more'])
  t.alike(leftInStaging(root), [])
})

/** `d` with `a` is set aside, and the user has made `d` anew. */
async function setAside(t: Assert): Promise<Folder> {
  const folder = await openFolder(t)
  const { root, disk, rows } = folder
  fs.mkdirSync(join(root, 'd'))
  fs.writeFileSync(join(root, 'd/a'), 'bytes of a')
  await scan(folder)
  const [place] = await disk.setAside([{ path: D, ino: statOf(root, 'd').ino }], rows)
  t.ok(place, 'it is set aside')
  fs.mkdirSync(join(root, 'd'))
  return folder
}

test('R48: an empty file of ours that held a name when a crash came makes way for what was set aside', async (t) => {
  const { root, disk } = await setAside(t)
  fs.writeFileSync(join(root, '.p2psync/staging/swap/hold~-~1.json'), JSON.stringify({ path: 'd/a' }))
  fs.writeFileSync(join(root, 'd/a'), '')
  await disk.recover()
  t.is(read(root, 'd/a'), 'bytes of a')
  t.alike(leftInStaging(root), [])
})

for (const known of ['inode number', 'time'] as const) {
  test(`a file that is empty itself keeps its name, known by its ${known}, where a crash came right after the exchange for one of ours`, async (t) => {
    const folder = await openFolder(t)
    fs.writeFileSync(join(folder.root, '.gitkeep'), '')
    fs.utimesSync(join(folder.root, '.gitkeep'), 1_600_000_000, 1_600_000_000)
    const { ino, mtimeNs } = fs.lstatSync(join(folder.root, '.gitkeep'), { bigint: true })
    fs.mkdirSync(join(folder.root, '.p2psync/staging/swap'), { recursive: true })
    const note = { path: '.gitkeep', ino: String(known === 'inode number' ? ino : ino + 1n), mtime: String(known === 'time' ? mtimeNs : mtimeNs + 1n) }
    fs.writeFileSync(join(folder.root, '.p2psync/staging/swap/hold~-~1.json'), JSON.stringify(note))
    await folder.disk.recover()
    t.alike(tree(folder.root), ['.gitkeep'])
    t.alike(leftInStaging(folder.root), [])
  })
}

test('where names are held: the note says what comes', async (t) => {
  const folder = await openFolder(t)
  const roots = new Roots({ root: folder.root, folder: FOLDER, owner: null })
  t.teardown(async () => await roots.close())
  const mover = new Mover(roots, { noReplace: false, links: false, exchange: true }, () => undefined)
  fs.mkdirSync(join(folder.root, FETCH_DIR), { recursive: true })
  const staged = join(folder.root, FETCH_DIR, 'empty')
  fs.writeFileSync(staged, '')
  const stat = fs.lstatSync(staged, { bigint: true })
  const swap = join(folder.root, '.p2psync/staging/swap')
  const prepared: Prepared = { kind: 'file', area: FETCH_DIR, name: 'missing', stat, cid: null }
  await t.exception(roots.use('', async (parent) => await mover.placeNew(prepared, parent, 'held', 'held' as PathKey)))
  const [note] = fs.readdirSync(swap).map((name) => fs.readFileSync(join(swap, name), 'utf8'))
  t.alike(JSON.parse(note ?? '{}'), { path: 'held', ino: String(stat.ino), mtime: String(stat.mtimeNs) })
})

test('an empty file of ours that holds a name after a failed exchange is told, and goes once it is put right', async (t) => {
  const folder = await openFolder(t)
  const roots = new Roots({ root: folder.root, folder: FOLDER, owner: null })
  t.teardown(async () => await roots.close())
  let failures = 0
  const mover = new Mover(roots, { noReplace: false, links: true, exchange: true }, () => failures++)
  fs.writeFileSync(join(folder.root, 'other'), 'other')
  const missing: Prepared = { kind: 'file', area: FETCH_DIR, name: 'nothing-of-that-name', stat: fs.lstatSync(join(folder.root, 'other'), { bigint: true }), cid: null }
  await t.exception(roots.use('', async (parent) => await mover.placeOpen(missing, parent, 'held', 'held' as PathKey)))
  t.is(failures, 1)
  t.is(read(folder.root, 'held'), '', 'the name is held')
  await (await folder.again()).recover()
  t.alike(tree(folder.root), ['other'])
  t.alike(leftInStaging(folder.root), [])
})

test('R48: what somebody saves at a name while an empty file of ours holds it stands beside what goes back', async (t) => {
  const { root } = await setAside(t)
  const roots = new Roots({ root, folder: FOLDER, owner: null })
  t.teardown(async () => await roots.close())
  const real = new Mover(roots, { noReplace: false, links: true, exchange: true }, () => undefined)
  const notes = new HistoryNotes(roots, silentLog)
  const now = (): Date => new Date()
  const mover = {
    placeOpen: async (prepared: Prepared, parent: Parameters<Mover['placeOpen']>[1], name: string, path: PathKey) => {
      const moved = await real.placeNew(prepared, parent, name, path)
      fs.writeFileSync(join(root, '.p2psync/staging/swap/away~-~7'), 'USR')
      t.ok(fs.existsSync(at(parent, name)))
      return { ...moved, out: 'away~-~7' }
    }
  }
  const displaced = new Displaced({ roots, mover: real, notes, log: silentLog, now, workers: null })
  const { paths } = await putBack({ roots, mover: mover as unknown as Mover, displaced, notes, now })
  t.is(read(root, 'd/a'), 'bytes of a')
  const copy = tree(root).find((path) => path.startsWith('d/a.sync-conflict'))
  t.is(copy === undefined ? null : read(root, copy), 'USR')
  t.ok(copy !== undefined && paths.includes(copy as PathKey), 'it is told')
  t.alike(fs.readdirSync(join(root, ASIDE_DIR)), [])
})

test('invariant 1: where names cannot be exchanged, a file that is taken back is in history though its name was taken in that instant', async (t) => {
  const { mkdirSync } = realFs
  t.teardown(() => restore(mkdirSync))
  const hooks = { afterMove: (): void => undefined }
  const folder = await openFolder(t, { hooks, capabilities: { noReplace: false, links: true, exchange: false } })
  const { root } = folder
  fs.mkdirSync(join(root, 'd'))
  hooks.afterMove = () => {
    hooks.afterMove = () => undefined
    putIntoWhatCameOut(root)
    // The directory is about to get its name again.
    restore(((path: string, options: fs.MakeDirectoryOptions) => {
      if (path.endsWith('/d')) fs.writeFileSync(path, "the user's")
      return mkdirSync(path, options)
    }) as typeof mkdirSync)
  }
  await stage(folder.disk, 'new')
  t.not((await applyOne(folder.disk, fileOp('d', 'new', { expect: statOf(root, 'd') }))).kind, 'done')
  t.is(read(root, 'd'), "the user's")
  t.alike(historyTexts(root), ['new'])
  t.ok(tree(root).some((path) => path.endsWith('/in') && read(root, path) === 'theirs'), tree(root).join(' '))
  t.alike(leftInStaging(root), [])
})

function restore(mkdirSync: typeof fs.mkdirSync): void {
  realFs.mkdirSync = mkdirSync
  syncBuiltinESMExports()
}

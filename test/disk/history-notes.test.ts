/** What is written down of history before anything moves there: the format, what a crash or a stranger leaves of it, and its end. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { applyOne, directoryOp, FOLDER, openFolder, removeOp, scan, type Folder } from './tree.ts'
import { silentLog } from '../../base/log.ts'
import { HistoryNotes } from '../../daemon/disk/history-notes.ts'
import { Roots } from '../../daemon/disk/roots.ts'
import type { KeptNote } from '../../daemon/ports.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'

const NOW = new Date('2026-03-01T11:22:33.444Z')
const HOUR = '2026-03-01T11'

async function opened(t: Assert, now = NOW): Promise<Folder> {
  return await openFolder(t, { now: () => now })
}

/** Removes a file of that text, as a sync does. @returns its name in history. */
async function removed(folder: Folder, path: string, text = path): Promise<string> {
  fs.mkdirSync(join(folder.root, path, '..'), { recursive: true })
  fs.writeFileSync(join(folder.root, path), text)
  await scan(folder)
  const result = await applyOne(folder.disk, removeOp(path, folder.rows.seen(path)))
  if (result.kind !== 'done' || result.kept === null) throw new Error(`${path} was not kept`)
  return result.kept
}

function notesFile(folder: Folder, hour = HOUR): string {
  return join(folder.root, '.p2psync/history', `${hour}.paths`)
}

async function notes({ disk }: Folder): Promise<ReadonlyMap<string, KeptNote | null>> {
  const names = await disk.recentHistory(Number.MAX_SAFE_INTEGER)
  const found = await disk.historyNotes(names)
  return new Map(names.map((name, i) => [name, found[i] ?? null]))
}

test('the format: a line for each name, with the whole path', async (t) => {
  const folder = await opened(t)
  const long = `${'d'.repeat(200)}/${'e'.repeat(200)}/line\nbreak "quoted" \\ ä`
  const name = await removed(folder, long)
  const ino = fs.statSync(join(folder.root, '.p2psync/history', name)).ino
  const [file] = [name.split('/')[1] ?? '']
  t.is(fs.readFileSync(notesFile(folder), 'utf8'), `\n${JSON.stringify([1, file, 'deleted', NOW.getTime(), String(ino), long])}\n`)
  t.is(fs.statSync(notesFile(folder)).mode & 0o777, 0o600)
  const note = (await notes(folder)).get(name)
  t.alike([note?.path, note?.at, note?.reason, note?.seen.ino], [long, NOW.getTime(), 'deleted', String(ino)])
})

test('lines that are cut short, empty, of others, or of another version say nothing, and spoil none beside them', async (t) => {
  const folder = await opened(t)
  const first = await removed(folder, 'first')
  const bad = [
    JSON.stringify([2, first.split('/')[1], 'deleted', 1, null, 'other']),
    JSON.stringify([1, first.split('/')[1], 'eaten', 1, null, 'other']),
    JSON.stringify([1, first.split('/')[1], 'deleted', 1, null, '../outside']),
    JSON.stringify([1, first.split('/')[1], 'deleted', 1, null, '.p2psync/marker.json']),
    JSON.stringify([1, first.split('/')[1], 'deleted', -1, null, 'other']),
    JSON.stringify({ path: 'other' }),
    '\0\0\0\0',
    'x'.repeat(1024 * 1024),
    `[1,"${first.split('/')[1]}","deleted",1,null,"oth`
  ]
  fs.appendFileSync(notesFile(folder), bad.join('\n'))
  const second = await removed(folder, 'second')
  const found = await notes(folder)
  t.alike([found.get(first)?.path, found.get(second)?.path], ['first', 'second'])
})

test('notes that point to another file are not followed', async (t) => {
  const folder = await opened(t)
  const name = await removed(folder, 'first')
  const outside = join(folder.root, '..', 'outside')
  fs.renameSync(notesFile(folder), outside)
  fs.symlinkSync(outside, notesFile(folder))
  t.alike(await folder.disk.historyNotes([name]), [null])
  const before = fs.readFileSync(outside, 'utf8')
  await removed(folder, 'second')
  t.is(fs.readFileSync(outside, 'utf8'), before)
})

test('what cannot be written down goes to history all the same', async (t) => {
  const folder = await opened(t)
  fs.mkdirSync(notesFile(folder), { recursive: true })
  const name = await removed(folder, 'doc', 'precious')
  t.is(fs.readFileSync(join(folder.root, '.p2psync/history', name), 'utf8'), 'precious')
  t.alike(await folder.disk.historyNotes([name]), [null], 'and nothing fails of it later')
  t.alike(await folder.disk.recover(), [])
})

test('directories, and what is new, have no notes', async (t) => {
  const folder = await opened(t)
  t.is((await applyOne(folder.disk, directoryOp('d'))).kind, 'done')
  await scan(folder)
  t.is((await applyOne(folder.disk, removeOp('d', folder.rows.seen('d')))).kind, 'done')
  t.absent(fs.existsSync(notesFile(folder)))
})

test('notes end with the last file of their hour, and at a start where nothing is left of it', async (t) => {
  const folder = await opened(t)
  const names = [await removed(folder, 'one'), await removed(folder, 'two')]
  t.ok(await folder.disk.removeHistory(names[0] ?? ''))
  t.ok(fs.existsSync(notesFile(folder)))
  t.ok(await folder.disk.removeHistory(names[1] ?? ''))
  t.alike(fs.readdirSync(join(folder.root, '.p2psync/history')), [])
  fs.writeFileSync(notesFile(folder, '2026-02-01T00'), '')
  await folder.disk.recover()
  t.alike(fs.readdirSync(join(folder.root, '.p2psync/history')), [])
})

test('what a crash left in staging has the path of the inode that was noted last', async (t) => {
  const folder = await opened(t)
  const name = await removed(folder, 'deep/doc', 'precious')
  const swap = join(folder.root, '.p2psync/staging/swap')
  fs.mkdirSync(swap, { recursive: true })
  // The exchange has happened, the move to history has not.
  fs.renameSync(join(folder.root, '.p2psync/history', name), join(swap, 'directory~-~1a'))
  await folder.disk.recover()
  const [[, note] = []] = [...(await notes(folder))]
  t.alike([note?.path, note?.reason, note?.at], ['deep/doc', 'deleted', NOW.getTime()])
})

test('notes that are asked for at once are all written down', async (t) => {
  const { root } = await opened(t)
  const roots = new Roots({ root, folder: FOLDER, owner: null })
  t.teardown(async () => await roots.close())
  const history = new HistoryNotes(roots, silentLog)
  const paths = Array.from({ length: 40 }, (_each, i) => `path ${i}` as PathKey)
  await Promise.all(paths.map(async (path) => await history.reserve([{ path, reason: 'recovered', ino: null }], NOW)))
  const lines = fs.readFileSync(join(root, '.p2psync/history', `${HOUR}.paths`), 'utf8').split('\n').filter((line) => line !== '')
  t.alike(lines.map((line) => (JSON.parse(line) as unknown[])[5]).sort(), [...paths].sort())
})

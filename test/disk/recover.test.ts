/** States that a crash can leave between staging and the tree, made by hand; crash.test.ts finds them by itself. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import test from 'brittle'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { parsePath } from '../../daemon/sync/path.ts'
import { historyTexts, leftInStaging, listOf, openFolder, read, scan, stage, told, tree, type Folder } from './tree.ts'

function swap(folder: Folder, name: string): string {
  const path = join(folder.root, '.p2psync/staging/swap')
  fs.mkdirSync(path, { recursive: true })
  return join(path, name)
}

test('new content that did not get its name is found by the next stage', async (t) => {
  const folder = await openFolder(t)
  const list = listOf('new')
  fs.writeFileSync(swap(folder, `file~${list.cid}~1a`), 'new')
  t.alike(await folder.disk.recover(), [])
  const staged = await folder.disk.stage(list)
  t.alike(staged.missing(), [])
  await staged.release()
  t.alike(historyTexts(folder.root), [])
})

test('what came out of an exchange goes to history', async (t) => {
  const folder = await openFolder(t)
  fs.writeFileSync(swap(folder, `file~${listOf('new').cid}~1a`), 'precious')
  fs.writeFileSync(swap(folder, 'directory~-~2a'), 'also precious')
  fs.symlinkSync('where', swap(folder, `file~${listOf('other').cid}~3a`))
  await folder.disk.recover()
  t.alike(historyTexts(folder.root), ['also precious', 'precious'])
  t.is(fs.readdirSync(join(folder.root, '.p2psync/history'), { recursive: true }).length, 5, 'the symlink too, and the notes')
  t.alike(leftInStaging(folder.root), [])
})

test('a copy of ours that was cut short is no history', async (t) => {
  const folder = await openFolder(t)
  fs.writeFileSync(swap(folder, 'draft~-~1a'), 'half of a co')
  fs.mkdirSync(swap(folder, 'draft~-~2a'))
  fs.writeFileSync(swap(folder, 'draft~-~2a/inside'), 'precious, however it came there')
  t.alike(await folder.disk.recover(), ['recovered' as PathKey])
  t.alike(historyTexts(folder.root), [])
  t.is(read(folder.root, 'recovered/inside'), 'precious, however it came there')
  t.alike(leftInStaging(folder.root), [])
})

test('a directory that came out goes into the tree with what is in it, an empty one goes', async (t) => {
  const folder = await openFolder(t)
  fs.mkdirSync(swap(folder, `file~${listOf('new').cid}~1a`))
  fs.writeFileSync(swap(folder, `file~${listOf('new').cid}~1a/inside`), 'precious')
  fs.mkdirSync(swap(folder, 'directory~-~2a'))
  await folder.disk.recover()
  t.is(read(folder.root, 'recovered/inside'), 'precious')
  t.alike(leftInStaging(folder.root), [])
})

test('names that are none of ours are kept too, but for empty files of a probe', async (t) => {
  const folder = await openFolder(t)
  fs.writeFileSync(swap(folder, 'whatever-ä'), 'precious')
  fs.writeFileSync(swap(folder, 'Probe-ä'), '')
  await folder.disk.recover()
  t.alike(historyTexts(folder.root), ['precious'])
  t.alike(leftInStaging(folder.root), [])
})

test('what was moved away comes back if nothing took its place, and goes to history if something did', async (t) => {
  const folder = await openFolder(t)
  for (const name of ['a', 'b']) {
    fs.writeFileSync(swap(folder, `away~-~${name}`), `old ${name}`)
    fs.writeFileSync(swap(folder, `away~-~${name}.json`), JSON.stringify({ path: name }))
  }
  fs.writeFileSync(join(folder.root, 'b'), 'new b')
  t.alike([...(await folder.disk.recover())].sort(), ['a', 'b'])
  t.is(read(folder.root, 'a'), 'old a')
  t.is(read(folder.root, 'b'), 'new b')
  t.alike(historyTexts(folder.root), ['old b'])
  t.alike(leftInStaging(folder.root), [])
})

test('a note that points out of the folder is not followed', async (t) => {
  const folder = await openFolder(t)
  for (const [i, path] of ['../escaped', '/tmp/escaped', '.p2psync/marker.json', 'gone/f'].entries()) {
    fs.writeFileSync(swap(folder, `away~-~${i}`), `old ${i}`)
    fs.writeFileSync(swap(folder, `away~-~${i}.json`), JSON.stringify({ path }))
  }
  await folder.disk.recover()
  t.is(fs.existsSync(join(folder.root, '../escaped')), false)
  t.alike(historyTexts(folder.root), ['old 0', 'old 1', 'old 2', 'old 3'])
  t.is((await folder.disk.inspect()).kind, 'ready')
})

test('an empty file that held a name for a content goes, one with bytes stays', async (t) => {
  const folder = await openFolder(t)
  for (const [name, text] of [['empty', ''], ['full', 'user']] as const) {
    fs.writeFileSync(join(folder.root, name), text)
    fs.writeFileSync(swap(folder, `hold~-~${name}.json`), JSON.stringify({ path: name }))
  }
  await folder.disk.recover()
  t.alike(tree(folder.root), ['full'])
})

test('notes that a power cut left unfinished are dropped', async (t) => {
  const folder = await openFolder(t)
  fs.writeFileSync(swap(folder, 'away~-~1.json'), '{"path":"a')
  fs.writeFileSync(swap(folder, 'hold~-~2.json'), '')
  fs.mkdirSync(join(folder.root, '.p2psync/staging/modes'))
  fs.writeFileSync(join(folder.root, '.p2psync/staging/modes/7.json'), '{')
  t.alike(await folder.disk.recover(), [])
  t.alike(leftInStaging(folder.root), [])
})

test('what an operation that failed half-way left is put right while it runs, by its path', async (t) => {
  const folder = await openFolder(t)
  fs.writeFileSync(join(folder.root, 'f'), 'precious')
  const [found] = await scan(folder)
  const seen = found?.kind === 'present' ? found.seen : null
  t.is(await folder.disk.putRight(), null, 'nothing failed')
  const history = join(folder.root, '.p2psync/history')
  fs.rmSync(history, { recursive: true, force: true })
  fs.writeFileSync(history, 'in the way')
  const results = await folder.disk.apply([{ kind: 'symlink', path: parsePath('f') as PathKey, expect: seen, target: 'where', mtime: '0', displace: { to: 'history' } }], () => false)
  t.alike([results[0]?.kind, fs.readlinkSync(join(folder.root, 'f')), leftInStaging(folder.root).length], ['problem', 'where', 1])
  t.is((await folder.disk.putRight())?.all, false, 'not yet')
  fs.rmSync(history)
  // Notes can be written, and the hour is in the way.
  fs.mkdirSync(history)
  const hour = new Date().toISOString().slice(0, 13)
  const hours = [hour, new Date(Date.now() + 3_600_000).toISOString().slice(0, 13)].map((name) => join(history, name))
  for (const name of hours) fs.writeFileSync(name, 'in the way')
  for (let i = 0; i < 3; i++) t.is((await folder.disk.putRight())?.all, false)
  const noted = fs.readdirSync(history).filter((name) => name.endsWith('.paths')).map((name) => fs.readFileSync(join(history, name), 'utf8').trim().split('\n').length)
  t.alike(noted, [1], 'its place was chosen once')
  for (const name of hours) fs.rmSync(name)
  const result = await folder.disk.putRight()
  t.alike([result?.paths, result?.all], [[], true])
  t.alike([historyTexts(folder.root), leftInStaging(folder.root)], [['precious'], []])
  const notes = await folder.disk.historyNotes(result?.kept ?? [])
  t.alike(notes.flatMap((note) => (note === null ? [] : `${note.reason} ${note.path}`)), ['replaced f'])
  t.is(await folder.disk.putRight(), null)
})

test('staged content that is also in the tree stays the user\'s', async (t) => {
  const folder = await openFolder(t)
  const cid = await stage(folder.disk, 'one')
  fs.linkSync(join(folder.root, '.p2psync/staging/fetch', cid), join(folder.root, 'f'))
  const again = await folder.again()
  await again.recover()
  t.is(fs.statSync(join(folder.root, 'f')).nlink, 1)
  t.alike(told(await scan(folder)), ['present f'])
})

test('unwanted staged contents go, wanted and open ones stay, after a restart too', async (t) => {
  const folder = await openFolder(t)
  const [a, b] = [await stage(folder.disk, 'a'), await stage(folder.disk, 'b')]
  const again = await folder.again()
  const open = await again.stage(listOf('c'))
  await again.keepStaged(new Set([a]))
  t.alike(fs.readdirSync(join(folder.root, '.p2psync/staging/fetch')).sort(), [a, open.cid].sort())
  await open.release()
  await again.keepStaged(new Set())
  t.alike(fs.readdirSync(join(folder.root, '.p2psync/staging/fetch')), [])
  t.is(again.isStaged(b), false)
})

test('a root that comes back after the start is put right before it is read', async (t) => {
  const folder = await openFolder(t)
  fs.writeFileSync(swap(folder, 'away~-~1'), 'old')
  fs.writeFileSync(swap(folder, 'away~-~1.json'), JSON.stringify({ path: 'f' }))
  folder.rows.put('f', { entry: { kind: 'symlink', target: 'x', mtime: '0', vv: {}, dots: [] }, seen: null })
  t.alike(told(await scan(folder)), ['present f'])
})

test('recovering a root that is not ours is refused', async (t) => {
  const folder = await openFolder(t)
  fs.rmSync(join(folder.root, '.p2psync'), { recursive: true })
  await t.exception(folder.disk.recover(), /marker\.json is missing/)
  t.is(fs.existsSync(join(folder.root, '.p2psync')), false, 'and nothing is made there')
})

test('a marker that was being written goes, other files beside it stay', async (t) => {
  const { root, again } = await openFolder(t)
  const own = (name: string): string => join(root, '.p2psync', name)
  fs.writeFileSync(own('marker.json.0123456789ab.tmp'), '{"vers')
  fs.writeFileSync(own('marker.json.mine.tmp'), 'a user put it there')
  await (await again()).recover()
  t.alike(fs.readdirSync(own('')).filter((name) => name.startsWith('marker')).sort(), ['marker.json', 'marker.json.mine.tmp'])
})

/** How a directory becomes the root of a folder, and what tells that it is not one any more. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import test from 'brittle'
import { silentLog } from '../../base/log.ts'
import { createMarker, openDisk, prepareRoot, rebindMarker, removeMarker } from '../../daemon/disk/open.ts'
import { decodeMarker, encodeMarker } from '../../daemon/disk/marker.ts'
import type { RootState } from '../../daemon/ports.ts'
import { FOLDER, OTHER_FOLDER } from './tree.ts'
import { asUser, giveAway } from './user.ts'

async function stateOf(root: string, owner?: string): Promise<RootState> {
  const disk = await openDisk({ root, folder: FOLDER, log: silentLog, ...(owner === undefined ? {} : { owner }) })
  const state = await disk.inspect()
  await disk.close()
  return state
}

async function codeOf(root: string, owner?: string): Promise<string> {
  const state = await stateOf(root, owner)
  return state.kind === 'ready' ? 'ready' : state.code
}

test('the marker is a fixed text', (t) => {
  const text = `{"version":1,"folder":"${FOLDER}","epoch":7,"owner":"me"}\n`
  t.is(encodeMarker({ folder: FOLDER, epoch: 7, owner: 'me' }), text)
  t.alike(decodeMarker(text), { folder: FOLDER, epoch: 7, owner: 'me' })
  t.alike(decodeMarker(`{"version":1,"folder":"${FOLDER}","epoch":0}`), { folder: FOLDER, epoch: 0, owner: null })
  const bad = ['', '{', 'null', '[]', '{"version":2,"folder":"x","epoch":0}', `{"version":1,"folder":"${FOLDER}","epoch":-1}`, `{"version":1,"folder":"${FOLDER}","epoch":1.5}`, `{"version":1,"folder":"${FOLDER.slice(1)}","epoch":1}`, `{"version":1,"folder":"${FOLDER}","epoch":1,"owner":5}`]
  for (const line of bad) t.is(decodeMarker(line), null, line)
})

test('a root is ready, missing, a file, without marker, or another\'s', async (t) => {
  const root = join(await t.tmp(), 'r')
  t.is(await codeOf(root), 'root-missing')
  fs.writeFileSync(root, '')
  t.is(await codeOf(root), 'root-not-directory')
  fs.rmSync(root)
  fs.mkdirSync(root)
  t.is(await codeOf(root), 'marker-missing')
  await createMarker(root, OTHER_FOLDER)
  t.is(await codeOf(root), 'marker-foreign')
  await removeMarker(root)
  await createMarker(root, FOLDER)
  t.is(await codeOf(root), 'ready')
  fs.writeFileSync(join(root, '.p2psync/marker.json'), 'not a marker')
  t.is(await codeOf(root), 'marker-missing')
})

test('a root that may not be read halts', async (t) => {
  const root = join(await t.tmp(), 'r')
  fs.mkdirSync(root)
  await createMarker(root, FOLDER)
  giveAway(root)
  if (asUser(t) === null) return
  fs.chmodSync(root, 0)
  t.is(await codeOf(root), 'root-unreadable')
  fs.chmodSync(root, 0o700)
  t.is(await codeOf(root), 'ready')
})

test('a root may be reached by a symlink', async (t) => {
  const dir = await t.tmp()
  fs.mkdirSync(join(dir, 'real'))
  fs.symlinkSync('real', join(dir, 'r'))
  await createMarker(join(dir, 'r'), FOLDER)
  t.is(await codeOf(join(dir, 'r')), 'ready')
})

test('the epoch is kept by a restart and by making the marker again', async (t) => {
  const root = await t.tmp()
  await createMarker(root, FOLDER)
  const disk = await openDisk({ root, folder: FOLDER, log: silentLog })
  await disk.setEpoch(41)
  await disk.close()
  await createMarker(root, FOLDER)
  t.alike(await stateOf(root), { kind: 'ready', epoch: 41 })
  t.alike(fs.readdirSync(join(root, '.p2psync')), ['marker.json'], 'no draft is left')
})

test('a marker of another folder is not taken over', async (t) => {
  const root = await t.tmp()
  await createMarker(root, OTHER_FOLDER)
  await t.exception(createMarker(root, FOLDER), { code: 'FOLDER_OWNED' })
  t.is(await codeOf(root), 'marker-foreign')
})

test('a second owner of the same folder on the same directory is refused', async (t) => {
  const root = await t.tmp()
  await createMarker(root, FOLDER, 'one')
  await t.exception(createMarker(root, FOLDER, 'two'), { code: 'FOLDER_OWNED' })
  t.is(await codeOf(root, 'two'), 'marker-foreign')
  t.is(await codeOf(root, 'one'), 'ready')
})

test('a bound folder keeps its root under another id, also when told twice', async (t) => {
  const root = await t.tmp()
  await createMarker(root, OTHER_FOLDER, 'me')
  await rebindMarker(root, OTHER_FOLDER, FOLDER, 'me again')
  await rebindMarker(root, OTHER_FOLDER, FOLDER, 'me again')
  t.is(await codeOf(root, 'me again'), 'ready')
  await t.exception(rebindMarker(root, OTHER_FOLDER, OTHER_FOLDER, 'me'), { code: 'FOLDER_OWNED' })
})

test('R43: removing the marker keeps files and history, and is no error without one', async (t) => {
  const root = await t.tmp()
  await createMarker(root, FOLDER)
  fs.mkdirSync(join(root, '.p2psync/history'))
  fs.writeFileSync(join(root, 'f'), 'x')
  await removeMarker(root)
  await removeMarker(root)
  await removeMarker(join(root, 'gone'))
  t.alike(fs.readdirSync(root).sort(), ['.p2psync', 'f'])
  t.alike(fs.readdirSync(join(root, '.p2psync')), ['history'])
})

test('a path to add: the last component is made, its parent is not', async (t) => {
  const dir = await t.tmp()
  t.is(await prepareRoot(join(dir, 'new')), join(dir, 'new'))
  t.ok(fs.statSync(join(dir, 'new')).isDirectory())
  await t.exception(prepareRoot(join(dir, 'a/b')), { code: 'PATH_MISSING' })
  t.is(fs.existsSync(join(dir, 'a')), false)
})

test('a path to add that is a file, below a file, or our own is refused', async (t) => {
  const dir = await t.tmp()
  fs.writeFileSync(join(dir, 'file'), '')
  fs.symlinkSync('nowhere', join(dir, 'dangling'))
  await t.exception(prepareRoot(join(dir, 'file')), { code: 'PATH_NOT_DIRECTORY' })
  await t.exception(prepareRoot(join(dir, 'file/x')), { code: 'PATH_NOT_DIRECTORY' })
  await t.exception(prepareRoot(join(dir, 'dangling')), { code: 'PATH_MISSING' })
  await t.exception(prepareRoot(join(dir, '.p2psync')), { code: 'PATH_RESERVED' })
})

test('a path to add that may not be written is refused', async (t) => {
  if (process.getuid?.() === 0) return t.comment('SKIPPED: runs as root, whom no permission binds')
  const root = join(await t.tmp(), 'r')
  fs.mkdirSync(root)
  fs.chmodSync(root, 0o500)
  await t.exception(prepareRoot(root), { code: 'PATH_DENIED' })
  await t.exception(prepareRoot(join(root, 'new')), { code: 'PATH_DENIED' })
  fs.chmodSync(root, 0o700)
})

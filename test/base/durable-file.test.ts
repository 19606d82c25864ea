/** Files that are whole or absent, and what a crash leaves beside them. */
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'brittle'
import { makeDirectory, removeDrafts, writeDurably } from '../../base/durable-file.ts'

test('drafts that a crash left go, nothing else does', async (t) => {
  const directory = await t.tmp()
  writeDurably(join(directory, 'state.json'), '{}')
  writeFileSync(join(directory, 'state.json.0123456789ab.tmp'), '{')
  writeFileSync(join(directory, 'other.tmp'), '')
  mkdirSync(join(directory, 'sub'))
  removeDrafts(directory)
  t.alike(readdirSync(directory).sort(), ['other.tmp', 'state.json', 'sub'])
})

test('directories are made with their parents, for this user alone', async (t) => {
  const top = await t.tmp()
  makeDirectory(join(top, 'a', 'b', 'c'))
  t.alike(['a', 'a/b', 'a/b/c'].map((path) => (statSync(join(top, path)).mode & 0o777).toString(8)), ['700', '700', '700'])
  makeDirectory(join(top, 'a', 'b', 'c'))
  makeDirectory('/')
})

test('a directory that is not there has no drafts', async (t) => {
  removeDrafts(join(await t.tmp(), 'nowhere'))
  t.pass()
})

/** Which directories are told to be gone (R48), of what a scan missed. */
import test from 'brittle'
import { lookedAgain, missed, nothingGone, topmost, wholeDirectories } from '../../daemon/folder/gone.ts'
import type { Row } from '../../daemon/ports.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { key, VERSION, WRITER } from '../contract/disk-helpers.ts'

function row(kind: 'directory' | 'symlink'): Row {
  const entry = kind === 'directory' ? ({ kind, ...VERSION, mdot: [WRITER, 1], mode: 0o755 } as const) : ({ kind, ...VERSION, mtime: '0', target: 'x' } as const)
  return { entry, seen: null }
}

function gone(...paths: readonly string[]): [PathKey, Row][] {
  return paths.map((path) => [key(path.replace('/$', '')), row(path.endsWith('$') ? 'directory' : 'symlink')])
}

function tops(paths: readonly string[], others: readonly string[] = []): string {
  return [...wholeDirectories(gone(...paths), others.map(key))].map(([path, count]) => `${path}:${count}`).join(' ')
}

test('the topmost are told, with what was in them', (t) => {
  t.is(tops(['d/a', 'd/e/b', 'd/e/$', 'd/$', 'x', 'g/y/z', 'g/y/$']), 'd:4 g/y:2')
  t.is(tops(['a', 'b/c']), '')
})

test('a directory of which something waits, or stands elsewhere now, is not told, nor are those above it', (t) => {
  t.is(tops(['d/a', 'd/e/b', 'd/e/$', 'd/$'], ['d/a']), 'd/e:2')
  t.is(tops(['d/a', 'd/e/b', 'd/e/$', 'd/$'], ['d/e/b']), '')
  t.is(tops(['d/a', 'd/$'], ['d']), '')
})

test('what a second look does not miss any more is not gone, and only what is new is judged', (t) => {
  const absent = (...paths: readonly string[]) => paths.map((path) => ({ kind: 'absent' as const, path: key(path), row: null }))
  const more = nothingGone()
  for (const finding of absent('a', 'd/c', 'new')) missed(more, finding)
  const left = lookedAgain(absent('a', 'd/b', 'd/c', 'e'), [key('d'), key('a')], more)
  t.alike([left.map(({ path }) => path), [...more.absent.keys()]], [['a', 'd/c', 'e'], ['new']])
})

test('a directory that is missed again comes after what was in it', (t) => {
  const all = nothingGone()
  for (const path of ['d/a', 'd', 'd/b', 'd']) missed(all, { kind: 'absent', path: key(path), row: null })
  t.alike([...all.absent.keys()], ['d/a', 'd/b', 'd'])
})

test('R51: what is missed with something in it may be told, however often it is missed', (t) => {
  const all = nothingGone()
  for (const path of ['d/a', 'd/e/b', 'd/e', 'x']) missed(all, { kind: 'absent', path: key(path), row: null })
  t.alike([[...all.whole], all.wholePaths], [['d/e'], 2])
  missed(all, { kind: 'absent', path: key('d'), row: null })
  t.alike([[...all.whole], all.wholePaths], [['d/e', 'd'], 5])
  missed(all, { kind: 'absent', path: key('d'), row: null })
  t.is(all.wholePaths, 5)
})

test('of directories in each other the topmost counts', (t) => {
  t.alike(topmost(['d/e', 'x/y', 'd', 'd/e/f', 'x/y'].map(key)), ['x/y', 'd'])
})

test('of very many that are gone not every row is kept', (t) => {
  const all = nothingGone()
  const [[, known]] = gone('x') as [[PathKey, Row]]
  for (let i = 0; i < 20_010; i++) missed(all, { kind: 'absent', path: key(`d/${i}`), row: known })
  const rows = [...all.absent.values()].map((state) => (state.kind === 'absent' ? state.row : null))
  t.alike([rows.length, rows.filter((row) => row === known).length, rows[20_009]], [20_010, 20_000, null])
})

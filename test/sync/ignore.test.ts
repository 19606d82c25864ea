/** R31, R32: what is ignored, and which line says so. */
import test from 'brittle'
import { conflictPath } from '../../daemon/sync/conflict.ts'
import { createIgnore } from '../../daemon/sync/ignore.ts'
import { IGNORE_FILE } from '../../daemon/sync/path.ts'
import { file, path } from './build.ts'

function ignores(text: string, at: string, isDirectory = false): boolean {
  return createIgnore([text]).ignored(path(at), isDirectory)
}

test('gitignore patterns', (t) => {
  t.ok(ignores('*.o', 'x/y.o'))
  t.absent(ignores('/a', 'x/a'))
  t.ok(ignores('/a', 'a'))
  t.ok(ignores('build/', 'x/build', true))
  t.absent(ignores('build/', 'x/build'), 'only directories')
  t.ok(ignores('**/tmp/*.log', 'a/b/tmp/x.log'))
  t.absent(ignores('*.log\n!keep.log', 'keep.log'))
  t.absent(ignores('# *.o\n\n', 'y.o'))
  t.ok(ignores('\\#x', '#x'))
  t.ok(ignores('*.o\r\n*.p\r\n', 'y.p'))
  t.ok(ignores('\uFEFF*.o', 'y.o'))
  t.absent(ignores('*.O', 'y.o'), 'letter case counts')
})

test('nothing below an ignored directory comes back', (t) => {
  t.ok(ignores('d/\n!d/x', 'd/x'))
  t.ok(ignores('d/', 'd/e/x'))
  t.absent(ignores('d/*\n!d/x', 'd/x'))
})

test('our own directory is always ignored, only at the root', (t) => {
  const rules = createIgnore(['!.p2psync'])
  for (const at of ['.p2psync', '.p2psync/history/x', '.P2PSYNC/x']) t.ok(rules.ignored(path(at), false), at)
  t.absent(rules.ignored(path('d/.p2psync'), true))
  t.alike(rules.explain(path('.p2psync'), true), { file: -1, line: 0, pattern: '/.p2psync/' })
})

test('R32: the rules and copies of them are never ignored', (t) => {
  t.absent(ignores('*', IGNORE_FILE))
  t.absent(ignores('*', conflictPath(IGNORE_FILE, file('X', 'a1'))))
  t.ok(ignores('*', 'd/.p2psyncignore'))
})

test('R32: what any of the texts ignores is ignored', (t) => {
  const rules = createIgnore(['*.o', '!x.o\n*.p'])
  t.ok(rules.ignored(path('x.o'), false))
  t.ok(rules.ignored(path('x.p'), false))
  t.absent(rules.ignored(path('x.q'), false))
})

test('the line that decides is named', (t) => {
  const rules = createIgnore(['# objects\n*.o', 'a\n\nbuild/'])
  t.alike(rules.explain(path('x.o'), false), { file: 0, line: 2, pattern: '*.o' })
  t.alike(rules.explain(path('build/x'), false), { file: 1, line: 3, pattern: 'build/' })
  t.is(rules.explain(path('x'), false), null)
})

test('no text can throw', (t) => {
  for (const text of ['[', '[z-a]', '\\', '(((', '*'.repeat(50), '!', '/', '{a,b', '\0', '[[:alpha:]', 'a\\ ']) t.execution(() => ignores(text, 'some/name'), JSON.stringify(text))
})

test('odd names can be asked', (t) => {
  for (const name of ['..a', '...', 'a\\b', ' ', '\n', 'a\n']) t.execution(() => ignores('*.o', name), JSON.stringify(name))
})

test('what is remembered is bounded', (t) => {
  const rules = createIgnore(['*.o'])
  let ignored = 0
  for (let i = 0; i < 120_000; i++) if (rules.ignored(path(`f${i}.o`), false)) ignored++
  t.is(ignored, 120_000)
})

/** R6 and R7: the name and the statement of a conflict copy. The names are a format: they must not change. */
import test from 'brittle'
import fc from 'fast-check'
import { conflictPath, copyEntry, copyWriter, isConflictPath, stripConflict } from '../../daemon/sync/conflict.ts'
import type { WriterId } from '../../daemon/sync/ids.ts'
import { nameOf, parsePath } from '../../daemon/sync/path.ts'
import { covers } from '../../daemon/sync/version.ts'
import { file, path, symlink } from './build.ts'

const CID = 'n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg'
const loser = file(CID, 'a1')

const NAMES: readonly (readonly [string, string])[] = [
  ['report.txt', 'report.sync-conflict-xxx.txt'],
  ['docs/archive.tar.gz', 'docs/archive.tar.sync-conflict-xxx.gz'],
  ['README', 'README.sync-conflict-xxx'],
  ['.bashrc', '.bashrc.sync-conflict-xxx'],
  ['.config.json', '.config.sync-conflict-xxx.json'],
  ['a.', 'a..sync-conflict-xxx'],
  ['a.extension-of-16-b', 'a.extension-of-16-b.sync-conflict-xxx'],
  ['a.extension16bytes', 'a.sync-conflict-xxx.extension16bytes'],
  ['.p2psyncignore', '.p2psyncignore.sync-conflict-xxx']
]

test('R7: the mark stands before the extension', (t) => {
  for (const [base, expected] of NAMES) {
    const copy = conflictPath(path(base), loser)
    t.is(copy.replace(/-conflict-[a-z2-7]{10}/, '-conflict-xxx'), expected)
    t.is(stripConflict(copy), base)
    t.ok(isConflictPath(copy))
    t.absent(isConflictPath(path(base)))
  }
})

test('R7: golden names', (t) => {
  t.is(conflictPath(path('report.txt'), loser), 'report.sync-conflict-6d4knnqcpd.txt')
  t.is(conflictPath(path('docs/ü'), symlink('../x', 'a1')), 'docs/ü.sync-conflict-kjxbqa5lh2')
})

test('R7: neither version, mode nor mtime goes in; path, kind and content do', (t) => {
  t.is(conflictPath(path('a'), file(CID, 'b7', { mode: 0o600, mtime: 9 })), conflictPath(path('a'), loser))
  const all = [conflictPath(path('a'), loser), conflictPath(path('a'), file('other', 'a1')), conflictPath(path('a'), symlink(CID, 'a1'))]
  t.is(new Set(all).size, 3)
  t.not(nameOf(conflictPath(path('x/a'), loser)), nameOf(conflictPath(path('y/a'), loser)))
})

test('R7: a copy that loses against another content gets the name it would have got at the base', (t) => {
  const copy = conflictPath(path('a.txt'), file('other', 'a1'))
  t.is(conflictPath(copy, loser), conflictPath(path('a.txt'), loser))
})

test('R7: a content that loses at its own conflict path goes on along a short chain', (t) => {
  const chain = [path('a.txt')]
  for (let i = 0; i < 6; i++) chain.push(conflictPath(chain.at(-1) as typeof chain[0], loser))
  t.is(new Set(chain.slice(0, 5)).size, 5)
  t.is(chain[5], chain[4], 'at its end there is no other place')
  t.ok(chain.slice(1).every((copy) => stripConflict(copy) === 'a.txt'))
})

test('R7: names are cut at a character boundary', (t) => {
  const copy = conflictPath(path(`${'ü'.repeat(125)}.txt`), loser)
  t.ok(Buffer.byteLength(copy) <= 255 && Buffer.byteLength(copy) > 252)
  t.is(parsePath(copy), copy)
})

test('R7: a copy of any path is a path', (t) => {
  const unit = fc.constantFrom('a', '.', 'ü', '\u{1F600}', '-', '.sync-conflict-aaaaaaaaaa')
  const name = fc.string({ unit, minLength: 1, maxLength: 300 })
  fc.assert(
    fc.property(fc.array(name, { minLength: 1, maxLength: 40 }), (names) => {
      const base = parsePath(names.join('/'))
      if (base === null) return true
      const copy = conflictPath(base, loser)
      return parsePath(copy) === copy && copy !== base && isConflictPath(copy)
    }),
    { numRuns: 2000 }
  )
  const deep = parsePath(`${`${'d'.repeat(200)}/`.repeat(20)}${'x'.repeat(70)}`)
  t.is(deep?.length, 4090)
  const copy = conflictPath(deep as NonNullable<typeof deep>, loser)
  t.is(parsePath(copy), copy, 'also where hardly any byte is left')
})

test('R7: names that only look like copies are left alone', (t) => {
  const others = ['.sync-conflict-aaaaaaaaaa', '..sync-conflict-aaaaaaaaaa', 'a.sync-conflict-aaaaaaaaa', 'a.sync-conflict-AAAAAAAAAA', 'a.sync-conflict-aaaaaaaa01', '.p2psync.sync-conflict-aaaaaaaaaa']
  for (const name of others) t.is(stripConflict(path(name)), name)
})

test('R6: a copy states the changes that made it under copy writers, and nothing else', (t) => {
  const a = copyWriter('a' as WriterId)
  const b = copyWriter('b' as WriterId)
  const entry = copyEntry(file(CID, 'a5 b2 c9', { by: 'a5 b2', mdot: 'c9', mode: 0o600, mtime: 7 }))
  t.alike(entry.vv, { [a]: 5, [b]: 2 })
  t.alike(new Map(entry.dots), new Map([[a, 5], [b, 2]]))
  t.alike(entry.kind === 'file' && [entry.mode, entry.mtime, entry.mdot], [0o600, '7000', [copyWriter('c' as WriterId), 9]])
  t.absent(covers(entry.vv, ['a' as WriterId, 1]))
  t.is(copyWriter('0011223344556677' as WriterId), '5ec664e7256ad8bf')
})

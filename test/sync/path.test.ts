/** Invariant 6: which names are paths of a tree; and their order. */
import test from 'brittle'
import fc from 'fast-check'
import { ancestorsOf, comparePaths, isBelow, isName, isReserved, joinPath, nameOf, parentOf, parseChild, parsePath, ROOT } from '../../daemon/sync/path.ts'
import { path } from './build.ts'

test('names of a tree are paths', (t) => {
  const good = ['a', 'a/b', '.a', '..a', '...', 'a b', 'a\\b', 'ü/日本', '\u{1F600}', 'a/.p2psync', '.p2psyncignore', '.p2psync2', 'a\nb', 'n'.repeat(255)]
  for (const text of good) t.is(parsePath(text), text, JSON.stringify(text.slice(0, 20)))
})

test('whatever could leave the folder, alias or break is none', (t) => {
  const bad = ['', '/', '/a', 'a/', 'a//b', '.', '..', 'a/..', '../a', 'a/./b', 'a\0b', '\ud800', 'a/\udc00b', 'n'.repeat(256), 'ü'.repeat(128)]
  for (const text of bad) t.is(parsePath(text), null, JSON.stringify(text.slice(0, 20)))
  for (const value of [undefined, null, 1, {}, ['a']]) t.is(parsePath(value), null)
})

test('our own directory is none, in any spelling a file system may fold to it', (t) => {
  for (const text of ['.p2psync', '.p2psync/x', '.P2PSYNC', '.P2pSync/x', '.p2p\u017fync', '.p2p\u200dsync', '\uff0ep2psync']) t.is(parsePath(text), null, JSON.stringify(text))
})

test('the short way for plain names gives what folding gives', (t) => {
  const folded = (name: string): boolean => name.normalize('NFKC').replace(/\p{Default_Ignorable_Code_Point}/gu, '').toUpperCase().toLowerCase() === '.p2psync'
  const letter = fc.constantFrom(...'.p2psyncPSYNC\u017f\u200d\u00ad\uff0e\x7fa ')
  const near = fc.array(letter, { minLength: 7, maxLength: 9 }).map((letters) => letters.join(''))
  const cased = fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }).map((upper) => [...'.p2psync'].map((c, i) => (upper[i] === true ? c.toUpperCase() : c)).join(''))
  fc.assert(fc.property(fc.oneof(near, cased, fc.string({ unit: 'binary-ascii' })), (name) => isReserved(name) === folded(name)), { numRuns: 2000 })
  for (let code = 1; code < 0x80; code++) t.is(isReserved(`.p2psyn${String.fromCharCode(code)}`), code === 0x63 || code === 0x43)
})

test('a path has at most 4096 bytes', (t) => {
  const long = `${'x'.repeat(255)}/`.repeat(16)
  t.is(parsePath(long.slice(0, 4095)), long.slice(0, 4095))
  t.is(parsePath(`${long}x`), null)
  t.is(parsePath('a/'.repeat(32_768)), null)
})

test('a name in a directory is parsed as the path of both', (t) => {
  const letters = fc.constantFrom('a', 'b', '.', '/', '\0', '\ud800', 'ü', '日', '\u{1F600}', '.p2psync', 'n'.repeat(250))
  const name = fc.array(letters, { maxLength: 4 }).map((parts) => parts.join(''))
  const directories = [ROOT, path('a'), path('ü/b'), path(`${'日'.repeat(80)}/`.repeat(16).slice(0, -1)), path(`${'x'.repeat(255)}/`.repeat(5).slice(0, -1)), path(`${'x'.repeat(255)}/`.repeat(15).slice(0, -1))]
  fc.assert(fc.property(fc.constantFrom(...directories), name, (directory, child) => parseChild(directory, child) === (child.includes('/') ? null : parsePath(joinPath(directory, child)))), { numRuns: 5000 })
  t.pass()
})

test('parents, names and ancestors', (t) => {
  t.is(parentOf(path('a/b/c')), 'a/b')
  t.is(parentOf(path('a')), ROOT)
  t.is(nameOf(path('a/b')), 'b')
  t.is(joinPath(ROOT, 'a'), 'a')
  t.is(joinPath(path('a'), 'b'), 'a/b')
  t.alike(ancestorsOf(path('a/b/c')), ['a/b', 'a'])
  t.ok(isBelow(path('a/b'), path('a')))
  t.absent(isBelow(path('ab'), path('a')))
  t.absent(isBelow(path('a'), path('a')))
  t.ok(isBelow(path('a'), ROOT))
})

test('paths are ordered by their bytes', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 6 }), fc.string({ unit: 'binary', maxLength: 6 }), (a, b) => {
      return Math.sign(comparePaths(a, b)) === Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b)))
    }),
    { numRuns: 2000 }
  )
  t.ok(comparePaths('\uffff', '\u{10000}') < 0)
})

test('a parsed path is made of names', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', '.', '/', '\0', 'P', '\ud800', 'ü', '\\') }), (text) => {
      const parsed = parsePath(text)
      return parsed === null || (parsed === text && parsed.split('/').every(isName))
    }),
    { numRuns: 2000 }
  )
  t.pass()
})

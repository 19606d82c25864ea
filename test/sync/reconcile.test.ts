/** R6 to R9, R15 and R31: what a set of paths shall become, and what had to be known for it. */
import test from 'brittle'
import { conflictPath, copyEntry } from '../../daemon/sync/conflict.ts'
import type { DirectoryEntry, FileEntry } from '../../daemon/sync/entry.ts'
import { sameEntry } from '../../daemon/sync/entry-compare.ts'
import { vectorOf } from '../../daemon/sync/version.ts'
import { directory, dot, file, path, resolveAll, symlink, tombstone, vv } from './build.ts'

const mine = file('X', 'a1', { mtime: 1 })
const theirs = file('Y', 'b1', { mtime: 2 })
const won = file('Y', 'a1 b1', { by: 'b1', mtime: 2 })
const copy = conflictPath(path('f.txt'), mine)

test('what dominates is taken', (t) => {
  const got = resolveAll({ f: [file('X', 'a1'), file('Y', 'a1 b1')] }, ['f']).get(path('f'))
  t.alike(got, { path: path('f'), own: file('X', 'a1'), target: file('Y', 'a1 b1'), copies: [], copyOf: null, toHistory: [] })
})

test('a dirty path that is as it shall be is answered all the same; one of which nobody speaks is not', (t) => {
  const got = resolveAll({ f: [mine] }, ['f', 'g'])
  t.alike([...got.keys()], ['f'])
  t.alike(got.get(path('f'))?.target, mine)
})

test('R6: the loser becomes an entry at its conflict path, before the winner is published (R8)', (t) => {
  const got = resolveAll({ 'f.txt': [mine, theirs] }, ['f.txt'])
  t.alike(got.get(path('f.txt')), { path: path('f.txt'), own: mine, target: won, copies: [copy], copyOf: null, toHistory: [] })
  t.alike(got.get(copy), { path: copy, own: null, target: copyEntry(mine), copies: [], copyOf: path('f.txt'), toHistory: [] })
})

test('R6: the other device makes the same copy', (t) => {
  const got = resolveAll({ 'f.txt': [theirs, mine] }, ['f.txt'])
  t.alike(got.get(copy)?.target, copyEntry(mine))
  t.alike(got.get(path('f.txt'))?.target, won)
})

test('R6: a copy that the user deleted does not come back; our bytes go to history', (t) => {
  const made = copyEntry(mine)
  const deleted = { ...tombstone('c1'), vv: { ...made.vv, ...vv('c1') } }
  const got = resolveAll({ 'f.txt': [mine, theirs], [copy]: [null, deleted] }, ['f.txt'])
  t.alike(got.get(path('f.txt'))?.toHistory, [mine])
  t.alike(got.get(path('f.txt'))?.copies, [copy], 'the deletion is stated before the winner (R8)')
  t.ok(sameEntry(got.get(copy)?.target ?? null, deleted))
  t.alike(resolveAll({ 'f.txt': [theirs, mine], [copy]: [deleted] }, ['f.txt']).get(path('f.txt'))?.toHistory, [], 'who does not hold them has nothing to keep')
})

test('R6: a copy moved back into place that loses again is kept again', (t) => {
  const made = copyEntry(mine)
  const moved = { ...tombstone('a3'), vv: { ...made.vv, ...vv('a3') } }
  const restored = file('X', 'a2 b1', { by: 'a2', mtime: 1 })
  const edit = file('Z', 'b2', { mtime: 9 })
  const got = resolveAll({ 'f.txt': [restored, edit], [copy]: [moved] }, ['f.txt'])
  t.is(got.get(copy)?.target.kind, 'file')
})

test('R6: a copy that was edited keeps the edit', (t) => {
  const made = copyEntry(mine) as FileEntry
  const edited: FileEntry = { ...file('P', 'c1'), vv: { ...made.vv, ...vv('c1') } }
  const got = resolveAll({ 'f.txt': [mine, theirs], [copy]: [null, edited] }, ['f.txt'])
  t.ok(sameEntry(got.get(copy)?.target ?? null, edited))
})

test('R7: where the conflict path is ignored the bytes go to history, whoever holds them', (t) => {
  for (const own of [mine, theirs]) {
    const other = own === mine ? theirs : mine
    const got = resolveAll({ 'f.txt': [own, other] }, ['f.txt'], [copy])
    t.alike(got.get(path('f.txt'))?.toHistory, [mine])
    t.alike(got.get(path('f.txt'))?.copies, [])
    t.absent(got.has(copy))
  }
})

test('R7: once the winner is stated nothing is owed any more', (t) => {
  const got = resolveAll({ 'f.txt': [won, mine, file('X', 'a1 b1', { by: 'a1' })] }, ['f.txt'], [copy])
  t.alike(got.get(path('f.txt'))?.toHistory, [])
})

test('R8: a copy made elsewhere of what we still hold comes first, from our own bytes', (t) => {
  const got = resolveAll({ 'f.txt': [mine, won], [copy]: [null, copyEntry(mine)] }, ['f.txt', copy])
  t.alike(got.get(path('f.txt'))?.copies, [copy])
  t.is(got.get(copy)?.copyOf, 'f.txt')
})

test('R8: three edits make two copies', (t) => {
  const third = file('Z', 'c1', { mtime: 3 })
  const got = resolveAll({ 'f.txt': [mine, theirs, third] }, ['f.txt'])
  t.alike([...(got.get(path('f.txt'))?.copies ?? [])].sort(), [conflictPath(path('f.txt'), mine), conflictPath(path('f.txt'), theirs)].sort())
  t.is(got.size, 3)
})

test('R9: what is live keeps the directories above it, with the vector of their deletion', (t) => {
  const got = resolveAll({ d: [directory('a1'), tombstone('a1 b1')], 'd/x': [file('X', 'a2 a3', { mtime: 2 }), tombstone('a2 b2')] }, ['d', 'd/x'])
  t.alike(got.get(path('d'))?.target, directory('a1 b1', { by: 'a1' }))
  t.is(got.get(path('d/x'))?.target.kind, 'file')
})

test('R9: also where only the child is new', (t) => {
  const got = resolveAll({ d: [tombstone('a1 b1'), directory('a1')], 'd/y': [null, file('Y', 'c1')] }, ['d/y'])
  t.alike(got.get(path('d'))?.target, directory('a1 b1', { by: 'a1' }))
})

test('R9: a file that dominates over a live child follows R6', (t) => {
  const put = file('F', 'a1 b1')
  const got = resolveAll({ d: [directory('a1'), put], 'd/y': [file('Y', 'a2')] }, ['d'])
  const kept = conflictPath(path('d'), put)
  t.alike(got.get(path('d'))?.target, directory('a1 b1', { by: 'a1' }))
  t.alike(got.get(path('d'))?.copies, [kept])
  t.alike(got.get(kept)?.target, copyEntry(put))
})

test('R9: a directory that ends takes everything below with it, though only it was dirty', (t) => {
  const asked = new Set<string>()
  const statements = {
    d: [directory('a1'), tombstone('a1 b1')],
    'd/e': [directory('a2'), tombstone('a2 b2')],
    'd/e/x': [file('X', 'a3'), tombstone('a3 b3')],
    'other/y': [file('Y', 'a4')]
  } as const
  const got = resolveAll(statements, ['d'], [], asked)
  t.alike([...got].map(([at, resolution]) => `${at} ${resolution.target.kind}`).sort(), ['d tombstone', 'd/e tombstone', 'd/e/x tombstone'])
  t.absent(asked.has('other/y'))
})

test('R9: something live deep below stops the end of a directory', (t) => {
  const statements = { d: [directory('a1'), tombstone('a1 b1')], 'd/e': [directory('a2'), tombstone('a2 b2')], 'd/e/x': [null, file('X', 'c3')] } as const
  const got = resolveAll(statements, ['d'])
  t.is(got.get(path('d'))?.target.kind, 'directory')
  t.is(got.get(path('d/e'))?.target.kind, 'directory')
})

test('R9: a directory of which nobody speaks is made for what lies in it', (t) => {
  const got = resolveAll({ 'd/x': [null, file('X', 'a1')] }, ['d/x'])
  const target = got.get(path('d'))?.target as DirectoryEntry
  t.is(target.kind, 'directory')
  t.alike(target.vv, vectorOf(target.dots))
  t.absent(Object.hasOwn(target.vv, 'a'), 'it claims no change of a real writer at this path')
})

test('R9: a symlink is displaced like a file', (t) => {
  const link = symlink('/etc', 'b1')
  const got = resolveAll({ d: [null, link], 'd/x': [null, file('X', 'a1')] }, ['d', 'd/x'])
  t.is(got.get(path('d'))?.target.kind, 'directory')
  t.alike(got.get(conflictPath(path('d'), link))?.target, copyEntry(link))
})

test('R31: an ignored path has no resolution and keeps nothing alive', (t) => {
  const got = resolveAll({ d: [directory('a1'), tombstone('a1 b1')], 'd/x': [null, file('X', 'c1')] }, ['d', 'd/x'], ['d/x'])
  t.alike([...got.keys()], ['d'])
  t.is(got.get(path('d'))?.target.kind, 'tombstone')
})

test('work is proportional to the closure', (t) => {
  const asked = new Set<string>()
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`d/f${i}`, [file('X', 'a1')] as const]))
  resolveAll({ ...many, d: [directory('a1')], 'd/f7': [file('X', 'a1'), file('Y', 'a1 b1')] }, ['d/f7'], [], asked)
  t.alike([...asked].sort(), ['d', 'd/f7'])
})

test('the mode of a copy is the one its content had', (t) => {
  const kept = file('X', 'a1', { mode: 0o600, mdot: 'a1', mtime: 1 })
  const target = resolveAll({ 'f.txt': [kept, theirs] }, ['f.txt']).get(conflictPath(path('f.txt'), kept))?.target
  t.is(target?.kind === 'file' && target.mode, 0o600)
  t.alike(dot('a1'), kept.mdot)
})

test('an ancestor that ends is left to its own turn, with what else lies in it', (t) => {
  const statements = { d: [directory('a1'), tombstone('a1 b1')], 'd/e': [directory('a2'), tombstone('a2 b2')], 'd/e/f': [file('X', 'a3'), tombstone('a3 b3')], 'd/g': [file('Y', 'a4'), tombstone('a4 b4')] } as const
  t.alike([...resolveAll(statements, ['d/e/f']).keys()], [path('d/e/f')])
  t.alike([...resolveAll(statements, ['d/e']).keys()].sort(), [path('d/e'), path('d/e/f')])
  t.alike([...resolveAll(statements, ['d/e/f', 'd']).keys()].sort(), [path('d'), path('d/e'), path('d/e/f'), path('d/g')])
})

test('R9: what is live keeps the ancestors that it passes', (t) => {
  const resolutions = resolveAll({ d: [directory('a1'), file('X', 'a1 b1')], 'd/e': [directory('a2'), tombstone('a2 b2')], 'd/e/f': [file('Y', 'a3'), file('Z', 'a3 b3')] }, ['d/e/f'])
  t.alike([resolutions.get(path('d'))?.target.kind, resolutions.get(path('d/e'))?.target.kind], ['directory', 'directory'])
})

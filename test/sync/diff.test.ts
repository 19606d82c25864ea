/** R3, R12 and R36: what a finding of a scan means. */
import test from 'brittle'
import type { Dot, Entry } from '../../daemon/sync/entry.ts'
import { knownVersion, localChange, restamp, toMicroseconds, type LocalChange, type LocalNode } from '../../daemon/sync/diff.ts'
import { directory, dot, file, symlink, tombstone, vv } from './build.ts'

function node(cid: string, { mode = 0o644, mtime = '1000' } = {}): LocalNode {
  return { kind: 'file', mode, size: 1, mtime, content: { cid: cid as never, size: 1, chunks: [] } }
}

/** With the next counter m5. */
function found(own: Entry | null, there: LocalNode | null, ...remotes: Entry[]): LocalChange & { readonly taken: number } {
  let taken = 0
  const take = (): Dot => {
    taken++
    return dot('m5')
  }
  return { ...localChange({ own, found: there, merged: knownVersion(own, remotes, there), take }), taken }
}

function change(entry: Entry): LocalChange & { readonly taken: number } {
  return { kind: 'change', entry, taken: 1 }
}

const SAME = { kind: 'same', taken: 0 }

test('R3: what is as it was takes no counter', (t) => {
  t.alike(found(file('X', 'a1'), node('X')), SAME)
  t.alike(found(file('X', 'a1'), node('X'), file('Y', 'a1 b1')), SAME)
  t.alike(found(directory('a1'), { kind: 'directory', mode: 0o755 }), SAME)
  t.alike(found(null, null), SAME)
  t.alike(found(tombstone('a1'), null), SAME)
})

test('an edit has the new change as origin of the content, not of the mode', (t) => {
  t.alike(found(file('X', 'a1'), node('Y')), change(file('Y', 'a1 m5', { mdot: 'a1' })))
})

test('a chmod has the new change as origin of the mode, not of the content', (t) => {
  t.alike(found(file('X', 'a1'), node('X', { mode: 0o100600 })), change(file('X', 'a1 m5', { by: 'a1', mdot: 'm5', mode: 0o600 })))
  t.alike(found(directory('a1'), { kind: 'directory', mode: 0o40700 }), change(directory('a1 m5', { by: 'a1', mdot: 'm5', mode: 0o700 })))
})

test('a touch has the new change as origin of nothing', (t) => {
  t.alike(found(file('X', 'a1'), node('X', { mtime: '7000' })), change(file('X', 'a1 m5', { by: 'a1', mtime: 7 })))
  t.alike(found(symlink('x', 'a1'), { kind: 'symlink', target: 'x', mtime: '7000' }), change(symlink('x', 'a1 m5', { by: 'a1', mtime: 7 })))
})

test('another kind is a new content and a new mode', (t) => {
  t.alike(found(directory('a1', { mode: 0o644 }), node('X')), change(file('X', 'a1 m5')))
  t.alike(found(file('X', 'a1'), { kind: 'symlink', target: 'x', mtime: '1000' }), change(symlink('x', 'a1 m5')))
})

test('what is gone is a deletion that knows what it deletes', (t) => {
  t.alike(found(file('X', 'a1'), null), change(tombstone('a1 m5')))
})

test('what comes after a deletion knows the deletion', (t) => {
  t.alike(found(tombstone('a1'), node('X')), change(file('X', 'a1 m5')))
})

test('R12: a first file equal in kind and content adopts what is stated of it', (t) => {
  t.alike(found(null, node('X'), file('X', 'b1')), { kind: 'adopt', entry: file('X', 'b1'), owed: null, taken: 0 })
  const stated = file('X', 'b1', { mode: 0o600, mtime: 9 })
  t.alike(found(null, node('X'), stated), { kind: 'adopt', entry: stated, owed: { mode: 0o600, mtime: '9000' }, taken: 0 })
  t.alike(found(null, { kind: 'directory', mode: 0o755 }, directory('b1')), { kind: 'adopt', entry: directory('b1'), owed: null, taken: 0 })
})

test('R12: a first file that differs takes the new change alone', (t) => {
  t.alike(found(null, node('X'), file('Y', 'b1')), change(file('X', 'm5')))
})

test('R12: an adoption never covers a content that it did not keep (R8)', (t) => {
  const adopted = found(null, { kind: 'directory', mode: 0o755 }, directory('a1'), file('X', 'b1'))
  t.alike(adopted, { kind: 'adopt', entry: directory('a1'), owed: null, taken: 0 })
})

test('R12: a version that somebody has replaced since is not adopted', (t) => {
  t.alike(found(null, node('X'), file('X', 'b1'), file('Y', 'b1 c1')), change(file('X', 'm5')))
})

test('R12: a late statement of what was deleted since is not adopted', (t) => {
  const touched = file('X', 'a1 b1', { by: 'a1', mtime: 1 })
  t.alike(found(null, node('X'), touched, tombstone('a1 c1')), change(file('X', 'm5')))
})

test('R12: a first file that would lose adopts all the same', (t) => {
  t.alike(found(null, node('X'), file('X', 'a1'), file('Y', 'b1', { mtime: 9 })), { kind: 'adopt', entry: file('X', 'a1'), owed: null, taken: 0 })
})

test('R12: a missing file that others have is no deletion', (t) => {
  t.alike(found(null, null, file('X', 'b1')), SAME)
})

test('a crash after apply heals: what the disk was given is adopted', (t) => {
  t.alike(found(file('X', 'a1'), node('Y'), file('Y', 'a1 b1')), { kind: 'adopt', entry: file('Y', 'a1 b1'), owed: null, taken: 0 })
  t.alike(found(file('X', 'a1'), null, tombstone('a1 b1')), { kind: 'adopt', entry: tombstone('a1 b1'), owed: null, taken: 0 })
})

test('a crash after a conflict was applied counts as a change with the same content, which is no conflict', (t) => {
  const won = found(file('X', 'a1'), node('Y', { mtime: '2000' }), file('Y', 'b1', { mtime: 2 }))
  t.alike(won, change(file('Y', 'a1 m5', { mdot: 'a1', mtime: 2 })))
})

test('a chmod of what we hold is a change while others speak of the same content', (t) => {
  t.alike(found(file('X', 'a1'), node('X', { mode: 0o600 }), file('X', 'a1 b1', { by: 'a1', mdot: 'a1', mtime: 9 })), change(file('X', 'a1 m5', { by: 'a1', mdot: 'm5', mode: 0o600 })))
})

test('typing an old content again is a change', (t) => {
  t.alike(found(file('Y', 'a1 b1'), node('X'), file('X', 'a1')), change(file('X', 'a1 b1 m5', { mdot: 'b1' })))
})

test('deleting what others have edited is a deletion of what we knew', (t) => {
  t.alike(found(file('X', 'a1'), null, file('Y', 'a1 b1')), change(tombstone('a1 m5')))
})

test('R36: times count in microseconds', (t) => {
  t.alike(found(file('X', 'a1'), node('X', { mtime: '1999' })), SAME)
  t.is(toMicroseconds('1700000000123456789'), '1700000000123456000')
  t.is(toMicroseconds('-1'), '-1000')
  t.is(toMicroseconds('0'), '0')
})

test('a file of exactly one chunk names it', (t) => {
  const there: LocalNode = { kind: 'file', mode: 0o644, size: 1, mtime: '1000', content: { cid: 'X' as never, size: 1, chunks: [{ id: 'c' as never }] } }
  const got = found(null, there)
  t.is(got.kind === 'change' && got.entry.kind === 'file' ? String(got.entry.chunk) : null, 'c')
})

test('R29: a restamped version dominates all that it is put over', (t) => {
  t.alike(restamp(file('X', 'a1'), [vv('a1 b3'), vv('c2')], dot('m5')), file('X', 'a1 b3 c2 m5'))
})

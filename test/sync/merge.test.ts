/** R4 and R5: what becomes of several statements of one path. */
import test from 'brittle'
import fc from 'fast-check'
import { contentKey, sameEntry } from '../../daemon/sync/entry-compare.ts'
import type { Dot, Entry } from '../../daemon/sync/entry.ts'
import type { ContentId, WriterId } from '../../daemon/sync/ids.ts'
import { mergeEntries } from '../../daemon/sync/merge.ts'
import { unionDots, vectorOf } from '../../daemon/sync/version.ts'
import { directory, dot, dots, file, symlink, tombstone, vv } from './build.ts'

test('R4: the version that knows the other is taken as it is', (t) => {
  const newer = file('Y', 'a1 b1', { mtime: 0 })
  t.alike(mergeEntries([file('X', 'a1', { mtime: 9 }), newer]), { merged: newer, losers: [] })
})

test('R4: chmod here, edit there, no conflict', (t) => {
  const chmod = file('X', 'a1 b1', { by: 'a1', mdot: 'b1', mode: 0o600, mtime: 9 })
  const edit = file('Y', 'a2', { mdot: 'a1', mtime: 2 })
  t.alike(mergeEntries([chmod, edit]), { merged: file('Y', 'a2 b1', { by: 'a2', mdot: 'b1', mode: 0o600, mtime: 2 }), losers: [] })
})

test('R4: touch here, edit there, no conflict, and the mtime follows the content', (t) => {
  const touch = file('X', 'a1 b1', { by: 'a1', mtime: 9 })
  const { merged, losers } = mergeEntries([touch, file('Y', 'a2', { mdot: 'a1', mtime: 2 })])
  t.alike(merged, file('Y', 'a2 b1', { by: 'a2', mdot: 'a1', mtime: 2 }))
  t.alike(losers, [])
})

test('R4: two edits conflict; the later mtime wins, the other loses', (t) => {
  const early = file('X', 'a1 b1', { mdot: 'a1', mtime: 1 })
  const late = file('Y', 'a2', { mdot: 'a1', mtime: 2 })
  t.alike(mergeEntries([early, late]), { merged: file('Y', 'a2 b1', { by: 'a2', mdot: 'a1', mtime: 2 }), losers: [early] })
})

test('R4: with equal mtimes the greater content id wins', (t) => {
  t.is(contentKey(mergeEntries([file('X', 'a1'), file('Y', 'b1')]).merged), 'file:Y')
})

test('R4: a later mtime beyond the range of exact numbers still counts', (t) => {
  const base = { ...file('X', 'a1'), mtime: '1700000000000001000' }
  const later = { ...file('A', 'b1'), mtime: '1700000000000002000' }
  t.is(contentKey(mergeEntries([base, later]).merged), 'file:A')
})

test('R4: a directory wins over a file, a file over a tombstone', (t) => {
  const lost = file('X', 'a1', { mtime: 99 })
  t.alike(mergeEntries([lost, directory('b1')]).losers, [lost])
  t.is(mergeEntries([lost, directory('b1')]).merged.kind, 'directory')
  t.alike(mergeEntries([file('Y', 'a1 b1', { mdot: 'a1' }), tombstone('a1 c1')]), { merged: file('Y', 'a1 b1 c1', { by: 'b1', mdot: 'a1' }), losers: [] })
})

test('R4: file and symlink rank by mtime', (t) => {
  const link = symlink('x', 'b1', { mtime: 3 })
  t.alike(mergeEntries([file('X', 'a1', { mtime: 2 }), link]), { merged: symlink('x', 'a1 b1', { by: 'b1', mtime: 3 }), losers: [file('X', 'a1', { mtime: 2 })] })
})

test('R4: equal content made twice is one version with both origins and the later mtime', (t) => {
  const { merged, losers } = mergeEntries([file('X', 'a1', { mtime: 5 }), file('X', 'b1', { mtime: 3 })])
  t.alike(merged, file('X', 'a1 b1', { by: 'a1 b1', mdot: 'b1', mtime: 5 }))
  t.alike(losers, [])
})

test('R4: equal content made twice and edited by one who knew only one of them is a conflict', (t) => {
  const union = file('X', 'a1 b1', { by: 'a1 b1' })
  const edit = file('Y', 'a2', { mtime: 2 })
  t.alike(mergeEntries([union, edit]).losers, [union])
})

test('R4: chmod -R here, rm -r there: deleted, no conflict', (t) => {
  const chmod = directory('a1 b1', { by: 'a1', mdot: 'b1', mode: 0o700 })
  t.alike(mergeEntries([chmod, tombstone('a1 c1')]), { merged: tombstone('a1 b1 c1', { by: 'c1' }), losers: [] })
})

test('R4: an equal vector with another payload is a conflict like any other', (t) => {
  const x = file('X', 'a1 b1', { by: 'a1' })
  const y = file('Y', 'a1 b1', { by: 'b1' })
  t.alike(mergeEntries([x, y]), { merged: y, losers: [x] })
})

test('R5: of two modes set apart the intersection counts, with the greater origin', (t) => {
  const p = file('X', 'a1 b1', { by: 'a1', mdot: 'b1', mode: 0o640 })
  const q = file('X', 'a1 c1', { by: 'a1', mdot: 'c1', mode: 0o604 })
  t.alike(mergeEntries([p, q]).merged, file('X', 'a1 b1 c1', { by: 'a1', mdot: 'c1', mode: 0o600 }))
})

test('R5: of modes that both sides know the winning content has its own', (t) => {
  const p = file('X', 'a1 b1', { by: 'b1', mdot: 'a1', mode: 0o644, mtime: 1 })
  const q = file('Y', 'a1 c1', { by: 'c1', mdot: 'a1', mode: 0o600, mtime: 2 })
  const { merged } = mergeEntries([p, q])
  t.is(merged.kind === 'file' && merged.mode, 0o600)
})

test('R5: the mode of a file says nothing of a directory', (t) => {
  const { merged } = mergeEntries([file('X', 'a1', { mode: 0o600 }), directory('b1', { mode: 0o755 })])
  t.alike(merged, directory('a1 b1', { by: 'b1', mode: 0o755 }))
})

test('R5: of three versions a superseded one makes no conflict copy, whatever the order', (t) => {
  const p = file('P', 'a1', { mtime: 9 })
  const q = file('Q', 'b1 d1', { by: 'b1', mtime: 5 })
  const r = file('R', 'b1 c1', { mtime: 3 })
  for (const versions of [[p, q, r], [r, q, p], [q, p, r], [q, r, p]]) t.alike(mergeEntries(versions).losers.map(contentKey), ['file:R'])
})

test('R5: of three edits two lose', (t) => {
  const versions = [file('X', 'a1', { mtime: 1 }), file('Y', 'b1', { mtime: 2 }), file('Z', 'c1', { mtime: 3 })]
  t.alike(mergeEntries(versions).losers.map(contentKey), ['file:Y', 'file:X'])
})

test('R28: a deletion stays approved if one that made it was', (t) => {
  const { merged } = mergeEntries([{ ...tombstone('a1 b1'), approved: true }, tombstone('a1 c1')])
  t.alike(merged, { ...tombstone('a1 b1 c1', { by: 'b1 c1' }), approved: true })
})

test('a merge of nothing is a bug', (t) => {
  t.exception(() => mergeEntries([]), /nothing to merge/)
})

test('R2: dots keep of each writer the greatest, sorted', (t) => {
  t.alike(unionDots([dots('b2 c1'), dots('a1 b3')]), dots('a1 b3 c1'))
  t.alike(vectorOf([dot('a1'), dot('a3')]), vv('a3'))
})

// ------------------------------------------------------------------------------------------------ properties

const writers = ['a', 'b', 'c'] as WriterId[]
const anyDot: fc.Arbitrary<Dot> = fc.tuple(fc.constantFrom(...writers), fc.integer({ min: 1, max: 3 }))

/** Any statement that covers its own dots, as all published ones but those of conflict copies' modes do. */
const anyEntry: fc.Arbitrary<Entry> = fc
  .record({
    kind: fc.constantFrom('file', 'file', 'symlink', 'directory', 'tombstone'),
    known: fc.array(anyDot, { maxLength: 3 }),
    made: fc.array(anyDot, { minLength: 1, maxLength: 2 }),
    mdot: anyDot,
    foreignMode: fc.boolean(),
    mode: fc.constantFrom(0o644, 0o600, 0o755),
    mtime: fc.constantFrom('1000', '2000', '10000'),
    cid: fc.constantFrom('X', 'Y', 'Z') as fc.Arbitrary<ContentId>
  })
  .map(({ kind, known, made, mdot, foreignMode, mode, mtime, cid }): Entry => {
    const origin = { vv: vectorOf([...known, ...made, ...(foreignMode ? [] : [mdot])]), dots: unionDots([made, []]) }
    switch (kind) {
      case 'file':
        return { kind, ...origin, mdot, mode, size: 1, mtime, cid }
      case 'symlink':
        return { kind, ...origin, mtime, target: cid }
      case 'directory':
        return { kind, ...origin, mdot, mode }
      default:
        return { kind: 'tombstone', ...origin }
    }
  })

const some = fc.array(anyEntry, { minLength: 1, maxLength: 5 })

test('R4: the merge does not depend on order or repetition', (t) => {
  fc.assert(
    fc.property(some, fc.array(fc.nat(), { maxLength: 8 }), (entries, picks) => {
      const again = [...picks.map((pick) => entries[pick % entries.length] as Entry), ...[...entries].reverse()]
      t.alike(mergeEntries(again), mergeEntries(entries))
    }),
    { numRuns: 300 }
  )
})

test('R4: merging a result with what it came from changes nothing', (t) => {
  fc.assert(
    fc.property(some, (entries) => {
      const { merged } = mergeEntries(entries)
      if (!sameEntry(mergeEntries([...entries, merged]).merged, merged)) throw new Error('not idempotent')
      if (!sameEntry(mergeEntries([merged, merged]).merged, merged)) throw new Error('not idempotent alone')
    }),
    { numRuns: 3000 }
  )
  t.pass()
})

test('R4: devices that merged different parts agree once they exchange their results', (t) => {
  fc.assert(
    fc.property(some, fc.array(fc.nat(30), { minLength: 2, maxLength: 4 }), (entries, masks) => {
      let results = masks.map((mask) => mergeEntries([entries[0] as Entry, ...entries.filter((_, i) => ((mask >> i) & 1) === 1)]).merged)
      for (let round = 0; round < 4; round++) results = results.map((own) => mergeEntries([own, ...results]).merged)
      if (!results.every((result) => sameEntry(result, results[0] as Entry))) throw new Error('no agreement')
    }),
    { numRuns: 3000 }
  )
  t.pass()
})

/** What the cycle takes of the marked paths at once. */
import test from 'brittle'
import { Work } from '../../daemon/folder/work.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'

const named = (letter: string, count: number): PathKey[] => Array.from({ length: count }, (_, i) => `${letter}${i}` as PathKey)
const ends = (path: PathKey): boolean => path.startsWith('x')

test('of deletions more are taken at once than of anything else, in the order marked', (t) => {
  const work = new Work()
  work.markDirty([...named('x', 70), ...named('f', 70), ...named('x', 70)])
  t.alike([...(work.takeDirty(10, 50, ends) ?? [])], named('x', 50))
  t.alike([...(work.takeDirty(10, 50, ends) ?? [])], named('x', 70).slice(50), 'up to the first that is none')
  t.alike([...(work.takeDirty(10, 50, ends) ?? [])], named('f', 10))
  t.is(work.dirtyCount, 60)
})

test('deletions among others are no reason to take more', (t) => {
  const work = new Work()
  work.markDirty([...named('x', 5), ...named('f', 5), ...named('y', 20)])
  t.alike([...(work.takeDirty(8, 50, ends) ?? [])], [...named('x', 5), ...named('f', 3)])
})

test('R32: the ignore file comes alone and first', (t) => {
  const work = new Work()
  work.markDirty([...named('x', 5), '.p2psyncignore' as PathKey])
  t.alike([...(work.takeDirty(10, 50, ends) ?? [])], ['.p2psyncignore'])
  t.alike([...(work.takeDirty(10, 50, ends) ?? [])], named('x', 5))
  t.is(work.takeDirty(10, 50, ends), null)
})

test('doubt beyond what is known: a look costs what came in since, and another era begins anew', (t) => {
  const work = new Work()
  const asked: string[] = []
  const known = { era: {}, paths: new Set(['a', 'b']), has: (path: PathKey): boolean => (asked.push(path), known.paths.has(path)) }
  work.markScan(['a', 'b'] as PathKey[])
  t.absent(work.isInDoubtBeyond(known))
  work.markScan(['b'] as PathKey[])
  t.absent(work.isInDoubtBeyond(known))
  t.alike(asked.toSorted(), ['a', 'b'], 'each is looked at once')
  work.markScan(['c'] as PathKey[])
  t.ok(work.isInDoubtBeyond(known))
  t.ok(work.isInDoubtBeyond(known), 'and still')
  known.paths.add('c')
  t.absent(work.isInDoubtBeyond(known))
  known.era = {}
  known.paths.clear()
  t.ok(work.isInDoubtBeyond(known), 'what was known is not any more')
  t.alike([...(work.takeHints() ?? [])].toSorted(), ['a', 'b', 'c'])
  t.absent(work.isInDoubtBeyond(known))
  work.markScan('all')
  t.ok(work.isInDoubtBeyond(known))
})

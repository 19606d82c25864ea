/** Which hints of a deletion that goes on are looked at, and which wait for the end of their directory. */
import test from 'brittle'
import { Shrinking } from '../../daemon/folder/shrinking.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { key } from '../contract/disk-helpers.ts'

const NONE = (): boolean => false

function many(directory: string, from: number, to = from + 20): PathKey[] {
  return Array.from({ length: to - from }, (_, i) => key(`${directory}/${from + i}`))
}

test('many names of one directory wait while there are more of them, and then are looked at', (t) => {
  const shrinking = new Shrinking()
  t.alike(shrinking.due(many('d', 0), NONE), [])
  t.absent(shrinking.empty)
  t.alike(shrinking.due(many('d', 20, 21), NONE), [], 'one more')
  t.alike(shrinking.due([], NONE), [...many('d', 0), ...many('d', 20, 21)])
  t.ok(shrinking.empty)
})

test('few are looked at at once', (t) => {
  t.alike(new Shrinking().due([key('d/a'), key('e'), key('d/b')], NONE), [key('d/a'), key('d/b'), key('e')])
})

test('a directory that is hinted itself is looked at, and tells of what was in it if it is gone', (t) => {
  for (const isThere of [false, true]) {
    const shrinking = new Shrinking()
    t.alike(shrinking.due([...many('p/d', 0), key('p/d')], NONE), [key('p/d')])
    t.alike(shrinking.due([], () => !isThere), isThere ? many('p/d', 0) : [])
    t.ok(shrinking.empty)
  }
})

test('one in which names change without end is looked at all the same', (t) => {
  const shrinking = new Shrinking()
  let rounds = 0
  while (rounds < 20 && shrinking.due(many('d', 20 * rounds), NONE).length === 0) rounds++
  t.is(rounds, 5)
})

test('nothing that is hinted is forgotten', (t) => {
  const shrinking = new Shrinking()
  const hinted = [key(''), ...many('d', 0), key('d'), ...many('d/e', 0, 3), ...many('f', 0)]
  const due = shrinking.due(hinted, NONE)
  t.alike([...due, ...shrinking.left].sort(), [...hinted].sort())
})

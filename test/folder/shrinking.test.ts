/** Which hints of a deletion that goes on are looked at, and which wait for a look at their directory. */
import test from 'brittle'
import { Shrinking } from '../../daemon/folder/shrinking.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { key } from '../contract/disk-helpers.ts'

function keys(...paths: readonly string[]): PathKey[] {
  return paths.map(key)
}

test('names of a directory that is hinted itself wait for a look at it, and need none if it is gone', (t) => {
  for (const isThere of [false, true]) {
    const shrinking = new Shrinking()
    t.alike(shrinking.due(keys('p/d/a', 'p/d/b', 'p/d')), keys('p/d'))
    t.absent(shrinking.empty)
    shrinking.drop((directory) => !isThere && directory === key('p/d'))
    t.alike(shrinking.due(keys('x')), isThere ? keys('p/d/a', 'p/d/b', 'x') : keys('x'))
    t.ok(shrinking.empty)
  }
})

test('what may have moved from one directory to another is looked at together', (t) => {
  t.alike(new Shrinking().due(keys('from/a', 'to/a', 'from/b', 'to/b')), keys('from/a', 'to/a', 'from/b', 'to/b'))
})

test('nothing that is hinted is forgotten', (t) => {
  const shrinking = new Shrinking()
  const hinted = [...keys('d/a', 'd', 'd/e', 'd/e/a', 'd/e/f/g', 'f/h', 'f'), '' as PathKey, key('top')]
  const due = shrinking.due(hinted)
  t.alike([...due].sort(), ['' as PathKey, ...keys('d', 'd/e', 'd/e/f/g', 'f', 'top')])
  t.alike([...due, ...shrinking.left].sort(), [...hinted].sort())
  t.alike([...shrinking.due([])].sort(), keys('d/a', 'd/e/a', 'f/h'))
})

test('many names wait while as many more come, for five rounds at most; few do not', (t) => {
  const many = (from: number): PathKey[] => Array.from({ length: 16 }, (_, i) => key(`d${i % 2}/${from + i}`))
  t.is(new Shrinking().due(many(0).slice(1)).length, 15)
  const quiet = new Shrinking()
  t.alike([quiet.due(many(0)), quiet.empty], [[], false])
  t.alike([quiet.due([]), quiet.empty], [many(0), true])
  const endless = new Shrinking()
  const rounds = Array.from({ length: 12 }, (_, i) => endless.due(many(100 * i)).length)
  t.alike(rounds, [0, 0, 0, 0, 0, 96, 0, 0, 0, 0, 0, 96])
  const leaves = new Shrinking()
  leaves.due(many(0))
  t.alike([...leaves.due(keys('d0/x', 'd0'))], [...many(0), key('d0')], 'a directory leaves')
})

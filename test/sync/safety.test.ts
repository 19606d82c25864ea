/** R27 and R40: the guard against mass deletion, and names that a file system cannot tell apart. */
import test from 'brittle'
import { nameClashes } from '../../daemon/sync/name-clash.ts'
import { DeletionWindow, type FileChange } from '../../daemon/sync/safety.ts'
import { Random } from '../fakes/random.ts'
import { path } from './build.ts'

function files(from: number, to: number, directory = 'd', rest: Partial<FileChange> = {}): FileChange[] {
  return Array.from({ length: to - from }, (_, i) => ({ path: path(`${directory}/${from + i}`), content: `file:${from + i}`, ...rest }))
}

function held(window: DeletionWindow, now: number, live: number, deletions: FileChange[], appearances: FileChange[] = []): number {
  for (const change of appearances) window.appeared(change)
  return window.judge({ now, files: live, deletions }).length
}

test('R26: an emptied small folder is ordinary deletion', (t) => {
  t.is(held(new DeletionWindow(), 0, 999, files(0, 999)), 0)
})

test('R27: more than half and at least a thousand is held as a whole', (t) => {
  t.is(held(new DeletionWindow(), 0, 2000, files(0, 1001)), 1001)
  t.is(held(new DeletionWindow(), 0, 2000, files(0, 1000)), 0, 'exactly half')
  t.is(held(new DeletionWindow(), 0, 10_000, files(0, 4000)), 0)
})

test('R27: deletions in small steps add up within the window; the rest is held', (t) => {
  const window = new DeletionWindow()
  let steps = 0
  for (let i = 0; i < 20; i++) steps += held(window, i * 1000, 2000 - i * 100, files(i * 100, i * 100 + 100)) > 0 ? 1 : 0
  t.is(window.deletions, 1000)
  t.is(steps, 10)
})

test('R27: that some of so many might wait is told before anything else is known of them, and changes nothing', (t) => {
  const window = new DeletionWindow()
  const might = (now: number, files: number, deletions: number): boolean => window.mightHold({ now, files, deletions })
  t.alike([might(0, 2000, 1000), might(0, 2000, 1001), might(0, 900, 900)], [false, true, false])
  held(window, 0, 2000, files(0, 900))
  t.alike([might(1, 1100, 100), might(1, 1100, 101), might(60_001, 1100, 101)], [false, true, false])
  t.is(held(window, 60_002, 1100, files(900, 1001)), 0)
})

test('R27: the window slides', (t) => {
  for (const [now, expected] of [
    [59_999, 200],
    [60_001, 0]
  ] as const) {
    const window = new DeletionWindow()
    held(window, 0, 2000, files(0, 900))
    t.is(held(window, now, 1100, files(900, 1100)), expected)
  }
})

test('R27: what lies in the future of a clock that was set back is forgotten', (t) => {
  const window = new DeletionWindow()
  held(window, 1_000_000, 2000, files(0, 900))
  t.is(held(window, 10, 1100, files(900, 1100)), 0)
  t.is(window.deletions, 200)
})

test('R27: a rename is no deletion, whichever half comes first', (t) => {
  t.is(held(new DeletionWindow(), 0, 2000, files(0, 2000), files(0, 2000, 'e')), 0)
  const copied = new DeletionWindow()
  held(copied, 0, 2000, [], files(0, 2000, 'e'))
  t.is(held(copied, 1000, 4000, files(0, 2000)), 0)
})

test('R27: what appears at the very path that is deleted is no rename of it', (t) => {
  t.is(held(new DeletionWindow(), 0, 2000, files(0, 2000), files(0, 2000)), 2000)
})

test('R27: one appearance answers for one deletion', (t) => {
  const same = files(0, 1500).map((change) => ({ ...change, content: 'file:empty' }))
  t.is(held(new DeletionWindow(), 0, 1500, same, files(0, 1, 'e', { content: 'file:empty' })), 1499)
})

test('R27: each deletion finds its place as if one were looked for among all that appeared', (t) => {
  const random = new Random('places')
  const wrong: string[] = []
  for (let round = 0; round < 400; round++) {
    const window = new DeletionWindow({ minimum: 3, fraction: 0.1 })
    const appeared: FileChange[] = []
    const gone: FileChange[] = []
    const change = (): FileChange => ({ path: path(`d/${random.below(4)}`), content: `file:${random.below(1 + (round % 5))}` })
    for (let step = 0; step < 4; step++) {
      const fresh = Array.from({ length: random.below(6) }, change)
      const deletions = Array.from({ length: random.below(6) }, change)
      for (const each of fresh) window.appeared(each)
      appeared.push(...fresh)
      const held = window.judge({ now: step, files: 20 + appeared.length, deletions })
      const lost = withoutPlace([...gone, ...deletions], appeared).length
      const files = 20 + gone.length + fresh.length
      const wanted = lost >= 3 && lost > files * 0.1 ? withoutPlace(deletions, appeared) : []
      if (JSON.stringify(held) !== JSON.stringify(wanted)) wrong.push(`round ${round}, step ${step}: ${JSON.stringify(held)} in place of ${JSON.stringify(wanted)}`)
      gone.push(...deletions.filter((each) => !held.includes(each)))
    }
  }
  t.alike(wrong, [])
})

test('R27: files that appeared within the window are not among those it began with', (t) => {
  const window = new DeletionWindow()
  held(window, 0, 0, [], files(0, 3000))
  t.is(held(window, 1000, 3000, files(0, 1000)), 1000)
  t.is(held(window, 61_000, 3000, files(0, 1000)), 0, 'a minute later they are')
})

test('R28: approved deletions are not held and do not count', (t) => {
  const window = new DeletionWindow()
  t.is(held(window, 0, 2000, files(0, 1500, 'd', { approved: true })), 0)
  t.is(held(window, 1, 500, files(1500, 2000)), 0)
})

test('R40: the applied name stays, else the bytewise smallest', (t) => {
  const fold = (name: string): string => name.toLowerCase()
  t.alike(nameClashes(['readme', 'README', 'a'], fold, () => false), [{ name: 'readme', with: 'README' }])
  t.alike(nameClashes(['readme', 'README', 'Readme'], fold, (name) => name === 'readme'), [
    { name: 'README', with: 'readme' },
    { name: 'Readme', with: 'readme' }
  ])
  t.alike(nameClashes(['a', 'b', 'a'], fold, () => false), [])
})

/** Those for which nothing of the same content is left that appeared at another path. */
function withoutPlace(deletions: readonly FileChange[], appeared: readonly FileChange[]): FileChange[] {
  const places = [...appeared]
  return deletions.filter(({ content, path: own }) => {
    const place = places.findLastIndex((each) => each.content === content && each.path !== own)
    if (place >= 0) places.splice(place, 1)
    return place < 0
  })
}

/** R27 and R40: the guard against mass deletion, and names that a file system cannot tell apart. */
import test from 'brittle'
import { nameClashes } from '../../daemon/sync/name-clash.ts'
import { EMPTY_GUARD, judgeDeletions, type FileChange, type GuardState } from '../../daemon/sync/safety.ts'
import { path } from './build.ts'

function files(from: number, to: number, directory = 'd', rest: Partial<FileChange> = {}): FileChange[] {
  return Array.from({ length: to - from }, (_, i) => ({ path: path(`${directory}/${from + i}`), content: `file:${from + i}`, ...rest }))
}

function judge(state: GuardState, now: number, live: number, deletions: FileChange[], appearances: FileChange[] = []): { held: number; state: GuardState } {
  const verdict = judgeDeletions(state, { now, files: live, deletions, appearances })
  return { held: verdict.held.length, state: verdict.state }
}

test('R26: an emptied small folder is ordinary deletion', (t) => {
  t.is(judge(EMPTY_GUARD, 0, 999, files(0, 999)).held, 0)
})

test('R27: more than half and at least a thousand is held as a whole', (t) => {
  t.is(judge(EMPTY_GUARD, 0, 2000, files(0, 1001)).held, 1001)
  t.is(judge(EMPTY_GUARD, 0, 2000, files(0, 1000)).held, 0, 'exactly half')
  t.is(judge(EMPTY_GUARD, 0, 10_000, files(0, 4000)).held, 0)
})

test('R27: deletions in small steps add up within the window; the rest is held', (t) => {
  let state: GuardState = EMPTY_GUARD
  let held = 0
  for (let i = 0; i < 20; i++) {
    const verdict = judge(state, i * 1000, 2000 - i * 100, files(i * 100, i * 100 + 100))
    state = verdict.state
    held += verdict.held > 0 ? 1 : 0
  }
  t.is(state.deleted.length, 1000)
  t.is(held, 10)
})

test('R27: the window slides', (t) => {
  const first = judge(EMPTY_GUARD, 0, 2000, files(0, 900))
  t.is(judge(first.state, 59_999, 1100, files(900, 1100)).held, 200)
  t.is(judge(first.state, 60_001, 1100, files(900, 1100)).held, 0)
})

test('R27: a rename is no deletion, whichever half comes first', (t) => {
  t.is(judge(EMPTY_GUARD, 0, 2000, files(0, 2000), files(0, 2000, 'e')).held, 0)
  const copied = judge(EMPTY_GUARD, 0, 2000, [], files(0, 2000, 'e'))
  t.is(judge(copied.state, 1000, 4000, files(0, 2000)).held, 0)
})

test('R27: one appearance answers for one deletion', (t) => {
  const same = files(0, 1500).map((change) => ({ ...change, content: 'file:empty' }))
  t.is(judge(EMPTY_GUARD, 0, 1500, same, files(0, 1, 'e', { content: 'file:empty' })).held, 1499)
})

test('R28: approved deletions are not held and do not count', (t) => {
  const approved = judge(EMPTY_GUARD, 0, 2000, files(0, 1500, 'd', { approved: true }))
  t.is(approved.held, 0)
  t.is(judge(approved.state, 1, 500, files(1500, 2000)).held, 0)
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

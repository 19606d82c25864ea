/** R19: how far a device that was put back says what others know it to say, by the tokens of its starts. */
import fc from 'fast-check'
import test from 'brittle'
import type { WriterId } from '../../daemon/sync/ids.ts'
import type { Cut } from '../../daemon/sync/recount.ts'
import { cutsAfter, isStartToken, MAX_STARTS, tokensOf, withoutCut, withStart, type Start } from '../../daemon/sync/starts.ts'

const [W, V] = ['aaaaaaaaaaaaaaaa', 'bbbbbbbbbbbbbbbb'] as [WriterId, WriterId]
let tokens = 0
const token = (): string => (++tokens).toString(16).padStart(12, '0')

/** Starts of one device, one after the other: writer and what it had counted by then. */
function begun(from: readonly Start[], ...each: readonly (readonly [WriterId, number])[]): readonly Start[] {
  return each.reduce((starts, [writer, counter]) => withStart(starts, writer, counter, token()), from)
}

test('R19: what a writer counted since a state was put back is cut off, and nothing else', (t) => {
  const backup = begun([], [W, 0], [W, 9])
  const went = tokensOf([], begun(backup, [W, 20], [W, 40]))
  t.alike(cutsAfter(backup, went), [], 'it did not go on')
  t.alike(cutsAfter(begun(backup, [W, 12]), went), [{ writer: W, counter: 12 }], 'the backup was taken in the middle of a start')
  t.alike(cutsAfter(begun(backup, [W, 12], [W, 15], [W, 18]), went), [{ writer: W, counter: 12 }], 'several starts since')
  t.alike(cutsAfter(begun(backup, [W, 12], [W, 5]), went), [{ writer: W, counter: 5 }], 'its index alone was put back once more')
})

test('R19: a backup taken before anything was changed', (t) => {
  for (const before of [begun([], [W, 0]), begun([], [W, 0], [W, 0]), begun([], [W, 0], [W, 4], [W, 4])]) {
    const { counter } = before.at(-1) as Start
    const went = tokensOf([], begun(before, [W, 7]))
    t.alike(cutsAfter(begun(before, [W, counter]), went), [{ writer: W, counter }])
  }
})

test('R19: a writer that began after the state was put back took no number that stands for two changes', (t) => {
  const backup = begun([], [W, 0], [W, 9])
  const went = tokensOf([], begun(backup, [W, 20]))
  t.alike(cutsAfter(begun(backup, [V, 0], [V, 3]), went), [])
  t.alike(cutsAfter(begun(backup, [W, 9], [V, 0]), went), [{ writer: W, counter: 9 }])
})

test('a record of before there were starts says nothing', (t) => {
  t.alike(cutsAfter(begun([], [W, 0], [W, 9]), []), [])
})

test('R19: what was cut is not cut again, and is not passed on as good', (t) => {
  const backup = begun([], [W, 0], [W, 9])
  const went = tokensOf([], begun(backup, [W, 20]))
  const strayed = begun(backup, [W, 12], [W, 15])
  const kept = withoutCut(strayed, went)
  t.alike(kept, backup)
  const next = begun(kept, [V, 0])
  t.alike(cutsAfter(next, went), [])
  const said = tokensOf(went, next)
  t.alike(cutsAfter(begun(strayed, [W, 16]), said), [{ writer: W, counter: 12 }], 'the stray state, put back once more')
  t.alike(cutsAfter(begun(begun(backup, [W, 20]), [W, 33]), said), [{ writer: W, counter: 20 }], 'a backup of what the others went on with')
})

test('starts in which nothing was changed are not counted', (t) => {
  const one = begun([], [W, 0], [W, 5])
  const two = begun(one, [W, 5], [W, 5])
  t.is(two.length, 2)
  t.not(two.at(-1)?.token, one.at(-1)?.token)
})

test('R19: of very many starts fewer are kept, and a state is cut early enough all the same', (t) => {
  const counters = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 300 })
  const history = (from: readonly Start[], at: number, steps: readonly number[]): { starts: readonly Start[]; at: number } => {
    let [starts, counter] = [from, at]
    for (const step of steps) {
      starts = withStart(starts, W, counter, token())
      counter += step
    }
    return { starts, at: counter }
  }
  fc.assert(
    fc.property(counters, counters, counters, (before, theirs, ours) => {
      const backup = history([], 0, before)
      const went = history(backup.starts, backup.at, theirs)
      const strayed = history(backup.starts, backup.at, ours)
      const said = tokensOf([], went.starts)
      const [cut] = cutsAfter(strayed.starts, said) as [Cut?]
      return strayed.starts.length <= MAX_STARTS && said.length <= MAX_STARTS && said.every(isStartToken) && cut !== undefined && cut.counter <= backup.at
    }),
    { numRuns: 300, seed: 1 }
  )
  t.pass('by 300 histories')
})

test('R19: the cut is where the histories part, if they are not too long ago', (t) => {
  const at = [...Array(40).keys()].map((i) => [W, i * 10] as const)
  const backup = begun([], ...at)
  const went = tokensOf([], begun(backup, [W, 401], [W, 500]))
  t.alike(cutsAfter(begun(backup, [W, 402]), went), [{ writer: W, counter: 402 }])
})

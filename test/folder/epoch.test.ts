/** Epochs (R18): which of index and folder was put back, and that no crash between the writes looks like it. */
import test from 'brittle'
import { judgeEpoch, nextEpoch } from '../../daemon/folder/epoch.ts'

/** Index and marker after each of the writes of one raise. */
function* raised(index: number, marker: number): Generator<readonly [index: number, marker: number]> {
  const { pending, next } = nextEpoch(index, marker)
  yield [pending, marker]
  yield [pending, next]
  yield [next, next]
}

test('R18: a crash between any two writes of a raise is no evidence, again and again', (t) => {
  let states: (readonly [number, number])[] = [[0, 0]]
  for (let round = 0; round < 5; round++) {
    const next = states.flatMap(([index, marker]) => [...raised(index, marker)])
    t.alike(next.map(([index, marker]) => judgeEpoch(index, marker)), next.map(() => 'same'))
    states = next
  }
})

test('R18: a folder from before any raise is older, an index from before it too', (t) => {
  const history: (readonly [number, number])[] = [[0, 0]]
  for (let round = 0; round < 5; round++) history.push([...raised(...(history.at(-1) as [number, number]))].at(-1) as [number, number])
  for (const [now, [index, marker]] of history.entries()) {
    for (const [oldIndex, oldMarker] of history.slice(0, now)) {
      t.is(judgeEpoch(index, oldMarker), 'restored')
      t.is(judgeEpoch(oldIndex, marker), 'rolled-back')
    }
  }
})

test('R18: after either, a raise stands above both', (t) => {
  for (const [index, marker] of [[4, 10], [10, 4], [5, 10], [11, 4], [0, 7]] as const) {
    const [, , last] = [...raised(index, marker)]
    t.ok((last?.[0] ?? 0) > Math.max(index, marker))
    t.is(judgeEpoch(...(last as [number, number])), 'same')
  }
})

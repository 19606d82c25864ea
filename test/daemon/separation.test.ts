/** R19: how far two copies of a log are one. */
import test from 'brittle'
import { separationOf } from '../../daemon/separation.ts'

/** A log by its blocks: the hash at a length is all that is before it. */
const hashes = (log: string) => async (length: number): Promise<string | null> => (length > log.length ? null : log.slice(0, length))

test('R19: the length at which another device holds a different history, and only then', async (t) => {
  for (const [ours, theirs, expected] of [
    ['abcdef', 'abcdef', null],
    ['abcdef', '', null],
    ['abcdef', 'abc', null],
    ['abc', 'abcdef', null],
    ['abcdef', 'abcXYZ', 3],
    ['abcdef', 'abcX', 3],
    ['abcd', 'abcXYZW', 3],
    ['abcdef', 'X', 0],
    ['', 'abc', null]
  ] as const) {
    t.is(await separationOf(ours.length, hashes(ours), hashes(theirs)), expected, `${ours} and ${theirs}`)
  }
})

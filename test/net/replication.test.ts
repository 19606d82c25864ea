/** How far two logs are one (R19). */
import test from 'brittle'
import { commonLength, forkOf } from '../../daemon/net/replication.ts'
import type { DriveKey } from '../../daemon/sync/ids.ts'

const KEY = 'ab'.repeat(32) as DriveKey
/** A log is a list of blocks; its tree hash at a length names all before it. */
const hashAt = (log: string, length: number): string => log.slice(0, length)
const head = (log: string) => ({ key: KEY, length: log.length, fork: 0, treeHash: hashAt(log, log.length) })

test('R19: the common length of two logs is found by their tree hashes', async (t) => {
  for (const [ours, theirs, common] of [
    ['abc', 'abc', 3],
    ['abc', 'abcdef', 3],
    ['abcdef', 'abc', 3],
    ['abcXYZ', 'abcdefgh', 3],
    ['X', 'abc', 0],
    ['', 'abc', 0],
    ['aX', 'ab', 1],
    ['abcdefghijklmnopqrstuvwxyz', 'abcdefghijklmnopqrstuvwxyZ', 25]
  ] as const) {
    let asked = 0
    const found = await commonLength(Math.min(ours.length, theirs.length), async (length) => {
      asked++
      return hashAt(ours, length) === hashAt(theirs, length)
    })
    t.is(found, common, `${ours} and ${theirs}`)
    t.ok(asked <= 6)
  }
})

test('R17: a log of ours that is longer or different elsewhere is evidence, whatever was appended since', async (t) => {
  const reason = (ours: string, theirs: string, own: boolean) => forkOf(own, head(ours), head(theirs), async (length) => hashAt(ours, length))
  t.is(await reason('abc', 'abcd', true), 'longer')
  t.is(await reason('abXY', 'abc', true), 'different')
  t.is(await reason('abcd', 'abc', true), null)
  t.is(await reason('abc', '', true), null)
  t.is(await reason('abc', 'abcd', false), null, 'another device is ahead')
  t.is(await reason('abc', 'abX', false), 'different')
  t.is(await reason('abc', 'aX', false), 'different')
})

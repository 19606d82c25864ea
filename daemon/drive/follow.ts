/**
 * What a Hyperbee says, for another one that is to say the same: keys and values as they stand, none of them decoded. Of a long one some
 * at a time, and the rest of the process gets its turn in between.
 */
import { setImmediate } from 'node:timers/promises'
import type Hyperbee from 'hyperbee'
import type Hypercore from 'hypercore'
import { NEW_ENTRIES } from '../../base/limits.ts'
import { decodeNode, FIRST_STATEMENT, readBlocks } from './history.ts'

/** `value` null: the key is deleted. */
export interface BeeChange {
  readonly key: Buffer
  readonly value: Buffer | null
}

/** Of the tree as it is when this is called, in the order of the keys. */
export async function* statementsOf(db: Hyperbee): AsyncGenerator<readonly BeeChange[]> {
  const everything = { gte: Buffer.alloc(0), lt: Buffer.from([0xff]) }
  let some: BeeChange[] = []
  for await (const { key, value } of db.createReadStream(everything, { keyEncoding: 'binary', valueEncoding: 'binary' })) {
    some.push({ key, value })
    if (some.length < NEW_ENTRIES) continue
    yield some
    some = []
    await setImmediate()
  }
  if (some.length > 0) yield some
}

/** Of the blocks from `from` up to but not including `until`, in the order written. */
export async function* changesOf(core: Hypercore, from: number, until: number): AsyncGenerator<readonly BeeChange[]> {
  for (let at = Math.max(FIRST_STATEMENT, from); at < until; ) {
    const blocks = await readBlocks(core, at, Math.min(until, at + NEW_ENTRIES))
    if (blocks.length === 0) throw new Error(`block ${at} of the drive before is missing`)
    yield blocks.map((block, i) => present(decodeNode(block), at + i))
    at += blocks.length
    await setImmediate()
  }
}

function present(change: BeeChange | null, at: number): BeeChange {
  if (change === null) throw new Error(`block ${at} of the drive before is not one of a Hyperbee`)
  return change
}

/**
 * Fetches what a batch of a Hyperbee will walk over, level by level, with one read of the database each. The batch itself asks for
 * one block at a time and waits for it: of 10,000 deletions that was a trip to RocksDB's threads each.
 *
 * Leans on hyperbee 2.27.3: a batch keeps the blocks that it met (`maxBlocksCached`), and its nodes have `keys`, `children`, `getKey` and
 * `getChildNode`. Nothing depends on it: what is not fetched here, the batch fetches.
 */
import type { Batch, TreeNode } from 'hyperbee'
import type Hypercore from 'hypercore'
import { readAhead } from './blocks.ts'

/** Fewer keys than this are not worth the names of each node on their way. */
const WORTH_KEYS = 32

/** Blocks that a batch of the most entries walks over are no more than these; they go with the batch. */
export const MAX_WARM_BLOCKS = 32_768

/** A node, and the keys that are to be looked for below it, sorted. */
interface Visit {
  readonly node: TreeNode
  readonly keys: readonly Buffer[]
}

export async function warm(core: Hypercore, batch: Batch, keys: readonly Buffer[]): Promise<void> {
  if (keys.length < WORTH_KEYS) return
  const root = await batch.getRoot(false)
  let level: Visit[] = root === null ? [] : [{ node: root, keys: [...keys].sort((a, b) => a.compare(b)) }]
  while (level.length > 0) {
    await readAhead(core, level.flatMap(({ node }) => node.keys.map(({ seq }) => seq)))
    const below = (await Promise.all(level.map(childrenOf))).flat()
    await readAhead(core, below.map(({ node, index }) => seqOf(node, index)))
    level = await Promise.all(below.map(async ({ node, index, keys }) => ({ node: await node.getChildNode(index), keys })))
  }
}

/** The children that hold any of the keys, if they are there. */
async function childrenOf({ node, keys }: Visit): Promise<(Visit & { readonly index: number })[]> {
  const names = await Promise.all(node.keys.map((_, i) => node.getKey(i)))
  const below: (Visit & { readonly index: number })[] = []
  let left = node.children.length === 0 ? [] : keys
  for (let index = 0; index <= names.length && left.length > 0; index++) {
    const name = names[index]
    const end = name === undefined ? left.length : firstFrom(left, name)
    if (end > 0) below.push({ node, index, keys: left.slice(0, end) })
    left = left.slice(end)
  }
  return below
}

function seqOf(node: TreeNode, index: number): number {
  return (node.children[index] as TreeNode['children'][number]).seq
}

/** The first of the sorted keys that is not below `name`. */
function firstFrom(keys: readonly Buffer[], name: Buffer): number {
  let [low, high] = [0, keys.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((keys[middle] as Buffer).compare(name) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * A batch of a Hyperbee that is written without a promise for each comparison of keys. Its own `put` and `del` wait some twenty times on
 * their way down, and each new file takes one of either: nearly a tenth of what the author of new files computes. What
 * they read on the way is in memory mostly (warm.ts), so the way is walked at once, and what is usual is done at once: a new key goes
 * into a leaf, and a key that is not there is not deleted. Anything else is left to the batch.
 *
 * Leans on hyperbee 2.27.3: what a batch, its blocks and the nodes of its tree have, and how a node is split.
 * test/drive/bee-writes.test.ts holds that the blocks are those which the batch alone would write.
 */
import type { Batch, Block, Child, Key, TreeNode } from 'hyperbee'

/** A node with more is split. */
const MAX_KEYS = 8

/** A node on the way down, and where in it the way goes on, or ends. */
interface Step {
  readonly node: TreeNode
  readonly index: number
}

export async function put(batch: Batch, key: Buffer, value: Buffer): Promise<void> {
  if (!putAtOnce(batch, key, value)) await batch.put(key, value)
}

export async function del(batch: Batch, key: Buffer): Promise<void> {
  if (wayTo(batch, key) === null) await batch.del(key)
}

function putAtOnce(batch: Batch, key: Buffer, value: Buffer): boolean {
  const way = wayTo(batch, key)
  const root = way?.[0]?.node
  const known = root?.keys[0]
  // A single leaf has no child to make others like.
  if (way === null || root === undefined || known === undefined || way.length === 1) return false
  const seq = batch.core.length + batch.length
  for (const { node } of way) node.changed = true
  const { node, index } = way.at(-1) as Step
  node.keys.splice(index, 0, like<Key>(known, seq, key))
  batch._append(split(way), seq, key, value)
  return true
}

/** The way to where the key would be. Null: it is there, or that is not known at once. */
function wayTo(batch: Batch, key: Buffer): readonly Step[] | null {
  const way: Step[] = []
  for (let node = batch.length > 0 && !batch.autoFlush ? batch.root : null; node !== null; ) {
    const index = indexOf(batch, node, key)
    if (index === null) return null
    way.push({ node, index })
    if (node.children.length === 0) return way
    node = childAt(batch, node, index)
  }
  return null
}

/** Of the first key that is above. */
function indexOf(batch: Batch, node: TreeNode, key: Buffer): number | null {
  let [low, high] = [0, node.keys.length]
  while (low < high) {
    const middle = (low + high) >> 1
    const name = keyAt(batch, node, middle)
    const order = name === null ? 0 : key.compare(name)
    if (order === 0) return null
    if (order < 0) high = middle
    else low = middle + 1
  }
  return low
}

function keyAt(batch: Batch, node: TreeNode, index: number): Buffer | null {
  const key = node.keys[index] as Key
  return (key.value ??= blockOf(batch, node, key.seq)?.key ?? null)
}

function childAt(batch: Batch, node: TreeNode, index: number): TreeNode | null {
  const child = node.children[index] as Child
  return (child.value ??= blockOf(batch, node, child.seq)?.getTreeNode(child.offset) ?? null)
}

function blockOf(batch: Batch, node: TreeNode, seq: number): Block | undefined {
  return node.block !== null && node.block.seq === seq ? node.block : batch.blocks.get(seq)
}

/** Makes two of each node of the way that has too many keys, from the leaf on. Gives the root. */
function split(way: readonly Step[]): TreeNode {
  const [{ node: root }] = way as readonly [Step]
  for (let depth = way.length - 1; depth >= 0; depth--) {
    const { node } = way[depth] as Step
    if (node.keys.length <= MAX_KEYS) return root
    const right = sibling(node)
    const half = node.keys.length >> 1
    right.keys.push(...node.keys.splice(node.keys.length - half))
    if (node.children.length > 0) right.children.push(...node.children.splice(node.children.length - half - 1))
    const median = node.keys.pop() as Key
    const above = way[depth - 1]
    if (above === undefined) return newRoot(root, median, right)
    above.node.keys.splice(above.index, 0, median)
    above.node.children.splice(above.index + 1, 0, like<Child>(above.node.children[0] as Child, 0, 0, right))
  }
  return root
}

function newRoot(left: TreeNode, median: Key, right: TreeNode): TreeNode {
  const root = sibling(left)
  const known = left.children[0] as Child
  root.keys.push(median)
  root.children.push(like<Child>(known, 0, 0, left), like<Child>(known, 0, 0, right))
  return root
}

/** Empty and changed, in the same block. */
function sibling(node: TreeNode): TreeNode {
  return (node.constructor as unknown as { create(block: TreeNode['block']): TreeNode }).create(node.block)
}

/** The library does not give its classes away. */
function like<Made extends Key | Child>(known: Made, ...values: readonly unknown[]): Made {
  return new (known.constructor as new (...values: readonly unknown[]) => Made)(...values)
}

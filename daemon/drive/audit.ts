/**
 * Reads our own drive against itself, for the checker. Nothing is written: Hypercore's own audit marks the blocks of a virtual core
 * for deletion, because it does not know that their values are references.
 */
import crypto from 'hypercore-crypto'
import type Hyperbee from 'hyperbee'
import type Hypercore from 'hypercore'
import type { TreeNode } from 'hypercore-storage'
import type { Audit, Stated, Verified } from '../ports.ts'
import { chunkId, contentList, decodePage, sizeClassOf, type Chunk } from '../sync/content.ts'
import type { FileEntry } from '../sync/entry.ts'
import type { PathKey } from '../sync/ids.ts'
import { readMap } from './append-large.ts'
import { pageCount } from './blob-job.ts'
import { decodeKey } from './drive-path.ts'
import { statementsOf } from './follow.ts'

/** Node pairs, or blocks, read at once. */
const READS_AT_ONCE = 64
const MAX_FAULTS = 20

/** Keys of both keyspaces as paths; those that are none are not ours. */
export async function* statedPaths(db: Hyperbee): AsyncGenerator<readonly PathKey[]> {
  for await (const statements of statementsOf(db)) {
    yield statements.flatMap(({ key }) => {
      const decoded = decodeKey(key)
      return decoded.kind === 'path' ? [decoded.path] : []
    })
  }
}

/** Every block of a stated file, one after the other: its data by the ids of its list, and the list by the content id. */
export async function verifyBlocks(blobs: Hypercore, { entry, blob }: Stated): Promise<Verified> {
  if (entry.kind !== 'file' || entry.size === 0) return { blocks: 0, fault: null }
  if (blob === null) return { blocks: 0, fault: 'it is stated without blocks' }
  const map = blob.blockMap === true ? await readMap(blobs, blob) : null
  if (blob.blockMap === true && map === null) return { blocks: 0, fault: 'its block map cannot be read' }
  const data = map?.map(({ index }) => index) ?? Array.from({ length: blob.blockLength }, (_, i) => blob.blockOffset + i)
  const pages = Array.from({ length: pageCount(data.length) }, (_, i) => blob.blockOffset + blob.blockLength + i)
  const chunks: Chunk[] = []
  for (const index of data) {
    const block = await blobs.get(index, { wait: false })
    if (block === null) return { blocks: chunks.length, fault: `block ${index} cannot be read` }
    chunks.push({ id: chunkId(block), length: block.length })
  }
  if (!isContent(entry, chunks)) return { blocks: chunks.length, fault: 'its blocks are not the content that is stated' }
  const fault = await pagesFault(blobs, pages, entry, chunks)
  return { blocks: data.length + pages.length, fault }
}

function isContent(entry: FileEntry, chunks: readonly Chunk[]): boolean {
  return contentList(sizeClassOf(entry.size), chunks).cid === entry.cid
}

async function pagesFault(blobs: Hypercore, pages: readonly number[], entry: FileEntry, chunks: readonly Chunk[]): Promise<string | null> {
  const listed: Chunk[] = []
  for (const index of pages) {
    const block = await blobs.get(index, { wait: false })
    const rows = block === null ? null : decodePage(block, sizeClassOf(entry.size))
    if (rows === null) return `block ${index}, a page of its list, cannot be read`
    for (const row of rows) listed.push(row)
  }
  const isSame = pages.length === 0 || (listed.length === chunks.length && listed.every((row, i) => row.id === chunks[i]?.id && row.length === chunks[i]?.length))
  return isSame ? null : 'the pages of its list are not its list'
}

/** `blocks`: those of the core are held against the leaves too. */
export async function auditCore(core: Hypercore, name: string, blocks: boolean, signal: AbortSignal): Promise<Audit> {
  const batch = core.state.createTreeBatch()
  const faults: string[] = []
  const fault = (what: string): void => {
    if (faults.length < MAX_FAULTS) faults.push(`${name}: ${what}`)
  }
  if (batch.length > 0 && !core.core.verifier.verify(batch, core.state.signature)) fault('its signature is not that of its roots')
  const nodes = await auditTree(core, batch.roots, fault, signal)
  if (blocks) await auditBlocks(core, batch.length, fault, signal)
  return { nodes, faults }
}

/** From the roots down: each pair must hash to its parent. What stands below a bad node is not looked at. */
async function auditTree(core: Hypercore, roots: readonly TreeNode[], fault: (what: string) => void, signal: AbortSignal): Promise<number> {
  let nodes = 0
  const stack: TreeNode[] = []
  for (const [i, node] of (await readNodes(core, roots.map(({ index }) => index))).entries()) {
    const root = roots[i] as TreeNode
    if (node === null || !sameNode(node, root)) fault(`tree node ${root.index} is not the one that was signed`)
    else stack.push(node)
  }
  while (stack.length > 0 && !signal.aborted) {
    const parents = stack.splice(-READS_AT_ONCE)
    nodes += parents.length
    const inner = parents.filter(({ index }) => index % 2 === 1)
    const children = await readNodes(core, inner.flatMap(({ index }) => childrenOf(index)))
    for (const [i, parent] of inner.entries()) {
      const [left, right] = [children[2 * i] ?? null, children[2 * i + 1] ?? null]
      if (left === null || right === null) fault(`a tree node below ${parent.index} is missing`)
      else if (!crypto.parent(left, right).equals(parent.hash) || left.size + right.size !== parent.size) fault(`the tree nodes below ${parent.index} are not those that were signed`)
      else stack.push(left, right)
    }
  }
  return nodes
}

async function auditBlocks(core: Hypercore, length: number, fault: (what: string) => void, signal: AbortSignal): Promise<void> {
  for (let start = 0; start < length && !signal.aborted; start += READS_AT_ONCE) {
    const indexes = Array.from({ length: Math.min(READS_AT_ONCE, length - start) }, (_, i) => start + i)
    const reader = core.state.storage.read()
    const reads = indexes.map(async (index) => await Promise.all([reader.getBlock(index), reader.getTreeNode(2 * index)]))
    reader.tryFlush()
    for (const [i, [block, leaf]] of (await Promise.all(reads)).entries()) {
      if (block === null) fault(`block ${start + i} is missing`)
      else if (leaf === null || leaf.size !== block.length || !crypto.data(block).equals(leaf.hash)) fault(`block ${start + i} is not the one that was signed`)
    }
  }
}

async function readNodes(core: Hypercore, indexes: readonly number[]): Promise<readonly (TreeNode | null)[]> {
  if (indexes.length === 0) return []
  const reader = core.state.storage.read()
  const reads = indexes.map((index) => reader.getTreeNode(index))
  reader.tryFlush()
  return await Promise.all(reads)
}

/** Of an inner node of a flat tree: leaves are even, a node's depth is the number of its trailing ones. */
function childrenOf(index: number): [number, number] {
  let half = 1
  while (Math.floor(index / (half * 2)) % 2 === 1) half *= 2
  return [index - half, index + half]
}

function sameNode(a: TreeNode, b: TreeNode): boolean {
  return a.index === b.index && a.size === b.size && a.hash.equals(b.hash)
}

/**
 * Reads the blocks of a drive's db core as what they state, in the order written: the history stream of the Hyperbee, but block by
 * block, so that a block which is not there yet or not readable ends or spoils nothing else. In that order each path's last
 * event is its truth, because a writer puts the statement after the deletion it makes in the other keyspace.
 */
import type Hypercore from 'hypercore'
import messages from 'hyperbee/lib/messages.js'
import type { BlobRange, Problem } from '../ports.ts'
import type { Entry } from '../sync/entry.ts'
import type { PathKey } from '../sync/ids.ts'
import { decodeKey, printable, drivePath } from './drive-path.ts'
import { decodeEntry } from './entry-codec.ts'

/** What one block states. `entry` null: the path left the keyspace. */
export type BlockEvent =
  | { readonly kind: 'statement'; readonly path: PathKey; readonly entry: Entry | null; readonly blob: BlobRange | null }
  | { readonly kind: 'invalid'; readonly problem: Problem }
  | { readonly kind: 'other' }

/** Block 0 is the Hyperbee's header. */
export const FIRST_STATEMENT = 1

/** Reads at once, and bytes of one call: blocks come from another device, whose entries may be as large as a block can be. */
const READ_BLOCKS = 64
const READ_BYTES = 16 * 1024 * 1024
/** A log that is no longer is read without a look at the sizes of its blocks. */
const SMALL_LOG_BYTES = 64 * 1024 * 1024

/** The decrypted blocks from `from` up to but not including `to` that are here, cut off at the first that is not, or when they are large. */
export async function readBlocks(core: Hypercore, from: number, to: number): Promise<Buffer[]> {
  const blocks: Buffer[] = []
  let bytes = 0
  while (from + blocks.length < to && bytes < READ_BYTES) {
    const start = from + blocks.length
    const end = await endWithin(core, start, Math.min(to, start + READ_BLOCKS))
    const reads = Array.from({ length: end - start }, (_, i) => core.get(start + i, { wait: false }))
    for (const block of await Promise.all(reads)) {
      if (block === null) return blocks
      blocks.push(block)
      bytes += block.length
    }
  }
  return blocks
}

/** Up to where blocks are read at once: by their sizes, which the tree knows before any of them is in memory. */
async function endWithin(core: Hypercore, start: number, end: number): Promise<number> {
  if (core.byteLength <= SMALL_LOG_BYTES) return end
  const reader = core.state.storage.read()
  const leaves = Array.from({ length: end - start }, (_, i) => reader.getTreeNode(2 * (start + i)))
  reader.tryFlush()
  let bytes = 0
  for (const [i, leaf] of (await Promise.all(leaves)).entries()) {
    bytes += leaf?.size ?? 0
    if (i > 0 && bytes > READ_BYTES) return start + i
  }
  return end
}

/** Never throws: the bytes come from another device. */
export function decodeBlock(block: Buffer, seq: number): BlockEvent {
  const node = decodeNode(block)
  if (node === null) return invalid(`block ${seq}`, 'invalid-entry', 'the block is not one of a Hyperbee')
  const key = decodeKey(node.key)
  switch (key.kind) {
    case 'other':
      return { kind: 'other' }
    case 'invalid':
      return invalid(key.name, 'invalid-name', 'the name is not allowed in a synced folder')
    case 'path': {
      if (node.value === null) return { kind: 'statement', path: key.path, entry: null, blob: null }
      const decoded = decodeEntry(key.keyspace, node.value)
      if (decoded === null) return invalid(printable(Buffer.from(drivePath(key.path))), 'invalid-entry', 'the entry is of an unknown format or not valid')
      return { kind: 'statement', path: key.path, ...decoded }
    }
  }
}

/** What a block of a Hyperbee puts, or deletes (null). */
export function decodeNode(block: Buffer): { key: Buffer; value: Buffer | null } | null {
  try {
    const { key, value } = messages.Node.decode(block)
    return key instanceof Uint8Array && (value === null || value instanceof Uint8Array) ? { key, value } : null
  } catch {
    return null // Bad bytes are one bad block.
  }
}

function invalid(path: string, code: string, message: string): BlockEvent {
  return { kind: 'invalid', problem: { path, code, message } }
}

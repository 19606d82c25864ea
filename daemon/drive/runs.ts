/**
 * Logs of drives in many blocks at once: the blocks of a db core as they are stored, and the signature at their end. Hypercore's own
 * replication proves each block by itself (93 µs a block of both sides' processor, against 8 for appending a run). A run is proved
 * as a whole: what is not, to the bit, what the drive's key signed is refused by Hypercore before anything is written.
 *
 * Leans on hypercore 11.37.1: `state.append` with a signature, signatures of earlier lengths, and `eagerUpgrade`; the tests of
 * this file pin what.
 */
import c from 'compact-encoding'
import type Hypercore from 'hypercore'
import messages from 'hypercore/lib/messages.js'
import { MAX_RUN_BLOCK_BYTES, MAX_RUN_BLOCKS, MAX_RUN_BYTES, RUN_BLOCKS, RUN_BYTES } from '../../base/limits.ts'
import type { BlockRun, DriveRuns, LogState, RunRequest } from '../ports.ts'
import type { DriveKey } from '../sync/ids.ts'
import { endAfter, noteEnd } from './run-ends.ts'

/** Reads of one trip to the database. */
const READ_BLOCKS = 512
/** So many blocks are given at once by who is not the author. */
const PASSED_ON_WHOLE = 2 * RUN_BLOCKS

export class Runs implements DriveRuns {
  readonly #core: (drive: DriveKey) => Hypercore | null
  #listener: (drive: DriveKey) => void = () => undefined

  constructor(core: (drive: DriveKey) => Hypercore | null) {
    this.#core = core
  }

  state(drive: DriveKey): LogState | null {
    const core = this.#core(drive)
    if (core === null || !core.opened || core.closing !== null) return null
    return { length: core.length, fork: core.fork, whole: core.contiguousLength >= core.length, signer: core.manifest !== null, author: core.writable }
  }

  async read(drive: DriveKey, request: RunRequest): Promise<BlockRun | null> {
    const core = this.#core(drive)
    return core === null ? null : await readRun(core, request)
  }

  async take(drive: DriveKey, run: BlockRun): Promise<'taken' | 'moved'> {
    const core = this.#core(drive)
    return core === null ? 'moved' : await takeRun(core, run)
  }

  hold(drive: DriveKey, held: boolean): void {
    const core = this.#core(drive)
    if (core !== null && !core.writable) holdStock(core, held)
  }

  watch(listener: (drive: DriveKey) => void): void {
    this.#listener = listener
  }

  /** For the drives. */
  grew(drive: DriveKey): void {
    this.#listener(drive)
  }
}

/**
 * Whoever holds the whole log can give all that is missing, because the signature of its end is stored with it; only the author can
 * sign where a part ends. Another device gives parts that ended so when they came (run-ends.ts), or all if it is no more than one run may be.
 */
export async function readRun(core: Hypercore, { fork, start, signer }: RunRequest): Promise<BlockRun | null> {
  const { length, manifest } = core
  const { signature } = core.state
  if (core.fork !== fork || start >= length || signature === null || manifest === null || core.contiguousLength < length) return null
  const author = core.writable
  const part = author || length - start <= PASSED_ON_WHOLE ? null : await endAfter(core, start)
  if (!author && part === null && length - start > MAX_RUN_BLOCKS) return null
  const until = author ? Math.min(length, start + RUN_BLOCKS) : (part?.length ?? length)
  const blocks = await readStored(core, start, until, author ? RUN_BYTES : Infinity)
  const end = start + blocks.length
  if (blocks.length === 0 || core.fork !== fork || !fits(blocks) || (end < until && !author)) return null
  const proof = part?.signature ?? (end === length ? signature : await signatureAt(core, end))
  return { fork, start, blocks, signature: proof, signer: signer ? c.encode(messages.manifest, manifest) : null }
}

/** Nothing is written of a run that does not begin where the log ends, or is not proved by its signature. */
export async function takeRun(core: Hypercore, { fork, start, blocks, signature, signer }: BlockRun): Promise<'taken' | 'moved'> {
  if (core.fork !== fork || core.length !== start || core.closing !== null) return 'moved'
  if (blocks.length === 0) throw new Error('a run has blocks')
  if (core.manifest === null) {
    if (signer === null) throw new Error('it is not known who signs the drive')
    await core.core.setManifest(c.decode(messages.manifest, signer))
  }
  const end = start + blocks.length
  // RACE: Hypercore's own replication may have grown the log since; then this appends nothing.
  const { length } = await core.state.append(blocks, { keyPair: null, signature, maxLength: end })
  if (length !== end) return 'moved'
  await noteEnd(core)
  return 'taken'
}

/** What is asked for by blocks (gaps of a log) is fetched either way; what makes the log longer is not while it is held. */
export function holdStock(core: Hypercore, held: boolean): void {
  const { replicator } = core.core
  if (replicator.eagerUpgrade === !held) return
  replicator.eagerUpgrade = !held
  // What peers said of themselves meanwhile is acted on now.
  if (!held) core.update({ wait: true }).catch(() => undefined)
}

/** Blocks up to `end`, or those in front of the first that is not here, or as many as `bytes` hold. */
async function readStored(core: Hypercore, start: number, end: number, bytes: number): Promise<Buffer[]> {
  const blocks: Buffer[] = []
  for (let total = 0; start + blocks.length < end; ) {
    const from = start + blocks.length
    const reader = core.state.storage.read()
    const reads = Array.from({ length: Math.min(READ_BLOCKS, end - from) }, (_, i) => reader.getBlock(from + i))
    reader.tryFlush()
    for (const block of await Promise.all(reads)) {
      if (block === null || total + block.length > Math.min(bytes, MAX_RUN_BYTES)) return blocks
      total += block.length
      blocks.push(block)
    }
  }
  return blocks
}

function fits(blocks: readonly Buffer[]): boolean {
  return blocks.every((block) => block.length <= MAX_RUN_BLOCK_BYTES)
}

/** The very signature that the log had when it was that long, or would have had. */
async function signatureAt(core: Hypercore, length: number): Promise<Buffer> {
  const { keyPair } = core
  if (keyPair === null) throw new Error('only the author signs')
  const tree = core.state.createTreeBatch()
  await tree.restore(length)
  return core.core.verifier.sign(tree, keyPair)
}

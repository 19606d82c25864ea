/** The blobs core of our own drive as a virtual core: references while it is appended to, blocks made again when it is read. */
import type Hypercore from 'hypercore'
import type { ChunkId } from '../sync/ids.ts'
import type { References } from './blob-job.ts'
import type { VirtualCore } from './blocks.ts'

/** The verified bytes of a chunk from the files of this device, or null. */
export type ReadSource = (chunk: ChunkId) => Promise<Buffer | null>

/** What Hypercore's default encryption puts before each block. */
const PADDING_BYTES = 8
/** Our own cores never truncate. */
const FORK = 0

export class VirtualBlobs implements VirtualCore {
  #core: Hypercore
  readonly #references: References
  #source: ReadSource | null = null

  constructor(core: Hypercore, references: References) {
    this.#core = core
    this.#references = references
  }

  /** Another session of the same core: the one so far is closed. */
  setCore(core: Hypercore): void {
    this.#core = core
  }

  setSource(source: ReadSource | null): void {
    this.#source = source
  }

  referenceOf(index: number): ChunkId | null {
    return this.#references.get(index) ?? null
  }

  /** A source that fails is a block that is not there: a rejecting storage would end the connection of whoever asked. */
  async load(index: number, chunk: ChunkId): Promise<Buffer | null> {
    try {
      const data = (await this.#source?.(chunk)) ?? null
      return data === null ? null : this.#encrypted(index, data)
    } catch {
      return null
    }
  }

  /** The nonce is made of index and fork, so these are the very bytes that were appended. */
  #encrypted(index: number, data: Buffer): Buffer {
    const { encryption } = this.#core
    if (encryption === null) return data
    const block = Buffer.allocUnsafe(PADDING_BYTES + data.length)
    block.fill(0, 0, PADDING_BYTES)
    data.copy(block, PADDING_BYTES)
    encryption.encrypt(index, block, FORK, this.#core.core)
    return block
  }
}

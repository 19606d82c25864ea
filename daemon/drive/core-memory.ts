/**
 * What was just written to a core, kept in memory for a moment. Replication asks the storage for each block by itself, five tree
 * nodes and a block a time, and each answer from RocksDB is a trip to another thread (20 µs of processor, fifteen of them a file on
 * both sides together). Most of what is asked was written in this same moment, or is known not to be there yet: a tree node whose
 * span ends beyond the length at which the core was opened can only have been written since. Knows nothing that is not on its way
 * from or to the database: whoever deletes anything makes it forget.
 */

/** A node of a core's Merkle tree, as hypercore-storage gives and takes it. */
export interface TreeNode {
  readonly index: number
  readonly size: number
  readonly hash: Buffer
}

/** Of one core: a batch of thousands of entries, and what replication is behind. */
const MAX_NODES = 16_384
const MAX_BLOCK_BYTES = 6 * 1024 * 1024
/** Of memory for each block beside its bytes: a hundred thousand that only refer to a content would otherwise pass for 4 MiB. */
const BLOCK_OVERHEAD_BYTES = 256
/** Larger ones are few. */
const MAX_KEPT_BLOCK_BYTES = 16 * 1024
/** Without a write for so long, the blocks and nodes go; that they are there stays known. */
const KEPT_MS = 5_000
const PAGE_BITS = 8192
/** Of the bitfield, 4 KiB for 32,768 blocks each: each append reads the last one before it writes it. */
const MAX_BITFIELD_PAGES = 4

const NO_PAGES: ReadonlyMap<number, Buffer> = new Map()

export class CoreMemory {
  /** A node whose span ends here or later was not there when the core was opened. */
  #unwrittenFrom: number
  readonly #written = new Map<number, Uint8Array>()
  readonly #nodes = new Map<number, TreeNode>()
  readonly #blocks = new Map<number, Buffer>()
  readonly #pages = new Map<number, Buffer>()
  #blockBytes = 0
  #retired = false
  #era = 0
  #timer: NodeJS.Timeout | null = null

  /** @param length of the core now; Infinity where it is not known. */
  constructor(length: number) {
    this.#unwrittenFrom = 2 * length
  }

  /** Undefined: the database knows. */
  block(index: number): Buffer | undefined {
    return this.#blocks.get(index)
  }

  /** A page of the bitfield, for who asks to write into. Undefined: the database knows. */
  page(index: number): Buffer | undefined {
    const page = this.#pages.get(index)
    return page === undefined ? undefined : Buffer.from(page)
  }

  /** Null: there is none. Undefined: the database knows. */
  node(index: number): TreeNode | null | undefined {
    const node = this.#nodes.get(index)
    if (node !== undefined) return node
    return this.hasNode(index) === false ? null : undefined
  }

  /** Undefined: the database knows. */
  hasNode(index: number): boolean | undefined {
    if (this.#isWritten(index)) return true
    return spanEnd(index) >= this.#unwrittenFrom ? false : undefined
  }

  /** After it stands in the database. */
  wrote(nodes: readonly TreeNode[], blocks: readonly (readonly [number, Buffer])[], pages: ReadonlyMap<number, Buffer> = NO_PAGES): void {
    if (this.#retired) return
    for (const [index, page] of pages) {
      this.#pages.delete(index)
      this.#pages.set(index, page)
    }
    for (const node of nodes) {
      this.#mark(node.index)
      this.#nodes.set(node.index, node)
    }
    for (const [index, block] of blocks) {
      if (block.length > MAX_KEPT_BLOCK_BYTES) continue
      this.#blockBytes += costOf(block) - costOf(this.#blocks.get(index))
      this.#blocks.set(index, block)
    }
    this.#trim()
    if (this.#timer === null) this.#timer = setTimeout(() => this.#release(), KEPT_MS).unref()
    else this.#timer.refresh()
  }

  /** Blocks as they were read from the database. `era`: from before the read; what was read before a deletion is not kept. */
  read(era: number, blocks: readonly (readonly [number, Buffer])[]): void {
    if (era === this.#era) this.wrote([], blocks)
  }

  get era(): number {
    return this.#era
  }

  /** For good: something writes that it does not see. */
  retire(): void {
    this.#retired = true
    this.forget()
  }

  /** Something is deleted: from now on only what is written later is known. */
  forget(): void {
    this.#era++
    this.#unwrittenFrom = Infinity
    this.#written.clear()
    this.#drop()
  }

  #release(): void {
    this.#timer = null
    this.#drop()
  }

  #drop(): void {
    this.#nodes.clear()
    this.#blocks.clear()
    this.#pages.clear()
    this.#blockBytes = 0
  }

  /** The oldest first. */
  #trim(): void {
    for (const index of this.#pages.keys()) {
      if (this.#pages.size <= MAX_BITFIELD_PAGES) break
      this.#pages.delete(index)
    }
    for (const index of this.#nodes.keys()) {
      if (this.#nodes.size <= MAX_NODES) break
      this.#nodes.delete(index)
    }
    for (const [index, block] of this.#blocks) {
      if (this.#blockBytes <= MAX_BLOCK_BYTES) break
      this.#blockBytes -= costOf(block)
      this.#blocks.delete(index)
    }
  }

  #isWritten(index: number): boolean {
    const bit = index % PAGE_BITS
    return (((this.#written.get(Math.floor(index / PAGE_BITS))?.[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 1
  }

  #mark(index: number): void {
    const number = Math.floor(index / PAGE_BITS)
    let page = this.#written.get(number)
    if (page === undefined) this.#written.set(number, (page = new Uint8Array(PAGE_BITS / 8)))
    const bit = index % PAGE_BITS
    page[bit >> 3] = (page[bit >> 3] as number) | (1 << (bit & 7))
  }
}

function costOf(block: Buffer | undefined): number {
  return block === undefined ? 0 : block.length + BLOCK_OVERHEAD_BYTES
}

/** The greatest leaf below a node of a flat tree: leaves are even, a node of height h ends in h ones. */
function spanEnd(index: number): number {
  let width = 1
  for (let rest = index; rest % 2 === 1; rest = (rest - 1) / 2) width *= 2
  return index + width - 1
}

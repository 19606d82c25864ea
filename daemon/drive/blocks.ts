/**
 * The one adapter between Hypercore's storage and the working tree, so that no byte of a file is kept twice: in the blobs core of
 * our own drive the value of a block is a reference, `magic (8 bytes) · chunk id (32 bytes)`, written by Hypercore in its own batch
 * and so never at odds with tree and bitfield. Reading it finds the chunk in the files, hashes what it read, encrypts it as the
 * block was (index, fork 0: our cores never truncate), and returns the very bytes that were appended; or null, never others.
 *
 * The seam is `read` and `write` of hypercore-storage's per-core storage, on its prototype: instances come and go with atoms,
 * snapshots and named sessions. It leans on hypercore 11.37.1 and hypercore-storage 3.3.1; the contract test pins what.
 */
import type Hypercore from 'hypercore'
import crypto from 'hypercore-crypto'
import keys from 'hypercore-storage/lib/keys.js'
import HypercoreStorage, { type CoreReader, type CoreStorage, type CoreWriter } from 'hypercore-storage'
import type { ChunkId } from '../sync/ids.ts'
import { CoreMemory, type TreeNode } from './core-memory.ts'
import { joinWrite } from './joint-write.ts'

/** What a virtual core needs: which chunk a block is made of when it is appended, and its block again when it is read. */
export interface VirtualCore {
  /** The chunk that is being appended as this block; null: an ordinary block. */
  referenceOf(index: number): ChunkId | null
  /** The block as it was appended (encrypted), or null if its chunk cannot be read now. Never rejects. */
  load(index: number, chunk: ChunkId): Promise<Buffer | null>
}

const MAGIC = Buffer.from('f19b7d02c4a65e38', 'hex')
const REFERENCE_BYTES = MAGIC.length + 32

/** Stands for a block of a virtual core that was encrypted and hashed elsewhere: nothing but this is needed to append it. */
export class SealedBlock {
  /** Of the encrypted block, padding included. */
  readonly byteLength: number
  readonly leaf: Buffer

  constructor(byteLength: number, leaf: Buffer) {
    this.byteLength = byteLength
    this.leaf = leaf
  }
}

/**
 * Appends to a virtual core; each block must have its reference. As `append` of a session, less its encryption. Hypercore asks
 * hypercore-crypto for the hash of each block, and for a sealed one gets that of the seal.
 */
export async function appendSealed(core: Hypercore, blocks: readonly SealedBlock[]): Promise<void> {
  await core.state.append(blocks, { keyPair: core.keyPair })
}

/**
 * Reads blocks of a core with one trip to the database, and keeps them for a moment, so that asking for each of them costs none. For
 * small blocks that are wanted right after, of a core that is not virtual. Those that are not there are not kept.
 */
export async function readAhead(core: Hypercore, blocks: Iterable<number>): Promise<void> {
  const { storage } = core.state
  const memory = memoryOf(storage)
  if (memory === null || virtualCore(storage) !== null) return
  const missing = [...new Set(blocks)].filter((index) => memory.block(index) === undefined)
  if (missing.length === 0) return
  const { era } = memory
  const reader = storage.read()
  const reading = missing.map((index) => reader.getBlock(index))
  reader.tryFlush()
  const read = await Promise.all(reading)
  memory.read(era, missing.flatMap((index, i) => (read[i] === null || read[i] === undefined ? [] : [[index, read[i]] as const])))
}

const hashOf = crypto.data
crypto.data = (block) => (block instanceof SealedBlock ? block.leaf : hashOf(block))

let patched = false

/** A hypercore-storage in which some cores are virtual; register them before their blocks are read. */
export class BlockStorage extends HypercoreStorage {
  readonly #virtual = new Map<number, VirtualCore>()
  readonly #memories = new Map<number, CoreMemory>()

  setVirtual(pointer: number, core: VirtualCore | null): void {
    if (core === null) this.#virtual.delete(pointer)
    else this.#virtual.set(pointer, core)
  }

  virtualOf(pointer: number): VirtualCore | null {
    return this.#virtual.get(pointer) ?? null
  }

  /** What was just written to this core; null for what is not the core itself as it stands now (atom, snapshot, named session). */
  memoryOf({ core, atom, snapshotted }: CoreStorage): CoreMemory | null {
    return atom !== null || snapshotted || core.dependencies.length > 0 ? null : (this.#memories.get(core.dataPointer) ?? null)
  }

  /** What an atom or a session of another name writes reaches the core's data by other ways: its memory is worth nothing from now on. */
  writtenAside({ core }: CoreStorage): void {
    this.#memories.get(core.dataPointer)?.retire()
  }

  override async resumeCore(discoveryKey: Buffer): Promise<CoreStorage | null> {
    return await this.#remember(patch(await super.resumeCore(discoveryKey)))
  }

  override async createCore(data: { discoveryKey: Buffer }): Promise<CoreStorage | null> {
    return await this.#remember(patch(await super.createCore(data)))
  }

  /**
   * Deletes all that is kept of a core that is open nowhere. `deleteCore` of this version deletes the data of named sessions only, of
   * which ours have none, and leaves its name, under which it could neither be opened nor made again. So both go first: what a crash
   * leaves in between is deleted by the next call. Idempotent.
   */
  async forgetCore(discoveryKey: Buffer): Promise<void> {
    const storage = await super.resumeCore(discoveryKey)
    if (storage === null) return
    const { core } = storage
    if (core.dependencies.length > 0) throw new Error('a core that leans on another one is not ours')
    const names: Buffer[] = []
    for await (const { key, value } of this.db.iterator({ gte: Buffer.from(keys.store.coreByAliasStart()), lt: Buffer.from(keys.store.coreByAliasEnd()) })) {
      if (discoveryKey.equals(value)) names.push(Buffer.from(key))
    }
    const batch = this.db.write({ autoDestroy: true })
    for (const name of names) batch.tryDelete(name)
    // Each key is copied: all are made in one buffer of the library.
    batch.tryDeleteRange(Buffer.from(keys.core.data(core.dataPointer)), Buffer.from(keys.core.data(core.dataPointer + 1)))
    await batch.flush()
    await this.deleteCore(core)
    this.#virtual.delete(core.corePointer)
    this.#memories.get(core.dataPointer)?.forget()
    this.#memories.delete(core.dataPointer)
    await storage.close()
  }

  async #remember(storage: CoreStorage | null): Promise<CoreStorage | null> {
    if (storage === null || this.#memories.has(storage.core.dataPointer)) return storage
    const reader = storage.read()
    const reading = reader.getHead()
    reader.tryFlush()
    const head = await reading
    if (!this.#memories.has(storage.core.dataPointer)) this.#memories.set(storage.core.dataPointer, new CoreMemory(head?.length ?? 0))
    return storage
  }
}

function patch(storage: CoreStorage | null): CoreStorage | null {
  if (storage === null || patched) return storage
  patched = true
  const prototype = Object.getPrototypeOf(storage) as CoreStorage
  const read = prototype.read
  const write = prototype.write
  prototype.read = function (fork) {
    const reader = read.call(this, fork)
    rememberingReader(reader, memoryOf(this))
    const getBlock = reader.getBlock.bind(reader)
    const core = virtualCore(this)
    reader.getBlock = async (index) => resolve(await getBlock(index), index, core)
    return reader
  }
  prototype.write = function () {
    const writer = write.call(this)
    const memory = memoryOf(this)
    if (memory !== null) joinWrite(this.core, writer)
    if (memory !== null) rememberingWriter(writer, memory)
    else if (this.store instanceof BlockStorage) this.store.writtenAside(this)
    const core = virtualCore(this)
    if (core === null) return writer
    const putBlock = writer.putBlock.bind(writer)
    writer.putBlock = (index, data) => {
      const chunk = core.referenceOf(index)
      if (chunk === null && data instanceof SealedBlock) throw new Error('a sealed block has no bytes of its own and needs a reference')
      putBlock(index, chunk === null ? data : reference(chunk))
    }
    // `clear` of this version deletes tree nodes that are still needed; safe to keep, because virtual cores never truncate.
    writer.deleteTreeNode = () => undefined
    return writer
  }
  return storage
}

function memoryOf(storage: CoreStorage): CoreMemory | null {
  return storage.store instanceof BlockStorage ? storage.store.memoryOf(storage) : null
}

/** Also of a core without memory: a read of nothing needs no thread. */
function rememberingReader(reader: CoreReader, memory: CoreMemory | null): void {
  const tryFlush = reader.tryFlush.bind(reader)
  reader.tryFlush = () => (reader.read._operations.length === 0 ? reader.destroy() : tryFlush())
  if (memory === null) return
  const getBlock = reader.getBlock.bind(reader)
  const getTreeNode = reader.getTreeNode.bind(reader)
  const getBitfieldPage = reader.getBitfieldPage.bind(reader)
  reader.getBlock = async (index) => memory.block(index) ?? (await getBlock(index))
  reader.getBitfieldPage = async (index) => memory.page(index) ?? (await getBitfieldPage(index))
  reader.getTreeNode = async (index) => {
    const known = memory.node(index)
    return known === undefined ? await getTreeNode(index) : known
  }
  reader.hasTreeNode = async (index) => memory.hasNode(index) ?? (await getTreeNode(index)) !== null
}

/** Told when it stands in the database; a deletion at once, and again when it is done: a read in between may have seen either. */
function rememberingWriter(writer: CoreWriter, memory: CoreMemory): void {
  const nodes: TreeNode[] = []
  const blocks: (readonly [number, Buffer])[] = []
  const pages = new Map<number, Buffer>()
  let deletes = false
  const putTreeNode = writer.putTreeNode.bind(writer)
  const putBlock = writer.putBlock.bind(writer)
  const putBitfieldPage = writer.putBitfieldPage.bind(writer)
  const flush = writer.flush.bind(writer)
  writer.putBitfieldPage = (index, page) => {
    pages.set(index, page)
    putBitfieldPage(index, page)
  }
  writer.putTreeNode = (node) => {
    nodes.push(node)
    putTreeNode(node)
  }
  writer.putBlock = (index, data) => {
    blocks.push([index, data])
    putBlock(index, data)
  }
  for (const name of DELETIONS) {
    const original = writer[name].bind(writer) as (...values: unknown[]) => void
    writer[name] = (...values: unknown[]) => {
      deletes = true
      memory.forget()
      original(...values)
    }
  }
  writer.flush = async () => {
    // As they are written: some are filled after they were put, and who gave them may go on with them.
    for (const [index, page] of pages) pages.set(index, Buffer.from(page))
    const flushed = await flush()
    if (deletes) memory.forget()
    if (flushed && !deletes) memory.wrote(nodes, blocks, pages)
    return flushed
  }
}

const DELETIONS = ['deleteBlock', 'deleteBlockRange', 'deleteTreeNode', 'deleteTreeNodeRange', 'deleteBitfieldPage', 'deleteBitfieldPageRange'] as const

function virtualCore(storage: CoreStorage): VirtualCore | null {
  return storage.store instanceof BlockStorage ? storage.store.virtualOf(storage.core.corePointer) : null
}

/** A reference of a core that is not registered is unreadable: better no block than 40 bytes that are not it. */
async function resolve(value: Buffer | null, index: number, core: VirtualCore | null): Promise<Buffer | null> {
  if (value === null || value.length !== REFERENCE_BYTES || !value.subarray(0, MAGIC.length).equals(MAGIC)) return value
  if (core === null) return null
  return await core.load(index, value.subarray(MAGIC.length).toString('base64url') as ChunkId)
}

function reference(chunk: ChunkId): Buffer {
  const value = Buffer.alloc(REFERENCE_BYTES)
  MAGIC.copy(value)
  value.write(chunk, MAGIC.length, 'base64url')
  return value
}

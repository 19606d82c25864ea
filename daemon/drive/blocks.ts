/**
 * The one adapter between Hypercore's storage and the working tree, so that no byte of a file is kept twice: in the blobs core of
 * our own drive the value of a block is a reference, `magic (8 bytes) · chunk id (32 bytes)`, written by Hypercore in its own batch
 * and so never at odds with tree and bitfield. Reading it finds the chunk in the files, hashes what it read, encrypts it as the
 * block was (index, fork 0: our cores never truncate), and returns the very bytes that were appended; or null, never others.
 *
 * The seam is `read` and `write` of hypercore-storage's per-core storage, on its prototype: instances come and go with atoms,
 * snapshots and named sessions. It leans on hypercore 11.37.1 and hypercore-storage 3.3.1; the contract test pins what.
 */
import HypercoreStorage, { type CoreStorage } from 'hypercore-storage'
import type { ChunkId } from '../sync/ids.ts'

/** What a virtual core needs: which chunk a block is made of when it is appended, and its block again when it is read. */
export interface VirtualCore {
  /** The chunk that is being appended as this block; null: an ordinary block. */
  referenceOf(index: number): ChunkId | null
  /** The block as it was appended (encrypted), or null if its chunk cannot be read now. Never rejects. */
  load(index: number, chunk: ChunkId): Promise<Buffer | null>
}

const MAGIC = Buffer.from('f19b7d02c4a65e38', 'hex')
const REFERENCE_BYTES = MAGIC.length + 32

let patched = false

/** A hypercore-storage in which some cores are virtual; register them before their blocks are read. */
export class BlockStorage extends HypercoreStorage {
  readonly #virtual = new Map<number, VirtualCore>()

  setVirtual(pointer: number, core: VirtualCore | null): void {
    if (core === null) this.#virtual.delete(pointer)
    else this.#virtual.set(pointer, core)
  }

  virtualOf(pointer: number): VirtualCore | null {
    return this.#virtual.get(pointer) ?? null
  }

  override async resumeCore(discoveryKey: Buffer): Promise<CoreStorage | null> {
    return patch(await super.resumeCore(discoveryKey))
  }

  override async createCore(data: { discoveryKey: Buffer }): Promise<CoreStorage | null> {
    return patch(await super.createCore(data))
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
    const getBlock = reader.getBlock.bind(reader)
    const core = virtualCore(this)
    reader.getBlock = async (index) => resolve(await getBlock(index), index, core)
    return reader
  }
  prototype.write = function () {
    const writer = write.call(this)
    const core = virtualCore(this)
    if (core === null) return writer
    const putBlock = writer.putBlock.bind(writer)
    writer.putBlock = (index, data) => {
      const chunk = core.referenceOf(index)
      putBlock(index, chunk === null ? data : reference(chunk))
    }
    // `clear` of this version deletes tree nodes that are still needed; safe to keep, because virtual cores never truncate.
    writer.deleteTreeNode = () => undefined
    return writer
  }
  return storage
}

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

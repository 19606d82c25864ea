/** What the tests of drives share: a store in a temporary folder, small contents, entries with one dot. */
import { join } from 'node:path'
import type { Assert } from 'brittle'
import Corestore from 'corestore'
import Hyperdrive from 'hyperdrive'
import type { Workers } from '../../base/workers.ts'
import { Drives } from '../../daemon/drive/drives.ts'
import type { ReadSource } from '../../daemon/drive/virtual-blobs.ts'
import type { Own } from '../../daemon/drive/own.ts'
import { Store } from '../../daemon/drive/store.ts'
import type { Publication, ReadChunk } from '../../daemon/ports.ts'
import { chunkId, contentList, sizeClassOf, type ContentList } from '../../daemon/sync/content.ts'
import type { Entry } from '../../daemon/sync/entry.ts'
import type { ChunkId, DeviceId, FolderId, PathKey, WriterId } from '../../daemon/sync/ids.ts'

export const FOLDER = 'f0'.repeat(32) as FolderId
export const DEVICE = 'd0'.repeat(32) as DeviceId
/** The device whose own drives are opened. */
export const SELF = 'e0'.repeat(32) as DeviceId
export const WRITER = 'a1b2c3d4e5f6a7b8' as WriterId
export const FOLDER_KEY = Buffer.alloc(32, 7)
export const MTIME = '1763795000123456000'

export async function openStore(t: Assert, seed: number, path?: string): Promise<Store> {
  const store = new Store({ path: path ?? join(await t.tmp(), 'store'), primaryKey: Buffer.alloc(32, seed) })
  await store.open()
  t.teardown(() => store.close(), { order: 2 })
  return store
}

export async function openDrives(t: Assert, seed: number, path?: string, workers: Workers | null = null): Promise<{ store: Store; drives: Drives }> {
  const store = await openStore(t, seed, path)
  const drives = new Drives(store, workers)
  await drives.open()
  t.teardown(() => drives.close(), { order: 1 })
  return { store, drives }
}

export function path(name: string): PathKey {
  return name as PathKey
}

/** The files of the device, as blocks of own drives are read from them. */
const everything = new Map<ChunkId, Buffer>()
export const source: ReadSource = (chunk) => Promise.resolve(everything.get(chunk) ?? null)

/** Bytes cut into pieces of `size`, and what reads them back. */
export class Contents {
  readonly #chunks = new Map<ChunkId, Buffer>()

  list(bytes: Buffer, size = 64 * 1024): ContentList {
    const chunks = []
    for (let at = 0; at < bytes.length; at += size) {
      const data = bytes.subarray(at, at + size)
      const id = chunkId(data)
      this.#chunks.set(id, data)
      everything.set(id, data)
      chunks.push({ id, length: data.length })
    }
    return contentList(sizeClassOf(bytes.length), chunks)
  }

  forget(list: ContentList, index: number): void {
    const chunk = list.chunks[index]
    if (chunk !== undefined) this.#chunks.delete(chunk.id)
  }

  readonly read: ReadChunk = (_path, chunk) => Promise.resolve(this.#chunks.get(chunk.id) ?? null)
}

export function file(name: string, list: ContentList, n: number, mode = 0o644): Publication {
  const only = list.chunks.length === 1 ? list.chunks[0] : undefined
  const chunk = only === undefined ? {} : { chunk: only.id }
  const entry: Entry = { kind: 'file', ...versions(n), mdot: [WRITER, n], mode, size: list.size, mtime: MTIME, cid: list.cid, ...chunk }
  return { path: path(name), entry, content: { list, blob: null } }
}

export function directory(name: string, n: number): Publication {
  return { path: path(name), entry: { kind: 'directory', ...versions(n), mdot: [WRITER, n], mode: 0o755 }, content: null }
}

export function symlink(name: string, target: string, n: number): Publication {
  return { path: path(name), entry: { kind: 'symlink', ...versions(n), mtime: MTIME, target }, content: null }
}

export function tombstone(name: string, n: number): Publication {
  return { path: path(name), entry: { kind: 'tombstone', ...versions(n) }, content: null }
}

export function gone(name: string): Publication {
  return { path: path(name), entry: null, content: null }
}

function versions(n: number): { vv: Record<string, number>; dots: [WriterId, number][] } {
  return { vv: { [WRITER]: n }, dots: [[WRITER, n]] }
}

/** An unmodified Hyperdrive in a store of its own, given the two keys and a replication stream. */
export async function stockReader(t: Assert, drives: Drives, drive: Own): Promise<Hyperdrive> {
  const store = new Corestore(join(await t.tmp(), 'reader'))
  const reader = new Hyperdrive(store, drive.key, { encryptionKey: FOLDER_KEY })
  await reader.ready()
  const ours = await drives.offer(drive.key)
  if (ours === null) throw new Error('the drive is open')
  const theirs = store.replicate(true)
  theirs.on('error', () => undefined)
  ours.pipe(theirs).pipe(ours)
  t.teardown(async () => {
    theirs.destroy()
    await store.close()
  })
  await reader.update({ wait: true })
  return reader
}

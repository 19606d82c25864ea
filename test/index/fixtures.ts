/** What the tests of the index share. */
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { Store } from '../../daemon/drive/store.ts'
import { openIndex } from '../../daemon/index/open.ts'
import type { FolderIndex, Place, Row } from '../../daemon/ports.ts'
import { chunkId, contentList, type ContentList } from '../../daemon/sync/content.ts'
import type { Entry, FileEntry } from '../../daemon/sync/entry.ts'
import type { DeviceId, DriveKey, FolderId, PathKey, WriterId } from '../../daemon/sync/ids.ts'

export const FOLDER = 'f1'.repeat(32) as FolderId
export const OTHER_FOLDER = 'f2'.repeat(32) as FolderId
export const DEVICE = 'd1'.repeat(32) as DeviceId
export const OTHER_DEVICE = 'ff'.repeat(32) as DeviceId
export const DRIVE = 'a1'.repeat(32) as DriveKey
export const OTHER_DRIVE = 'a2'.repeat(32) as DriveKey
export const WRITER = '0123456789abcdef' as WriterId

export async function openStore(t: Assert, folder?: string): Promise<Store> {
  const store = new Store({ path: folder ?? join(await t.tmp(), 'store'), primaryKey: Buffer.alloc(32, 1) })
  await store.open()
  t.teardown(() => store.close(), { order: 2 })
  return store
}

export async function openFresh(t: Assert): Promise<{ store: Store; index: FolderIndex }> {
  const store = await openStore(t)
  const index = await openIndex(store, FOLDER)
  t.teardown(() => index.close(), { order: 1 })
  return { store, index }
}

export function path(name: string): PathKey {
  return name as PathKey
}

export function tree(name: string): Place {
  return { area: 'tree', path: name }
}

export function history(name: string): Place {
  return { area: 'history', path: name }
}

/** A content of chunks with these texts. */
export function list(...texts: readonly string[]): ContentList {
  return contentList(
    0,
    texts.map((text) => ({ id: chunkId(Buffer.from(text)), length: Buffer.byteLength(text) }))
  )
}

export function fileEntry(content: ContentList, n = 1): FileEntry {
  const chunk = content.chunks.length === 1 ? content.chunks[0]?.id : undefined
  return {
    kind: 'file',
    vv: { [WRITER]: n },
    dots: [[WRITER, n]],
    mdot: [WRITER, n],
    mode: 0o644,
    size: content.size,
    mtime: '1763795000123456000',
    cid: content.cid,
    ...(chunk === undefined ? {} : { chunk })
  }
}

export function directoryEntry(n = 1): Entry {
  return { kind: 'directory', vv: { [WRITER]: n }, dots: [[WRITER, n]], mdot: [WRITER, n], mode: 0o755 }
}

export function tombstoneEntry(n = 1): Entry {
  return { kind: 'tombstone', vv: { [WRITER]: n }, dots: [[WRITER, n]] }
}

export function row(entry: Entry): Row {
  const seen = { ino: '18446744073709551615', size: 5, mtimeNs: '-1', ctimeNs: '1763795000123456789', mode: 0o100644 }
  return { entry, seen: entry.kind === 'tombstone' ? null : seen }
}

export async function collect<T>(batches: AsyncIterable<readonly T[]>): Promise<T[]> {
  const all: T[] = []
  for await (const batch of batches) all.push(...batch)
  return all
}

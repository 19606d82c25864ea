/**
 * Large contents that are new here and are being stated. Before that each of their blocks is sealed for the drive, which takes about
 * as long as sending them; so the others are told of them at once, and are served what belongs to them, while the index does not
 * know them yet. It is no statement: whoever fetches them has bytes without a path, until the drive says what for.
 */
import { MAX_FORETOLD } from '../../base/limits.ts'
import type { FolderIndex, FolderReport, Foretold, FoundObject, Place, Row } from '../ports.ts'
import { encodeHeader, encodePages, pageId, type ContentList } from '../sync/content.ts'
import type { ObjectId, PathKey } from '../sync/ids.ts'

/** A file as a scan found it, and its content. */
export interface Coming {
  readonly path: PathKey
  readonly row: Row
  readonly list: ContentList
}

export type Servable = Pick<FolderIndex, 'find' | 'row'>

export class Foretelling {
  #coming: readonly Coming[] = []
  #objects: Map<ObjectId, FoundObject> | null = null

  get report(): Pick<FolderReport, 'foretold'> {
    const foretold: readonly Foretold[] = this.#coming.map(({ list }) => ({ cid: list.cid, size: list.size }))
    return foretold.length === 0 ? {} : { foretold }
  }

  /** @returns false if there is nothing to tell. */
  begin(coming: readonly Coming[]): boolean {
    this.#coming = coming.slice(0, MAX_FORETOLD)
    return this.#coming.length > 0
  }

  /** The index knows them now, or nobody ever will. */
  end(): void {
    this.#coming = []
    this.#objects = null
  }

  /** What the index has, and what is coming. */
  over(index: Servable): Servable {
    if (this.#coming.length === 0) return index
    return {
      find: async (id) => this.#find(id) ?? (await index.find(id)),
      row: async (path) => this.#coming.find((file) => file.path === path)?.row ?? (await index.row(path))
    }
  }

  #find(id: ObjectId): FoundObject | null {
    this.#objects ??= objectsOf(this.#coming)
    return this.#objects.get(id) ?? null
  }
}

/** What the index has, and what is foretold. */
export function servable(index: Servable, context: { readonly foretelling: Foretelling } | null): Servable {
  return context === null ? index : context.foretelling.over(index)
}

/** Header, pages and chunks of each. */
function objectsOf(coming: readonly Coming[]): Map<ObjectId, FoundObject> {
  const objects = new Map<ObjectId, FoundObject>()
  for (const { path, list } of coming) {
    const place: Place = { area: 'tree', path }
    const pages = encodePages(list.chunks)
    objects.set(list.cid as string as ObjectId, { kind: 'bytes', data: encodeHeader({ sizeClass: list.sizeClass, size: list.size, pages: pages.map(pageId) }) })
    for (const page of pages) objects.set(pageId(page), { kind: 'bytes', data: page })
    let offset = 0
    for (const { id, length } of list.chunks) {
      objects.set(id as string as ObjectId, { kind: 'chunk', length, at: [{ place, offset, cid: list.cid }] })
      offset += length
    }
  }
  return objects
}

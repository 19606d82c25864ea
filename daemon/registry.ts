/**
 * Which folders this device has, and where: `state/folders.json`. Not configuration (a path is bound to a marker and a drive), and
 * not in the store (it must outlive a lost index). One writer: the daemon.
 *
 *     { "version": 1, "folders": [ { "id": "<64 hex>", "path": "/absolute", "paused": false } ] }
 */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { writeDurably } from '../base/durable-file.ts'
import { errnoOf, messageOf, P2psyncError } from '../base/errors.ts'
import type { FolderId } from './sync/ids.ts'
import { parseFolderId } from './sync/ids.ts'

export interface FolderRegistration {
  readonly id: FolderId
  /** Absolute, as the user gave it with links resolved. */
  readonly path: string
  readonly paused: boolean
}

const folderId = z.custom<FolderId>((value) => parseFolderId(value) !== null, 'must be 64 hex digits')
const row = z.strictObject({ id: folderId, path: z.string().startsWith('/'), paused: z.boolean() })
const document = z.strictObject({ version: z.literal(1), folders: z.array(row) })

/** Every change is on disk (fsynced) when the method returns; a failed write changes nothing. */
export class FolderRegistry {
  readonly #file: string
  #folders: ReadonlyMap<FolderId, FolderRegistration>

  private constructor(file: string, folders: readonly FolderRegistration[]) {
    this.#file = file
    this.#folders = new Map(folders.map((folder) => [folder.id, folder]))
  }

  /** A missing file is an empty registry. Throws STORE_DAMAGED. */
  static load(file: string): FolderRegistry {
    return new FolderRegistry(file, read(file))
  }

  /** In the order they were added. */
  list(): readonly FolderRegistration[] {
    return [...this.#folders.values()]
  }

  get(id: FolderId): FolderRegistration | null {
    return this.#folders.get(id) ?? null
  }

  add(id: FolderId, path: string): void {
    if (this.#folders.has(id)) throw new Error(`folder ${id} is registered already`)
    this.#write([...this.list(), { id, path, paused: false }])
  }

  /** Idempotent. */
  remove(id: FolderId): void {
    if (this.#folders.has(id)) this.#write(this.list().filter((folder) => folder.id !== id))
  }

  setPaused(id: FolderId, paused: boolean): void {
    this.#write(this.list().map((folder) => (folder.id === id ? { ...folder, paused } : folder)))
  }

  /** The directory of `from` belongs to folder `to` from now on (R24). */
  rebind(from: FolderId, to: FolderId): void {
    if (this.#folders.has(to)) throw new Error(`folder ${to} is registered already`)
    this.#write(this.list().map((folder) => (folder.id === from ? { ...folder, id: to } : folder)))
  }

  #write(folders: readonly FolderRegistration[]): void {
    writeDurably(this.#file, `${JSON.stringify({ version: 1, folders }, null, 2)}\n`)
    this.#folders = new Map(folders.map((folder) => [folder.id, folder]))
  }
}

function read(file: string): readonly FolderRegistration[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw damaged(file, messageOf(error), error)
  }
  return parse(file, text)
}

function parse(file: string, text: string): readonly FolderRegistration[] {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw damaged(file, messageOf(error), error)
  }
  const parsed = document.safeParse(json)
  if (!parsed.success) throw damaged(file, parsed.error.issues[0]?.message ?? 'not a list of folders', parsed.error)
  return parsed.data.folders
}

function damaged(file: string, why: string, cause: unknown): P2psyncError {
  return new P2psyncError('STORE_DAMAGED', `cannot read the list of folders ${file} (${why}); restore it, or move it away and add the folders again`, { cause })
}

/**
 * Digests of directories (sync/directory-digest.ts), made of rows alone. Whoever writes a row drops its directory's in the same batch, so
 * that one which is there is true of the rows that are there; it is made again when the daemon rests.
 */
import type { WriteBatch } from 'rocksdb-native'
import type { KnownRow, Row } from '../ports.ts'
import { directoryDigest, type Standing } from '../sync/directory-digest.ts'
import type { PathKey } from '../sync/ids.ts'
import { parentOf } from '../sync/path.ts'
import { decodeKnownRow, seenNumbers } from './codec.ts'
import { nameOfKey, type Keys } from './keys.ts'
import type { Table } from './table.ts'

/** For fewer children a digest saves nothing. */
const WORTH_CHILDREN = 16
/** Of which it is known that they are to be made; what is beyond is met by a later scan. */
const MAX_DUE = 65_536
/** Made while no row can be written. */
const AT_ONCE = 16
const NONE = Buffer.alloc(0)
const TYPES = { file: 0o100000n, directory: 0o040000n, symlink: 0o120000n } as const
const TYPE_MASK = 0o170000n

export class Digests {
  readonly #table: Table
  readonly #keys: Keys
  #due = new Set<PathKey>()

  constructor(table: Table, keys: Keys) {
    this.#table = table
    this.#keys = keys
  }

  async get(directory: PathKey): Promise<Buffer | null> {
    const stored = await this.#table.get(this.#keys.digest(directory))
    if (stored === null) this.#owe(directory)
    return stored === null || stored.length === 0 ? null : stored
  }

  /** The rows of these paths change with this batch. */
  drop(paths: Iterable<PathKey>, out: WriteBatch): void {
    const dropped = new Set<PathKey>()
    let last: PathKey | null = null
    for (const path of paths) {
      const directory = parentOf(path)
      if (directory === last) continue
      last = directory
      dropped.add(directory)
    }
    for (const directory of dropped) {
      out.tryDelete(this.#keys.digest(directory))
      this.#owe(directory)
    }
  }

  /** `alone`: runs while nothing else is written. */
  async write(alone: (run: () => Promise<void>) => Promise<void>): Promise<void> {
    const due = [...this.#due]
    this.#due = new Set()
    for (let start = 0; start < due.length; start += AT_ONCE) await alone(async () => await this.#make(due.slice(start, start + AT_ONCE)))
  }

  async #make(directories: readonly PathKey[]): Promise<void> {
    const out = this.#table.db.write({ autoDestroy: true })
    try {
      for (const directory of directories) {
        const digest = await this.#ofRows(directory)
        if (digest !== null) out.tryPut(this.#keys.digest(directory), digest)
      }
    } catch (error) {
      out.destroy()
      throw error
    }
    await out.flush()
  }

  /** Null: it has no children. */
  async #ofRows(directory: PathKey): Promise<Buffer | null> {
    const standing: Standing[] = []
    let certain = true
    await this.#table.each(this.#keys.children(directory), (key, value) => {
      const row = decodeKnownRow(value)
      if (!certain || isNothing(row)) return
      const numbers = stands(row)
      if (numbers === null) certain = false
      else standing.push({ name: nameOfKey(key), ...numbers })
    })
    if (certain && standing.length === 0) return null
    return certain && standing.length >= WORTH_CHILDREN ? directoryDigest(standing) : NONE
  }

  #owe(directory: PathKey): void {
    if (this.#due.size < MAX_DUE) this.#due.add(directory)
  }
}

function isNothing(row: KnownRow): boolean {
  return row.kind === undefined && row.entry.kind === 'tombstone' && row.shadow !== true
}

/** What a scan that finds this has nothing to tell of; null where it would, or might. */
function stands(row: KnownRow & Row): ReturnType<typeof seenNumbers> {
  if (row.kind === undefined && (row.ignored === true || row.shadow === true || row.blocked !== undefined)) return null
  const kind = row.kind ?? row.entry.kind
  const numbers = seenNumbers(row)
  return kind === 'tombstone' || numbers === null || (numbers.mode & TYPE_MASK) !== TYPES[kind] ? null : numbers
}

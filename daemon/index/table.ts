/** Reads of one folder's rows: point reads of the same moment in one RocksDB batch, ranges that end with the index. */
import type RocksDB from 'rocksdb-native'
import type { Iterator } from 'rocksdb-native'
import type { Range } from './keys.ts'

/** Keys of one read batch. */
const READ_KEYS = 4096
const ITERATOR_ROWS = 256

interface Pending {
  readonly key: Buffer
  readonly resolve: (value: Buffer | null | PromiseLike<Buffer | null>) => void
  readonly reject: (error: unknown) => void
}

export class Table {
  readonly db: RocksDB
  #pending: Pending[] = []
  readonly #iterators = new Set<Iterator>()
  #closed = false

  constructor(db: RocksDB) {
    this.db = db
  }

  /** Every method of the index rejects after close. */
  check(): void {
    if (this.#closed) throw new Error('the index is closed')
  }

  get(key: Buffer): Promise<Buffer | null> {
    if (this.#closed) return Promise.reject(new Error('the index is closed'))
    return new Promise((resolve, reject) => {
      this.#pending.push({ key, resolve, reject })
      if (this.#pending.length === 1) queueMicrotask(() => this.#read())
    })
  }

  /** With `keysOnly` no value is read or given. */
  async *range(range: Range, options: { readonly limit?: number; readonly keysOnly?: boolean } = {}): AsyncGenerator<{ key: Buffer; value: Buffer }> {
    this.check()
    const { limit, keysOnly } = options
    const capacity = Math.min(limit ?? ITERATOR_ROWS, ITERATOR_ROWS)
    const iterator = this.db.iterator({ ...range, capacity, values: keysOnly !== true, ...(limit === undefined ? {} : { limit }) })
    this.#iterators.add(iterator)
    try {
      for await (const row of iterator) {
        yield row
        this.check()
      }
    } finally {
      this.#iterators.delete(iterator)
      iterator.destroy()
    }
  }

  /** Gives all rows of a range, without a wait for each. Rejects with what `take` throws. */
  each(range: Range, take: (key: Buffer, value: Buffer) => void): Promise<void> {
    if (this.#closed) return Promise.reject(new Error('the index is closed'))
    const iterator = this.db.iterator({ ...range, capacity: ITERATOR_ROWS, values: true })
    this.#iterators.add(iterator)
    return new Promise((resolve, reject) => {
      iterator.on('data', ({ key, value }) => {
        try {
          take(key, value)
        } catch (error) {
          iterator.destroy(error as Error)
        }
      })
      iterator.once('end', resolve)
      iterator.once('error', reject)
      iterator.once('close', () => {
        this.#iterators.delete(iterator)
        reject(new Error('a read of the index was broken off')) // of no effect once it has ended
      })
    })
  }

  close(): void {
    this.#closed = true
    for (const iterator of this.#iterators) iterator.destroy(new Error('the index is closed'))
  }

  #read(): void {
    const pending = this.#pending
    this.#pending = []
    for (let start = 0; start < pending.length; start += READ_KEYS) this.#readBatch(pending.slice(start, start + READ_KEYS))
  }

  #readBatch(pending: readonly Pending[]): void {
    try {
      const batch = this.db.read({ autoDestroy: true, capacity: pending.length })
      for (const { key, resolve } of pending) resolve(batch.get(key))
      batch.tryFlush()
    } catch (error) {
      for (const { reject } of pending) reject(error)
    }
  }
}

/**
 * What two cores append for one statement goes to the database in one write: the block of a tiny file, and the entry that names it. It
 * stands there with both or with neither, and is one trip to another thread in place of two. The first core's transaction is held when it
 * is flushed, and joins that of the second.
 *
 * Leans on hypercore-storage 3.3.1: a transaction is a list of changes with whole keys (`changes`), which `flush` writes unless there is none.
 */
import type { CoreStorage, CoreWriter } from 'hypercore-storage'

interface Held {
  readonly changes: CoreWriter['changes']
  readonly written: (error: unknown) => void
}

/** By what all sessions of a core share. */
const joints = new WeakMap<object, JointWrite>()

export class JointWrite {
  readonly #first: object
  readonly #second: object
  #held: Held | null = null
  /** One was held, or it is too late for any. */
  #isOver = false
  #told: () => void = () => undefined
  /** Resolves when the first core's transaction waits for the second's. */
  readonly held: Promise<void>

  /** Of the next append to each, which nobody else appends to meanwhile. `end` it in any case. */
  constructor(first: CoreStorage, second: CoreStorage) {
    this.#first = first.core
    this.#second = second.core
    this.held = new Promise((resolve) => (this.#told = resolve))
    joints.set(this.#first, this)
    joints.set(this.#second, this)
  }

  /** What is held still is not written at all: its append fails. */
  end(): void {
    for (const core of [this.#first, this.#second]) if (joints.get(core) === this) joints.delete(core)
    this.#isOver = true
    this.#release(new Error('nothing was stated of what was to be appended'))
  }

  /** For each transaction that begins; only one that makes the log longer is meant. */
  begun(core: object, writer: CoreWriter): void {
    const flush = writer.flush.bind(writer)
    const setHead = writer.setHead.bind(writer)
    let appends = false
    writer.setHead = (head) => {
      appends = true
      setHead(head)
    }
    writer.flush = async () => {
      if (!appends) return await flush()
      return core === this.#first ? await this.#hold(writer, flush) : await this.#flush(writer, flush)
    }
  }

  async #hold(writer: CoreWriter, flush: () => Promise<boolean>): Promise<boolean> {
    if (this.#isOver) return await flush()
    this.#isOver = true
    const { changes } = writer
    writer.changes = null
    await new Promise<void>((resolve, reject) => {
      this.#held = { changes, written: (error) => (error === null ? resolve() : reject(error as Error)) }
      this.#told()
    })
    return true
  }

  /** INVARIANT: the blocks come first, or with the statement that names them. */
  async #flush(writer: CoreWriter, flush: () => Promise<boolean>): Promise<boolean> {
    if (this.#held !== null && writer.changes !== null) writer.changes = [...(this.#held.changes ?? []), ...writer.changes]
    try {
      const flushed = await flush()
      this.#release(null)
      return flushed
    } catch (error) {
      this.#release(error)
      throw error
    }
  }

  #release(error: unknown): void {
    this.#held?.written(error)
    this.#held = null
  }
}

/** For the storage adapter: a transaction of this core begins. */
export function joinWrite(core: object, writer: CoreWriter): void {
  joints.get(core)?.begun(core, writer)
}

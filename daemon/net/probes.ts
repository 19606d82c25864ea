/**
 * Asking a member for the tree hash of a drive at some length, to find how far two logs are one (R19). Handled at once, never in the
 * queue of the other messages: who asks does so while it handles one of these.
 */
import type { Clock } from '../ports.ts'
import type { DriveKey } from '../sync/ids.ts'
import { MAX_PROBES, PROBE_IDLE_MS } from './limits.ts'
import type { Probe, TreeHash } from './protocol.ts'

/** A tree hash of a drive at a length, hex; null if it cannot be told. */
export type HashAt = (drive: DriveKey, length: number) => Promise<string | null>

interface Wire {
  probe(message: Probe): boolean
  treeHash(message: TreeHash): boolean
}

export class Probes {
  readonly #send: Wire
  readonly #clock: Clock
  readonly #hashAt: HashAt
  readonly #open = new Map<number, { readonly done: (hash: string | null) => void; readonly fail: (error: unknown) => void; readonly stop: () => void }>()
  #lastId = 0
  #answering = 0

  constructor(send: Wire, clock: Clock, hashAt: HashAt) {
    this.#send = send
    this.#clock = clock
    this.#hashAt = hashAt
  }

  /** Rejects if the device does not say. */
  async ask(drive: DriveKey, length: number): Promise<string | null> {
    const id = ++this.#lastId
    return await new Promise((done, fail) => {
      const stop = this.#clock.after(PROBE_IDLE_MS, () => this.#end(id)?.fail(new Error('the device does not say what it holds')))
      this.#open.set(id, { done, fail, stop })
      this.#send.probe({ id, drive, length })
    })
  }

  onTreeHash({ id, hash }: TreeHash): void {
    this.#end(id)?.done(hash)
  }

  async onProbe({ id, drive, length }: Probe): Promise<void> {
    if (this.#answering >= MAX_PROBES) throw new Error('too many questions at once')
    this.#answering++
    try {
      this.#send.treeHash({ id, hash: await this.#hashAt(drive, length) })
    } finally {
      this.#answering--
    }
  }

  end(error: Error): void {
    for (const id of [...this.#open.keys()]) this.#end(id)?.fail(error)
  }

  #end(id: number) {
    const question = this.#open.get(id)
    this.#open.delete(id)
    question?.stop()
    return question
  }
}

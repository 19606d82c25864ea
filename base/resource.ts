/**
 * Lifecycle shared by everything that is opened and closed: both idempotent, close waits for an open under way, parents open
 * their parts in order and close them in exact reverse.
 */
export abstract class Resource {
  #opening: Promise<void> | null = null
  #closing: Promise<void> | null = null
  #opened = false

  protected abstract onOpen(): Promise<void>
  protected abstract onClose(): Promise<void>

  get opened(): boolean {
    return this.#opened && this.#closing === null
  }

  get closing(): boolean {
    return this.#closing !== null
  }

  open(): Promise<void> {
    this.#opening ??= this.onOpen().then(() => {
      this.#opened = true
    })
    return this.#opening
  }

  /** After a failed or absent open it still releases what was taken; `onClose` must bear a half-opened state. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#opening === null) return
    await this.#opening.catch(() => undefined)
    await this.onClose()
  }
}

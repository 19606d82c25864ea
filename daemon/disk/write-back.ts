/**
 * Brings a file's bytes to the disk while it is still being written, so that the last fdatasync of a large one finds little left to
 * do. An error is told once for a descriptor, so it is kept for who waits at the end.
 */
import { fdatasync } from './sys.ts'

/** Less would only add waits of the journal. */
const STEP_BYTES = 64 * 1024 * 1024

export class WriteBack {
  readonly #fd: number
  #bytes = 0
  #running: Promise<void> | null = null
  #failure: { readonly error: unknown } | null = null

  constructor(fd: number) {
    this.#fd = fd
  }

  wrote(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes < STEP_BYTES || this.#running !== null) return
    this.#bytes = 0
    this.#running = fdatasync(this.#fd)
      .catch((error: unknown) => {
        this.#failure ??= { error }
      })
      .finally(() => {
        this.#running = null
      })
  }

  /** Resolves when nothing uses the descriptor any more. */
  async idle(): Promise<void> {
    await this.#running
  }

  /** All that was written is on the disk. Throws what any of the syncs met. */
  async finish(): Promise<void> {
    await this.#running
    if (this.#failure === null) return await fdatasync(this.#fd)
    throw this.#failure.error
  }
}

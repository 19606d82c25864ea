/** Paths that a scan is to look at again after a while: files that moved and were stated unread, and what changed while it was read. */
import type { PathKey } from '../sync/ids.ts'
import type { Notices } from './notices.ts'

export interface Later {
  /** Of its timer. */
  readonly name: string
  readonly ms: number
  /** So many at once; the others after the same time again. */
  readonly atOnce: number
}

export class Unread {
  readonly #notices: Notices
  readonly #later: Later
  readonly #scan: (paths: readonly PathKey[]) => void
  readonly #paths = new Set<PathKey>()

  constructor(notices: Notices, later: Later, scan: (paths: readonly PathKey[]) => void) {
    this.#notices = notices
    this.#later = later
    this.#scan = scan
  }

  get any(): boolean {
    return this.#paths.size > 0
  }

  /** A timer that waits already takes along what is added. */
  readLater(paths: readonly PathKey[]): void {
    for (const path of paths) this.#paths.add(path)
    if (this.any) this.#notices.once(this.#later.name, this.#later.ms, () => this.#readSome())
  }

  #readSome(): void {
    const paths = [...this.#paths].slice(0, this.#later.atOnce)
    for (const path of paths) this.#paths.delete(path)
    this.#scan(paths)
    this.readLater([])
  }
}

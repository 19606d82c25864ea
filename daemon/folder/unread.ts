/** Files that moved were stated unread; their stat in the index makes any scan that meets them read them. Here that such a scan comes. */
import { READ_MOVED_MS, READ_MOVED_PATHS } from '../../base/limits.ts'
import type { PathKey } from '../sync/ids.ts'
import type { Notices } from './notices.ts'

export class Unread {
  readonly #notices: Notices
  readonly #scan: (paths: readonly PathKey[]) => void
  readonly #paths = new Set<PathKey>()

  constructor(notices: Notices, scan: (paths: readonly PathKey[]) => void) {
    this.#notices = notices
    this.#scan = scan
  }

  readLater(paths: readonly PathKey[]): void {
    for (const path of paths) this.#paths.add(path)
    if (this.#paths.size > 0) this.#notices.once('read-moved', READ_MOVED_MS, () => this.#readSome())
  }

  #readSome(): void {
    const paths = [...this.#paths].slice(0, READ_MOVED_PATHS)
    for (const path of paths) this.#paths.delete(path)
    this.#scan(paths)
    this.readLater([])
  }
}

/**
 * Keeps a content that cannot fit from being begun: half of a large file in staging would fill the disk for everybody, the owner of the
 * files first, and be fetched again and again. Some room is left for other programs, our own store among them.
 */
import { FREE_RESERVE_BYTES, FREE_RESERVE_SHARE } from '../../base/limits.ts'
import { statfs } from './sys.ts'

/** What a file system says; as `statfs`. */
export interface FileSystemSpace {
  readonly blocks: number
  readonly bavail: number
  readonly bsize: number
}

/** As a system error of a full disk, with what is missing in the message. */
export class NoRoomError extends Error {
  readonly code = 'ENOSPC'

  constructor(needs: number, free: number, reserve: number) {
    super(`the disk has no room: ${mebibytes(needs)} are needed, ${mebibytes(free)} are free, and ${mebibytes(reserve)} are left for other programs; free space`)
    this.name = 'NoRoomError'
  }
}

/** What was asked is believed for so long, less what was begun since. */
const BELIEVED_MS = 500

export class FreeSpace {
  readonly #ask: () => Promise<FileSystemSpace>
  readonly #now: () => number
  #free = 0
  #reserve = 0
  #askedAt = -Infinity
  #asking: Promise<void> | null = null

  constructor(root: string, ask: () => Promise<FileSystemSpace> = async () => await statfs(root), now: () => number = () => performance.now()) {
    this.#ask = ask
    this.#now = now
  }

  /** `needs`: bytes that will be written; `pending`: those that others, begun earlier, will still write. Throws NoRoomError. */
  async admit(needs: number, pending: number): Promise<void> {
    await this.#look(needs, pending)
    // In one step: what another was admitted with meanwhile counts.
    this.#refuse(needs, pending)
    this.#free -= needs
  }

  /** As `admit`, and takes nothing of the room. */
  async foresee(needs: number, pending: number): Promise<void> {
    await this.#look(needs, pending)
    this.#refuse(needs, pending)
  }

  async #look(needs: number, pending: number): Promise<void> {
    if (needs > 0 && (this.#now() - this.#askedAt > BELIEVED_MS || !this.#fits(needs, pending))) await this.#measure()
  }

  #refuse(needs: number, pending: number): void {
    if (needs > 0 && !this.#fits(needs, pending)) throw new NoRoomError(needs + pending, this.#free, this.#reserve)
  }

  #fits(needs: number, pending: number): boolean {
    return this.#free - pending - needs >= this.#reserve
  }

  /** Hundreds of small contents are begun in one moment: they share the answer. */
  async #measure(): Promise<void> {
    this.#asking ??= this.#askSystem().finally(() => (this.#asking = null))
    await this.#asking
  }

  async #askSystem(): Promise<void> {
    const { blocks, bavail, bsize } = await this.#ask()
    this.#free = bavail * bsize
    this.#reserve = Math.min(FREE_RESERVE_BYTES, Math.floor(blocks * bsize * FREE_RESERVE_SHARE))
    this.#askedAt = this.#now()
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}

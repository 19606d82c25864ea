/** A link of ours changes the ctime of an inode that the index has seen: the stat that it still has, and what it is now. */
import type { SeenStat } from '../ports.ts'
import { sameSeen } from './seen.ts'

/** Forgotten ones cost a second look, nothing else. */
const MAX_NOTES = 10_000

export class Relinked {
  readonly #notes = new Map<string, { readonly before: SeenStat; readonly after: SeenStat }>()

  note(before: SeenStat, after: SeenStat): void {
    if (this.#notes.size >= MAX_NOTES) this.#notes.clear()
    this.#notes.set(before.ino, { before, after })
  }

  /** What is there now differs from what the index saw by our own link only. */
  isSame(expect: SeenStat, seen: SeenStat): boolean {
    const note = this.#notes.get(expect.ino)
    return note !== undefined && sameSeen(note.before, expect) && sameSeen(note.after, seen)
  }
}

/** Whether the folder may act now: a user paused it, somebody outside halted it, or its root is not ours at the moment. */
import { P2psyncError } from '../../base/errors.ts'
import type { Disk } from '../ports.ts'
import type { FolderStatus } from './standing.ts'

type Reason = FolderStatus['reason']

/** `back`: it is ours again, and all of it must be looked at. */
export type RootLook = 'ready' | 'back' | 'halted' | 'held'

export class Permission {
  paused: boolean
  /** From outside, whatever the root. */
  #held: Reason
  #halted: Reason
  #epoch = 0

  constructor(paused: boolean, held: Reason) {
    this.paused = paused
    this.#held = this.#halted = held
  }

  /** Why it is halted; null while it is not. */
  get halted(): Reason {
    return this.#halted
  }

  get refused(): boolean {
    return this.paused || this.#halted !== null
  }

  /** Epoch of the folder's marker when the root was last looked at. */
  get epoch(): number {
    return this.#epoch
  }

  /** Until `hold(null)` and a look at the root after it. */
  hold(reason: Reason): void {
    this.#held = reason
    this.#halted = reason ?? this.#halted
  }

  /** What is known of the root is in doubt: the next look tells. */
  forgetRoot(): void {
    this.#halted = this.#held
  }

  async look(disk: Pick<Disk, 'inspect'>): Promise<RootLook> {
    if (this.#held !== null) return 'held'
    const state = await disk.inspect()
    // Somebody may have held it during the look.
    if (this.#held !== null) return 'held'
    if (state.kind === 'halted') {
      this.#halted = { code: state.code, message: state.message }
      return 'halted'
    }
    const wasHalted = this.#halted !== null
    this.#halted = null
    this.#epoch = state.epoch
    return wasHalted ? 'back' : 'ready'
  }

  refusal(): P2psyncError {
    return new P2psyncError('FOLDER_HALTED', this.#halted?.message ?? (this.paused ? 'the folder is paused; run p2psync resume first' : 'the folder is not open'))
  }
}

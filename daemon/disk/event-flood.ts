/**
 * Whether the kernel's queue of file system events may have run over, which neither Node nor libuv tells. All watches of a
 * thread share one queue, that of its event loop, and libuv empties it before anything else runs: if it ran over, it brings as many
 * events as the queue holds in one turn of the loop, less those of watches that were closed meanwhile, which nobody is told of.
 */
import { readFileSync } from 'node:fs'

/** What Linux has by default. */
const DEFAULT_LIMIT = 16_384
/** Of the queue: the rest is for events that were not counted. */
const DOUBTFUL = 3 / 4
/** The same for a turn in which a watch was closed that events may have waited for. */
const DOUBTFUL_BLIND = 1 / 2
/** It is closed before or after the queue is emptied in its turn. */
const BLIND_TURNS = 2

export class EventFlood {
  readonly #limit: number
  readonly #doubting = new Set<() => void>()
  #events = 0
  /** Turns with events that may not bring all of them. */
  #blind = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** `doubt` is called once a turn, at its end. */
  add(doubt: () => void): void {
    this.#doubting.add(doubt)
  }

  remove(doubt: () => void): void {
    this.#doubting.delete(doubt)
  }

  count(): void {
    if (this.#events++ === 0) setImmediate(() => this.#endTurn())
  }

  /** Events of a watch that is closed now are not told any more. */
  closedEarly(): void {
    this.#blind = BLIND_TURNS
  }

  #endTurn(): void {
    const doubtful = this.#events >= this.#limit * (this.#blind > 0 ? DOUBTFUL_BLIND : DOUBTFUL)
    this.#blind = Math.max(0, this.#blind - 1)
    this.#events = 0
    if (doubtful) for (const doubt of [...this.#doubting]) doubt()
  }
}

let shared: EventFlood | null = null

/** That of this thread. */
export function eventFlood(): EventFlood {
  return (shared ??= new EventFlood(queueLimit()))
}

function queueLimit(): number {
  try {
    const limit = Number(readFileSync('/proc/sys/fs/inotify/max_queued_events', 'utf8'))
    return Number.isSafeInteger(limit) && limit > 0 ? limit : DEFAULT_LIMIT
  } catch {
    return DEFAULT_LIMIT
  }
}

/**
 * The last events of the daemon in a ring. Followers pull from it with a cursor, so a slow one costs nothing: it meets a `gap`
 * when the ring has overtaken it. Ids are `<session>.<n>`; an id of an earlier session is a gap too.
 */
import type { DaemonEvent, EventBody } from './event-shapes.ts'

/** Enough for a page that reconnects after some seconds; 1,000 events are well under a megabyte. */
export const EVENT_RING_SIZE = 1000

export interface EventSource {
  /** Events after `after` (null: from now on), until the signal aborts. */
  follow(after: string | null, signal: AbortSignal): AsyncGenerator<DaemonEvent, void, void>
}

/** What daemon/ needs: it only emits. */
export interface EventSink {
  emit(event: EventBody): void
}

export class EventRing implements EventSource, EventSink {
  readonly #capacity: number
  readonly #now: () => number
  readonly #session: string
  readonly #ring: DaemonEvent[] = []
  /** Number of the oldest event in the ring; the newest is `#first + #ring.length - 1`. */
  #first = 1
  readonly #waiting = new Set<() => void>()

  constructor(options: { readonly capacity?: number; readonly now?: () => number; readonly session?: string } = {}) {
    this.#capacity = options.capacity ?? EVENT_RING_SIZE
    this.#now = options.now ?? Date.now
    this.#session = options.session ?? this.#now().toString(36)
  }

  emit(event: EventBody): void {
    this.#ring.push({ ...event, ...this.#stamp(this.#next) })
    if (this.#ring.length > this.#capacity) {
      this.#ring.shift()
      this.#first++
    }
    for (const wake of [...this.#waiting]) wake()
  }

  follow(after: string | null, signal: AbortSignal): AsyncGenerator<DaemonEvent, void, void> {
    // The cursor is taken here and not at the first next(), so that nothing emitted in between is missed.
    return this.#follow(after === null ? this.#next : this.#cursor(after), signal)
  }

  /** Number of the next event. */
  get #next(): number {
    return this.#first + this.#ring.length
  }

  async *#follow(start: number, signal: AbortSignal): AsyncGenerator<DaemonEvent, void, void> {
    let cursor = start
    while (!signal.aborted) {
      if (cursor < this.#first) {
        cursor = this.#first
        yield { type: 'gap', ...this.#stamp(cursor - 1) }
      } else if (cursor < this.#next) {
        const event = this.#ring[cursor - this.#first]
        cursor++
        if (event !== undefined) yield event
      } else {
        await this.#changed(signal)
      }
    }
  }

  /** 0 makes a gap: before everything. */
  #cursor(after: string): number {
    const dot = after.lastIndexOf('.')
    const n = Number(after.slice(dot + 1))
    if (after.slice(0, dot) !== this.#session || !Number.isSafeInteger(n) || n < 0 || n >= this.#next) return 0
    return n + 1
  }

  #stamp(n: number): { id: string; time: string } {
    return { id: `${this.#session}.${n}`, time: new Date(this.#now()).toISOString() }
  }

  #changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      this.#waiting.add(wake)
      signal.addEventListener('abort', wake)
    })
  }
}

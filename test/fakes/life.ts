/**
 * One run of a device's daemon. Every asynchronous step of a fake passes through `step`; after `kill` none of them goes on, which
 * is what kill -9 does: what was written stays written, nothing more happens.
 */
import type { Clock } from '../../daemon/ports.ts'

export interface LifeOptions {
  readonly clock: Clock
  /** Added to the device's idea of the time. */
  skewMs?(): number
  /** How long the next step takes; 0 for not at all. */
  readonly pace?: () => number
}

export class Life {
  readonly #options: LifeOptions
  #dead = false
  #steps = 0
  #killAt: { readonly step: number; readonly run: () => void } | null = null
  #armed: { readonly step: number; readonly run: () => void }[] = []

  constructor(options: LifeOptions) {
    this.#options = options
  }

  get dead(): boolean {
    return this.#dead
  }

  /** The clock as the device sees it; its timers die with it. */
  get clock(): Clock {
    const { clock, skewMs = () => 0 } = this.#options
    return {
      now: () => clock.now() + skewMs(),
      after: (ms, run) =>
        clock.after(ms, () => {
          if (!this.#dead) run()
        })
    }
  }

  kill(): void {
    this.#dead = true
  }

  /** Dies in the middle of the `steps`-th next step. */
  killAfter(steps: number, run: () => void): void {
    this.#killAt = { step: this.#steps + steps, run }
  }

  /** Somebody else acts right before the `steps`-th next step. */
  during(steps: number, run: () => void): void {
    this.#armed.push({ step: this.#steps + Math.max(1, steps), run })
  }

  /** Undoes `killAfter`; what was to happen `during` a step happens now. */
  spare(): void {
    this.#killAt = null
    this.#fire(Infinity)
  }

  /** Lets others go first; never resolves once dead. */
  step(): Promise<void> {
    this.#steps++
    this.#fire(this.#steps)
    if (this.#killAt !== null && this.#steps >= this.#killAt.step) this.#dieNow(this.#killAt.run)
    if (this.#dead) return new Promise(() => undefined)
    const ms = this.#options.pace?.() ?? 0
    if (ms === 0) return Promise.resolve()
    return new Promise((resolve) => this.#options.clock.after(ms, () => {
      if (!this.#dead) resolve()
    }))
  }

  #fire(step: number): void {
    if (this.#armed.length === 0) return
    const due = this.#armed.filter((armed) => armed.step <= step)
    this.#armed = this.#armed.filter((armed) => armed.step > step)
    for (const { run } of due) run()
  }

  #dieNow(run: () => void): void {
    this.#killAt = null
    this.#dead = true
    this.#options.clock.after(0, run)
  }
}

/** A life that goes on, with no delays: for contract tests. */
export function calmLife(clock: Clock): Life {
  return new Life({ clock })
}

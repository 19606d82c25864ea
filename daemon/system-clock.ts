/** The clock of the machine, for everything that takes a `Clock`. */
import type { Clock } from './ports.ts'

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  }
}

/** For scripts that are killed at each of many moments: everything takes time, so that a kill comes between any two steps. */
import type { Weather } from './script.ts'

export const SLOW: Weather = { lostHints: 0, slowCalls: 1, maxDelayMs: 0, nacks: 0, lies: 0, skewMs: 0 }
/** From one tried moment to the next. */
export const BETWEEN_MS = 20

/**
 * V8 optimizes a function after 66 KB of its bytecode have run, on threads beside. A daemon sleeps, works for some seconds, and
 * sleeps again: in the first minute of a burst the optimizing compiler took 40 % of all processor time (perf, 4,000 new files on two
 * daemons), for functions that were done soon after. With a budget fifteen times as large what is hot for long is still optimized,
 * and the same burst costs 30 % less processor altogether. A loop over bytes reaches it within milliseconds.
 */
import { setFlagsFromString } from 'node:v8'

const INTERRUPT_BUDGET = 1_000_000

/** The last V8 with that budget is the one of Node 20; the one of Node 22 would print that it does not know the flag. */
export const hasBudget = Number.parseInt(process.versions.v8, 10) < 12

/** For this process and its worker threads. Later versions of V8 count calls, and are left as they are. */
export function optimizeLater(): void {
  if (hasBudget) setFlagsFromString(`--interrupt-budget=${INTERRUPT_BUDGET}`)
}

/**
 * From here on V8 makes machine code of a function, without optimizing, at its first call, and remembers the types that it meets; else it does so after some
 * eight calls. Of what one changed file runs through most is run once, and hours may lie between two. What was called before, while the daemon was
 * loaded, mostly never runs again.
 */
export function compileAtOnce(): void {
  setFlagsFromString('--always-sparkplug')
}

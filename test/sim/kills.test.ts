/** Invariant 8 on the fakes: one history with every kind of change, with a kill at each step of the daemon, on either device. */
import test from 'brittle'
import { runScript } from './run.ts'
import type { Step, Weather } from './script.ts'

const CLEAR: Weather = { lostHints: 0, slowCalls: 0, maxDelayMs: 0, nacks: 0, lies: 0, skewMs: 0 }
/** Steps that a daemon makes in the part that is cut short; more are known, the rest repeats what came before. */
const KILLS = 220

/** Both devices know `a`, `d/b` and `e`; then both act at once. */
const HISTORY: readonly Step[] = [
  { wait: 0, do: 'write', on: 0, path: 'a', text: 'first a' },
  { wait: 0, do: 'write', on: 0, path: 'd/b', text: 'first b' },
  { wait: 0, do: 'write', on: 0, path: 'e', text: 'first e' },
  { wait: 0, do: 'rest' }
]
const ACTS: readonly Step[] = [
  { wait: 0, do: 'write', on: 0, path: 'a', text: 'a of A' },
  { wait: 0, do: 'write', on: 1, path: 'a', text: 'a of B, in several chunks' },
  { wait: 0, do: 'remove', on: 1, path: 'd' },
  { wait: 0, do: 'rename', on: 0, path: 'e', to: 'f' },
  { wait: 0, do: 'symlink', on: 1, path: 'l', target: 'a' },
  { wait: 0, do: 'write', on: 0, path: 'new', text: 'new of A' },
  // While it is down: a number taken before the kill must not come to mean another change.
  { wait: 300, do: 'write', on: 0, path: 'a', text: 'a of A, again' },
  { wait: 0, do: 'write', on: 0, path: 'new', text: 'new of A, again' },
  { wait: 0, do: 'write', on: 1, path: 'a', text: 'a of B, again' },
  { wait: 300, do: 'start', on: 0 },
  { wait: 0, do: 'start', on: 1 },
  { wait: 0, do: 'rest' }
]

for (const on of [0, 1]) {
  test(`a kill at each of ${KILLS} steps of ${on === 0 ? 'A' : 'B'} restarts into the same result`, async (t) => {
    t.timeout(0)
    const wrong: string[] = []
    for (let steps = 1; steps <= KILLS; steps++) {
      const { failures } = await runScript({ seed: 1, devices: 2, calm: false, weather: CLEAR, before: [], steps: [...HISTORY, { wait: 0, do: 'kill', on, steps }, ...ACTS] })
      if (failures[0] !== undefined) wrong.push(`killed at step ${steps}: ${failures[0]}`)
    }
    t.alike(wrong.slice(0, 3), [])
  })
}

/** Steps that either daemon makes from a rename of a directory until all of it is stated, with room. */
const MOVE_KILLS = 130
/** A directory moves; an edit in the middle on the other device; and it moves on while one of them is down. */
const MOVES: readonly Step[] = [
  { wait: 0, do: 'rename', on: 0, path: 'd', to: 'n' },
  { wait: 0, do: 'write', on: 1, path: 'n/b', text: 'b of B, where it is by then', during: 45 },
  { wait: 400, do: 'rename', on: 0, path: 'n', to: 'm' },
  { wait: 400, do: 'start', on: 0 },
  { wait: 0, do: 'start', on: 1 },
  { wait: 0, do: 'rest' }
]

for (const on of [0, 1]) {
  test(`R46: a kill at each of ${MOVE_KILLS} steps of ${on === 0 ? 'A' : 'B'} while a directory moves`, async (t) => {
    t.timeout(0)
    const wrong: string[] = []
    let moved = 0
    for (let steps = 1; steps <= MOVE_KILLS; steps++) {
      const { failures, trace } = await runScript({ seed: 1, devices: 2, calm: false, weather: CLEAR, before: [], steps: [...HISTORY, { wait: 0, do: 'kill', on, steps }, ...MOVES] })
      if (failures[0] !== undefined) wrong.push(`killed at step ${steps}: ${failures[0]}`)
      if (trace.some((line) => / moves \S+ to /.test(line))) moved++
    }
    t.alike(wrong.slice(0, 3), [])
    t.ok(moved > MOVE_KILLS / 4, `in ${moved} of them it moved before it was stated`)
  })
}

/** As with moves. */
const GONE_KILLS = 150
/** A directory goes; somebody writes into it where it is set aside, and another makes it again while one of them is down. */
const GOES: readonly Step[] = [
  { wait: 0, do: 'remove', on: 0, path: 'd' },
  { wait: 0, do: 'write-aside', on: 1, nth: 1, text: 'through a descriptor', during: 50 },
  { wait: 400, do: 'write', on: 0, path: 'd/b', text: 'b of A, made again' },
  { wait: 400, do: 'start', on: 0 },
  { wait: 0, do: 'start', on: 1 },
  { wait: 0, do: 'rest' }
]
const FULLER: readonly Step[] = ['d/c', 'd/e/f', 'x/y'].map((path) => ({ wait: 0, do: 'write', on: 0, path, text: `first ${path}` }))

for (const on of [0, 1]) {
  test(`R48: a kill at each of ${GONE_KILLS} steps of ${on === 0 ? 'A' : 'B'} while a directory goes`, async (t) => {
    t.timeout(0)
    const wrong: string[] = []
    let aside = 0
    for (let steps = 1; steps <= GONE_KILLS; steps++) {
      const { failures, trace } = await runScript({ seed: 1, devices: 2, calm: false, weather: { ...CLEAR, tellsGone: true }, before: [], steps: [...FULLER, ...HISTORY, { wait: 0, do: 'kill', on, steps }, ...GOES] })
      if (failures[0] !== undefined) wrong.push(`killed at step ${steps}: ${failures[0]}`)
      if (trace.some((line) => / sets \S+ aside/.test(line))) aside++
    }
    t.alike(wrong.slice(0, 3), [])
    t.ok(aside > GONE_KILLS / 4, `in ${aside} of them it was set aside`)
  })
}

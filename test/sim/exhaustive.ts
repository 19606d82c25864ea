/**
 * All histories of up to three operations on two devices and two names, from each of four beginnings that both devices agree on, with
 * and without a sync between. The names are `a` and `b`, and `a/b` where `a` is a directory: so a name can be a file, a symlink, a
 * directory or nothing, above, below or beside the other.
 *
 * The operations make every transition between those states: write (create, or edit in place), the same content on both sides, mkdir,
 * symlink, chmod, remove, rename beside, into and out of. One that does not apply where it stands (rmdir of nothing) makes the
 * history equal to a shorter one, and is left out. The devices are alike: the first operation is always A's.
 */
import { runScript } from './run.ts'
import type { Action, Script, Step, Weather } from './script.ts'

type Op = (device: number, n: number) => Action

/** Between two operations: everything settles; each device finds its change but they do not meet; nobody has looked yet. */
export const GAPS = ['sync', 'apart', 'at once'] as const
type Gap = (typeof GAPS)[number]

const CLEAR: Weather = { lostHints: 0, slowCalls: 0, maxDelayMs: 0, nacks: 0, lies: 0, skewMs: 0 }
/** Long enough for a device to find and state a change of its own. */
const FOUND_MS = 300

const write = (path: string): Op => (on, n) => ({ do: 'write', on, path, text: `text ${n}` })
const same = (path: string): Op => (on) => ({ do: 'write', on, path, text: 'same' })
const plain = (kind: 'mkdir' | 'remove', path: string): Op => (on) => ({ do: kind, on, path })
const symlink = (path: string): Op => (on, n) => ({ do: 'symlink', on, path, target: `target ${n}` })
const chmod = (path: string): Op => (on, n) => ({ do: 'chmod', on, path, mode: [0o600, 0o700, 0o750][n % 3] as number })
const rename = (path: string, to: string): Op => (on) => ({ do: 'rename', on, path, to })

export const OPS: readonly Op[] = [
  write('a'), write('b'), write('a/b'), same('a'), same('b'),
  plain('mkdir', 'a'), plain('mkdir', 'b'), symlink('a'), symlink('b'), chmod('a'), chmod('b'),
  plain('remove', 'a'), plain('remove', 'b'), plain('remove', 'a/b'),
  rename('a', 'b'), rename('b', 'a'), rename('b', 'a/b'), rename('a/b', 'b')
]

/** What both devices hold at first. */
export const BEGINNINGS: readonly (readonly Action[])[] = [
  [],
  [{ do: 'write', on: 0, path: 'a', text: 'first a' }],
  [{ do: 'write', on: 0, path: 'a', text: 'first a' }, { do: 'write', on: 0, path: 'b', text: 'first b' }],
  [{ do: 'write', on: 0, path: 'a/b', text: 'first a/b' }]
]

/** What became of them. */
export interface Tally {
  /** Histories that were played to their end. */
  readonly played: number
  /** Those whose last operation does not apply. */
  readonly void: number
  readonly failed: readonly { readonly script: Script; readonly failure: string }[]
}

/** Plays all histories of up to `length` operations, or every `stride`-th of the longest. `part` of `parts`: by their first operation. */
export async function playAll(length: number, { part = 0, parts = 1, stride = 1, offset = 0 } = {}): Promise<Tally> {
  const tally = { played: 0, void: 0, failed: [] as { script: Script; failure: string }[] }
  let turn = offset
  const play = async (beginning: readonly Action[], ops: readonly Action[], gaps: readonly Gap[]): Promise<void> => {
    if (ops.length === length && turn++ % stride !== 0) return
    const played = script(beginning, ops, gaps)
    const { failures, skipped } = await runScript(played, true)
    if (skipped > 0) return void tally.void++
    tally.played++
    if (failures[0] !== undefined) tally.failed.push({ script: played, failure: failures[0] })
    if (ops.length < length) for (const [op, gap] of extensions(ops)) await play(beginning, [...ops, op], [...gaps, gap])
  }
  const starts = BEGINNINGS.flatMap((beginning) => OPS.map((op) => [beginning, op(0, 0)] as const))
  for (const [i, [beginning, op]] of starts.entries()) if (i % parts === part) await play(beginning, [op], [])
  return tally
}

/** A history one of whose operations does not apply has no extensions. */
function* extensions(ops: readonly Action[]): Generator<readonly [Action, Gap]> {
  for (const on of [0, 1]) {
    for (const op of OPS) {
      const action = op(on, ops.length)
      for (const gap of gapsBetween(ops.at(-1) as Action, action)) yield [action, gap]
    }
  }
}

/** Whether it was found before the next one matters only where both are of one device. */
function gapsBetween(before: Action, after: Action): readonly Gap[] {
  return 'on' in before && 'on' in after && before.on === after.on ? GAPS : ['sync', 'at once']
}

function script(beginning: readonly Action[], ops: readonly Action[], gaps: readonly Gap[]): Script {
  const steps: Step[] = beginning.map((action) => ({ wait: 0, ...action }))
  if (steps.length > 0) steps.push({ wait: 0, do: 'rest' })
  for (const [i, op] of ops.entries()) {
    const gap = gaps[i - 1] ?? 'sync'
    if (gap === 'sync' && i > 0) steps.push({ wait: 0, do: 'mend', on: 0, to: 1 }, { wait: 0, do: 'rest' })
    if (gap === 'sync') steps.push({ wait: 0, do: 'cut', on: 0, to: 1 })
    steps.push({ wait: gap === 'apart' ? FOUND_MS : 0, ...op })
  }
  return { seed: 1, devices: 2, calm: false, weather: CLEAR, before: [], steps }
}

/** Which kill points there are, from calls that were counted once, and which of them are tried: as evenly over the calls as it can be. */
import type { Random } from '../fakes/random.ts'
import type { Phase, Point, Role } from './rig.ts'
import { CALLS, type Area, type Call, type Kill, type Traced } from './tracer.ts'

export type Profile = Readonly<Record<Phase, Readonly<Record<Role, readonly Traced[]>>>>

const PHASES: readonly Phase[] = ['sync', 'start']
/** Beyond it are counts of calls that are mostly not ours, and one of two victims is dead before. */
const MAX_PAIR_NTH = 60
const ROLES: readonly Role[] = ['sender', 'receiver']

/**
 * Every call on a file of ours, by phase and role: the places where a first thread comes to a count. The writes of a start are left
 * out: its log has no name yet by which they could be told from what wakes a thread.
 */
export function killsOf(phase: Phase, trace: readonly Traced[]): Kill[] {
  const found = new Map<string, Kill>()
  for (const { call, area, nth } of trace) if (area !== 'other' && !(phase === 'start' && call === 'write')) found.set(`${call} ${nth}`, { call, nth })
  return [...found.values()]
}

/** Points in the order in which they are tried: one of each call, phase and role in turn, with a pair of victims now and then. */
export function planPoints(profile: Profile, random: Random): Point[] {
  const lanes: Point[][] = []
  for (const call of CALLS) {
    for (const phase of PHASES) {
      for (const role of ROLES) {
        const kills = shuffled(killsOf(phase, profile[phase][role]).filter((kill) => kill.call === call), random)
        if (kills.length > 0) lanes.push(kills.map((kill) => ({ phase, kills: { [role]: kill } })))
      }
    }
  }
  const single = turns(shuffled(lanes, random))
  return [...single].flatMap((point, i) => (i % 4 === 3 ? [pairOf(profile, random), point] : [point]))
}

function pairOf(profile: Profile, random: Random): Point {
  const phase = random.pick(PHASES)
  const kill = (role: Role): Kill => random.pick(killsOf(phase, profile[phase][role]).filter(({ nth }) => nth <= MAX_PAIR_NTH))
  return { phase, kills: { sender: kill('sender'), receiver: kill('receiver') } }
}

/** `sync receiver:renameat2:3 sender:write:12`, as `--point` takes it. */
export function formatPoint({ phase, kills }: Point): string {
  return [phase, ...ROLES.flatMap((role) => (kills[role] === undefined ? [] : [`${role}:${kills[role].call}:${kills[role].nth}`]))].join(' ')
}

export function parsePoint(text: string): Point {
  const [phase, ...parts] = text.split(' ')
  if (phase !== 'sync' && phase !== 'start') throw new Error(`a point starts with sync or start: ${text}`)
  const kills: Partial<Record<Role, Kill>> = {}
  for (const part of parts) {
    const [role, name, nth] = part.split(':')
    const call = CALLS.find((known): known is Call => known === name)
    if ((role !== 'sender' && role !== 'receiver') || call === undefined || !(Number(nth) > 0)) throw new Error(`not role:call:n: ${part}`)
    kills[role] = { call, nth: Number(nth) }
  }
  return { phase, kills }
}

/** Counts by what `key` says, most first. */
export function tally<T>(rows: readonly T[], key: (row: T) => string): [string, number][] {
  const counts = new Map<string, number>()
  for (const row of rows) counts.set(key(row), (counts.get(key(row)) ?? 0) + 1)
  return [...counts].sort(([, a], [, b]) => b - a)
}

export function areasOf(trace: readonly Traced[]): [Area, number][] {
  return tally(trace, ({ area }) => area) as [Area, number][]
}

function* turns<T>(lanes: readonly (readonly T[])[]): Generator<T> {
  for (let i = 0; lanes.some((lane) => i < lane.length); i++) {
    for (const lane of lanes) {
      const row = lane[i]
      if (row !== undefined) yield row
    }
  }
}

function shuffled<T>(rows: readonly T[], random: Random): T[] {
  const copy = [...rows]
  for (let i = copy.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const [a, b] = [copy[i] as T, copy[j] as T]
    copy[i] = b
    copy[j] = a
  }
  return copy
}

/** Which kill points there are, from calls that were counted once, and in which cycles they are tried. */
import type { Random } from '../fakes/random.ts'
import { AREAS, CALLS, type Area, type Call, type Counts } from '../shim/shim.ts'

export type Role = 'sender' | 'receiver'

/**
 * `sync`: as it hears of the changes, running. `start`: as it starts on them after a kill. `compaction`: as its outgrown drive gives way to
 * a new one, it follows the other one's, and both old ones are deleted.
 */
export type Phase = 'sync' | 'start' | 'compaction'

/** One daemon is killed as it makes the n-th call of this kind in this kind of place. */
export interface Point {
  readonly phase: Phase
  readonly role: Role
  readonly call: Call
  readonly area: Area
  readonly nth: number
}

export type Profile = Readonly<Partial<Record<Phase, Readonly<Record<Role, Counts>>>>>

export const PHASES: readonly Phase[] = ['sync', 'start', 'compaction']
export const ROLES: readonly Role[] = ['sender', 'receiver']

/** Calls that only look change nothing: a kill at one is a kill before the next that does. */
const LOOKS: ReadonlySet<Call> = new Set(['open', 'read', 'readdir', 'stat'])

export function pointsOf(profile: Profile): Point[] {
  const points: Point[] = []
  for (const phase of PHASES) for (const role of ROLES) points.push(...pointsIn(profile[phase]?.[role] ?? new Map(), phase, role))
  return points
}

function pointsIn(counts: Counts, phase: Phase, role: Role): Point[] {
  return CALLS.filter((call) => !LOOKS.has(call)).flatMap((call) =>
    AREAS.flatMap((area) => Array.from({ length: counts.get(`${call} ${area}`) ?? 0 }, (_, i) => ({ phase, role, call, area, nth: i + 1 })))
  )
}

/** Every other write is cut in half by the kill. */
export function isTorn({ call, nth }: Point): boolean {
  return call === 'write' && nth % 2 === 1
}

/** `sync receiver link tree 3`, as `--point` takes it; several are joined by commas. */
export function formatPoint({ phase, role, call, area, nth }: Point): string {
  return `${phase} ${role} ${call} ${area} ${nth}`
}

export function parsePoints(text: string): Point[] {
  return text.split(',').map(parsePoint)
}

function parsePoint(text: string): Point {
  const [phase, role, call, area, nth] = text.trim().split(/\s+/)
  const point = {
    phase: PHASES.find((known) => known === phase),
    role: ROLES.find((known) => known === role),
    call: CALLS.find((known) => known === call),
    area: AREAS.find((known) => known === area),
    nth: Number(nth)
  }
  if (point.phase === undefined || point.role === undefined || point.call === undefined || point.area === undefined || !(point.nth > 0)) throw new Error(`not "sync|start|compaction sender|receiver CALL PLACE N": ${text}`)
  return point as Point
}

/**
 * The points of one cycle after the other: of one phase, on the sender, on the receiver and on both in turn. Each kind of call and
 * place comes early, so that a part of all points is a sample of all kinds.
 */
export class Queue {
  readonly #lanes = new Map<string, Point[]>()
  readonly #rode = new Set<Point>()
  readonly #turns: readonly (readonly [Phase, readonly Role[]])[] = [['sync', ROLES], ['start', ROLES], ['sync', ['receiver']], ['sync', ['sender']], ['sync', ROLES], ['start', ['receiver']], ['start', ['sender']], ['compaction', ROLES], ['compaction', ['receiver']], ['compaction', ['sender']]]
  #turn = 0
  #left: number

  constructor(points: readonly Point[], limit: number, random: Random) {
    for (const phase of PHASES) for (const role of ROLES) this.#lanes.set(`${phase} ${role}`, spread(points.filter((point) => point.phase === phase && point.role === role), random))
    this.#left = Math.min(limit, points.length)
  }

  get left(): number {
    return this.#left
  }

  /** Points of a start for where these victims are started again. Those that are not reached so come back (`giveBack`), once. */
  riders(points: readonly Point[]): Point[] {
    const riders = points.flatMap(({ role }) => {
      const lane = this.#lanes.get(`start ${role}`) ?? []
      const at = lane.findIndex((point) => !this.#rode.has(point))
      return this.#left > 0 && at !== -1 ? lane.splice(at, 1) : []
    })
    this.#left -= riders.length
    return riders
  }

  giveBack(riders: readonly Point[]): void {
    for (const rider of riders) {
      this.#rode.add(rider)
      this.#lanes.get(`start ${rider.role}`)?.push(rider)
    }
    this.#left += riders.length
  }

  /** Empty: all are taken. */
  take(): Point[] {
    for (let tries = 0; tries < this.#turns.length && this.#left > 0; tries++) {
      const [phase, roles] = this.#turns[this.#turn++ % this.#turns.length] as readonly [Phase, readonly Role[]]
      const points = roles.slice(0, this.#left).flatMap((role) => this.#lanes.get(`${phase} ${role}`)?.shift() ?? [])
      this.#left -= points.length
      if (points.length > 0) return points
    }
    this.#left = 0
    return []
  }
}

/** One of each kind in turn, each kind in random order. */
function spread(points: readonly Point[], random: Random): Point[] {
  const kinds = new Map<string, Point[]>()
  for (const point of points) kinds.set(`${point.call} ${point.area}`, [...(kinds.get(`${point.call} ${point.area}`) ?? []), point])
  const lanes = shuffled([...kinds.values()].map((kind) => shuffled(kind, random)), random)
  const longest = Math.max(0, ...lanes.map((lane) => lane.length))
  return Array.from({ length: longest }, (_, i) => lanes.flatMap((lane) => lane[i] ?? [])).flat()
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

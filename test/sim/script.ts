/**
 * What happens in one simulation, as data: made from a seed, replayed as it is, shrunk by leaving steps out. Every action names its
 * paths; one that does not apply when its turn comes is skipped.
 */
import { Random } from '../fakes/random.ts'

export type Action =
  /** Missing parents are made first. */
  | { readonly do: 'write' | 'replace' | 'append'; readonly on: number; readonly path: string; readonly text: string }
  | { readonly do: 'rename'; readonly on: number; readonly path: string; readonly to: string }
  | { readonly do: 'remove' | 'mkdir' | 'fifo'; readonly on: number; readonly path: string }
  /** Somebody who has a file open writes to it while it is set aside (R48). */
  | { readonly do: 'write-aside'; readonly on: number; readonly nth: number; readonly text: string }
  /** As `remove`, but the ledger does not hear of it: to test the judge. */
  | { readonly do: 'vanish'; readonly on: number; readonly path: string }
  | { readonly do: 'chmod'; readonly on: number; readonly path: string; readonly mode: number }
  /** Microseconds since the epoch. */
  | { readonly do: 'touch'; readonly on: number; readonly path: string; readonly mtime: number }
  | { readonly do: 'symlink'; readonly on: number; readonly path: string; readonly target: string }
  /** What a user does with the nth conflict copy that is there: edit it, delete it, or put it over the original. */
  | { readonly do: 'copy-edit'; readonly on: number; readonly nth: number; readonly text: string }
  | { readonly do: 'copy-remove' | 'copy-restore'; readonly on: number; readonly nth: number }
  /** Writes the ignore file. */
  | { readonly do: 'ignore'; readonly on: number; readonly text: string }
  | { readonly do: 'cut' | 'mend'; readonly on: number; readonly to: number }
  | { readonly do: 'stop' | 'start' | 'scan'; readonly on: number }
  /** Dies at its `steps`-th next step: between any two system calls. */
  | { readonly do: 'kill'; readonly on: number; readonly steps: number }
  /** Dies, and its index is lost. */
  | { readonly do: 'forget'; readonly on: number }
  /** The file or directory cannot be read; changes there fail; staging fails: until `cure`. */
  | { readonly do: 'deny' | 'fail'; readonly on: number; readonly path: string }
  | { readonly do: 'full' | 'cure'; readonly on: number }
  | { readonly do: 'unmount' | 'mount' | 'pause' | 'resume'; readonly on: number }
  /** What the user says to a held mass deletion, if one waits. */
  | { readonly do: 'approve' | 'reject'; readonly on: number }
  /** A backup of files and state; one of them, or both, put back. */
  | { readonly do: 'save'; readonly on: number }
  | { readonly do: 'restore'; readonly on: number; readonly what: 'state' | 'files' | 'both' }
  /** Its store is lost; it is removed and joins anew with its files; it loses power, and with it what was not synced. */
  | { readonly do: 'wipe' | 'rejoin' | 'power'; readonly on: number }
  /** A new drive takes over with the same writer. */
  | { readonly do: 'rotate'; readonly on: number }
  /** `to` becomes a copy of this device, files and state, found out and joined with a key of its own (R30, R20). */
  | { readonly do: 'clone'; readonly on: number; readonly to: number }
  /** The device's clock is set, by so many milliseconds. */
  | { readonly do: 'clock'; readonly on: number; readonly by: number }
  /** p2psync sync. */
  | { readonly do: 'sync'; readonly on: number }
  /** Until nothing happens any more. */
  | { readonly do: 'rest' }

/** `during`: not now but right before the device's so manieth next step, between any two system calls of a scan or an apply. */
/** After these, what a device said before may count no more. */
export const TRAVELS: ReadonlySet<Action['do']> = new Set(['restore', 'wipe', 'rejoin', 'clone', 'power', 'rotate'])

export type Step = Action & { readonly wait: number; readonly during?: number }

export interface Script {
  readonly seed: number
  readonly devices: number
  /** Users act one at a time, and everything settles after each step: then no conflict may appear and the tree must be as in a model. */
  readonly calm: boolean
  /** Chances and times of what nobody controls. */
  readonly weather: Weather
  /** Before the daemons start for the first time. */
  readonly before: readonly Step[]
  readonly steps: readonly Step[]
  /** History does not expire: the script takes longer than it is kept. */
  readonly keeps?: boolean
  /** So many deletions at once are held (R27); absent: none are. */
  readonly guard?: number
}

export interface Weather {
  readonly lostHints: number
  /** Chance that a system call takes time, so that others act in the middle of a cycle. */
  readonly slowCalls: number
  readonly maxDelayMs: number
  readonly nacks: number
  readonly lies: number
  /** Clocks differ by up to this. */
  readonly skewMs: number
  /** Chance that a message overtakes others, and that it comes twice. */
  readonly disorder?: number
  /** Every content is foretold, whatever its size. */
  readonly foretells?: boolean
  /** Directories that are gone are told, however little was in them (R48). */
  readonly tellsGone?: boolean
  /** Chance that bytes that are sent ahead of a statement arrive. */
  readonly ahead?: number
  /** A new drive is made beside the running folder, as by a compaction; otherwise the folder is closed for it. */
  readonly beside?: boolean
}

const NAMES = ['a', 'b.txt', 'c.tar.gz', 'd', 'd/a', 'd/b.txt', 'd/e', 'd/e/f', 'g', 'g/h', 'x', 'x/y', 'x/y/z'] as const
/** Few, so that devices meet on them all the time. */
const FEW_NAMES = ['a', 'd', 'd/a'] as const
/** Long and odd ones: conflict copies of them must be cut. */
const ODD_NAMES = [`${'long'.repeat(62)}.ext`, `d/${'é'.repeat(120)}`, 'd', 'sp ace', '-', 'ü/ü', '.hidden', '.hidden.txt', 'a.sync-conflict-abcdefghij.txt', 'a.txt'] as const
/** Whole directories move among these, with what is in them (R46). */
const TREE_NAMES = ['d/a', 'd/b.txt', 'd/e/f', 'd/e/g', 'g/h', 'g/e/f', 'x/y/z', 'm/a', 'm/e/f', 'p/q/a'] as const
const TREES = ['d', 'g', 'x', 'm', 'n', 'd/e', 'g/e', 'x/y', 'm/e', 'p/q', 'p'] as const
const PATTERNS = ['', 'b.txt\n', '*.txt\n', 'd\n', 'd/e\n', 'x/*\n!x/y\n', 'g*\n', '*.sync-conflict-*\n', '/a\n'] as const
const TROUBLE = { deny: 4, fail: 4, full: 2, cure: 5, unmount: 2, mount: 3, pause: 3, resume: 4 } as const

/** Ten years, an hour, and less than a cycle takes. */
const CLOCK_STEPS = [-315_576_000_000, -3_600_000, -40, 40, 3_600_000, 315_576_000_000] as const
/** Longer than history is kept by default. */
const AWAY_MS = 40 * 24 * 3_600_000
/** The guard's minimum where mass deletions are part of the play. */
const FEW_DELETIONS = 3

type Flavour = 'plain' | 'few' | 'odd' | 'ignore' | 'trouble' | 'long' | 'mass' | 'time' | 'travel' | 'trees'

const USER = { write: 26, replace: 8, append: 8, rename: 14, remove: 14, chmod: 7, touch: 5, mkdir: 6, symlink: 5, 'copy-edit': 2, 'copy-remove': 2, 'copy-restore': 2 } as const
const TRAVEL = { save: 3, restore: 6, wipe: 1, rejoin: 1, clone: 1, power: 5, rotate: 4 } as const
const NETWORK = { cut: 5, mend: 5 } as const
const DAEMON = { stop: 3, start: 4, kill: 5, forget: 1, scan: 1, sync: 1, rest: 4 } as const
const CALM_USER = { write: 26, replace: 8, append: 8, rename: 16, remove: 12, chmod: 8, touch: 6, mkdir: 8, symlink: 6 } as const

/** The same script for the same seed, always. */
export function makeScript(seed: number): Script {
  const random = new Random(`script/${seed}`)
  const devices = random.pick([2, 2, 2, 2, 3, 3, 3, 4])
  const calm = random.chance(0.15)
  const flavour: Flavour = calm ? 'plain' : random.weighted({ plain: 25, few: 11, odd: 5, ignore: 10, trouble: 11, long: 4, mass: 6, time: 5, travel: 10, trees: 13 })
  const maker = new Maker(random, devices, calm, flavour)
  const before = flavour === 'trees' ? maker.trees() : random.chance(0.5) ? maker.before(random.between(1, 8)) : []
  const steps = maker.steps(flavour === 'long' ? random.between(60, 200) : random.between(2, 30))
  return { seed, devices, calm, weather: weather(random, calm), before, steps, ...(flavour === 'mass' ? { guard: FEW_DELETIONS } : {}), ...(steps.some((step) => step.wait >= AWAY_MS) ? { keeps: true } : {}) }
}

function weather(random: Random, calm: boolean): Weather {
  return {
    lostHints: calm || random.chance(0.6) ? 0 : random.pick([0.1, 0.5]),
    slowCalls: random.pick([0, 0.05, 0.2]),
    maxDelayMs: random.pick([0, 5, 50, 2000]),
    nacks: calm ? 0 : random.pick([0, 0, 0.1]),
    lies: calm ? 0 : random.pick([0, 0, 0.05]),
    skewMs: random.pick([0, 10, 3_600_000, 315_576_000_000]),
    disorder: calm ? 0 : random.pick([0, 0, 0.2]),
    foretells: random.chance(0.5),
    tellsGone: random.chance(0.7),
    ahead: random.pick([0, 0.5, 1]),
    beside: random.chance(0.6)
  }
}

class Maker {
  readonly #random: Random
  readonly #devices: number
  readonly #calm: boolean
  readonly #flavour: Flavour
  readonly #names: readonly string[]
  #texts = 0
  #newNames = 0
  /** Where directories may be. */
  #trees: readonly string[] = TREES

  constructor(random: Random, devices: number, calm: boolean, flavour: Flavour) {
    this.#random = random
    this.#devices = devices
    this.#calm = calm
    this.#flavour = flavour
    this.#names = flavour === 'few' ? FEW_NAMES : flavour === 'odd' ? ODD_NAMES : flavour === 'trees' ? [...TREE_NAMES, ...TREES] : NAMES
  }

  before(count: number): Step[] {
    return Array.from({ length: count }, () => ({ wait: 1, ...this.#user(this.#random.weighted(CALM_USER), this.#calm ? 0 : this.#device()) }))
  }

  steps(count: number): Step[] {
    const steps: Step[] = []
    while (steps.length < count) {
      // What is put back later is of some moment before.
      if (this.#flavour === 'travel' && steps.length === Math.floor(count / 4)) for (let on = 0; on < this.#devices; on++) steps.push({ wait: 0, do: 'save', on })
      steps.push(...this.#next())
    }
    return steps
  }

  #next(): Step[] {
    if (this.#calm) return [{ wait: 10, ...this.#user(this.#random.weighted(CALM_USER), this.#device()) }]
    if (this.#flavour === 'ignore' && this.#random.chance(0.15)) return [{ wait: this.#wait(), do: 'ignore', on: this.#device(), text: this.#random.pick(PATTERNS) }]
    if (this.#flavour === 'trouble' && this.#random.chance(0.25)) return [{ wait: this.#wait(), ...this.#trouble(this.#random.weighted(TROUBLE)) }]
    if (this.#flavour === 'mass' && this.#random.chance(0.35)) return this.#mass()
    if (this.#flavour === 'trees' && this.#random.chance(0.45)) return this.#random.chance(0.6) ? this.#treeMoves() : this.#treeGoes()
    if (this.#flavour === 'travel' && this.#random.chance(0.25)) return [{ wait: this.#wait(), ...this.#travel(this.#random.weighted(TRAVEL)) }]
    if (this.#flavour === 'time' && this.#random.chance(0.03)) return this.#away()
    if (this.#flavour === 'time' && this.#random.chance(0.25)) return [{ wait: this.#wait(), do: 'clock', on: this.#device(), by: this.#random.pick(CLOCK_STEPS) }]
    const kind = this.#random.weighted({ ...USER, ...NETWORK, ...DAEMON })
    const during = kind in USER && this.#random.chance(0.15) ? { during: this.#random.between(1, 60) } : {}
    return [{ wait: this.#wait(), ...this.#action(kind), ...during }]
  }

  /** One device has all of them from the start. */
  trees(): Step[] {
    return TREE_NAMES.map((path) => ({ wait: 1, do: 'write', on: 0, path, text: this.#text() }))
  }

  /** A directory gets another name; often from rest, often there and back, and often something else happens meanwhile, anywhere. */
  #treeMoves(): Step[] {
    const random = this.#random
    const on = this.#device()
    const path = random.pick(this.#trees)
    const to = random.chance(0.8) ? `${random.pick(['', '', 'd/', 'p/'])}t${++this.#newNames}` : random.pick(this.#trees)
    if (!random.chance(0.3)) this.#trees = [...this.#trees.filter((tree) => tree !== path), to]
    const steps: Step[] = random.chance(0.8) ? [{ wait: this.#wait(), do: 'start', on }, { wait: 0, do: 'rest' }] : []
    if (random.chance(0.2)) steps.push({ wait: 0, do: 'kill', on: this.#device(), steps: random.between(10, 150) })
    if (random.chance(0.1)) steps.push({ wait: random.below(60), do: 'power', on: this.#other(on) })
    for (let acts = random.below(3); acts > 0; acts--) {
      const [place, name] = [random.pick([path, to]), random.pick(['a', 'e/f', 'h', 'new'])]
      const during = { during: random.between(1, 80) }
      const other = random.chance(0.7) ? this.#other(on) : on
      const kind = random.weighted({ write: 3, remove: 1, chmod: 1, replace: 2 })
      const action: Action = kind === 'write' || kind === 'replace' ? { do: kind, on: other, path: `${place}/${name}`, text: this.#text() } : kind === 'chmod' ? { do: kind, on: other, path: `${place}/${name}`, mode: 0o600 } : { do: kind, on: other, path: random.chance(0.3) ? place : `${place}/${name}` }
      steps.push({ wait: 0, ...action, ...during })
    }
    if (random.chance(0.2)) steps.push({ wait: 0, do: 'rename', on: this.#other(on), path: random.pick([path, to]), to: random.pick([...TREES, 'z']), during: random.between(1, 80) })
    steps.push({ wait: random.below(3), do: 'rename', on, path, to })
    if (random.chance(0.25)) steps.push({ wait: random.below(120), do: 'rename', on, path: to, to: path })
    if (random.chance(0.2)) steps.push({ wait: random.below(60), do: random.chance(0.5) ? 'stop' : 'cut', on, to: this.#other(on) } as Step)
    return steps
  }

  /** A directory goes with all that is in it, mostly from rest, and often something else happens meanwhile, anywhere (R48). */
  #treeGoes(): Step[] {
    const random = this.#random
    const on = this.#device()
    const path = random.pick(this.#trees)
    const steps: Step[] = random.chance(0.85) ? [{ wait: this.#wait(), do: 'start', on }, { wait: 0, do: 'rest' }] : []
    if (random.chance(0.2)) steps.push({ wait: 0, do: 'kill', on: this.#device(), steps: random.between(10, 150) })
    if (random.chance(0.1)) steps.push({ wait: random.below(60), do: 'power', on: this.#other(on) })
    for (let acts = random.below(4); acts > 0; acts--) {
      const other = random.chance(0.7) ? this.#other(on) : on
      const during = random.between(1, 80)
      const name = `${path}/${random.pick(['a', 'e/f', 'h', 'new'])}`
      const kind = random.weighted({ write: 3, 'write-aside': 3, remove: 1, mkdir: 1, rename: 1 })
      if (kind === 'write') steps.push({ wait: 0, do: kind, on: other, path: name, text: this.#text(), during })
      else if (kind === 'write-aside') steps.push({ wait: 0, do: kind, on: other, nth: random.below(8), text: this.#text(), during })
      else if (kind === 'rename') steps.push({ wait: 0, do: kind, on: other, path: random.chance(0.5) ? path : random.pick(this.#trees), to: random.pick([...this.#trees, 'z']), during })
      else steps.push({ wait: 0, do: kind, on: other, path: random.chance(0.3) ? path : name, during })
    }
    for (const each of random.chance(0.3) ? [path, random.pick(this.#trees), random.pick(this.#trees)] : [path]) steps.push({ wait: random.below(3), do: 'remove', on, path: each })
    if (random.chance(0.25)) steps.push({ wait: random.below(120), do: 'write', on, path: `${path}/a`, text: this.#text() })
    if (random.chance(0.15)) steps.push({ wait: random.below(60), do: 'stop', on: this.#device() })
    else if (random.chance(0.1)) for (const how of ['pause', 'resume'] as const) steps.push({ wait: random.below(60), do: how, on: 0 })
    else if (random.chance(0.2)) steps.push({ wait: random.below(60), do: 'cut', on, to: this.#other(on) })
    return steps
  }

  /** Everything at the top goes, with what is below; or an answer to that. */
  #mass(): Step[] {
    const on = this.#device()
    const kind = this.#random.weighted({ purge: 3, approve: 2, reject: 2 })
    if (kind !== 'purge') return [{ wait: this.#wait(), do: kind, on }]
    const top = this.#names.filter((name) => !name.includes('/'))
    return top.map((path, i) => ({ wait: i === 0 ? this.#wait() : 0, do: 'remove', on, path }))
  }

  #trouble(kind: keyof typeof TROUBLE): Action {
    const on = this.#device()
    if (kind === 'deny' || kind === 'fail') return { do: kind, on, path: this.#random.pick(this.#names) }
    return { do: kind, on }
  }

  /** One is not there for weeks, in which the others and its user go on. */
  #away(): Step[] {
    const on = this.#device()
    const kind = (): keyof typeof USER => this.#random.weighted(USER)
    return [{ wait: this.#wait(), do: 'stop', on }, { wait: 100, ...this.#user(kind(), on) }, { wait: 0, ...this.#user(kind(), this.#other(on)) }, { wait: AWAY_MS, do: 'start', on }]
  }

  #travel(kind: keyof typeof TRAVEL): Action {
    const on = this.#device()
    if (kind === 'clone') return { do: kind, on, to: this.#other(on) }
    return kind === 'restore' ? { do: kind, on, what: this.#random.pick(['state', 'files', 'both'] as const) } : { do: kind, on }
  }

  #action(kind: keyof typeof USER | keyof typeof NETWORK | keyof typeof DAEMON): Action {
    const on = this.#device()
    switch (kind) {
      case 'cut':
      case 'mend':
        return { do: kind, on, to: this.#other(on) }
      case 'stop':
      case 'start':
      case 'scan':
      case 'sync':
      case 'forget':
        return { do: kind, on }
      case 'kill':
        return { do: kind, on, steps: this.#random.chance(0.5) ? this.#random.below(10) : this.#random.below(120) }
      case 'rest':
        return { do: kind }
      default:
        return this.#user(kind, on)
    }
  }

  #user(kind: keyof typeof USER, on: number): Action {
    const random = this.#random
    const path = random.pick(this.#names)
    switch (kind) {
      case 'write':
      case 'replace':
      case 'append':
        return { do: kind, on, path, text: this.#text() }
      case 'rename':
        return { do: kind, on, path, to: random.pick(this.#names) }
      case 'remove':
      case 'mkdir':
        return { do: kind, on, path }
      case 'chmod':
        return { do: kind, on, path, mode: random.pick([0o600, 0o644, 0o755, 0o444, 0o700]) }
      case 'touch':
        return { do: kind, on, path, mtime: random.pick([1, 1_700_000_000_000_000, 1_700_000_000_000_001, 4_000_000_000_000_000]) }
      case 'symlink':
        return { do: kind, on, path, target: random.chance(0.3) ? 'a' : `../${this.#text()}` }
      case 'copy-edit':
        return { do: kind, on, nth: random.below(3), text: this.#text() }
      case 'copy-remove':
      case 'copy-restore':
        return { do: kind, on, nth: random.below(3) }
    }
  }

  /** Mostly its own; sometimes what another device may write as well; long ones have several chunks. */
  #text(): string {
    if (this.#random.chance(0.04)) return ''
    if (this.#random.chance(0.1)) return this.#random.pick(['same', 'same content in several chunks'])
    this.#texts++
    return `t${this.#texts}${this.#random.chance(0.4) ? '.'.repeat(this.#random.between(4, 40)) : ''}`
  }

  #other(on: number): number {
    return (on + 1 + this.#random.below(this.#devices - 1)) % this.#devices
  }

  #device(): number {
    return this.#random.below(this.#devices)
  }

  #wait(): number {
    const kind = this.#random.next()
    if (kind < 0.35) return this.#random.below(3)
    if (kind < 0.8) return this.#random.below(100)
    return this.#random.below(5000)
  }
}

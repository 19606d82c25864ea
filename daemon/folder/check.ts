/**
 * The checker of a running folder: disk, index, own drive and its blocks held against each other, beside the cycle. Files are read
 * outside of it; what they are held against is read in it, in short acts. Whatever looks wrong is looked at again when the folder
 * has come to rest, and counts only if it is the same then: a change under way is no finding. A repair rebuilds what can be rebuilt
 * and deletes no byte of a user; what it did is looked at a third time.
 */
import type { FolderContext } from './context.ts'
import { checkContents, checkHistory, checkUnlisted } from './check-places.ts'
import { checkPaths } from './check-paths.ts'
import { checkCore, checkIndex, checkRemotes, checkStrays } from './check-state.ts'

export type FaultCode =
  | 'unnoticed'
  | 'unreadable'
  | 'content-differs'
  | 'not-stated'
  | 'not-indexed'
  | 'blocks-unreadable'
  | 'place-missing'
  | 'place-stale'
  | 'history-gone'
  | 'history-differs'
  | 'history-unlisted'
  | 'history-unknown'
  | 'remote-differs'
  | 'checkpoint'
  | 'totals'
  | 'core-damaged'
  | 'left-over'
  | 'open-mode'

export interface Fault {
  /** What it is about, so that two looks can be compared. */
  readonly key: string
  readonly path: string
  readonly code: FaultCode
  readonly message: string
  /** What was seen: another thing at the second look means that somebody works there. */
  readonly evidence: string
  /** Runs in the folder's cycle; null: cannot be rebuilt here. */
  readonly repair: ((context: FolderContext) => Promise<void>) | null
}

export interface Finding {
  readonly path: string
  readonly code: FaultCode
  readonly message: string
  readonly repaired: boolean
}

/** How much was looked at. */
export interface Checked {
  paths: number
  files: number
  bytes: number
  blocks: number
  contents: number
  history: number
  /** Statements of other devices' drives. */
  statements: number
  treeNodes: number
}

export interface CheckReport {
  readonly checked: Checked
  readonly findings: readonly Finding[]
  /** Looked wrong once, and otherwise at the second look. */
  readonly busy: number
  /** A core of our own drive is damaged: only a new drive mends that. */
  readonly coreDamaged: boolean
}

/** What the parts of a check need of the folder. */
export interface CheckWorld {
  readonly context: FolderContext
  /** In the cycle, between two steps. */
  act<T>(run: (context: FolderContext) => Promise<T>): Promise<T>
  /** Until nothing is under way and a moment has passed. */
  rest(): Promise<void>
  readonly signal: AbortSignal
  readonly checked: Checked
}

/** `only`: keys of an earlier look; null: everything. More may be looked at, and then is not counted again. */
export type Part = (world: CheckWorld, only: readonly Fault[] | null) => AsyncIterable<Fault>

/** Faults of one part; a store that is worse than that wants a new start, not a longer list. */
const MAX_FAULTS = 10_000

export async function checkFolder(world: CheckWorld, repair: boolean): Promise<CheckReport> {
  const findings: Finding[] = []
  let busy = 0
  for (const part of [checkCore, checkStrays, checkPaths, checkContents, checkHistory, checkUnlisted, checkRemotes, checkIndex]) {
    const outcome = await run(world, part, repair)
    findings.push(...outcome.findings)
    busy += outcome.busy
    world.signal.throwIfAborted()
    // Everything that a repair states would go into a damaged core.
    if (part === checkCore && outcome.findings.length > 0) return { checked: world.checked, findings, busy, coreDamaged: true }
  }
  return { checked: world.checked, findings, busy, coreDamaged: false }
}

async function run(world: CheckWorld, part: Part, repair: boolean): Promise<{ readonly findings: Finding[]; readonly busy: number }> {
  const suspects = await gather(part(world, null))
  if (suspects.length === 0) return { findings: [], busy: 0 }
  await world.rest()
  const seen = new Map(suspects.map((fault) => [fault.key, fault.evidence]))
  const again = await gather(part(world, suspects))
  const faults = again.filter((fault) => seen.get(fault.key) === fault.evidence)
  const left = repair && faults.length > 0 ? await mend(world, part, faults) : new Set(faults.map(({ key }) => key))
  const findings = faults.map(({ key, path, code, message }) => ({ path, code, message, repaired: !left.has(key) }))
  return { findings, busy: suspects.length - faults.length }
}

/** @returns the keys of what is wrong still. */
async function mend(world: CheckWorld, part: Part, faults: readonly Fault[]): Promise<ReadonlySet<string>> {
  for (const { repair } of faults) if (repair !== null) await world.act(repair)
  await world.rest()
  return new Set((await gather(part(world, faults))).map(({ key }) => key))
}

async function gather(faults: AsyncIterable<Fault>): Promise<Fault[]> {
  const all = new Map<string, Fault>()
  for await (const fault of faults) {
    if (all.size >= MAX_FAULTS) break
    all.set(fault.key, fault)
  }
  return [...all.values()]
}

export function nothingChecked(): Checked {
  return { paths: 0, files: 0, bytes: 0, blocks: 0, contents: 0, history: 0, statements: 0, treeNodes: 0 }
}

/** What a directory holds at this moment: its names, decoded and checked, each with its lstat. */
import { errnoOf } from '../../base/errors.ts'
import type { Workers } from '../../base/workers.ts'
import type { PathKey } from '../sync/ids.ts'
import { joinPath, parseChild, ROOT } from '../sync/path.ts'
import { OWN_DIR } from './layout.ts'
import { decodeName, escapeName } from './names.ts'
import { FIELDS, type LstatInput, type LstatOutput } from './lstat-task.ts'
import { at, self, type Directory } from './roots.ts'
import { lstatEach, pace, readNames, type NodeStat } from './sys.ts'

export interface Child {
  readonly name: string
  readonly path: PathKey
  readonly stat: NodeStat
}

export interface Listing {
  readonly children: readonly Child[]
  /** Names that were read but went before they could be looked at. */
  readonly vanished: readonly PathKey[]
  /** Escaped paths of names that cannot be synced. */
  readonly invalid: readonly PathKey[]
  readonly unreadable: readonly { readonly path: PathKey; readonly error: unknown }[]
}

type Name = Pick<Child, 'name' | 'path'>

const LSTAT_TASK = new URL('./lstat-task.js', import.meta.url)
/** A thread is worth it from here on. */
const MANY_NAMES = 32
/** As many as other directories of the scan may wait for; behind the parts of a large file none does. */
const MAX_QUEUED = 8
/** Other tasks wait behind it, and a disk that has become slow is noticed only after it. */
const NAMES_OF_TASK = 512
/** lstat calls of one directory under way at once: enough to keep the pool busy, few enough to share it. */
const LSTAT_AT_ONCE = 16

/** Throws what readdir throws: then nothing is known of the children (invariant 4). Our own directory is left out. */
export async function listDirectory(directory: Directory, path: PathKey, workers: Workers | null = null): Promise<Listing> {
  const children: Child[] = []
  const vanished: PathKey[] = []
  const invalid: PathKey[] = []
  const unreadable: { path: PathKey; error: unknown }[] = []
  const names: Name[] = []
  for (const raw of await readNames(self(directory))) {
    if (path === ROOT && raw === OWN_DIR) continue
    const name = decodeName(raw)
    const child = name === null ? null : parseChild(path, name)
    if (name === null || child === null) invalid.push(joinPath(path, name ?? escapeName(raw)))
    else names.push({ name, path: child })
  }
  const found = ({ name, path: child }: Name, stat: NodeStat): void => void children.push({ name, path: child, stat })
  const failed = ({ path: child }: Name, error: unknown): void => void (errnoOf(error) === 'ENOENT' ? vanished.push(child) : unreadable.push({ path: child, error }))
  for (let start = 0; start < names.length; start += NAMES_OF_TASK) {
    const part = names.slice(start, start + NAMES_OF_TASK)
    if (workers !== null && part.length >= MANY_NAMES && workers.queued <= MAX_QUEUED && !pace.isPooled && (await lstatInThread(workers, directory, part, found, failed))) continue
    await lstatEach(part, LSTAT_AT_ONCE, ({ name }) => at(directory, name), found, failed)
  }
  return { children, vanished, invalid, unreadable }
}

/** What the listing did not show, and stands there: what is not there at all stays out of it. */
export async function lookAtMissing(directory: Directory, names: readonly Name[], listing: Listing): Promise<Listing> {
  const children: Child[] = [...listing.children]
  const unreadable = [...listing.unreadable]
  await lstatEach(
    names,
    LSTAT_AT_ONCE,
    ({ name }) => at(directory, name),
    ({ name, path }, stat) => void children.push({ name, path, stat }),
    ({ path }, error) => void (errnoOf(error) === 'ENOENT' || unreadable.push({ path, error }))
  )
  return { ...listing, children, unreadable }
}

/** One behind the other, on another core. @returns false if nothing was told, as no thread did it. */
async function lstatInThread(workers: Workers, directory: Directory, names: readonly Name[], found: (name: Name, stat: NodeStat) => void, failed: (name: Name, error: unknown) => void): Promise<boolean> {
  const input: LstatInput = { directory: self(directory), names: names.map(({ name }) => name).join('/') }
  let output: LstatOutput
  try {
    output = await workers.run<LstatOutput>(LSTAT_TASK, input)
  } catch {
    return false // the daemon stops, or the thread died
  }
  pace.tookElsewhere(names.length, output.ms)
  const errors = new Map(output.failed.map(({ at: i, code, message }) => [i, Object.assign(new Error(message), { syscall: 'lstat' }, code === null ? {} : { code })]))
  for (const [i, name] of names.entries()) {
    const error = errors.get(i)
    if (error === undefined) found(name, statOf(output.fields, i * FIELDS))
    else failed(name, error)
  }
  return true
}

function statOf(fields: BigInt64Array, from: number): NodeStat {
  const field = (i: number): bigint => fields[from + i] ?? 0n
  return { dev: field(0), ino: field(1), mode: field(2), nlink: field(3), size: field(4), mtimeNs: field(5), ctimeNs: field(6), birthtimeNs: field(7) }
}

/**
 * Counts without walking the tree: what we still need, and where each other device's tree differs from ours. Both are kept as
 * sets of paths that are adjusted with each statement, ours or theirs.
 */
import { treeEqual } from '../sync/entry-compare.ts'
import type { Entry } from '../sync/entry.ts'
import type { DeviceId, PathKey } from '../sync/ids.ts'
import { compareVersions } from '../sync/version.ts'

export interface Need {
  readonly files: number
  readonly bytes: number
  readonly deletes: number
}

interface Difference {
  readonly bytes: number
  readonly deletes: boolean
  /** Theirs is newer: our need, not theirs. */
  readonly ours: boolean
}

interface Amount {
  readonly bytes: number
  readonly deletes: boolean
}

export class Tally {
  readonly #pending = new Amounts<Amount>()
  readonly #divergent = new Map<DeviceId, Amounts<Difference>>()

  /** This path's target is not on our disk yet. */
  expect(path: PathKey, target: Entry): void {
    this.#pending.set(path, { bytes: target.kind === 'file' ? target.size : 0, deletes: target.kind === 'tombstone' })
  }

  settle(path: PathKey): void {
    this.#pending.delete(path)
  }

  /** Its target is not on our disk yet. */
  expects(path: PathKey): boolean {
    return this.#pending.has(path)
  }

  /** What stands there is to go. */
  expectsEnd(path: PathKey): boolean {
    return this.#pending.get(path)?.deletes === true
  }

  /** What we need; paths in `blocked` do not count (R39). */
  need(blocked: Iterable<PathKey>): Need {
    return this.#pending.without(blocked)
  }

  /** @returns whether the device's statement differs from ours in what R37 compares. */
  compare(device: DeviceId, path: PathKey, ours: Entry | null, theirs: Entry | null): boolean {
    const differs = !treeEqual(ours, theirs)
    let paths = this.#divergent.get(device)
    if (paths === undefined) this.#divergent.set(device, (paths = new Amounts((row) => !row.ours)))
    if (differs) paths.set(path, difference(ours, theirs))
    else paths.delete(path)
    return differs
  }

  forget(device: DeviceId, path: PathKey): void {
    this.#divergent.get(device)?.delete(path)
  }

  pendingPaths(): Iterable<PathKey> {
    return this.#pending.paths()
  }

  divergentPaths(device: DeviceId): Iterable<PathKey> {
    return this.#divergent.get(device)?.paths() ?? []
  }

  deviceNeed(device: DeviceId): Need {
    return this.#divergent.get(device)?.without([]) ?? { files: 0, bytes: 0, deletes: 0 }
  }
}

/** Paths with amounts, and the sum of those that count, kept as they come and go. */
class Amounts<T extends Amount> {
  readonly #rows = new Map<PathKey, T>()
  readonly #counts: (row: T) => boolean
  #files = 0
  #bytes = 0
  #deletes = 0

  constructor(counts: (row: T) => boolean = () => true) {
    this.#counts = counts
  }

  paths(): Iterable<PathKey> {
    return this.#rows.keys()
  }

  has(path: PathKey): boolean {
    return this.#rows.has(path)
  }

  get(path: PathKey): T | undefined {
    return this.#rows.get(path)
  }

  set(path: PathKey, row: T): void {
    this.delete(path)
    this.#rows.set(path, row)
    this.#add(row, 1)
  }

  delete(path: PathKey): void {
    const row = this.#rows.get(path)
    if (row !== undefined && this.#rows.delete(path)) this.#add(row, -1)
  }

  without(paths: Iterable<PathKey>): Need {
    let { files, bytes, deletes } = { files: this.#files, bytes: this.#bytes, deletes: this.#deletes }
    for (const path of paths) {
      const row = this.#rows.get(path)
      if (row === undefined || !this.#counts(row)) continue
      if (row.deletes) deletes--
      else files--
      bytes -= row.bytes
    }
    return { files, bytes, deletes }
  }

  #add(row: T, sign: 1 | -1): void {
    if (!this.#counts(row)) return
    if (row.deletes) this.#deletes += sign
    else this.#files += sign
    this.#bytes += sign * row.bytes
  }
}

function difference(ours: Entry | null, theirs: Entry | null): Difference {
  const newer = theirs !== null && (ours === null || compareVersions(theirs.vv, ours.vv) === 'dominates')
  return {
    bytes: ours?.kind === 'file' ? ours.size : 0,
    deletes: ours === null || ours.kind === 'tombstone',
    ours: newer
  }
}

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

export class Tally {
  readonly #pending = new Map<PathKey, { bytes: number; deletes: boolean }>()
  readonly #divergent = new Map<DeviceId, Map<PathKey, Difference>>()

  /** This path's target is not on our disk yet. */
  expect(path: PathKey, target: Entry): void {
    this.#pending.set(path, { bytes: target.kind === 'file' ? target.size : 0, deletes: target.kind === 'tombstone' })
  }

  settle(path: PathKey): void {
    this.#pending.delete(path)
  }

  get pendingCount(): number {
    return this.#pending.size
  }

  pendingPaths(): IterableIterator<PathKey> {
    return this.#pending.keys()
  }

  /** What we need; paths in `blocked` do not count (R39). */
  need(blocked: ReadonlyMap<PathKey, unknown>): Need {
    return sum(this.#pending, (path) => !blocked.has(path))
  }

  /** @returns whether the device's statement differs from ours in what R37 compares. */
  compare(device: DeviceId, path: PathKey, ours: Entry | null, theirs: Entry | null): boolean {
    const differs = !treeEqual(ours, theirs)
    const paths = this.#pathsOf(device)
    if (!differs) paths.delete(path)
    else paths.set(path, difference(ours, theirs))
    return differs
  }

  forget(path: PathKey): void {
    for (const paths of this.#divergent.values()) paths.delete(path)
  }

  forgetDevice(device: DeviceId): void {
    this.#divergent.delete(device)
  }

  divergentPaths(device: DeviceId): Iterable<PathKey> {
    return this.#divergent.get(device)?.keys() ?? []
  }

  deviceNeed(device: DeviceId): Need {
    const paths = this.#divergent.get(device)
    return paths === undefined ? { files: 0, bytes: 0, deletes: 0 } : sum(paths, (_path, row) => !row.ours)
  }

  #pathsOf(device: DeviceId): Map<PathKey, Difference> {
    let paths = this.#divergent.get(device)
    if (paths === undefined) this.#divergent.set(device, (paths = new Map()))
    return paths
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

function sum<T extends { bytes: number; deletes: boolean }>(rows: ReadonlyMap<PathKey, T>, counts: (path: PathKey, row: T) => boolean): Need {
  let files = 0
  let bytes = 0
  let deletes = 0
  for (const [path, row] of rows) {
    if (!counts(path, row)) continue
    if (row.deletes) deletes++
    else files++
    bytes += row.bytes
  }
  return { files, bytes, deletes }
}

/**
 * A directory that moves whole: which paths it concerns, and which path of the one place stands for which of the other (R46). Pure;
 * what is done about it stands in folder/moving.ts.
 */
import type { DeviceId, PathKey } from './ids.ts'
import { isBelow } from './path.ts'

/** What stood at `from`, with all below it, stands at `to`. */
export interface DirectoryMove {
  readonly from: PathKey
  readonly to: PathKey
}

/** One that was carried out here on the word of another device, before that device stated each path. */
export interface Relocation extends DirectoryMove {
  /** Of the directory, so that it is known wherever it stands. */
  readonly ino: string
  /** Who said so. */
  readonly device: DeviceId
}

/** What such a directory is made of. */
export interface MovedTree {
  /** The directory and all below it. */
  readonly paths: number
  /** By their names before the move; each before those in it. */
  readonly directories: readonly PathKey[]
}

/** Where a directory of the tree stands that was set aside (R48). */
export interface AsidePlace {
  readonly path: PathKey
  /** Below `.p2psync/staging/aside/`. */
  readonly name: string
}

export interface PutBack {
  /** The directories. */
  readonly paths: readonly PathKey[]
  /** What had no free name, with its name in history. */
  readonly kept: readonly { readonly path: PathKey; readonly name: string }[]
}

/** The directory itself, or a path below it. */
export function isWithin(path: PathKey, directory: PathKey): boolean {
  return path === directory || isBelow(path, directory)
}

/** Neither lies in the other. */
export function isPossible({ from, to }: DirectoryMove): boolean {
  return !isWithin(from, to) && !isWithin(to, from)
}

/** The path that stands for this one at the other place; null: it is not concerned. */
export function twinOf({ from, to }: DirectoryMove, path: PathKey): PathKey | null {
  if (isWithin(path, from)) return (to + path.slice(from.length)) as PathKey
  return isWithin(path, to) ? ((from + path.slice(to.length)) as PathKey) : null
}

export function sameMove(a: DirectoryMove | undefined, b: DirectoryMove | undefined): boolean {
  return a?.from === b?.from && a?.to === b?.to
}

/** All that stands in one directory, looked at in the thread that calls: for threads of their own (unchanged-task.ts, early-look-thread.ts). */
import { lstatSync, readdirSync } from 'node:fs'
import type { Standing } from '../sync/directory-digest.ts'
import { decodeName } from './names.ts'
import { bounded, kindOf } from './seen.ts'

export interface StandingIn {
  readonly standing: Standing[]
  /** Names and inodes of the directories among them. */
  readonly directories: { readonly name: string; readonly ino: bigint }[]
  /** How many were looked at. */
  readonly looked: number
  /** False: something stands there that no index holds, or the disk lets its callers wait; the rest was not looked at. */
  readonly isWhole: boolean
  /** Some file has another name, maybe elsewhere. */
  readonly isShared: boolean
}

/** A disk on which a call takes longer lets the thread wait: others wait behind it. */
const SLOW_MS = 250
/** Calls before the clock is looked at again. */
const STRETCH = 64

/** @param own a name that counts as not there. Throws what the file system throws. */
export function standingIn(directory: string, device: bigint, own: string | null): StandingIn {
  let looked = 0
  let isShared = false
  const standing: Standing[] = []
  const directories: { name: string; ino: bigint }[] = []
  const found = (isWhole: boolean): StandingIn => ({ standing, directories, looked, isWhole, isShared })
  let stretch = performance.now()
  for (const raw of readdirSync(directory, 'latin1')) {
    if (raw === own) continue
    const name = decodeName(raw)
    const stat = name === null ? undefined : lstatSync(`${directory}/${name}`, { bigint: true, throwIfNoEntry: false })
    looked++
    if (name === null || stat === undefined || stat.dev !== device) return found(false)
    const kind = kindOf(stat)
    if (kind === 'special') return found(false)
    const { ino, size, mode } = stat
    standing.push({ name, ino, size, mtimeNs: bounded(stat.mtimeNs), ctimeNs: bounded(stat.ctimeNs), mode })
    if (kind === 'directory') directories.push({ name, ino })
    else isShared ||= stat.nlink > 1n
    if (looked % STRETCH !== 0) continue
    const now = performance.now()
    if (now - stretch > SLOW_MS) return found(false)
    stretch = now
  }
  return found(true)
}

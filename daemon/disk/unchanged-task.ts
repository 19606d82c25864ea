/** Looks at all that stands in one directory, in a thread of its own (base/workers.ts), and says whether it is what a digest says. */
import { lstatSync, readdirSync } from 'node:fs'
import { directoryDigest, type Standing } from '../sync/directory-digest.ts'
import { decodeName } from './names.ts'
import { bounded, kindOf } from './seen.ts'

export interface UnchangedInput {
  /** An open one, by its descriptor: /proc/self/fd/<number>. */
  readonly directory: string
  readonly device: bigint
  /** A name that counts as not there. */
  readonly own: string | null
  /** 32 bytes, of sync/directory-digest.ts. */
  readonly digest: Uint8Array
}

export interface UnchangedOutput {
  /** Null: something else stands there, or it cannot be told. Names and inodes of the directories. */
  readonly directories: readonly { readonly name: string; readonly ino: bigint }[] | null
  /** How many stand there, directories included. */
  readonly count: number
  /** Calls that were made, and how long they took. */
  readonly looked: number
  readonly ms: number
}

/** A disk on which a call takes longer lets the thread wait: others wait behind it. */
const SLOW_MS = 250
/** Calls before the clock is looked at again. */
const STRETCH = 64

export function run({ directory, device, own, digest }: UnchangedInput): UnchangedOutput {
  const began = performance.now()
  let looked = 0
  const standing: Standing[] = []
  const directories: { name: string; ino: bigint }[] = []
  const answer = (directories: UnchangedOutput['directories']): UnchangedOutput => ({ directories, count: standing.length, looked, ms: performance.now() - began })
  let stretch = began
  for (const raw of readdirSync(directory, 'latin1')) {
    if (raw === own) continue
    const name = decodeName(raw)
    const stat = name === null ? undefined : lstatSync(`${directory}/${name}`, { bigint: true, throwIfNoEntry: false })
    looked++
    if (name === null || stat === undefined || stat.dev !== device) return answer(null)
    const kind = kindOf(stat)
    if (kind === 'special') return answer(null)
    const { ino, size, mode } = stat
    standing.push({ name, ino, size, mtimeNs: bounded(stat.mtimeNs), ctimeNs: bounded(stat.ctimeNs), mode })
    if (kind === 'directory') directories.push({ name, ino })
    if (looked % STRETCH !== 0) continue
    const now = performance.now()
    if (now - stretch > SLOW_MS) return answer(null)
    stretch = now
  }
  return answer(directoryDigest(standing).equals(digest) ? directories : null)
}

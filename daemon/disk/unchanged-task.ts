/** Looks at all that stands in one directory, in a thread of its own (base/workers.ts), and says whether it is what a digest says. */
import { directoryDigest } from '../sync/directory-digest.ts'
import { standingIn, type StandingIn } from './standing-in.ts'

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
  /** Null: something else stands there, or it cannot be told. */
  readonly directories: StandingIn['directories'] | null
  /** How many stand there, directories included. */
  readonly count: number
  /** Calls that were made, and how long they took. */
  readonly looked: number
  readonly ms: number
}

export function run({ directory, device, own, digest }: UnchangedInput): UnchangedOutput {
  const began = performance.now()
  const { standing, directories, looked, isWhole } = standingIn(directory, device, own)
  const isSame = isWhole && directoryDigest(standing).equals(digest)
  return { directories: isSame ? directories : null, count: standing.length, looked, ms: performance.now() - began }
}

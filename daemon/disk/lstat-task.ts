/** Looks at many names of one directory, in a thread of its own (base/workers.ts): a scan has the main thread free for its comparing meanwhile. */
import { lstatSync } from 'node:fs'
import { errnoOf, messageOf } from '../../base/errors.ts'
import { bounded } from './seen.ts'

export interface LstatInput {
  /** An open one, by its descriptor: /proc/self/fd/<number>. */
  readonly directory: string
  /** Joined by '/', which is in none of them: a message with a string for each took as long as half of the calls. */
  readonly names: string
}

export interface LstatOutput {
  /** Of each name FIELDS numbers; zeros where it failed. */
  readonly fields: BigInt64Array
  readonly failed: readonly { readonly at: number; readonly code: string | null; readonly message: string }[]
  readonly ms: number
}

/** dev, ino, mode, nlink, size, mtimeNs, ctimeNs, birthtimeNs. */
export const FIELDS = 8

export function run({ directory, names }: LstatInput): LstatOutput {
  const began = performance.now()
  const each = names.split('/')
  const fields = new BigInt64Array(each.length * FIELDS)
  const failed: { at: number; code: string | null; message: string }[] = []
  for (const [i, name] of each.entries()) {
    try {
      const { dev, ino, mode, nlink, size, mtimeNs, ctimeNs, birthtimeNs } = lstatSync(`${directory}/${name}`, { bigint: true })
      let at = i * FIELDS
      for (const field of [dev, ino, mode, nlink, size, bounded(mtimeNs), bounded(ctimeNs), bounded(birthtimeNs)]) fields[at++] = field
    } catch (error) {
      failed.push({ at: i, code: errnoOf(error), message: messageOf(error) })
    }
  }
  return { fields, failed, ms: performance.now() - began }
}

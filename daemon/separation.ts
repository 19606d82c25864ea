/**
 * Where our log and a copy of it that another device holds go apart (R19), asked length by length. Knows tree hashes only.
 */
import { commonLength } from './net/replication.ts'

/** A tree hash at a length, or null where the log does not reach so far. */
type HashAt = (length: number) => Promise<string | null>

/** The length up to which both are one log; null: one is the beginning of the other, or nothing of it is there. */
export async function separationOf(length: number, ours: HashAt, theirs: HashAt): Promise<number | null> {
  // As far as there is anything there, which is a beginning as well.
  const held = await commonLength(length, async (at) => (await theirs(at)) !== null)
  if (held === 0) return null
  const isCommon = async (at: number): Promise<boolean> => (await ours(at)) === (await theirs(at))
  const common = await commonLength(held, isCommon)
  return common === held ? null : common
}

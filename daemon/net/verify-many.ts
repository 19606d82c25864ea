/**
 * Records of other members, verified a few at a time: a signature takes a tenth of a millisecond, a set may have MAX_RECORDS of them, and a
 * member can send one after the other. Knows nothing of what the records mean.
 */
import { RECORDS_AT_ONCE } from './limits.ts'
import { recordHash, verifyRecord } from './records.ts'
import type { GroupId, RecordHash, VerifiedRecord } from './records.ts'

/**
 * Those that are records of the group and not known. Up to RECORDS_AT_ONCE without a pause; between as many, everything else has its turn.
 * @param raw any `unknown`.
 * @param signal aborted: nobody waits for them any more, and those verified so far are returned.
 */
export async function verifyMany(group: GroupId, raw: readonly unknown[], isKnown: (hash: RecordHash) => boolean, signal: AbortSignal | null): Promise<VerifiedRecord[]> {
  const fresh: VerifiedRecord[] = []
  for (let start = 0; start < raw.length; start += RECORDS_AT_ONCE) {
    if (start > 0) await new Promise<void>((resolve) => setImmediate(resolve))
    if (start > 0 && signal?.aborted === true) break
    for (const item of raw.slice(start, start + RECORDS_AT_ONCE)) {
      const record = isKnown(hashOf(group, item)) ? null : verifyRecord(group, item)
      if (record !== null) fresh.push(record)
    }
  }
  return fresh
}

/** The hash is of the body alone: one that is known needs no signature. Of what is no record: that of none. */
function hashOf(group: GroupId, item: unknown): RecordHash {
  const body = typeof item === 'object' && item !== null && 'body' in item ? item.body : null
  return recordHash(group, Buffer.isBuffer(body) ? body : Buffer.alloc(0))
}

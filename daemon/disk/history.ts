/**
 * Where displaced things go, by rename: `.p2psync/history/<UTC hour>/<unique>-<shortened name>`. A name here is what `Place` calls
 * the path of area `history`, and what the index keeps of it.
 */
import { randomBytes } from 'node:crypto'
import type { PathKey } from '../sync/ids.ts'
import { isName, nameOf } from '../sync/path.ts'
import { HISTORY_DIR } from './layout.ts'
import { at, type Directory, type Roots } from './roots.ts'
import { rename } from './sys.ts'

const NAME = /^\d{4}-\d\d-\d\dT\d\d\/[0-9a-f]{20}-[^/]*$/
/** Unique: random for this process, then counted. */
const run = randomBytes(6).toString('hex')
let count = 0
/** The rest of a file name's 255 bytes is room for what a restore may add. */
const MAX_KEPT_BYTES = 160

/** A place in history that nothing has yet. */
export interface HistorySlot {
  /** Relative to history/. */
  readonly name: string
  /** Below the root. */
  readonly directory: string
  readonly file: string
}

export function historySlot(path: PathKey, now: Date): HistorySlot {
  const bucket = now.toISOString().slice(0, 13)
  count++
  const file = `${run}${count.toString(16).padStart(8, '0')}-${shorten(nameOf(path))}`
  return { name: `${bucket}/${file}`, directory: `${HISTORY_DIR}/${bucket}`, file }
}

/** Moves what stands at `name` in `from` there. The bucket is made if it is missing. */
export async function moveToHistory(roots: Roots, from: Directory, name: string, slot: HistorySlot): Promise<void> {
  await roots.useOwn(slot.directory, async (bucket) => await rename(at(from, name), at(bucket, slot.file)))
}

/** Splits a name given from outside; null if it is none of ours. */
export function parseHistoryName(name: string): { readonly directory: string; readonly file: string } | null {
  if (!NAME.test(name)) return null
  const [bucket, file] = name.split('/') as [string, string]
  return isName(file) ? { directory: `${HISTORY_DIR}/${bucket}`, file } : null
}

function shorten(name: string): string {
  let kept = ''
  let bytes = 0
  for (const character of name) {
    bytes += Buffer.byteLength(character)
    if (bytes > MAX_KEPT_BYTES) break
    kept += character
  }
  return kept
}

/**
 * What a user should know for a while after files or state were found to be of another time: a restored backup, a cloned disk, a lost
 * store. All is merged by then, and the log has it; `status` tells it for some days, so that nobody wonders about what came back.
 *
 *     state/notices.json   { "version": 1, "notices": [ { folder, code, at } ] }
 */
import { z } from 'zod'
import { writeDurably } from '../base/durable-file.ts'
import { messageOf } from '../base/errors.ts'
import { MAX_NOTICES, NOTICE_MS } from '../base/limits.ts'
import type { Log } from './ports.ts'
import { readDocument } from './read-document.ts'
import { parseFolderId, type FolderId } from './sync/ids.ts'

const code = z.enum(['state-restored', 'state-lost', 'files-restored', 'history-forked'])
const folder = z.custom<FolderId>((value) => parseFolderId(value) !== null, 'must be an id')
const row = z.strictObject({ folder, code, at: z.int().min(0) })
const document = z.strictObject({ version: z.literal(1), notices: z.array(row) })

type NoticeCode = z.infer<typeof code>
type Row = z.infer<typeof row>

export interface Notice {
  readonly code: NoticeCode
  readonly message: string
  /** ISO 8601. */
  readonly at: string
}

const MERGED = 'It was compared with the files here and with the other devices; nothing was lost, and what differed stands beside as a conflict copy'
const MESSAGES: Readonly<Record<NoticeCode, string>> = {
  'state-restored': `The state of p2psync on this device was older than what it had told before, as after a restored backup or a cloned disk. ${MERGED}.`,
  'state-lost': `The state of p2psync on this device was gone, copied or moved, and was built anew. ${MERGED}.`,
  'files-restored': 'The files of this folder were older than what was known of them, as after a restored backup. What came later was fetched again from the other devices; nothing was deleted.',
  'history-forked': `Another device knew a later history of this device than it had itself, as after a restored backup or a cloned disk. ${MERGED}.`
}

/** By the reasons of rotations (own-drives.ts, folder/recover.ts); a first drive, a new key or a smaller drive is no news. */
const CODES: Readonly<Record<string, NoticeCode>> = {
  'unknown-drive': 'state-restored',
  'rolled-back': 'state-restored',
  'drive-shorter': 'state-restored',
  'new-store': 'state-lost',
  restored: 'files-restored',
  conflict: 'history-forked'
}

export class TravelNotices {
  readonly #file: string
  readonly #log: Log
  readonly #now: () => number
  #rows: readonly Row[]

  constructor(file: string, log: Log, now: () => number = Date.now) {
    this.#file = file
    this.#log = log
    this.#now = now
    this.#rows = load(file)
  }

  /** A new drive took over for this reason. One that cannot be kept is in the log still. */
  rotated(id: FolderId, reason: string): void {
    const found = reason.startsWith('fork-') ? 'history-forked' : CODES[reason]
    if (found === undefined) return
    const others = this.#current().filter((known) => known.folder !== id || known.code !== found)
    this.#rows = [...others, { folder: id, code: found, at: this.#now() }].slice(-MAX_NOTICES)
    try {
      writeDurably(this.#file, `${JSON.stringify({ version: 1, notices: this.#rows })}\n`)
    } catch (error) {
      this.#log.warn({ error: messageOf(error) }, 'a notice for the user could not be kept')
    }
  }

  /** The newest last. */
  of(id: FolderId): Notice[] {
    return this.#current()
      .filter((known) => known.folder === id)
      .map((known) => ({ code: known.code, message: MESSAGES[known.code], at: new Date(known.at).toISOString() }))
  }

  /** A clock that was set back must not keep one for ever. */
  #current(): readonly Row[] {
    return this.#rows.filter(({ at }) => Math.abs(this.#now() - at) < NOTICE_MS)
  }
}

/** They are worth no trouble: what cannot be read is none. */
function load(file: string): readonly Row[] {
  try {
    return readDocument(file, document)?.notices ?? []
  } catch {
    return [] // a disk that cannot be read is told of elsewhere
  }
}

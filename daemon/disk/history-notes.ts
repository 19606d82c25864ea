/**
 * What stands in history, told without the index: before anything moves there, its name, its path and why are written down in the
 * hour's file of notes. So what a crash leaves in history, or between the tree and history, is listed at the next start as what it
 * is, and so is all of it where the index is new or older.
 *
 *     .p2psync/history/<UTC hour>.paths   a line for each name that was taken: [1, name, reason, ms, inode, path]
 *
 * A name that nothing moved to has a line all the same. The file goes with the last one of its hour.
 */
import * as fs from 'node:fs'
import { messageOf, P2psyncError } from '../../base/errors.ts'
import type { KeptNote, Log } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import { parsePath } from '../sync/path.ts'
import { dropNotes, historySlot, NOTES_EXTENSION, parseHistoryName, type HistorySlot } from './history.ts'
import { HISTORY_DIR } from './layout.ts'
import { syncDirectory } from './marker.ts'
import { decodeName } from './names.ts'
import { at, self, type Roots } from './roots.ts'
import { toSeen } from './seen.ts'
import { close, fdatasync, fstat, isGone, lstatOrNull, open, readFully, READ_FLAGS, readNames, writeFully } from './sys.ts'

/** The path of bytes of which nothing else is known. */
export const RECOVERED = 'recovered' as PathKey
const VERSION = 1
const NOTES = /^\d{4}-\d\d-\d\dT\d\d\.paths$/
/** O_APPEND: operations of one batch may ask at once, and none may write over another's lines. */
const APPEND_FLAGS = fs.constants.O_WRONLY | fs.constants.O_APPEND | fs.constants.O_CREAT | fs.constants.O_NOFOLLOW
const READ_BYTES = 256 * 1024
/** No line of ours is longer: a path, with each of its characters escaped. */
const MAX_LINE_BYTES = 64 * 1024
/** What a crash left between two names left the tree in one of the last hours that anything did. */
const RECENT_FILES = 2
const NEWLINE = 0x0a
const REASONS: ReadonlySet<unknown> = new Set<KeptNote['reason']>(['replaced', 'deleted', 'conflict', 'recovered'])

/** What will leave the tree, or may. */
export interface Leaving {
  readonly path: PathKey
  readonly reason: KeptNote['reason']
  /** Null: not known before. */
  readonly ino: string | null
  /** When it left, in milliseconds since the epoch; absent: now. */
  readonly at?: number
}

export type Note = Required<Leaving>

export class HistoryNotes {
  readonly #roots: Roots
  readonly #log: Log

  constructor(roots: Roots, log: Log) {
    this.#roots = roots
    this.#log = log
  }

  /**
   * Names in history for all of them, written down durably. Where that cannot be (a full disk), they are given all the same: what moves
   * there is safe, and only a crash before it is in the index leaves it unlisted.
   */
  async reserve(leaving: readonly Leaving[], now: Date): Promise<readonly HistorySlot[]> {
    return (await this.reserveNoted(leaving, now)).slots
  }

  /** As `reserve`; `noted`: they could be written down. */
  async reserveNoted(leaving: readonly Leaving[], now: Date): Promise<{ readonly slots: readonly HistorySlot[]; readonly noted: boolean }> {
    const slots = leaving.map(({ path }) => historySlot(path, now))
    const [first] = slots
    if (first === undefined) return { slots, noted: true }
    try {
      await this.#append(`${bucketOf(first.name)}${NOTES_EXTENSION}`, leaving.map((each, i) => lineOf(slots[i] as HistorySlot, each, now)).join(''))
    } catch (error) {
      this.#log.warn({ error: messageOf(error) }, 'what goes to history could not be written down before; after a crash now it would be there unlisted')
      return { slots, noted: false }
    }
    return { slots, noted: true }
  }

  /** Of names in history; null: nothing is known of it, or nothing has that name. */
  async of(names: readonly string[]): Promise<readonly (KeptNote | null)[]> {
    const known = new Map<string, Note>()
    const wanted = new Set(names)
    for (const bucket of new Set(names.map(bucketOf))) {
      await this.#read(`${bucket}${NOTES_EXTENSION}`, (file, note) => {
        const name = `${bucket}/${file}`
        if (wanted.has(name)) known.set(name, note)
      })
    }
    return await Promise.all(names.map(async (name) => await this.#withStat(name, known.get(name) ?? null)))
  }

  /** Of what left the tree lately and is not in history: the last that was written down of the inode. */
  async lastOf(ino: string): Promise<Note | null> {
    let last: Note | null = null
    const files = (await this.#files()).sort().slice(-RECENT_FILES)
    for (const file of files) await this.#read(file, (_name, note) => (last = note.ino === ino ? note : last))
    return last
  }

  /** Notes of hours of which nothing is left. */
  async tidy(now: Date): Promise<void> {
    try {
      await this.#dropEmpty(now.toISOString().slice(0, 13))
    } catch (error) {
      this.#log.warn({ error: messageOf(error) }, 'notes of history that nothing is left of could not be removed')
    }
  }

  async #dropEmpty(current: string): Promise<void> {
    for (const file of await this.#files()) {
      const bucket = file.slice(0, -NOTES_EXTENSION.length)
      if (bucket !== current) await this.#roots.useOwn(HISTORY_DIR, async (history) => await dropNotes(history, bucket))
    }
  }

  async #withStat(name: string, note: Note | null): Promise<KeptNote | null> {
    const parsed = parseHistoryName(name)
    if (note === null || parsed === null) return null
    const stat = await orGone(async () => await this.#roots.use(parsed.directory, async (bucket) => await lstatOrNull(at(bucket, parsed.file))))
    return stat === null ? null : { path: note.path, at: note.at, reason: note.reason, seen: toSeen(stat) }
  }

  async #append(file: string, lines: string): Promise<void> {
    await this.#roots.useOwn(HISTORY_DIR, async (history) => {
      const fd = await open(at(history, file), APPEND_FLAGS, 0o600)
      try {
        const { size } = await fstat(fd)
        // A line that a crash or a full disk cut short ends here.
        await writeFully(fd, Buffer.from(`\n${lines}`), Number(size))
        await fdatasync(fd)
        if (size === 0n) await syncDirectory(history.fd)
      } finally {
        await close(fd)
      }
    })
  }

  async #files(): Promise<string[]> {
    const names = await orGone(async () => await this.#roots.use(HISTORY_DIR, async (history) => await readNames(self(history))))
    return (names ?? []).flatMap((name) => decodeName(name) ?? []).filter((name) => NOTES.test(name))
  }

  /** What cannot be read says nothing: nobody's sync waits for it. */
  async #read(file: string, each: (name: string, note: Note) => void): Promise<void> {
    try {
      await this.#roots.use(HISTORY_DIR, async (history) => await readNotes(at(history, file), each))
    } catch (error) {
      if (error instanceof P2psyncError) throw error
      if (!isGone(error)) this.#log.warn({ file, error: messageOf(error) }, 'notes of history could not be read; what they speak of may stay unlisted')
    }
  }
}

async function readNotes(path: string, each: (name: string, note: Note) => void): Promise<void> {
  const fd = await open(path, READ_FLAGS)
  try {
    for await (const line of linesOf(fd)) {
      const parsed = parseLine(line)
      if (parsed !== null) each(parsed.name, parsed.note)
    }
  } finally {
    await close(fd)
  }
}

function bucketOf(name: string): string {
  return name.slice(0, name.indexOf('/'))
}

function lineOf({ file }: HistorySlot, { path, reason, ino, at: left }: Leaving, now: Date): string {
  return `${JSON.stringify([VERSION, file, reason, left ?? now.getTime(), ino, path])}\n`
}

async function* linesOf(fd: number): AsyncGenerator<string> {
  const buffer = Buffer.alloc(READ_BYTES)
  let rest = Buffer.alloc(0)
  for (let offset = 0; ; ) {
    const read = await readFully(fd, buffer, 0, READ_BYTES, offset)
    const data = Buffer.concat([rest, buffer.subarray(0, read)])
    offset += read
    let start = 0
    for (let end = data.indexOf(NEWLINE); end >= 0; end = data.indexOf(NEWLINE, start)) {
      yield data.toString('utf8', start, end)
      start = end + 1
    }
    rest = data.subarray(start)
    if (read < READ_BYTES) return
    if (rest.length > MAX_LINE_BYTES) rest = Buffer.alloc(0)
  }
}

/** Null for what is no whole line of ours. */
function parseLine(line: string): { readonly name: string; readonly note: Note } | null {
  if (line === '') return null
  const [version, name, reason, left, ino, rawPath, ...rest] = arrayOf(line)
  const path = parsePath(rawPath)
  if (version !== VERSION || typeof name !== 'string' || typeof left !== 'number' || !Number.isSafeInteger(left) || left < 0) return null
  if (!isReason(reason) || (ino !== null && typeof ino !== 'string') || path === null || rest.length > 0) return null
  return { name, note: { path, reason, at: left, ino } }
}

function isReason(value: unknown): value is KeptNote['reason'] {
  return REASONS.has(value)
}

function arrayOf(line: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(line)
    return Array.isArray(value) ? value : []
  } catch {
    return []
  }
}

async function orGone<T>(look: () => Promise<T>): Promise<T | null> {
  try {
    return await look()
  } catch (error) {
    if (isGone(error)) return null
    throw error
  }
}

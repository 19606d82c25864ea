/**
 * Directories that their own owner may not write or enter (mode without u+wx) are opened up for the time of a batch and closed
 * again at its end. What is opened is written down first, so that a crash in between leaves no changed mode behind (invariant 8).
 */
import * as fs from 'node:fs'
import { errnoOf } from '../../base/errors.ts'
import type { PathKey } from '../sync/ids.ts'
import { parsePath, ROOT } from '../sync/path.ts'
import { MODES_DIR } from './layout.ts'
import { at, self, WalkError, type Directory, type Roots, type Visit } from './roots.ts'
import { MODE_BITS } from './seen.ts'
import { chmod, close, fchmod, fsync, open, readFully, readNames, READ_FLAGS, unlinkIfThere, writeFully } from './sys.ts'

const USABLE = 0o700
const ENTERED = 0o100
const MAX_NOTE_BYTES = 16 * 1024

interface Opened {
  readonly ino: string
  /** Mode to end with, with special bits. */
  mode: number
  /** Name of the note in staging/modes/; null for a directory that this batch made. */
  readonly note: string | null
}

export class Modes {
  readonly #roots: Roots
  readonly #uid = process.geteuid?.() ?? 0
  readonly #opened = new Map<string, Promise<Opened>>()
  readonly #settled = new Map<string, Opened>()

  constructor(roots: Roots) {
    this.#roots = roots
  }

  /** For `Roots.use` of a directory that is about to be changed. */
  readonly visit: Visit = (directory, target) => {
    const needed = target ? USABLE : ENTERED
    if ((directory.mode & needed) === needed || this.#uid === 0 || directory.uid !== this.#uid) return undefined
    return this.#openUp(directory)
  }

  async #openUp(directory: Directory): Promise<void> {
    let opening = this.#opened.get(directory.path)
    if (opening === undefined) this.#opened.set(directory.path, (opening = this.#open(directory)))
    this.#settled.set(directory.path, await opening)
  }

  /** A directory that was just made with more rights than it shall end with. */
  made(path: PathKey, ino: string, mode: number): void {
    const opened: Opened = { ino, mode, note: null }
    this.#opened.set(path, Promise.resolve(opened))
    this.#settled.set(path, opened)
  }

  /** The mode that an opened directory will have at the end, permission bits only; null if it was not opened. */
  finalMode(path: PathKey): number | null {
    const opened = this.#settled.get(path)
    return opened === undefined ? null : opened.mode & MODE_BITS
  }

  /** @returns false if the directory was not opened: then the caller sets the mode. */
  setFinal(path: PathKey, mode: number): boolean {
    const opened = this.#settled.get(path)
    if (opened === undefined) return false
    opened.mode = (opened.mode & ~MODE_BITS) | mode
    return true
  }

  gone(path: PathKey): void {
    this.#opened.delete(path)
    this.#settled.delete(path)
  }

  /** Deepest first, so that each can still be reached. */
  async close(): Promise<void> {
    const paths = [...this.#settled.keys()].sort((a, b) => b.length - a.length)
    for (const path of paths) await this.#closeOne(path, this.#settled.get(path) as Opened)
    this.#opened.clear()
    this.#settled.clear()
  }

  async #open(directory: Directory): Promise<Opened> {
    const mode = directory.mode & 0o7777
    const note = `${directory.ino}.json`
    await this.#roots.useOwn(MODES_DIR, async (notes) => await writeNote(at(notes, note), { path: directory.path, ino: directory.ino, mode }))
    await chmod(self(directory), mode | USABLE)
    return { ino: directory.ino, mode, note }
  }

  async #closeOne(path: string, opened: Opened): Promise<void> {
    await restoreMode(this.#roots, path, opened.ino, opened.mode)
    const { note } = opened
    if (note !== null) await this.#roots.useOwn(MODES_DIR, async (notes) => await unlinkIfThere(at(notes, note)))
  }
}

/** After a crash: closes what a batch had opened. */
export async function recoverModes(roots: Roots): Promise<void> {
  await roots.useOwn(MODES_DIR, async (notes) => {
    const names = await readNames(self(notes))
    const read = await Promise.all(names.map(async (name) => ({ name, note: await readNote(at(notes, name)) })))
    read.sort((a, b) => (b.note?.path.length ?? 0) - (a.note?.path.length ?? 0))
    for (const { name, note } of read) {
      if (note !== null) await restoreMode(roots, note.path, note.ino, note.mode)
      await unlinkIfThere(at(notes, name))
    }
  })
}

async function restoreMode(roots: Roots, path: string, ino: string, mode: number): Promise<void> {
  try {
    await roots.use(path, async (directory) => {
      if (directory.ino === ino) await changeMode(directory, mode)
    })
    roots.forget(path)
  } catch (error) {
    if (!(error instanceof WalkError)) throw error
    // moved or removed since: then there is nothing to restore
  }
}

/** Durable, or a power cut would look like a chmod of the user. */
async function changeMode(directory: Directory, mode: number): Promise<void> {
  const fd = await open(self(directory), fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
  try {
    await fchmod(fd, mode)
    await fsync(fd)
  } finally {
    await close(fd)
  }
}

interface Note {
  readonly path: string
  readonly ino: string
  readonly mode: number
}

async function writeNote(path: string, note: Note): Promise<void> {
  const fd = await open(path, 'w', 0o600)
  try {
    await writeFully(fd, Buffer.from(JSON.stringify(note)), 0)
    await fsync(fd)
  } finally {
    await close(fd)
  }
}

async function readNote(path: string): Promise<Note | null> {
  const fd = await open(path, READ_FLAGS)
  try {
    const buffer = Buffer.alloc(MAX_NOTE_BYTES)
    return parseNote(buffer.toString('utf8', 0, await readFully(fd, buffer, 0, MAX_NOTE_BYTES, 0)))
  } catch (error) {
    if (errnoOf(error) === null) throw error
    return null
  } finally {
    await close(fd)
  }
}

/** Null for a note that a power cut left unfinished: then the mode was not changed yet. */
function parseNote(text: string): Note | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null || !('path' in value) || !('ino' in value) || !('mode' in value)) return null
  const { path, ino, mode } = value
  if ((path !== ROOT && parsePath(path) === null) || typeof path !== 'string') return null
  if (typeof ino !== 'string' || typeof mode !== 'number' || !Number.isInteger(mode) || mode < 0 || mode > 0o7777) return null
  return { path, ino, mode }
}

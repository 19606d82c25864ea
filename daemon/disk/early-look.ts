/**
 * A thread that looks at the folders from the first moment of a start, while modules are loaded and the store is opened (decisions/0025). It
 * watches each directory before it looks at it, and a scan that took its word asks once more at its end what has changed meanwhile: by then
 * the scan's own watch of the directory stands, so that nothing falls between. Its word is of a directory by device, inode and ctime, never
 * of a path.
 */
import { fstatSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import type { Directory } from './roots.ts'
import type { StandingIn } from './standing-in.ts'

/** What stood in a directory. */
export interface EarlyDirectory {
  /** Device and inode. */
  readonly key: string
  readonly ctimeNs: bigint
  /** 32 bytes, of sync/directory-digest.ts. */
  readonly digest: Uint8Array
  /** How many stand there, directories included. */
  readonly count: number
  readonly directories: StandingIn['directories']
}

export interface EarlyRequest {
  readonly id: number
}

export interface EarlyAnswer {
  readonly id: number
  /** Keys of directories in which something happened since they were looked at; null: that cannot be told. */
  readonly changed: readonly string[] | null
}

export interface EarlyThreadData {
  readonly roots: readonly string[]
  /** Directories with fewer children are not told of. */
  readonly worthCount: number
}

/** The index knows none with fewer as a whole. */
const WORTH_COUNT = 16
/** A folder that was not scanned by then (it is halted, or stopped) is scanned as at any other time. */
const MAX_MS = 60_000
/** A word is no older: what is written through a memory map is told to nobody. */
const MAX_AGE_MS = 10_000
/** Longer than the largest directory takes: by then the disk of some folder lets the thread wait, and no other folder waits for it. */
const ANSWER_MS = 3_000

export class EarlyLook {
  readonly #seen = new Map<string, EarlyDirectory>()
  /** Those whose first scan is not over. */
  readonly #roots: Set<string>
  readonly #asked = new Map<number, (changed: EarlyAnswer['changed']) => void>()
  readonly #timer: NodeJS.Timeout
  readonly #answerMs: number
  readonly #begun = performance.now()
  #worker: Worker | null
  #isGone = false
  #lastId = 0

  /** @param roots absolute paths. The process may end before the thread does. */
  constructor(roots: readonly string[], { maxMs = MAX_MS, answerMs = ANSWER_MS }: { readonly maxMs?: number; readonly answerMs?: number } = {}) {
    this.#roots = new Set(roots)
    this.#answerMs = answerMs
    const workerData: EarlyThreadData = { roots, worthCount: WORTH_COUNT }
    this.#worker = new Worker(new URL('./early-look-thread.js', import.meta.url), { workerData, stdout: false, stderr: false })
    this.#worker.unref()
    this.#worker.on('message', (message: EarlyAnswer | EarlyDirectory) => this.#told(message))
    this.#worker.on('error', () => this.close())
    this.#worker.on('exit', () => {
      this.#isGone = true
      this.close()
    })
    this.#timer = setTimeout(() => this.close(), maxMs)
    this.#timer.unref()
  }

  /** Null if it was not looked at, or is another by now. Only good together with `changed`. */
  of(directory: Directory): EarlyDirectory | null {
    if (performance.now() - this.#begun > MAX_AGE_MS) return null
    const seen = this.#seen.get(`${directory.device}:${directory.ino}`)
    return seen !== undefined && fstatSync(directory.fd, { bigint: true }).ctimeNs === seen.ctimeNs ? seen : null
  }

  /** @returns those of the directories in which anything happened between the look and this call, or of which that cannot be told. They are not told of again. */
  async changed(keys: Iterable<string>): Promise<readonly string[]> {
    const told = await this.#ask()
    const happened = told === null ? null : new Set(told)
    const changed = [...keys].filter((key) => happened === null || happened.has(key))
    for (const key of changed) this.#seen.delete(key)
    return changed
  }

  /** The first scan of a folder is over: after that of the last one the thread ends. */
  finished(root: string): void {
    this.#roots.delete(root)
    if (this.#roots.size === 0) this.close()
  }

  /** Its watches are in the way of others. @returns false if they are given up already, or are not for long: then there is no more room than before. */
  makeRoom(): boolean {
    this.close()
    return !this.#isGone && performance.now() - this.#begun < MAX_MS
  }

  /** Idempotent. */
  close(): void {
    clearTimeout(this.#timer)
    const worker = this.#worker
    this.#worker = null
    this.#seen.clear()
    for (const done of this.#asked.values()) done(null)
    this.#asked.clear()
    worker?.terminate().catch(() => undefined) // it is gone already
  }

  async #ask(): Promise<EarlyAnswer['changed']> {
    const worker = this.#worker
    if (worker === null) return null
    const request: EarlyRequest = { id: ++this.#lastId }
    const late = setTimeout(() => this.close(), this.#answerMs)
    return await new Promise((done) => {
      this.#asked.set(request.id, (changed) => {
        clearTimeout(late)
        done(changed)
      })
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, no window
      worker.postMessage(request)
    })
  }

  #told(message: EarlyAnswer | EarlyDirectory): void {
    if (this.#worker === null) return
    if ('key' in message) return void this.#seen.set(message.key, message)
    this.#asked.get(message.id)?.(message.changed)
    this.#asked.delete(message.id)
  }
}

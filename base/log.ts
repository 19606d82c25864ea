/**
 * The one structured logger. Fields, not prose; no keys, no content. error: a human must act; warn: retried; info: state changed.
 * Lines are JSON (pino), on a terminal readable text. The level is shared by all children and can change while running.
 */
import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { pino } from 'pino'
import { makeDirectory } from './durable-file.ts'
import { messageOf } from './errors.ts'
import { readableLine } from './log-text.ts'

/** Structurally the `Log` of daemon/ports.ts. */
export interface Log {
  child(fields: Fields): Log
  error(fields: Fields, message: string): void
  warn(fields: Fields, message: string): void
  info(fields: Fields, message: string): void
  debug(fields: Fields, message: string): void
}

type Fields = Readonly<Record<string, unknown>>

export type Level = 'error' | 'warn' | 'info' | 'debug'
export const LEVELS: readonly Level[] = ['error', 'warn', 'info', 'debug']

export interface RootLog extends Log {
  /** Takes effect at once, for children too. */
  level: Level
  close(): void
}

/** A log file is set aside as `.1` beyond this; together at most twice as much. */
export const MAX_LOG_BYTES = 8 * 1024 * 1024

export interface LogOptions {
  readonly level?: Level
  /** Null or absent: standard error. */
  readonly file?: string | null
  readonly maxBytes?: number
}

export function createLog(options: LogOptions = {}): RootLog {
  const target = options.file ? new LogFile(options.file, options.maxBytes ?? MAX_LOG_BYTES) : new StandardError()
  const base = pino(
    { level: 'debug', base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers: { error: describeError, err: describeError } },
    target,
  )
  return new SharedLog(base, { level: options.level ?? 'info' }, target)
}

/** What `P2PSYNC_LOG` or a user names; null: no such level. */
export function parseLevel(value: string | undefined): Level | null {
  return LEVELS.find((level) => level === value) ?? null
}

/** Takes everything and keeps nothing. */
export const silentLog: Log = {
  child: () => silentLog,
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
}

interface Target {
  write(line: string): void
  close(): void
}

/** pino gives each child a level of its own; here one level counts for all. */
class SharedLog implements RootLog {
  readonly #pino: pino.Logger
  readonly #shared: { level: Level }
  readonly #target: Target

  constructor(base: pino.Logger, shared: { level: Level }, target: Target) {
    this.#pino = base
    this.#shared = shared
    this.#target = target
  }

  get level(): Level {
    return this.#shared.level
  }

  set level(level: Level) {
    this.#shared.level = level
  }

  child(fields: Fields): Log {
    return new SharedLog(this.#pino.child({ ...fields }), this.#shared, this.#target)
  }

  error(fields: Fields, message: string): void {
    this.#write('error', fields, message)
  }

  warn(fields: Fields, message: string): void {
    this.#write('warn', fields, message)
  }

  info(fields: Fields, message: string): void {
    this.#write('info', fields, message)
  }

  debug(fields: Fields, message: string): void {
    this.#write('debug', fields, message)
  }

  close(): void {
    this.#target.close()
  }

  #write(level: Level, fields: Fields, message: string): void {
    if (LEVELS.indexOf(level) > LEVELS.indexOf(this.#shared.level)) return
    this.#pino[level](fields, message)
  }
}

/** Appends synchronously, so that the last line before a crash is there; a disk that is full must not stop the daemon. */
class LogFile implements Target {
  readonly #path: string
  readonly #maxBytes: number
  #fd: number | null
  #bytes: number
  /** Lines that could not be written since the last one that could. */
  #lost = 0

  constructor(path: string, maxBytes: number) {
    makeDirectory(dirname(path))
    this.#path = path
    this.#maxBytes = maxBytes
    this.#fd = openSync(path, 'a', 0o600)
    this.#bytes = fstatSync(this.#fd).size
  }

  write(line: string): void {
    if (this.#fd === null) return
    try {
      if (this.#bytes > this.#maxBytes) this.#rotate(this.#fd)
      this.#bytes += writeSync(this.#fd, this.#lost === 0 ? line : `{"level":40,"msg":"${this.#lost} log lines lost"}\n${line}`)
      this.#lost = 0
    } catch {
      this.#lost++
    }
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd)
    this.#fd = null
  }

  #rotate(fd: number): void {
    renameSync(this.#path, `${this.#path}.1`)
    const next = openSync(this.#path, 'a', 0o600)
    closeSync(fd)
    this.#fd = next
    this.#bytes = 0
  }
}

class StandardError implements Target {
  write(line: string): void {
    process.stderr.write(process.stderr.isTTY ? `${readableLine(line.trimEnd())}\n` : line)
  }

  close(): void {
    // standard error belongs to the process
  }
}

function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const code = 'code' in error ? error.code : undefined
  const cause = error.cause === undefined ? undefined : messageOf(error.cause)
  return { message: error.message, code, cause, stack: error.stack }
}

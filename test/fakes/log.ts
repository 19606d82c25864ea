/** A log that keeps what it is told. */
import type { Log } from '../../daemon/ports.ts'

export interface LogLine {
  readonly level: 'error' | 'warn' | 'info' | 'debug'
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

export class FakeLog implements Log {
  readonly #fields: Readonly<Record<string, unknown>>
  readonly #write: (line: LogLine) => void

  constructor(write: (line: LogLine) => void, fields: Readonly<Record<string, unknown>> = {}) {
    this.#write = write
    this.#fields = fields
  }

  child(fields: Readonly<Record<string, unknown>>): Log {
    return new FakeLog(this.#write, { ...this.#fields, ...fields })
  }

  error(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.#say('error', fields, message)
  }

  warn(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.#say('warn', fields, message)
  }

  info(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.#say('info', fields, message)
  }

  debug(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.#say('debug', fields, message)
  }

  #say(level: LogLine['level'], fields: Readonly<Record<string, unknown>>, message: string): void {
    this.#write({ level, fields: { ...this.#fields, ...fields }, message })
  }
}

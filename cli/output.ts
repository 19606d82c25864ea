/** Where commands print. One JSON document with `--json`, else text for people; colours only on a terminal. */
import type { P2psyncError } from '../base/errors.ts'

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow'

const CODES: Readonly<Record<Style, readonly [number, number]>> = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39] }

/** A terminal, a pipe, or what a test gathers. */
export interface Stream {
  write(text: string): unknown
  readonly isTTY?: boolean
}

export interface OutputOptions {
  readonly json: boolean
  readonly stdout: Stream
  readonly stderr: Stream
  readonly noColor?: boolean
}

export class Output {
  readonly json: boolean
  readonly #stdout: Stream
  readonly #stderr: Stream
  readonly colour: boolean
  /** Help was asked for and printed. */
  helped = false

  constructor(options: OutputOptions) {
    this.json = options.json
    this.#stdout = options.stdout
    this.#stderr = options.stderr
    this.colour = !options.json && this.#stdout.isTTY === true && options.noColor !== true
  }

  /** People are watching: progress, QR codes and redrawing make sense. */
  get interactive(): boolean {
    return !this.json && this.#stdout.isTTY === true
  }

  /** Text for people; nothing with `--json`. */
  line(text = ''): void {
    if (!this.json) this.#stdout.write(`${text}\n`)
  }

  /** The one document of a command; nothing without `--json`. */
  document(value: object): void {
    if (this.json) this.#stdout.write(`${JSON.stringify({ schema: 1, ...value }, null, 2)}\n`)
  }

  /** One document of a stream, on one line; nothing without `--json`. */
  record(value: object): void {
    if (this.json) this.#stdout.write(`${JSON.stringify({ schema: 1, ...value })}\n`)
  }

  /** Help that was asked for. */
  help(text: string): void {
    this.helped = true
    this.raw(text)
  }

  /** The same in both modes: a completion script, a log. */
  raw(text: string): void {
    this.#stdout.write(text)
  }

  /** A remark that is no failure, on standard error; with `--json` nothing, so that standard error stays parseable. */
  warn(text: string): void {
    if (!this.json) this.#stderr.write(`${printable(text)}\n`)
  }

  /** One sentence, or with `--json` one document. */
  error(error: Pick<P2psyncError, 'code' | 'message'>): void {
    const { code, message } = error
    const text = this.json ? JSON.stringify({ schema: 1, error: { code, message } }) : `p2psync: ${printable(message)}`
    this.#stderr.write(`${text}\n`)
  }

  style(style: Style, text: string): string {
    const [on, off] = CODES[style]
    return this.colour ? `\u001b[${on}m${text}\u001b[${off}m` : text
  }

  /** Starts a redrawn page anew. */
  clear(): void {
    if (this.interactive) this.#stdout.write('\u001b[H\u001b[2J')
  }
}

/** Names and paths come from other devices: control characters must not reach the terminal. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

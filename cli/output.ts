/** Where commands print. One JSON document with `--json`, else text for people; colours only on a terminal. */
import type { P2psyncError } from '../base/errors.ts'

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow'

const CODES: Readonly<Record<Style, readonly [number, number]>> = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39] }

export interface OutputOptions {
  readonly json: boolean
  readonly stdout?: NodeJS.WriteStream
  readonly stderr?: NodeJS.WriteStream
  readonly noColor?: boolean
}

export class Output {
  readonly json: boolean
  readonly #stdout: NodeJS.WriteStream
  readonly #stderr: NodeJS.WriteStream
  readonly #colour: boolean

  constructor(options: OutputOptions) {
    this.json = options.json
    this.#stdout = options.stdout ?? process.stdout
    this.#stderr = options.stderr ?? process.stderr
    this.#colour = !options.json && this.#stdout.isTTY === true && options.noColor !== true
  }

  /** People are watching: progress, QR codes and redrawing make sense. */
  get interactive(): boolean {
    return !this.json && this.#stdout.isTTY === true
  }

  get columns(): number {
    return this.#stdout.columns ?? 80
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
    return this.#colour ? `\u001b[${on}m${text}\u001b[${off}m` : text
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

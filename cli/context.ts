/** What every command gets: how to print, where things lie, and the daemon, started on the first call if need be. */
import type { Paths } from '../base/paths.ts'
import { resolvePaths } from '../base/paths.ts'
import type { Client } from '../rpc/client.ts'
import type { Output } from './output.ts'

type Env = Readonly<Record<string, string | undefined>>

export class Context {
  readonly out: Output
  readonly env: Env
  readonly cwd: string
  #paths: Paths | null = null
  #client: Client | null = null

  constructor(out: Output, env: Env = process.env, cwd: string = process.cwd()) {
    this.out = out
    this.env = env
    this.cwd = cwd
  }

  get paths(): Paths {
    return (this.#paths ??= resolvePaths(this.env))
  }

  /** A client that starts the daemon if none runs, where that is allowed. Loaded late: `version` and `--help` need none. */
  async daemon(): Promise<Client> {
    if (this.#client !== null) return this.#client
    const { connect } = await import('./daemon-client.ts')
    return (this.#client = connect(this))
  }
}

/** A command's body; its number is the exit code, 0 if none. */
export type Command<Args extends readonly unknown[]> = (context: Context, ...args: Args) => Promise<number | void>

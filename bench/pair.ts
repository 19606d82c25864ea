/** Two installations of one product on this machine that keep a folder equal; what the workloads know of them. */

export interface Peer {
  readonly name: string
  /** A path in the synced folder. */
  path(...parts: readonly string[]): string
  /** A path beside it on the same file system, not synced. */
  beside(...parts: readonly string[]): string
  /** All processes of this installation. */
  pids(): readonly number[]
  /** Directories that hold nothing but what the product keeps beyond the user's files. */
  readonly stores: readonly string[]
}

export interface Pair<P extends Peer = Peer> {
  readonly name: string
  readonly version: string
  readonly a: P
  readonly b: P
  /** Names in the synced folder that are the product's own. */
  readonly ownNames: readonly string[]
  /** Told after each change: paths below the folder of `a`. Of use only to a product whose watcher cannot be tuned. */
  hint(paths: readonly string[]): void
  /** Resolves when both say that they are idle and have all of each other. */
  settled(timeoutMs: number): Promise<void>
  /** Resolves when the one says that it is idle. */
  idle(peer: P, timeoutMs: number): Promise<void>
  /** Stops one, in order. */
  stop(peer: P): Promise<void>
  /** Resolves as soon as its process is started; it may not answer so far. */
  start(peer: P): Promise<void>
  close(): Promise<void>
}

/** Makes a pair with an empty shared folder below the directory (short: sockets are made in it). */
export type OpenPair = (directory: string) => Promise<Pair>

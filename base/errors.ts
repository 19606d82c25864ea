/**
 * The one error type of an operation that failed for a reason the user can act on. A bug asserts; an expected outcome is a
 * returned union; one bad path is a `Problem` row. Codes are part of the interface: programs match on them.
 */

/** Every code a user or program can meet. Add here first; never reuse one for another meaning. */
export type ErrorCode =
  | 'USAGE'
  | 'NOT_RUNNING'
  | 'ALREADY_RUNNING'
  | 'TIMEOUT'
  | 'NOT_IN_SYNC'
  | 'NEEDS_DECISION'
  | 'FOLDER_UNKNOWN'
  | 'FOLDER_AMBIGUOUS'
  | 'FOLDER_OVERLAP'
  | 'FOLDER_HALTED'
  | 'FOLDER_OWNED'
  | 'PATH_MISSING'
  | 'PATH_NOT_DIRECTORY'
  | 'PATH_DENIED'
  | 'PATH_RESERVED'
  | 'DEVICE_UNKNOWN'
  | 'INVITE_INVALID'
  | 'INVITE_USED'
  | 'INVITE_EXPIRED'
  | 'GROUP_UNREACHABLE'
  | 'GROUP_NOT_ALONE'
  | 'REMOVED_FROM_GROUP'
  | 'CONFIG_UNKNOWN_KEY'
  | 'CONFIG_INVALID'
  | 'STORE_LOCKED'
  | 'STORE_DAMAGED'
  | 'SOCKET_PATH_TOO_LONG'
  | 'CONFLICT_UNKNOWN'
  | 'PATH_EXISTS'
  | 'VERSION_UNKNOWN'
  | 'VERSION_UNAVAILABLE'
  | 'NOTHING_HELD'
  | 'NOT_SUPPORTED'
  | 'NO_PEERS'
  | 'UNSAFE_TEST'
  | 'INTERNAL'

/** What was attempted, on what, and what to do, in one sentence. `code` is stable. */
export class P2psyncError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'P2psyncError'
    this.code = code
  }
}

/** It did not come to its end; `part` is what there was until then. */
export class PartialError<Part> extends Error {
  readonly part: Part

  constructor(message: string, part: Part) {
    super(message)
    this.name = 'PartialError'
    this.part = part
  }
}

/** For the `default` of a switch over a union: the compiler proves it is never reached. */
export function assertNever(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`)
}

/** Errors of file systems (NFS, quotas) that libuv has no name for, as Linux numbers them. Node calls them by their number, or UNKNOWN. */
const UNNAMED: ReadonlyMap<unknown, string> = new Map([
  [-116, 'ESTALE'],
  [-122, 'EDQUOT']
])

/** The `code` of a Node system error (`ENOENT`, …), or null for anything else. */
export function errnoOf(error: unknown): string | null {
  if (typeof error !== 'object' || error === null || !('code' in error)) return null
  if (typeof error.code !== 'string') return null
  return ('errno' in error ? UNNAMED.get(error.errno) : undefined) ?? error.code
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

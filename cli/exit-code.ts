/** The exit codes of INTERFACE.md, from error codes and outcomes. */
import type { ErrorCode } from '../base/errors.ts'
import type { SyncOutcome } from '../rpc/schema.ts'

export const EXIT = { done: 0, failed: 1, usage: 2, notRunning: 3, notInSync: 4, decision: 5 } as const

const BY_ERROR: Readonly<Partial<Record<ErrorCode, number>>> = {
  USAGE: EXIT.usage,
  CONFIG_UNKNOWN_KEY: EXIT.usage,
  CONFIG_INVALID: EXIT.usage,
  NOT_RUNNING: EXIT.notRunning,
  NOT_IN_SYNC: EXIT.notInSync,
  NEEDS_DECISION: EXIT.decision,
  GROUP_NOT_ALONE: EXIT.decision,
  FOLDER_HALTED: EXIT.decision,
}

export function exitCodeOf(code: ErrorCode): number {
  return BY_ERROR[code] ?? EXIT.failed
}

/** R38, R39. */
export const EXIT_OF_OUTCOME: Readonly<Record<SyncOutcome, number>> = {
  'in-sync': EXIT.done,
  blocked: EXIT.failed,
  timeout: EXIT.notInSync,
  'no-peers': EXIT.notInSync,
  halted: EXIT.decision,
  decision: EXIT.decision,
}

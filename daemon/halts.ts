/** Why all folders of a device halt at once, and what the user can do. */
import { messageOf } from '../base/errors.ts'
import type { FolderStatus } from './folder/standing.ts'

/** A clone of which nothing was seen for so long is gone; its connections come back within minutes. */
export const CLONE_QUIET_MS = 10 * 60_000
/** What makes a folder rotate comes from other devices: at most one in this time. */
export const ROTATE_AGAIN_MS = 30_000
/** A farewell leaves within this. */
export const LEAVE_MS = 500

type Reason = NonNullable<FolderStatus['reason']>

export const REMOVED: Reason = {
  code: 'removed',
  message: 'this device was removed from its group, and nothing is synced; files stay. To come back, make a code on another device (p2psync invite) and run p2psync join CODE here'
}

export const CLONED: Reason = {
  code: 'cloned',
  message: 'another machine runs with the same device key (a copied home directory or disk image); nothing is synced on both. On one of them run p2psync join --leave CODE with a code of a third device, then restart the other (p2psync restart)'
}

/** What RocksDB says stands in its error's cause. */
export function storeFailed(path: string, error: unknown): Reason {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  const text = messageOf(cause)
  const full = /No space left|ENOSPC|EDQUOT|quota/i.test(text)
  return {
    code: 'store-failed',
    message: `cannot write the store ${path} (${text}), and nothing is synced: ${full ? 'free space on its disk' : 'check its disk'}; it goes on by itself once the disk takes writes again`
  }
}

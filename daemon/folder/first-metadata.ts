/** R12: before the very first publication what reachable drives say is read, so that equal files are recognised. */
import type { FolderContext } from './context.ts'
import type { Notices } from './notices.ts'
import { isAwaited, pullAll } from './pull.ts'

/** How long a first scan waits for the metadata of drives that can be reached; without a connection, the shorter one. */
const FIRST_METADATA_MS = 15_000
const FIRST_CONNECTION_MS = 3_000

/** Resolves when all that reachable devices state is in the index, or they take too long. */
export async function awaitMetadata(context: FolderContext, notices: Notices, stopped: () => boolean): Promise<void> {
  const { clock, remotes, peers } = context.ports
  let waited = 0
  while (!stopped()) {
    await pullAll(context, context.signal)
    const drives = remotes.list()
    const awaited = drives.filter((drive) => isAwaited(context, drive, peers))
    if (drives.length > 0 && awaited.length === 0) break
    const reachable = awaited.some((drive) => drive.length > 0 || peers.connected().some((peer) => peer.device === drive.device))
    const limit = reachable ? FIRST_METADATA_MS : FIRST_CONNECTION_MS
    const left = limit - waited
    if (left <= 0) break
    const before = clock.now()
    await notices.nextWithin(left)
    // The clock may have been set meanwhile.
    waited += Math.min(left, Math.max(0, clock.now() - before))
  }
}

/**
 * What other devices foretell (foretelling.ts): their contents are brought into staging on their mere word, and wait there for a
 * statement to need them. A word that nothing follows is forgotten, with what it brought.
 */
import { FRESH_CHUNKS, MAX_FORETOLD } from '../../base/limits.ts'
import type { FolderPeer, FreshFile, RemoteBatch, RemoteDrive } from '../ports.ts'
import { contentList } from '../sync/content.ts'
import type { ContentId, DeviceId } from '../sync/ids.ts'
import type { FolderContext } from './context.ts'

/** Of one device: what it named before, and what it has just stated. */
const MAX_UNNAMED = MAX_FORETOLD + FRESH_CHUNKS

/** Statements that are about to be written down: those whose bytes were sent ahead of them are staged meanwhile, and are on the disk by then. */
export function stageFresh({ recent, fetcher, rules }: FolderContext, device: DeviceId, changes: RemoteBatch['changes']): void {
  if (changes.length > FRESH_CHUNKS) return
  for (const { path, entry } of changes) {
    if (entry?.kind !== 'file' || entry.chunk === undefined || recent.get(entry.chunk)?.length !== entry.size) continue
    if (!rules.ignored(path, false)) fetcher.foretell({ cid: entry.cid, size: entry.size, chunk: entry.chunk, likely: { mode: entry.mode, mtime: entry.mtime } }, device)
  }
}

/**
 * What a device is about to state is staged with all that its files are to have, and brought to the disk, so that nothing but the names is
 * missing when the statements are here. A device that is ahead without end is not listened to.
 */
export function takeAhead({ recent, fetcher }: FolderContext, device: DeviceId, files: readonly FreshFile[]): void {
  let waiting = [...fetcher.foretold.values()].filter((teller) => teller === device).length
  for (const { bytes, mode, mtime } of files) {
    if (bytes.length === 0 || waiting++ >= MAX_UNNAMED) continue
    // Parts of a message, which must not be kept as a whole.
    const chunk = recent.take(Buffer.from(bytes))
    fetcher.foretell({ cid: contentList(0, [{ id: chunk, length: bytes.length }]).cid, size: bytes.length, chunk, likely: { mode, mtime } }, device)
  }
}

/**
 * A device reported. Only marks what the fetcher is to bring: what a device names, and as much again that it named before.
 * @returns whether a cycle has something to tidy away.
 */
export function hearForetold(context: FolderContext): boolean {
  const { ports, fetcher, foretoldBytes } = context
  let forgot = false
  for (const { device, report } of ports.peers.connected()) {
    const contents = report?.foretold ?? []
    for (const content of contents) if (content.size >= foretoldBytes) fetcher.foretell(content, device)
    const old = [...fetcher.foretold].filter(([cid, teller]) => teller === device && !contents.some((content) => content.cid === cid))
    for (const [cid] of old.slice(0, Math.max(0, old.length - MAX_UNNAMED))) {
      fetcher.forgetForetold(cid)
      forgot = true
    }
  }
  return forgot || overdue(context).length > 0
}

/** Contents that nobody foretells any more, although all that was stated since is read. */
function overdue(context: FolderContext): readonly ContentId[] {
  const { foretold } = context.fetcher
  if (foretold.size === 0) return []
  const peers = context.ports.peers.connected()
  const named = new Set(peers.flatMap(({ report }) => (report?.foretold ?? []).map(({ cid }) => cid)))
  return [...foretold].filter(([cid, device]) => !named.has(cid) && !isAwaited(context, peers, device)).map(([cid]) => cid)
}

/** When a cycle has done all that it was to do. */
export function forgetOverdue(context: FolderContext): void {
  for (const cid of overdue(context)) context.fetcher.forgetForetold(cid)
}

/** What it has stated is not here yet, or it is about to state something. */
function isAwaited({ ports }: FolderContext, peers: readonly FolderPeer[], device: DeviceId): boolean {
  const report = peers.find((peer) => peer.device === device)?.report ?? null
  const drive: RemoteDrive | undefined = ports.remotes.list().find(({ key }) => key === report?.drive)
  return report !== null && drive !== undefined && (report.dirty || (ports.index.remoteCheckpoint(drive.key)?.length ?? 0) < report.length)
}

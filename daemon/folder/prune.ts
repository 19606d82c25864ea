/**
 * What drives that do not count any more have stated is forgotten: those of devices that left the group or the folder (R20), and of a
 * generation whose successor is complete (R14, R15): its device says that its new drive states all it holds, and that is read to its end.
 */
import type { RemoteDrive } from '../ports.ts'
import type { DeviceId, DriveKey } from '../sync/ids.ts'
import { compareVersions } from '../sync/version.ts'
import { newestPerDevice, type FolderContext } from './context.ts'
import { compareWithDevice } from './divergence.ts'

/** True if there may be something to forget. Cheap. */
export function isPrunable(context: FolderContext): boolean {
  const { index, remotes } = context.ports
  const open = remotes.list()
  return index.remoteDrives().some(({ drive }) => !open.some(({ key }) => key === drive)) || open.some((drive) => isSuperseded(context, drive, open))
}

/** Of those that left. */
export async function pruneGone(context: FolderContext): Promise<void> {
  const { index, remotes } = context.ports
  const open = remotes.list()
  for (const { drive, device } of index.remoteDrives().filter((known) => !open.some(({ key }) => key === known.drive))) await retire(context, drive, device)
}

/** Of which a successor says all: nothing waits for that. */
export async function pruneSuperseded(context: FolderContext): Promise<void> {
  const open = context.ports.remotes.list()
  for (const { key, device } of open.filter((drive) => isSuperseded(context, drive, open))) await retire(context, key, device)
}

async function retire(context: FolderContext, drive: DriveKey, device: DeviceId): Promise<void> {
  await forget(context, drive, device)
  context.ports.remotes.retire(drive, device)
}

function isSuperseded(context: FolderContext, drive: RemoteDrive, open: readonly RemoteDrive[]): boolean {
  const next = open.find((other) => other.device === drive.device && other.generation > drive.generation)
  if (next === undefined) return false
  const report = context.ports.peers.connected().find((peer) => peer.device === drive.device)?.report ?? null
  if (report === null || report.dirty || report.drive !== next.key || report.state === 'halted') return false
  return (context.ports.index.remoteCheckpoint(next.key)?.length ?? 0) >= report.length
}

async function forget(context: FolderContext, drive: DriveKey, device: DeviceId): Promise<void> {
  const { index, remotes, log } = context.ports
  const isHere = remotes.list().some((other) => other.device === device)
  let forgotten = 0
  for await (const statements of index.allRemote(drive)) {
    const paths = statements.map(({ path }) => path)
    const [rows, remoteRows] = await Promise.all([index.rows(paths), index.remoteRows(paths)])
    const batch = index.batch()
    for (const [i, { path, entry }] of statements.entries()) {
      const own = rows[i] ?? null
      batch.delRemote(path, drive)
      const others = (remoteRows[i] ?? []).filter((row) => row.device === device && row.drive !== drive)
      if (isHere) compareWithDevice(context, batch, device, path, own, newestPerDevice(others)[0]?.entry ?? null)
      else {
        context.tally.forget(device, path)
        batch.setDivergent(device, path, false)
      }
      // Only what was not taken over yet can come out otherwise now.
      if (own === null || ['dominates', 'concurrent'].includes(compareVersions(entry.vv, own.entry.vv))) context.work.markDirty([path])
    }
    await batch.flush()
    forgotten += statements.length
  }
  const batch = index.batch()
  batch.dropRemote(drive)
  await batch.flush()
  log.info({ device: device.slice(0, 8), statements: forgotten }, 'a drive that does not count any more is forgotten')
}

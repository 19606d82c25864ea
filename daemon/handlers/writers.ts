/** Whose change something was. */
import type { App } from '../app.ts'
import type { FolderHost } from '../host.ts'
import { copyWriter } from '../sync/conflict.ts'
import type { WriterId } from '../sync/ids.ts'

/** Null if the writer is not known any more. */
export function deviceOf(daemon: App, host: FolderHost, writer: WriterId): { id: string; name: string } | null {
  const drives = daemon.group.folders().find((folder) => folder.id === host.id)?.drives ?? []
  const drive = drives.find((candidate) => candidate.writer === writer || copyWriter(candidate.writer) === writer)
  return drive === undefined ? null : { id: drive.device, name: daemon.nameOf(drive.device) }
}
